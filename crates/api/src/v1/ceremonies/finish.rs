//! `POST /v1/ceremonies/{ceremony}/finish` (FX-015).

use axum::{Json, extract::State};

use super::{WhichCeremony, answer};
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Named, Nothing},
    problem::Refusal,
    wire::ceremony::Ceremony,
};

/// Finish a ceremony
///
/// Makes the key of components that are all there. It is needed only where the operation that the last component began was taken back, for example because the cloud refused
/// it: the components wait again then.
#[utoipa::path(post, path = "/v1/ceremonies/{ceremony}/finish", tag = "ceremonies", params(WhichCeremony, ChangeHeaders),
    responses((status = 200, description = "Its key is being made.", body = Ceremony)))]
pub(crate) async fn finish_ceremony(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    change: Change<Nothing>,
) -> Result<Json<Ceremony>, Refusal> {
    let entered = api.app.finish_ceremony(&caller, &change.request(&caller), &id).await?;
    answer(&api, &caller, entered, change.wait).await
}
