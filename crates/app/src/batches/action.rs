//! What a batch does to each key, and how that is kept.

use std::collections::BTreeMap;

use keystead_domain::{
    Event, Invalid, Tags, Timestamp,
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
};
use keystead_operations::stored::StoredTime;
use keystead_store::keys::KeyRow;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    keys::{lifecycle::Ask, update::KeyChange},
};

/// An action on many keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchAction {
    /// CM-054.
    Deactivate,
    /// CM-055.
    Activate,
    /// CM-056, CM-037.
    Upload,
    /// CM-057.
    Renew,
    /// As each key's policy says.
    Rotate,
    /// CM-058.
    ScheduleDeletion(WaitingDays),
    /// CM-060.
    CancelDeletion,
    /// CM-067, of what many keys can have in common.
    Update(TagsAndEnd),
}

/// What can be changed of many keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagsAndEnd {
    /// Tags that they shall have as well.
    pub set_tags: Tags,
    /// Names of tags that they shall not have.
    pub remove_tags: Vec<String>,
    /// When their material expires; the inner `None` removes it.
    pub expires: Option<Option<Timestamp>>,
    /// What happens before.
    pub expiry_policy: Option<ExpiryPolicy>,
}

impl TagsAndEnd {
    /// Refuses a change of nothing, and one that contradicts itself.
    ///
    /// # Errors
    /// [`Invalid`] naming `update` or `update.remove_tags`.
    pub fn check(&self) -> Result<(), Invalid> {
        if *self == Self::default() {
            return Err(Invalid::new("update", "changes nothing", "Say what: set_tags, remove_tags, expires or expiry_policy."));
        }
        match self.remove_tags.iter().find(|name| self.set_tags.get(name).is_some()) {
            Some(name) => Err(Invalid::new("update.remove_tags", format!("names {name}, which is set, too"), "Name it once.")),
            None => Ok(()),
        }
    }

    /// The change of one key.
    ///
    /// # Errors
    /// [`Invalid`] naming `tags`, when there would be too many.
    pub(crate) fn of(&self, key: &KeyRow) -> Result<KeyChange, Invalid> {
        let mut tags: BTreeMap<String, String> = key.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        tags.retain(|name, _| !self.remove_tags.contains(name));
        tags.extend(self.set_tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let changes_tags = !self.set_tags.is_empty() || !self.remove_tags.is_empty();
        let tags = changes_tags.then(|| Tags::parse(tags)).transpose()?;
        Ok(KeyChange { tags, expires: self.expires, expiry_policy: self.expiry_policy, ..KeyChange::default() })
    }
}

impl BatchAction {
    /// The event of the table.
    pub fn event(&self) -> Event {
        self.ask().map_or(Event::Update, Ask::event)
    }

    /// Whether somebody who depends on the keys could not use them behind it.
    pub(crate) fn takes_out_of_use(&self) -> bool {
        matches!(self, Self::Deactivate | Self::ScheduleDeletion(_))
    }

    /// The event as one asks for it of one key; `None` of a change of properties.
    pub(crate) fn ask(&self) -> Option<Ask> {
        Some(match self {
            Self::Deactivate => Ask::Deactivate,
            Self::Activate => Ask::Activate,
            Self::Upload => Ask::Upload,
            Self::Renew => Ask::Renew,
            Self::Rotate => Ask::Rotate,
            Self::ScheduleDeletion(days) => Ask::ScheduleDeletion(*days),
            Self::CancelDeletion => Ask::CancelDeletion,
            Self::Update(_) => return None,
        })
    }

    /// As the batch's row keeps it.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&StoredAction::from(self)).unwrap_or_default()
    }

    /// Reads it back. What was written was checked, and is checked again.
    ///
    /// # Errors
    /// [`Error::Internal`] for a row that somebody changed.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let stored: StoredAction = serde_json::from_str(text).map_err(|error| Error::Internal(format!("the action of a batch: {error}")))?;
        stored.read().map_err(|invalid| Error::Internal(format!("the action of a batch: {invalid}")))
    }

    /// The word in API, command line and audit log.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Activate => "activate",
            Self::Upload => "upload",
            Self::Renew => "renew",
            Self::Rotate => "rotate",
            Self::ScheduleDeletion(_) => "schedule-deletion",
            Self::CancelDeletion => "cancel-deletion",
            Self::Update(_) => "update",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
