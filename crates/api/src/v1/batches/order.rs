//! An action on many keys as it is asked for, by the plan and by the batch alike.

use keystead_app::batches::{BatchAction, NewBatch, TagsAndEnd};
use keystead_domain::{
    Custody, Invalid, KeySpec, KeyState, Selector, Tags, Timestamp, duration,
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
    selector::TagWish,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    extract::{Input, given},
    wire::{tags::GivenTags, time::when},
};

/// An action on many keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "action": "deactivate", "selector": { "tags": ["env=test"], "keystores": ["frankfurt"] }, "expect_keys": 12, "expect_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }))]
pub(crate) struct BatchOrder {
    /// `deactivate`, `activate`, `upload`, `renew`, `rotate`, `schedule-deletion`, `cancel-deletion` or `update`.
    action: String,
    /// Which keys.
    selector: GivenSelector,
    /// Of `schedule-deletion`: days until the cloud deletes them, 7 to 30; 30 when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 7, maximum = 30)]
    days: Option<u32>,
    /// Of `update`: what shall change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    update: Option<GivenUpdate>,
    /// How many keys the plan said. If the selector selects another number now, nothing begins. A plan does not look at it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expect_keys: Option<u64>,
    /// The plan's `digest`. If the selector selects other keys now, nothing begins. A plan does not look at it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expect_digest: Option<String>,
}

/// Which keys. Each field that says something must hold; of several values in one field one is enough, of tags all are needed. A DELETED key is selected by its state or
/// id only; so is a predecessor that the action would be refused of.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GivenSelector {
    /// Every key that the other fields leave. Needed where there is no other.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    /// Keys of these ids or names; a name means the current key that bears it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    /// Keys in these keystores, by id or name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keystores: Vec<String>,
    /// Keys with all of these tags: `name`, or `name=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// Keys in one of these states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    states: Vec<String>,
    /// Keys of one of these kinds, for example AES_256.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    specs: Vec<String>,
    /// Keys whose material is kept in one of these ways: own, linked or native.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    custodies: Vec<String>,
    /// Keys made longer ago than this span, for example 90d.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    older_than: Option<String>,
    /// Keys made within this span.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    newer_than: Option<String>,
    /// Keys with this in name, description or an alias, whatever its case.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
    /// Keys in use whose material the cloud does not have any more, as last seen: those that a restore uploads.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    without_material: bool,
    /// Keys with one of these tags come first, in this order: `name`, or `name=value`. It selects nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first: Vec<String>,
}

/// What shall change of many keys; what is left out stays as it is.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GivenUpdate {
    /// Tags that they shall have as well.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    set_tags: GivenTags,
    /// Names of tags that they shall not have any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove_tags: Vec<String>,
    /// When their material shall expire: a span such as `90d`, or a time; null: never.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    expires: Option<Option<String>>,
    /// What happens before: `alert`, `extend` or `renew`.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expiry_policy: Option<String>,
}

impl Input for BatchOrder {}

impl BatchOrder {
    /// Checks all that can be checked without a look at the keys.
    ///
    /// # Errors
    /// [`Invalid`] naming the field.
    pub fn read(self, now: Timestamp) -> Result<NewBatch, Invalid> {
        let action = action(&self.action, self.days, self.update, now)?;
        Ok(NewBatch { action, selector: self.selector.read(now)?, expect_keys: self.expect_keys, expect_digest: self.expect_digest })
    }
}

fn action(word: &str, days: Option<u32>, update: Option<GivenUpdate>, now: Timestamp) -> Result<BatchAction, Invalid> {
    if days.is_some() && word != "schedule-deletion" {
        return Err(Invalid::new("days", "is given, and the action is not schedule-deletion", "Leave it out."));
    }
    if update.is_some() && word != "update" {
        return Err(Invalid::new("update", "is given, and the action is not update", "Leave it out."));
    }
    Ok(match word {
        "deactivate" => BatchAction::Deactivate,
        "activate" => BatchAction::Activate,
        "upload" => BatchAction::Upload,
        "renew" => BatchAction::Renew,
        "rotate" => BatchAction::Rotate,
        "schedule-deletion" => BatchAction::ScheduleDeletion(days.map_or(Ok(WaitingDays::LONGEST), |days| WaitingDays::parse(i64::from(days)))?),
        "cancel-deletion" => BatchAction::CancelDeletion,
        "update" => BatchAction::Update(update.unwrap_or_default().read(now)?),
        _ => {
            let mend = "Give deactivate, activate, upload, renew, rotate, schedule-deletion, cancel-deletion or update.";
            return Err(Invalid::new("action", "is none that can be done to many keys", mend));
        }
    })
}

