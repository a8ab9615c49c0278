//! `GET /v1/keys/{key}/family` (FT-049, FT-054, FT-060).

use axum::{Json, extract::State};
use keystead_app::keys::family::Family;
use serde::Serialize;
use utoipa::ToSchema;

use super::WhichKey;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::key::Key};

/// The Regions of a key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "primary": crate::wire::key::example(), "replicas": [] }))]
pub(crate) struct KeyFamily {
    /// The primary; of a single-Region key the key itself.
    primary: Key,
    /// The replicas that are not DELETED, in the order in which they were made.
    replicas: Vec<Key>,
}

impl KeyFamily {
    fn of(family: Family) -> Self {
        Self { primary: Key::of(family.primary), replicas: family.replicas.into_iter().map(Key::of).collect() }
    }
}

/// Show a key's family of Regions
///
/// Asked of any of its members. All share id and material in the cloud; each has its ARN, its state and its alias in its own Region.
#[utoipa::path(get, path = "/v1/keys/{key}/family", tag = "keys", params(WhichKey), responses((status = 200, description = "The family.", body = KeyFamily)))]
pub(crate) async fn key_family(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<KeyFamily>, Refusal> {
    Ok(Json(KeyFamily::of(api.app.family(&caller, &key).await?)))
}
