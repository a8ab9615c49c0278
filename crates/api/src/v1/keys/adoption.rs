//! `GET /v1/keys/{key}/adoption` (AW-045).

use axum::{Json, extract::State};
use keystead_app::keys::adoption;
use serde::Serialize;
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    api::Api,
    caller::Caller,
    extract::Named,
    problem::Refusal,
    wire::{time::rfc3339, usage::LastUse, user_of_key::UserOfKey},
};

/// How far a renewal is adopted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Adoption {
    /// Id of the key.
    key: String,
    /// Its name.
    name: String,
    /// When it was last used itself.
    last_use: LastUse,
    /// Those before it that are not deleted, the newest first.
    predecessors: Vec<Predecessor>,
}

/// A key that was renewed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Predecessor {
    /// Id.
    key: String,
    /// Its state.
    state: &'static str,
    /// When its successor took over.
    #[schema(format = DateTime)]
    renewed_at: String,
    /// When its rotation's grace ends and it is deactivated; null: it is not by itself.
    #[schema(required, format = DateTime)]
    retires_at: Option<String>,
    /// When it was last used.
    last_use: LastUse,
    /// Whether it was used behind the renewal; null where nobody can tell. False does not say that it is not needed.
    #[schema(required)]
    is_still_used: Option<bool>,
    /// Who used it behind the renewal, or tried to, the last first: what the keystore's queue told, as in `uses`.
    users: Vec<UserOfKey>,
}

impl Predecessor {
    fn of(known: adoption::Predecessor) -> Self {
        let is_still_used = known.is_still_used();
        let adoption::Predecessor { key, renewed_at, last_use, users } = known;
        Self {
            key: key.id.to_string(),
            state: key.state.as_str(),
            renewed_at: rfc3339(renewed_at),
            retires_at: key.rotation.retires.map(rfc3339),
            last_use: LastUse::of(last_use),
            is_still_used,
            users: users.into_iter().map(UserOfKey::of).collect(),
        }
    }
}

/// Show how far a renewal is adopted
///
/// Whether the predecessors of the key are still used: the cloud is asked when each was last used, and that is held against the time of the renewal. A predecessor is used as long as
/// what it encrypted is read, so that a use behind the renewal is no fault. Who used it is what the keystore's queue told. Of a replica its own Region's keys are told.
#[utoipa::path(get, path = "/v1/keys/{key}/adoption", tag = "keys", params(WhichKey),
    responses((status = 200, description = "Who is still used.", body = Adoption)))]
pub(crate) async fn adoption(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<Adoption>, Refusal> {
    let adoption::Adoption { key, last_use, predecessors } = api.app.adoption(&caller, &key).await?;
    let predecessors = predecessors.into_iter().map(Predecessor::of).collect();
    Ok(Json(Adoption { key: key.id.to_string(), name: key.name, last_use: LastUse::of(last_use), predecessors }))
}
