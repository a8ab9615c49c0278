//! `GET /v1/rotation-policies`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{listing::Listing, rotation::RotationPolicy},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRotationPolicies {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List rotation policies
///
/// Of keys and keystores that are not deleted, and the default.
#[utoipa::path(get, path = "/v1/rotation-policies", tag = "rotation", params(ListRotationPolicies),
    responses((status = 200, description = "A page of policies.", body = Listing<RotationPolicy>)))]
pub(crate) async fn list_rotation_policies(
    State(api): State<Api>,
    Caller(caller): Caller,
    Query(asked): Query<ListRotationPolicies>,
) -> Result<Json<Listing<RotationPolicy>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let listed = api.app.list_rotations(&caller, page).await?;
    Ok(Json(Listing::of(listed, RotationPolicy::of)))
}
