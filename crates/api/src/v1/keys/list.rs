//! `GET /v1/keys`.

use axum::{Json, extract::State};
use keystead_domain::{Custody, KeyState, health::Health};
use keystead_store::keys::KeyFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{key::Key, listing::Listing},
};

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListKeys {
    /// Only this keystore's, by id or name.
    keystore: Option<String>,
    /// Only these.
    #[param(example = "ACTIVE")]
    state: Option<String>,
    /// Only those of this name, predecessors included.
    name: Option<String>,
    /// Only those whose material is kept so: own, linked or native.
    #[param(example = "native")]
    custody: Option<String>,
    /// Only those whose health is this: failing, degraded, unknown or ok.
    #[param(example = "failing")]
    health: Option<String>,
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List keys
///
/// In the order they were made, predecessors and deleted ones included; those that were forgotten are not. Each but the deleted ones with its health.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(ListKeys), responses((status = 200, description = "A page of keys.", body = Listing<Key>)))]
pub(crate) async fn list_keys(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListKeys>) -> Result<Json<Listing<Key>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let state = asked.state.as_deref().map(KeyState::parse).transpose()?;
    let health = asked.health.as_deref().map(Health::parse).transpose()?.map(|health| (health, api.app.engine().now()));
    let filter = KeyFilter { keystore: None, state, name: asked.name, custody: asked.custody.as_deref().map(Custody::parse).transpose()?, health };
    let listed = api.app.list_keys(&caller, asked.keystore.as_deref(), filter, page).await?;
    Ok(Json(Listing::of(listed, Key::with_health)))
}
