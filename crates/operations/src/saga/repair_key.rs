//! A key is put back to what is wanted of it, after somebody changed it in the cloud (CM-018, FX-042). Each fix leads towards what the row says and stands for itself:
//! a repair that ends half-way leaves fewer differences behind, and no new one.

use std::collections::BTreeMap;

use keystead_domain::{
    Alias, DriftId, KeyId, KeyState, Tags, Timestamp,
    drift::{Attribute, DriftState},
    key::deletion::WaitingDays,
    time::DAY,
};
use keystead_store::{
    StoreError, Tx,
    drifts::{self, DriftRow},
    keys::KeyRow,
};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless},
    stored::{Stored, StoredTime},
    sync::refresh_words,
};

/// The key, the differences that end with it, and what is done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// The differences.
    pub drifts: Vec<Stored<DriftId>>,
    /// What is done.
    pub fixes: Vec<Fix>,
    /// Who asked: a user's id, or `system`.
    pub asked_by: String,
}

/// One thing that is put back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "fix", rename_all = "kebab-case")]
pub enum Fix {
    /// Stop the countdown. The key is disabled then.
    CancelDeletion,
    /// Write and remove people's tags: first, so that there is room for Keystead's own.
    ChangeTags {
        /// As they are.
        from: BTreeMap<String, String>,
        /// As they shall be.
        to: BTreeMap<String, String>,
    },
    /// Write Keystead's own tags, by which its role is allowed the rest.
    TagOwn,
    /// Start the countdown again.
    ScheduleDeletion {
        /// How many days.
        days: u32,
    },
    /// Forbid the key's use.
    Disable,
    /// Remove the material.
    DeleteMaterial,
    /// Import the material again, until then.
    Import {
        /// When the cloud shall forget it.
        expires: Option<StoredTime>,
    },
    /// Let the key be used.
    Enable,
    /// Give the key an alias that points at nothing.
    PointAlias {
        /// The alias.
        alias: String,
    },
    /// Bring an alias back from another key.
    TakeAlias {
        /// The alias.
        alias: String,
        /// The cloud key that it points at.
        from: String,
    },
    /// Take an alias away that is not the key's.
    RemoveAlias {
        /// The alias.
        alias: String,
    },
    /// Write the description.
    Describe {
        /// The text.
        text: String,
    },
}

impl Fix {
    /// What is done, as people read it.
    pub fn told(&self) -> String {
        match self {
            Self::CancelDeletion => "stop the countdown to deletion".to_owned(),
            Self::ScheduleDeletion { days } => format!("start the countdown to deletion again, {days} days"),
            Self::Disable => "disable the key".to_owned(),
            Self::DeleteMaterial => "remove the material from the cloud".to_owned(),
            Self::Import { expires: None } => "import the material again, without an end".to_owned(),
            Self::Import { expires: Some(end) } => format!("import the material again, until {}", Timestamp::from(*end).rfc3339()),
            Self::Enable => "enable the key".to_owned(),
            Self::PointAlias { alias } => format!("create the alias {alias}"),
            Self::TakeAlias { alias, from } => format!("move the alias {alias} back from the key {from}"),
            Self::RemoveAlias { alias } => format!("remove the alias {alias} from the key"),
            Self::TagOwn => "write Keystead's own tags".to_owned(),
            Self::ChangeTags { .. } => "write the tags as they are wanted".to_owned(),
            Self::Describe { text } => format!("write the description: {text:?}"),
        }
    }

    fn step(&self, key: &KeyId) -> Option<Step> {
        let key = key.clone();
        let alias = |text: &str| Alias::parse(text).ok();
        let tags = |tags: &BTreeMap<String, String>| Tags::peoples(tags.clone());
        Some(match self {
            Self::CancelDeletion => Step::CancelDeletion(key),
            Self::ScheduleDeletion { days } => Step::ScheduleDeletion(key, WaitingDays::parse(i64::from(*days)).ok()?),
            Self::Disable => Step::Disable(key),
            Self::DeleteMaterial => Step::DeleteMaterial(key),
            Self::Import { expires } => Step::ImportMaterial(key, expires.map(Into::into)),
            Self::Enable => Step::Enable(key),
            Self::PointAlias { alias: text } => Step::PointAlias { alias: alias(text)?, to: key, from: None },
            Self::TakeAlias { alias: text, from } => Step::TakeAlias { alias: alias(text)?, to: key, from: from.clone() },
            Self::RemoveAlias { alias: text } => Step::RemoveAlias(alias(text)?, key),
            Self::TagOwn => Step::TagOwn(key),
            Self::ChangeTags { from, to } => Step::ChangeTags(key, tags(from).difference(&tags(to))),
            Self::Describe { text } => Step::Describe(key, text.clone()),
        })
    }
}

