//! `GET /v1/rotation-policies/{target}`.

use axum::{Json, extract::State};
use keystead_app::keys::rotation::Target;
use keystead_domain::rotation::Strategy;
use serde::Deserialize;
use utoipa::IntoParams;

use super::WhichPolicy;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, query::Query, wire::rotation::Rotation};

/// How it would be rotated.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HowRotated {
    /// `new-key` or `in-place`: the warnings are those of a rotation done like this; left out, of one as the policy says.
    strategy: Option<String>,
}

/// Show how keys are rotated
///
/// The policy that counts for a key, a keystore's keys or all others; for a key in use also when it is rotated next, and what that will not do for its users.
#[utoipa::path(get, path = "/v1/rotation-policies/{target}", tag = "rotation", params(WhichPolicy, HowRotated),
    responses((status = 200, description = "How it is rotated.", body = Rotation)))]
pub(crate) async fn show_rotation_policy(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(target): Named,
    Query(asked): Query<HowRotated>,
) -> Result<Json<Rotation>, Refusal> {
    let strategy = asked.strategy.as_deref().map(Strategy::parse).transpose()?;
    let rotation = api.app.show_rotation(&caller, &Target::parse(&target)?, strategy).await?;
    Ok(Json(Rotation::of(rotation)))
}
