//! `POST /v1/ceremonies/{ceremony}/cancel` (FX-015).

use axum::{Json, extract::State};

use super::WhichCeremony;
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::{Named, Nothing},
    problem::Refusal,
    wire::ceremony::Ceremony,
};

/// Cancel a ceremony
///
/// What was entered is wiped. Any user may: there are no roles yet, and nothing is made by it.
#[utoipa::path(post, path = "/v1/ceremonies/{ceremony}/cancel", tag = "ceremonies", params(WhichCeremony, IdempotencyHeader),
    responses((status = 200, description = "It is over.", body = Ceremony)))]
pub(crate) async fn cancel_ceremony(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    change: Change<Nothing>,
) -> Result<Json<Ceremony>, Refusal> {
    Ok(Json(Ceremony::of(api.app.cancel_ceremony(&caller, &change.request(&caller), &id).await?)))
}
