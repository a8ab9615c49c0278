//! `PATCH /v1/keys/{key}` (CM-067).

use axum::extract::State;
use keystead_app::keys::update::{AliasChange, KeyChange};
use keystead_domain::{Aliases, Invalid, Name, Timestamp, key::expiry::ExpiryPolicy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named, given},
    problem::Refusal,
    wire::{tags::GivenTags, time::when},
};

/// What shall change; what is left out stays as it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "description": "Orders at rest, since 2026", "expires": null, "tags": { "team": "pay" } }))]
pub(crate) struct UpdateKey {
    /// A new name, for the whole lineage.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    /// All aliases that it shall have: what is not here is removed.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    aliases: Option<Vec<String>>,
    /// Aliases that it shall have as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    add_aliases: Vec<String>,
    /// Aliases that it shall not have any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    remove_aliases: Vec<String>,
    /// Another description.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// All tags that it shall have: what is not here is removed.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, String>>)]
    tags: Option<GivenTags>,
    /// When its material shall expire: a span such as `90d`, or a time; null: never.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    expires: Option<Option<String>>,
    /// What happens before: `alert`, `extend` or `renew`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expiry_policy: Option<String>,
    /// `false`: its material never leaves the vault again. It cannot become true.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exportable: Option<bool>,
}

impl Input for UpdateKey {}

impl UpdateKey {
    fn read(self, now: Timestamp) -> Result<KeyChange, Invalid> {
        let expires = self.expires.map(|expires| expires.as_deref().map(|text| when("expires", text, now)).transpose());
        Ok(KeyChange {
            name: self.name.as_deref().map(Name::parse).transpose()?,
            aliases: AliasChange {
                all: self.aliases.map(Aliases::parse).transpose()?,
                add: aliases("add_aliases", self.add_aliases)?,
                remove: aliases("remove_aliases", self.remove_aliases)?,
            },
            description: self.description,
            tags: self.tags.map(GivenTags::read).transpose()?,
            expires: expires.transpose()?,
            expiry_policy: self.expiry_policy.as_deref().map(ExpiryPolicy::parse).transpose()?,
            exportable: self.exportable,
        })
    }
}

/// Aliases of a field that has another name.
fn aliases(field: &str, texts: Vec<String>) -> Result<Aliases, Invalid> {
    Aliases::parse(texts).map_err(|invalid| Invalid { field: field.to_owned(), ..invalid })
}

/// Change a key's properties
///
/// From ACTIVE and INACTIVE: name, aliases, description, tags, expiry, and that its material stays. Here and in the cloud, or in neither.
#[utoipa::path(patch, path = "/v1/keys/{key}", tag = "keys", params(WhichKey, ChangeHeaders), request_body = UpdateKey, responses(OperationAnswer))]
pub(crate) async fn update_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<UpdateKey>) -> Result<Answered, Refusal> {
    let (request, wait) = (change.request(&caller), change.wait);
    let wanted = change.body.read(api.app.engine().now())?;
    let started = api.app.update_key(&caller, &request, &key, wanted).await?;
    answer(&api, &caller, started, wait).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn read(body: serde_json::Value) -> KeyChange {
        let asked: UpdateKey = serde_json::from_value(body).expect("a request");
        asked.read(NOW).expect("a change")
    }

    #[test]
    fn null_removes_and_absence_leaves() {
        assert_eq!(read(json!({})), KeyChange::default());
        assert_eq!(read(json!({ "expires": null })).expires, Some(None));
        assert_eq!(read(json!({ "expires": "1d" })).expires, Some(Some(NOW.plus_days(1))));
    }

    #[test]
    fn what_is_listed_replaces_and_what_is_added_does_not_ft_039() {
        let aliases = |texts: &[&str]| Aliases::parse(texts).expect("are aliases");
        assert_eq!(read(json!({ "aliases": [] })).aliases.all, Some(aliases(&[])));
        let edited = read(json!({ "add_aliases": ["alias/bills"], "remove_aliases": ["orders"] })).aliases;
        assert_eq!(edited, AliasChange { all: None, add: aliases(&["bills"]), remove: aliases(&["orders"]) });
    }

    #[test]
    fn names_and_aliases_cannot_be_null() {
        for field in ["name", "aliases"] {
            assert!(serde_json::from_value::<UpdateKey>(json!({ field: null })).is_err(), "{field}");
        }
    }

    #[test]
    fn absence_and_null_are_remembered_apart() {
        let text = |body| json!(serde_json::from_value::<UpdateKey>(body).expect("a request")).to_string();
        assert_eq!(text(json!({})), "{}");
        assert_eq!(text(json!({ "expires": null })), r#"{"expires":null}"#);
    }
}
