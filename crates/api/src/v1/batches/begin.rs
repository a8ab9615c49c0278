//! `POST /v1/batches`.

use axum::extract::State;

use super::order::BatchOrder;
use crate::{
    answer::Made,
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    problem::Refusal,
    wire::batch::Batch,
};

/// Begin an action on many keys
///
/// Which keys, is fixed now. Each gets the operation that it would get alone, with the same checks, by and by: as many at a time as the quotas of its keystore carry. One that
/// is refused or fails holds up no other. The same request again with the same `Idempotency-Key` answers the same batch.
#[utoipa::path(post, path = "/v1/batches", tag = "batches", params(IdempotencyHeader), request_body = BatchOrder,
    responses((status = 201, description = "It has begun.", body = Batch)))]
pub(crate) async fn begin_batch(State(api): State<Api>, Caller(caller): Caller, change: Change<BatchOrder>) -> Result<Made<Batch>, Refusal> {
    let request = change.request(&caller);
    let new = change.body.read(api.app.engine().now())?;
    let body = Batch::of(api.app.begin_batch(&caller, &request, new).await?)?;
    let at = Some(format!("/v1/batches/{}", body.id));
    Ok(Made { body, at })
}
