//! `GET /v1/keystores`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::shown;
use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{keystore::Keystore, listing::Listing},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListKeystores {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List keystores
///
/// In the order they were made, deleted ones included; each of the others with its health.
#[utoipa::path(get, path = "/v1/keystores", tag = "keystores", params(ListKeystores),
    responses((status = 200, description = "A page of keystores.", body = Listing<Keystore>)))]
pub(crate) async fn list_keystores(
    State(api): State<Api>,
    Caller(caller): Caller,
    Query(asked): Query<ListKeystores>,
) -> Result<Json<Listing<Keystore>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let listed = api.app.list_keystores(&caller, page).await?;
    Ok(Json(Listing::of(listed, |row| shown(&api, row))))
}
