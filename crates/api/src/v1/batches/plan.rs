//! `POST /v1/batches/plan`.

use axum::{Json, extract::State};

use super::order::BatchOrder;
use crate::{api::Api, caller::Caller, extract::Body, problem::Refusal, wire::plan::Plan};

/// Say what an action on many keys would come to
///
/// A dry run: nothing is changed, and no cloud is called. What would become of which key, by the rules that the action itself goes by; how long it takes under the quotas; and
/// what the clouds would charge for keys. Others' use of the same quotas is not in it.
#[utoipa::path(post, path = "/v1/batches/plan", tag = "batches", request_body = BatchOrder,
    responses((status = 200, description = "What it would come to.", body = Plan)))]
pub(crate) async fn plan_batch(State(api): State<Api>, Caller(caller): Caller, Body(order): Body<BatchOrder>) -> Result<Json<Plan>, Refusal> {
    let new = order.read(api.app.engine().now())?;
    Ok(Json(Plan::of(api.app.plan_batch(&caller, &new.action, &new.selector).await?)))
}
