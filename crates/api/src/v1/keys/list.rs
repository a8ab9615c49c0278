//! `GET /v1/keys`.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use keystead_domain::KeyState;
use keystead_identity::Principal;
use keystead_store::keys::{KeyFilter, KeyRow};
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
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List keys
///
/// In the order they were made, predecessors and deleted ones included.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(ListKeys), responses((status = 200, description = "A page of keys.", body = Listing<Key>)))]
pub(crate) async fn list_keys(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListKeys>) -> Result<Json<Listing<Key>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let state = asked.state.as_deref().map(KeyState::parse).transpose()?;
    let filter = KeyFilter { keystore: None, state, name: asked.name };
    let listed = api.app.list_keys(&caller, asked.keystore.as_deref(), filter, page).await?;
    let regions = regions(&api, &caller, &listed.rows).await?;
    let region = |row: &KeyRow| regions.get(row.keystore_id.as_str()).cloned().unwrap_or_default();
    Ok(Json(Listing::of(listed, |row| {
        let region = region(&row);
        Key::of(row, region)
    })))
}

/// The Region of each keystore that occurs.
async fn regions(api: &Api, caller: &Principal, keys: &[KeyRow]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut regions = BTreeMap::new();
    for key in keys {
        if !regions.contains_key(key.keystore_id.as_str()) {
            let keystore = api.app.keystore(caller, key.keystore_id.as_str()).await?;
            regions.insert(key.keystore_id.to_string(), keystore.location.region);
        }
    }
    Ok(regions)
}
