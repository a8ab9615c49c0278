//! `DELETE /v1/rotation-policies/{target}`.

use axum::{Json, extract::State};
use keystead_app::keys::rotation::Target;

use super::WhichPolicy;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Named, Nothing},
    problem::Refusal,
    wire::rotation::Rotation,
};

/// Clear a rotation policy
///
/// From then on the next nearest counts: the keystore's, or the default. The answer shows it. To switch rotation off, set `none`. Asked again it changes nothing.
#[utoipa::path(delete, path = "/v1/rotation-policies/{target}", tag = "rotation", params(WhichPolicy),
    responses((status = 200, description = "How it is rotated now.", body = Rotation)))]
pub(crate) async fn clear_rotation_policy(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(target): Named,
    _: Body<Nothing>,
) -> Result<Json<Rotation>, Refusal> {
    let rotation = api.app.clear_rotation(&caller, &Target::parse(&target)?).await?;
    Ok(Json(Rotation::of(rotation)))
}
