//! `POST /v1/operations/{operation}/wake`.

use axum::{Json, extract::State};

use super::WhichOperation;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Named, Nothing},
    problem::Refusal,
    wire::operation::Operation,
};

/// Wake a waiting operation
///
/// What it waited for has been mended: it tries again now instead of later. On an operation that runs or has ended nothing has to be done.
#[utoipa::path(post, path = "/v1/operations/{operation}/wake", tag = "operations", params(WhichOperation),
    responses((status = 200, description = "The operation as it was.", body = Operation)))]
pub(crate) async fn wake_operation(State(api): State<Api>, Caller(caller): Caller, Named(id): Named, _: Body<Nothing>) -> Result<Json<Operation>, Refusal> {
    let row = api.app.wake_operation(&caller, &id).await?;
    Ok(Json(Operation::of(row)))
}
