//! `GET /v1/keys/{key}/uses` (AW-045).

use axum::{Json, extract::State};
use keystead_app::keys::uses;
use serde::Serialize;
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    api::Api,
    caller::Caller,
    extract::Named,
    problem::Refusal,
    wire::{time::rfc3339, user_of_key::UserOfKey},
};

/// What was heard of who used a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uses {
    /// Id of the key.
    key: String,
    /// Its name.
    name: String,
    /// Since when its keystore's queue is listened to; null: no queue is, and nothing is heard.
    #[schema(required, format = DateTime)]
    listening_since: Option<String>,
    /// When the queue was last heard.
    #[schema(required, format = DateTime)]
    heard_at: Option<String>,
    /// Who used it, or tried to, the last first; 200 at most.
    users: Vec<UserOfKey>,
}

/// Show who used a key
///
/// Who used the key, or tried to and was refused, by which operation, first and last, and from where: as the queue of the keystore's events told it. A queue tells of uses only where its rule
/// hands on read-only events, too; what happened before that, and what nobody told, is not known. What was not heard of for 90 days is forgotten. Keystead's own trials are left out.
#[utoipa::path(get, path = "/v1/keys/{key}/uses", tag = "keys", params(WhichKey),
    responses((status = 200, description = "Who used it.", body = Uses)))]
pub(crate) async fn key_uses(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<Uses>, Refusal> {
    let uses::Uses { key, queue, users } = api.app.uses(&caller, &key).await?;
    let (listening_since, heard_at) = queue.map_or((None, None), |queue| (Some(rfc3339(queue.set_at)), queue.heard_at.map(rfc3339)));
    let users = users.into_iter().map(UserOfKey::of).collect();
    Ok(Json(Uses { key: key.id.to_string(), name: key.name, listening_since, heard_at, users }))
}