impl GivenSelector {
    fn read(self, now: Timestamp) -> Result<Selector, Invalid> {
        let ago = |field: &str, text: Option<String>| text.map(|text| duration::parse(field, &text).map(|span| now.plus_micros(-span))).transpose();
        Ok(Selector {
            all: self.all,
            keys: self.keys,
            keystores: self.keystores,
            tags: each("selector.tags", &self.tags, TagWish::parse)?,
            states: each("selector.states", &self.states, KeyState::parse)?,
            specs: each("selector.specs", &self.specs, KeySpec::parse)?,
            custodies: each("selector.custodies", &self.custodies, Custody::parse)?,
            created_before: ago("selector.older_than", self.older_than)?,
            created_after: ago("selector.newer_than", self.newer_than)?,
            text: self.text,
            without_material: self.without_material,
            first: each("selector.first", &self.first, TagWish::parse)?,
        })
    }
}

impl GivenUpdate {
    fn read(self, now: Timestamp) -> Result<TagsAndEnd, Invalid> {
        let expires = self.expires.map(|expires| expires.as_deref().map(|text| when("update.expires", text, now)).transpose());
        let set_tags: Tags = self.set_tags.read()?;
        let expiry_policy = self.expiry_policy.as_deref().map(ExpiryPolicy::parse).transpose()?;
        Ok(TagsAndEnd { set_tags, remove_tags: self.remove_tags, expires: expires.transpose()?, expiry_policy })
    }
}

/// Reads each of a list; a refusal names the list.
fn each<T>(field: &str, texts: &[String], read: impl Fn(&str) -> Result<T, Invalid>) -> Result<Vec<T>, Invalid> {
    texts.iter().map(|text| read(text).map_err(|invalid| Invalid { field: field.to_owned(), ..invalid })).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn read(body: serde_json::Value) -> Result<NewBatch, Invalid> {
        serde_json::from_value::<BatchOrder>(body).expect("an order").read(NOW)
    }

    #[test]
    fn an_order_is_read_and_a_refusal_names_the_field() {
        let selector = json!({ "tags": ["env=test", "team"], "older_than": "90d", "states": ["ACTIVE"] });
        let new = read(json!({ "action": "schedule-deletion", "days": 7, "selector": selector })).expect("is read");
        assert_eq!(new.action, BatchAction::ScheduleDeletion(WaitingDays::SHORTEST));
        assert_eq!((new.selector.created_before, new.selector.tags.len(), new.selector.all), (Some(NOW.plus_days(-90)), 2, false));
        let all = json!({ "all": true });
        for (body, field) in [
            (json!({ "action": "explode", "selector": all }), "action"),
            (json!({ "action": "renew", "days": 7, "selector": all }), "days"),
            (json!({ "action": "renew", "update": {}, "selector": all }), "update"),
            (json!({ "action": "renew", "selector": { "states": ["GONE"] } }), "selector.states"),
            (json!({ "action": "renew", "selector": { "older_than": "soon" } }), "selector.older_than"),
            (json!({ "action": "update", "update": { "expires": "soon" }, "selector": all }), "update.expires"),
        ] {
            assert_eq!(read(body.clone()).expect_err("refused").field, field, "{body}");
        }
    }

    #[test]
    fn null_removes_an_expiry_and_absence_leaves_it() {
        let expires =
            |update: serde_json::Value| match read(json!({ "action": "update", "update": update, "selector": { "all": true } })).expect("is read").action {
                BatchAction::Update(change) => change.expires,
                other => panic!("{other:?}"),
            };
        assert_eq!(expires(json!({ "expires": null })), Some(None));
        assert_eq!(expires(json!({ "set_tags": { "a": "b" } })), None);
        assert_eq!(expires(json!({ "expires": "1d" })), Some(Some(NOW.plus_days(1))));
    }
}
