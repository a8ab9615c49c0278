//! A change as its row keeps it, and as the digest of a plan counts it.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, AlertChannels, Aliases, Invalid, KeyId, KeySpec, KeyUsage, Name, Tags,
    drift::AutoRepair,
    estate::{Action, Change, DriftWish, KeyUpdate, NewKey, NewReplica, Place, WantedEnd},
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
    keystore::AwsLocation,
    rotation::{Strategy, Wish},
};
use keystead_operations::stored::{StoredAliases, StoredTime};
use keystead_store::keystores::KeystoreRow;
use serde::{Deserialize, Serialize};

use super::Seen;
use crate::Error;

type StoredTags = BTreeMap<String, String>;

/// An action, in the words of rows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
enum StoredAction {
    CreateKeystore {
        cloud: String,
        region: String,
        account: String,
        role_arn: Option<String>,
        external_id: Option<String>,
    },
    SetWarm {
        on: bool,
    },
    SetDrift {
        every: Option<i64>,
        auto_repair: String,
    },
    /// Without channels: every one.
    SetAlerts {
        channels: Option<Vec<String>>,
    },
    SetRotation(StoredWish),
    ClearRotation,
    CreateKey(StoredKey),
    AddReplica {
        primary: String,
        primary_id: Option<String>,
        keystore: String,
        name: Option<String>,
        description: Option<String>,
        aliases: Option<StoredAliases>,
        tags: Option<StoredTags>,
    },
    Update {
        aliases: Option<StoredAliases>,
        description: Option<String>,
        tags: Option<StoredTags>,
        expires: Option<StoredEnd>,
        expiry_policy: Option<String>,
        forbids_export: bool,
    },
    CancelDeletion,
    Activate,
    Deactivate,
    ScheduleDeletion {
        days: u8,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredKey {
    name: String,
    keystore: String,
    spec: String,
    usage: String,
    multi_region: bool,
    exportable: bool,
    description: String,
    aliases: StoredAliases,
    tags: StoredTags,
    expires: StoredEnd,
    expiry_policy: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredWish {
    off: bool,
    strategy: String,
    every: Option<i64>,
    cron: Option<String>,
    zone: Option<String>,
    start: Option<StoredTime>,
    window: Option<String>,
    notice: Option<i64>,
    grace: Option<i64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredEnd {
    Never,
    At(StoredTime),
    Lives(i64),
}

/// What a change does, as JSON.
pub(super) fn to_json(action: &Action) -> String {
    serde_json::to_string(&StoredAction::from(action)).unwrap_or_default()
}

/// Reads it back. What was written was checked, and is checked again.
///
/// # Errors
/// [`Error::Internal`] for a row that somebody changed.
pub(super) fn from_json(text: &str) -> Result<Action, Error> {
    let stored: StoredAction = serde_json::from_str(text).map_err(|error| Error::Internal(format!("a change of an estate: {error}")))?;
    stored.read().map_err(|invalid| Error::Internal(format!("a change of an estate: {invalid}")))
}

/// A plan in one text, always the same for the same plan: every change with what was there before and with its dangers, for which account, in which keystores, and the keys as
/// they were.
pub(super) fn canonical(account: &AccountId, changes: &[Change], keystores: &[KeystoreRow], seen: &[Seen]) -> String {
    let change = |change: &Change| {
        let fields: Vec<_> = change.fields.iter().map(|field| serde_json::json!([field.field, field.from, field.to])).collect();
        serde_json::json!({
            "key": change.key.as_ref().map(ToString::to_string),
            "subject": [change.subject.kind(), change.subject.name(), change.subject.keystore()],
            "does": StoredAction::from(&change.action),
            "fields": fields,
            "dangers": change.dangers.iter().map(|danger| (danger.as_str(), danger.told())).collect::<Vec<_>>(),
            "waits_for": change.waits_for,
        })
    };
    let keystore = |row: &KeystoreRow| {
        let AwsLocation { region, account, role_arn, external_id } = &row.location;
        serde_json::json!([row.id.as_str(), row.name, row.cloud, region, account, role_arn, external_id])
    };
    serde_json::json!({
        "format": keystead_domain::estate::VERSION,
        "account": account.as_str(),
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
        "keystores": keystores.iter().map(keystore).collect::<Vec<_>>(),
        "seen": seen.iter().map(|seen| (seen.key.to_string(), seen.revision)).collect::<Vec<_>>(),
    })
    .to_string()
}

fn pairs(tags: &Tags) -> StoredTags {
    tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl From<WantedEnd> for StoredEnd {
    fn from(end: WantedEnd) -> Self {
        match end {
            WantedEnd::Never => Self::Never,
            WantedEnd::At(time) => Self::At(time.into()),
            WantedEnd::Lives(span) => Self::Lives(span),
        }
    }
}

impl From<StoredEnd> for WantedEnd {
    fn from(end: StoredEnd) -> Self {
        match end {
            StoredEnd::Never => Self::Never,
            StoredEnd::At(time) => Self::At(time.into()),
            StoredEnd::Lives(span) => Self::Lives(span),
        }
    }
}

impl From<&Wish> for StoredWish {
    fn from(wish: &Wish) -> Self {
        Self {
            off: wish.off,
            strategy: wish.strategy.as_str().to_owned(),
            every: wish.every,
            cron: wish.cron.clone(),
            zone: wish.zone.clone(),
            start: wish.start.map(Into::into),
            window: wish.window.clone(),
            notice: wish.notice,
            grace: wish.grace,
        }
    }
}

impl StoredWish {
    fn read(self) -> Result<Wish, Invalid> {
        let Self { off, strategy, every, cron, zone, start, window, notice, grace } = self;
        Ok(Wish { off, strategy: Strategy::parse(&strategy)?, every, cron, zone, start: start.map(Into::into), window, notice, grace })
    }
}

impl From<&NewKey> for StoredKey {
    fn from(new: &NewKey) -> Self {
        Self {
            name: new.name.to_string(),
            keystore: new.keystore.clone(),
            spec: new.spec.as_str().to_owned(),
            usage: new.usage.as_str().to_owned(),
            multi_region: new.multi_region,
            exportable: new.exportable,
            description: new.description.clone(),
            aliases: new.aliases.clone().into(),
            tags: pairs(&new.tags),
            expires: new.expires.into(),
            expiry_policy: new.expiry_policy.as_str().to_owned(),
        }
    }
}

impl StoredKey {
    fn read(self) -> Result<NewKey, Invalid> {
        Ok(NewKey {
            name: Name::parse(&self.name)?,
            keystore: self.keystore,
            spec: KeySpec::parse(&self.spec)?,
            usage: KeyUsage::parse(&self.usage)?,
            multi_region: self.multi_region,
            exportable: self.exportable,
            description: self.description,
            aliases: self.aliases.0,
            tags: Tags::parse(self.tags)?,
            expires: self.expires.into(),
            expiry_policy: ExpiryPolicy::parse(&self.expiry_policy)?,
        })
    }
}

impl From<&Action> for StoredAction {
    fn from(action: &Action) -> Self {
        let aliases = |aliases: &Option<Aliases>| aliases.clone().map(Into::into);
        match action {
            Action::CreateKeystore(Place { cloud, location }) => {
                let AwsLocation { region, account, role_arn, external_id } = location.clone();
                Self::CreateKeystore { cloud: cloud.clone(), region, account, role_arn, external_id }
            }
            Action::SetWarm(on) => Self::SetWarm { on: *on },
            Action::SetDrift(drift) => Self::SetDrift { every: drift.every, auto_repair: drift.auto_repair.as_str().to_owned() },
            Action::SetAlerts(channels) => Self::SetAlerts { channels: channels.to_list() },
            Action::SetRotation(wish) => Self::SetRotation(wish.as_ref().into()),
            Action::ClearRotation => Self::ClearRotation,
            Action::CreateKey(new) => Self::CreateKey(new.as_ref().into()),
            Action::AddReplica(new) => Self::AddReplica {
                primary: new.primary.clone(),
                primary_id: new.primary_id.as_ref().map(ToString::to_string),
                keystore: new.keystore.clone(),
                name: new.name.as_ref().map(ToString::to_string),
                description: new.description.clone(),
                aliases: aliases(&new.aliases),
                tags: new.tags.as_ref().map(pairs),
            },
            Action::Update(update) => Self::Update {
                aliases: aliases(&update.aliases),
                description: update.description.clone(),
                tags: update.tags.as_ref().map(pairs),
                expires: update.expires.map(Into::into),
                expiry_policy: update.expiry_policy.map(|policy| policy.as_str().to_owned()),
                forbids_export: update.forbids_export,
            },
            Action::CancelDeletion => Self::CancelDeletion,
            Action::Activate => Self::Activate,
            Action::Deactivate => Self::Deactivate,
            Action::ScheduleDeletion(days) => Self::ScheduleDeletion { days: days.get() },
        }
    }
}

impl StoredAction {
    fn read(self) -> Result<Action, Invalid> {
        Ok(match self {
            Self::CreateKeystore { cloud, region, account, role_arn, external_id } => {
                Action::CreateKeystore(Place { cloud, location: AwsLocation { region, account, role_arn, external_id } })
            }
            Self::SetWarm { on } => Action::SetWarm(on),
            Self::SetDrift { every, auto_repair } => Action::SetDrift(DriftWish { every, auto_repair: AutoRepair::parse(&auto_repair)? }),
            Self::SetAlerts { channels } => Action::SetAlerts(channels.map_or(Ok(AlertChannels::All), |names| AlertChannels::parse("alerts", "null", names))?),
            Self::SetRotation(wish) => Action::SetRotation(Box::new(wish.read()?)),
            Self::ClearRotation => Action::ClearRotation,
            Self::CreateKey(new) => Action::CreateKey(Box::new(new.read()?)),
            Self::AddReplica { primary, primary_id, keystore, name, description, aliases, tags } => Action::AddReplica(Box::new(NewReplica {
                primary,
                primary_id: primary_id.as_deref().map(KeyId::parse).transpose()?,
                keystore,
                name: name.as_deref().map(Name::parse).transpose()?,
                description,
                aliases: aliases.map(|aliases| aliases.0),
                tags: tags.map(Tags::parse).transpose()?,
            })),
            Self::Update { aliases, description, tags, expires, expiry_policy, forbids_export } => Action::Update(Box::new(KeyUpdate {
                aliases: aliases.map(|aliases| aliases.0),
                description,
                tags: tags.map(Tags::parse).transpose()?,
                expires: expires.map(Into::into),
                expiry_policy: expiry_policy.as_deref().map(ExpiryPolicy::parse).transpose()?,
                forbids_export,
            })),
            Self::CancelDeletion => Action::CancelDeletion,
            Self::Activate => Action::Activate,
            Self::Deactivate => Action::Deactivate,
            Self::ScheduleDeletion { days } => Action::ScheduleDeletion(WaitingDays::parse(i64::from(days))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::Timestamp;

    #[test]
    fn every_action_is_read_as_it_was_written() {
        let tags = Tags::parse([("team".to_owned(), "pay".to_owned())]).expect("tags");
        let aliases = Aliases::parse(["x", "y"]).expect("aliases");
        let location = AwsLocation { region: "eu-west-1".into(), account: "123456789012".into(), role_arn: None, external_id: Some("x".into()) };
        let wish = Wish { every: Some(9), start: Some(Timestamp::from_secs(7)), strategy: Strategy::InPlace, zone: Some("UTC".into()), ..Wish::default() };
        let new = NewKey {
            name: Name::parse("a").expect("a name"),
            keystore: "eu".into(),
            spec: KeySpec::Rsa2048,
            usage: KeyUsage::Sign,
            multi_region: true,
            exportable: false,
            description: "d".into(),
            aliases: aliases.clone(),
            tags: tags.clone(),
            expires: WantedEnd::Lives(90),
            expiry_policy: ExpiryPolicy::Renew,
        };
        let replica = NewReplica {
            primary: "a".into(),
            primary_id: Some(KeyId::new(Timestamp::from_secs(7), [7; 10])),
            keystore: "us".into(),
            name: Name::parse("b").ok(),
            description: None,
            aliases: None,
            tags: Some(tags.clone()),
        };
        let end = Some(WantedEnd::At(Timestamp::from_secs(5)));
        let update = KeyUpdate { aliases: Some(aliases), tags: Some(tags), expires: end, forbids_export: true, ..KeyUpdate::default() };
        for action in [
            Action::CreateKeystore(Place { cloud: "aws".into(), location }),
            Action::SetWarm(true),
            Action::SetDrift(DriftWish { every: Some(3), auto_repair: AutoRepair::Safe }),
            Action::SetAlerts(AlertChannels::Only(["mail:ops@example.com".to_owned(), "pager".to_owned()].into())),
            Action::SetAlerts(AlertChannels::All),
            Action::SetRotation(Box::new(wish)),
            Action::ClearRotation,
            Action::CreateKey(Box::new(new)),
            Action::AddReplica(Box::new(replica)),
            Action::Update(Box::new(update)),
            Action::Update(Box::new(KeyUpdate { expires: Some(WantedEnd::Never), ..KeyUpdate::default() })),
            Action::CancelDeletion,
            Action::Activate,
            Action::Deactivate,
            Action::ScheduleDeletion(WaitingDays::SHORTEST),
        ] {
            assert_eq!(from_json(&to_json(&action)), Ok(action));
        }
        assert!(from_json(r#"{"action":"explode"}"#).is_err() && from_json(r#"{"action":"schedule-deletion","days":3}"#).is_err());
    }
}