enum StoredAction {
    Deactivate,
    Activate,
    Upload,
    Renew,
    Rotate,
    ScheduleDeletion { days: u8 },
    CancelDeletion,
    Update { set_tags: BTreeMap<String, String>, remove_tags: Vec<String>, expires: Option<StoredTime>, removes_expiry: bool, expiry_policy: Option<String> },
}

impl From<&BatchAction> for StoredAction {
    fn from(action: &BatchAction) -> Self {
        match action {
            BatchAction::Deactivate => Self::Deactivate,
            BatchAction::Activate => Self::Activate,
            BatchAction::Upload => Self::Upload,
            BatchAction::Renew => Self::Renew,
            BatchAction::Rotate => Self::Rotate,
            BatchAction::ScheduleDeletion(days) => Self::ScheduleDeletion { days: days.get() },
            BatchAction::CancelDeletion => Self::CancelDeletion,
            BatchAction::Update(change) => Self::Update {
                set_tags: change.set_tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                remove_tags: change.remove_tags.clone(),
                expires: change.expires.flatten().map(Into::into),
                removes_expiry: change.expires == Some(None),
                expiry_policy: change.expiry_policy.map(|policy| policy.as_str().to_owned()),
            },
        }
    }
}

impl StoredAction {
    fn read(self) -> Result<BatchAction, Invalid> {
        Ok(match self {
            Self::Deactivate => BatchAction::Deactivate,
            Self::Activate => BatchAction::Activate,
            Self::Upload => BatchAction::Upload,
            Self::Renew => BatchAction::Renew,
            Self::Rotate => BatchAction::Rotate,
            Self::ScheduleDeletion { days } => BatchAction::ScheduleDeletion(WaitingDays::parse(i64::from(days))?),
            Self::CancelDeletion => BatchAction::CancelDeletion,
            Self::Update { set_tags, remove_tags, expires, removes_expiry, expiry_policy } => BatchAction::Update(TagsAndEnd {
                set_tags: Tags::parse(set_tags)?,
                remove_tags,
                expires: if removes_expiry { Some(None) } else { expires.map(|time| Some(time.into())) },
                expiry_policy: expiry_policy.as_deref().map(ExpiryPolicy::parse).transpose()?,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        Tags::parse(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).expect("are tags")
    }

    #[test]
    fn every_action_is_read_as_it_was_written() {
        let change = |expires| {
            let policy = Some(ExpiryPolicy::Extend);
            BatchAction::Update(TagsAndEnd { set_tags: tags(&[("a", "1")]), remove_tags: vec!["b".to_owned()], expires, expiry_policy: policy })
        };
        for action in [
            BatchAction::Deactivate,
            BatchAction::Activate,
            BatchAction::Upload,
            BatchAction::Renew,
            BatchAction::Rotate,
            BatchAction::ScheduleDeletion(WaitingDays::SHORTEST),
            BatchAction::CancelDeletion,
            change(None),
            change(Some(None)),
            change(Some(Some(Timestamp::from_secs(9)))),
        ] {
            let text = action.to_json();
            assert!(text.contains(&format!(r#""action":"{}""#, action.as_str())), "{text}");
            assert_eq!(BatchAction::from_json(&text), Ok(action));
        }
        assert!(BatchAction::from_json(r#"{"action":"explode"}"#).is_err() && BatchAction::from_json(r#"{"action":"schedule-deletion","days":3}"#).is_err());
    }

    #[test]
    fn a_change_of_nothing_or_of_a_tag_twice_is_refused() {
        assert_eq!(TagsAndEnd::default().check().expect_err("nothing").field, "update");
        let both = TagsAndEnd { set_tags: tags(&[("a", "1")]), remove_tags: vec!["a".to_owned()], ..TagsAndEnd::default() };
        assert_eq!(both.check().expect_err("both").field, "update.remove_tags");
    }
}
