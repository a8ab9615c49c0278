//! `POST /v1/estate/plans`.

use axum::{Json, extract::State};
use keystead_app::Error;

use super::ESTATE_LEN_MAX;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input},
    problem::Refusal,
    wire::{estate::Estate, estate_plan::EstatePlan},
};

impl Input for Estate {
    const LEN_MAX: usize = ESTATE_LEN_MAX;
}

/// Say what would be done for an estate
///
/// The exact changes in order, what is dangerous about them, how long they take under the quotas, and what the clouds would charge. Nothing is changed. An estate with mistakes
/// is refused with all of them (`mistakes`), each with its path.
#[utoipa::path(post, path = "/v1/estate/plans", tag = "estate", request_body = Estate,
    responses((status = 200, description = "What would be done.", body = EstatePlan)))]
pub(crate) async fn plan_estate(State(api): State<Api>, Caller(caller): Caller, Body(estate): Body<Estate>) -> Result<Json<EstatePlan>, Refusal> {
    let wanted = estate.read().map_err(Error::Mistakes)?;
    Ok(Json(EstatePlan::of(api.app.plan_estate(&caller, &wanted).await?)))
}
