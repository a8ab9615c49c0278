//! `POST /v1/keys/{key}/copies` (FT-015, FT-027 to FT-036, CM-047).

use axum::extract::State;
use keystead_app::keys::copy::NewCopies;
use keystead_domain::{Aliases, Invalid, Name, Timestamp, key::expiry::ExpiryPolicy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    answer::{AnsweredMany, ManyAnswer, answer_many},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named},
    problem::Refusal,
    wire::{tags::GivenTags, time::when},
};

/// Copies as they are asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "to": ["frankfurt", "virginia"], "aliases": ["orders"], "expires": "90d", "expiry_policy": "extend" }))]
pub(crate) struct CopyKey {
    /// The keystores, by id or name; each gets one copy.
    #[schema(min_items = 1, max_items = 100)]
    to: Vec<String>,
    /// The copy's name, where there is one keystore. Left out, the first free one of `NAME_copy1`, `NAME_copy2`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The aliases that shall point at each copy, in its own keystore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    aliases: Vec<String>,
    /// At most 8192 characters; left out, the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// At most 40; left out, the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    tags: Option<GivenTags>,
    /// When the material in the clouds shall expire: a span such as `90d`, or a time. Left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// What happens before: `alert` (also when it is left out) or `extend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiry_policy: Option<String>,
}

impl Input for CopyKey {}

impl CopyKey {
    fn read(self, now: Timestamp) -> Result<NewCopies, Invalid> {
        Ok(NewCopies {
            to: self.to,
            name: self.name.as_deref().map(Name::parse).transpose()?,
            aliases: Aliases::parse(self.aliases)?,
            description: self.description,
            tags: self.tags.map(GivenTags::read).transpose()?,
            expires: self.expires.as_deref().map(|text| when("expires", text, now)).transpose()?,
            expiry_policy: self.expiry_policy.as_deref().map(ExpiryPolicy::parse).transpose()?,
        })
    }
}

/// Copy a key into other keystores
///
/// From ACTIVE. Each keystore gets one key with the same material, linked to its source; a copy of a copy is linked to the source itself. Every keystore is checked
/// before anything begins, and either every copy begins, or none. Each is an operation of its own.
#[utoipa::path(post, path = "/v1/keys/{key}/copies", tag = "keys", params(WhichKey, ChangeHeaders), request_body = CopyKey, responses(ManyAnswer))]
pub(crate) async fn copy_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<CopyKey>) -> Result<AnsweredMany, Refusal> {
    let (request, wait) = (change.request(&caller), change.wait);
    let new = change.body.read(api.app.engine().now())?;
    let started = api.app.copy_key(&caller, &request, &key, new).await?;
    answer_many(&api, &caller, started, wait).await
}