/// What puts a key's differences right, in the order in which it is done; those that Keystead cannot put right are left out. What is wanted is what the row says.
///
/// `open` are all open differences of the key: on material that is not Keystead's, nothing is enabled.
pub fn fixes(row: &KeyRow, drifts: &[DriftRow], open: &[DriftRow], now: Timestamp) -> Vec<Fix> {
    let mut fixes: Vec<Fix> = drifts.iter().flat_map(|drift| fixes_of(row, drift, now)).collect();
    if open.iter().any(|drift| drift.attribute == Attribute::MaterialId) {
        fixes.retain(|fix| !matches!(fix, Fix::Import { .. } | Fix::Enable));
    }
    // The order of the variants: first what lets the others be done, and what an application uses before what is only told.
    fixes.sort();
    fixes.dedup();
    fixes
}

fn fixes_of(row: &KeyRow, drift: &DriftRow, now: Timestamp) -> Vec<Fix> {
    let in_use = matches!(row.state, KeyState::Active | KeyState::Replaced);
    // What shall have ended is not brought back.
    let has_ended = row.expires_at.is_some_and(|end| end <= now);
    let import = Fix::Import { expires: row.expires_at.map(Into::into) };
    match drift.attribute {
        // One that counts down until another day counts down anew.
        Attribute::Deletion if row.state == KeyState::PendingDeletion => vec![Fix::CancelDeletion, Fix::ScheduleDeletion { days: days_left(row, now) }],
        Attribute::Deletion if has_ended => vec![Fix::CancelDeletion],
        Attribute::Material | Attribute::Expires | Attribute::State if in_use && has_ended => Vec::new(),
        // A key whose countdown is stopped is disabled, and may have been emptied before.
        Attribute::Deletion if in_use => vec![Fix::CancelDeletion, import, Fix::Enable],
        Attribute::Deletion => vec![Fix::CancelDeletion],
        Attribute::Material if in_use => vec![import, Fix::Enable],
        Attribute::Material => vec![Fix::Disable, Fix::DeleteMaterial],
        Attribute::State if in_use => vec![Fix::Enable],
        Attribute::State => vec![Fix::Disable],
        Attribute::Expires => vec![import],
        Attribute::AliasMissing => vec![Fix::PointAlias { alias: drift.item.clone() }],
        Attribute::AliasMoved => vec![Fix::TakeAlias { alias: drift.item.clone(), from: drift.live.clone() }],
        Attribute::AliasAdded => vec![Fix::RemoveAlias { alias: drift.item.clone() }],
        Attribute::OwnTags => vec![Fix::TagOwn],
        Attribute::Tags => {
            let to = row.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            vec![Fix::ChangeTags { from: serde_json::from_str(&drift.live).unwrap_or_default(), to }]
        }
        Attribute::Description => vec![Fix::Describe { text: row.description.clone() }],
        Attribute::Vanished | Attribute::MaterialId | Attribute::Policy | Attribute::Grants => Vec::new(),
        Attribute::RegionRole | Attribute::Replicas | Attribute::Unmanaged | Attribute::Hidden => Vec::new(),
    }
}

/// What is left of a countdown, in whole days, at least as many as the cloud takes.
fn days_left(row: &KeyRow, now: Timestamp) -> u32 {
    let left = row.deletion_at.map_or(0, |end| (end.as_micros() - now.as_micros() + DAY - 1) / DAY);
    u32::try_from(left).unwrap_or(0).clamp(7, 30)
}

impl Shape for RepairKey {
    fn steps(&self) -> Vec<Planned> {
        self.fixes.iter().filter_map(|fix| fix.step(&self.key.0)).map(harmless).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        for drift in &self.drifts {
            drifts::end(tx, &drift.0, DriftState::Repaired, &self.asked_by, now)?;
        }
        refresh_words(tx, &self.key.0)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
