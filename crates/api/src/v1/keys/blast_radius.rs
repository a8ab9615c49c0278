//! `GET /v1/keys/{key}/blast-radius` (AW-045).

use axum::{Json, extract::State};
use keystead_app::keys::blast::Affected;
use serde::Serialize;
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    api::Api,
    caller::Caller,
    extract::Named,
    problem::Refusal,
    wire::{time::rfc3339, usage::LastUse},
};

/// What depends on a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlastRadius {
    /// Every key that a kill takes out of use, the one that was named first.
    keys: Vec<AffectedKey>,
}

/// A key that goes out of use, and who depends on it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AffectedKey {
    /// Id.
    key: String,
    /// Its name.
    name: String,
    /// Name of its keystore.
    keystore: String,
    /// Its cloud's Region; empty in the vault.
    region: String,
    /// Its state.
    state: &'static str,
    /// itself, replica, copy, source or predecessor.
    relation: &'static str,
    /// Every alias that points at it, as far as it is known.
    aliases: Vec<String>,
    /// When a sync saw grants, policy and foreign aliases; null: no sync has, and nothing is known of them.
    #[schema(required, format = DateTime)]
    seen_at: Option<String>,
    /// How many grants there are; null where that is not known.
    #[schema(required)]
    grants: Option<u64>,
    /// Who has the first of them.
    grantees: Vec<String>,
    /// Whom the key's policy allows something; null where that is not known. Conditions and denials are not weighed.
    #[schema(required)]
    principals: Option<Vec<String>>,
    /// When it was last used, as its cloud answers now.
    #[schema(required)]
    last_use: Option<LastUse>,
}

impl AffectedKey {
    fn of(affected: Affected) -> Self {
        let Affected { key, relation, aliases, seen_at, grants, grantees, principals, last_use } = affected;
        Self {
            key: key.id.to_string(),
            name: key.name,
            keystore: key.keystore_name,
            region: key.region,
            state: key.state.as_str(),
            relation: relation.as_str(),
            aliases: aliases.into_iter().collect(),
            seen_at: seen_at.map(rfc3339),
            grants,
            grantees: grantees.into_iter().map(|grant| grant.grantee).collect(),
            principals: principals.map(|principals| principals.into_iter().collect()),
            last_use: last_use.map(LastUse::of),
        }
    }
}

/// Show what depends on a key
///
/// Every key that a kill of this one takes out of use, with its aliases, and with grants and the principals of its policy as the last sync saw them. The cloud is asked for
/// one thing, when each key was last used; where it cannot be asked, `untold` says why. What is not listed may depend on the key all the same: whoever uses it by its ARN
/// under an IAM policy is not seen here. A key that was not seen in use since a date may have been used before it, and may be needed tomorrow.
#[utoipa::path(get, path = "/v1/keys/{key}/blast-radius", tag = "keys", params(WhichKey),
    responses((status = 200, description = "What depends on it.", body = BlastRadius)))]
pub(crate) async fn blast_radius(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<BlastRadius>, Refusal> {
    let affected = api.app.blast_radius(&caller, &key).await?;
    Ok(Json(BlastRadius { keys: affected.into_iter().map(AffectedKey::of).collect() }))
}
