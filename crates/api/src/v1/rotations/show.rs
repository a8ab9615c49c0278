//! `GET /v1/rotation-policies/{target}`.

use axum::{Json, extract::State};
use keystead_app::keys::rotation::Target;

use super::WhichPolicy;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::rotation::Rotation};

/// Show how keys are rotated
///
/// The policy that counts for a key, a keystore's keys or all others; for a key in use also when it is rotated next, and what that will not do for its users.
#[utoipa::path(get, path = "/v1/rotation-policies/{target}", tag = "rotation", params(WhichPolicy),
    responses((status = 200, description = "How it is rotated.", body = Rotation)))]
pub(crate) async fn show_rotation_policy(State(api): State<Api>, Caller(caller): Caller, Named(target): Named) -> Result<Json<Rotation>, Refusal> {
    let rotation = api.app.show_rotation(&caller, &Target::parse(&target)?).await?;
    Ok(Json(Rotation::of(rotation)))
}
