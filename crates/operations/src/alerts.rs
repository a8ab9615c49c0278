//! Alerts as operations write them: in the same transaction as what they tell, and for the channels that their keystore names then. Who sends them is not known here.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, AlertId, Custody, KeystoreId, Timestamp,
    alert::AlertKind,
    alert_channels::Heard,
    key::expiry::{DAYS_BEFORE, ExpiryPolicy},
    time::{DAY, SECOND},
};
use keystead_store::{StoreError, Tx, alerts, alerts::AlertRow, keys::KeyRow, keystores, operations::OperationRow};

use crate::{Engine, Problem};

/// When somebody is told, and where; the server reads it from its configuration.
#[derive(Debug, Clone)]
pub struct Alerting {
    /// How many days before the end of material.
    pub days_before: Vec<u32>,
    /// How long an alert waits for others, so that they go out together. Microseconds.
    pub digest_micros: i64,
    /// The names of the channels. Without any, alerts are kept and shown.
    pub channels: Vec<String>,
}

impl Default for Alerting {
    fn default() -> Self {
        Self { days_before: DAYS_BEFORE.to_vec(), digest_micros: 300 * SECOND, channels: Vec::new() }
    }
}

/// An alert that is ready to be written.
#[derive(Debug, Clone)]
pub struct Telling {
    row: AlertRow,
    /// Whose channels count; without a keystore every one hears of it.
    keystore: Option<KeystoreId>,
    /// The channels of the configuration.
    channels: Vec<String>,
    next_at: Timestamp,
}

impl Telling {
    /// Writes it; `false` when it was told before.
    ///
    /// # Errors
    /// What the store says.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let channels = self.heard_by(tx)?;
        alerts::insert(tx, &self.row, &channels, self.next_at)
    }

    /// The channels that hear of it, as its keystore stands now.
    fn heard_by(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
        let keystore = match self.keystore.as_ref().map_or(Ok(None), |id| keystores::by_id(tx, id)) {
            // A damaged row keeps nobody from being told.
            Err(StoreError::Corrupt(what)) => {
                tracing::error!(keystore = ?self.keystore, what, "a keystore cannot be read: every channel is told");
                None
            }
            read => read?,
        };
        let Some(keystore) = keystore else { return Ok(self.channels.clone()) };
        let Heard { channels, is_astray } = keystore.alert_channels.heard_by(&self.channels);
        if is_astray {
            let (keystore, named) = (&keystore.name, keystore.alert_channels.told());
            tracing::warn!(keystore, named, "none of the channels that the keystore names is configured any more: every channel is told instead");
        }
        Ok(channels)
    }

    /// Writes a failure, unless one of its kind was told of its subject and nothing has succeeded since.
    pub(crate) fn write_failure(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if alerts::is_failure_told(tx, &self.row.subject_id, &self.row.topic)? { Ok(()) } else { self.write(tx).map(drop) }
    }

    /// Writes a recovery, if a failure was told.
    pub(crate) fn write_recovery(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if alerts::is_failure_told(tx, &self.row.subject_id, &self.row.topic)? { self.write(tx).map(drop) } else { Ok(()) }
    }

    /// Its row.
    pub fn row(&self) -> &AlertRow {
        &self.row
    }

    /// The same without waiting for others.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { next_at: self.row.created_at, ..self }
    }
}

/// What an alert is about, before it has an id.
pub struct About<'a> {
    /// Whose.
    pub account: &'a AccountId,
    /// The keystore that it is about, or in which the key is; its channels hear of it. Without one every channel does.
    pub keystore: Option<&'a KeystoreId>,
    /// What it is about.
    pub kind: AlertKind,
    /// The key, keystore or person.
    pub subject: &'a str,
    /// What failed or recovered.
    pub topic: &'a str,
    /// What makes it one.
    pub once: String,
    /// Texts by name; empty ones are left out.
    pub facts: Vec<(&'static str, String)>,
}

impl Engine {
    /// Makes an alert ready.
    pub fn telling(&self, about: About<'_>) -> Telling {
        let (now, alerting) = (self.now(), &self.parts().settings.alerts);
        let mut random = [0; 10];
        self.parts().random.fill(&mut random);
        let facts: BTreeMap<&str, String> = about.facts.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        let row = AlertRow {
            id: AlertId::new(now, random),
            account_id: about.account.clone(),
            kind: about.kind,
            subject_id: about.subject.to_owned(),
            topic: about.topic.to_owned(),
            once: about.once,
            facts: serde_json::to_string(&facts).unwrap_or_else(|_| "{}".to_owned()),
            created_at: now,
        };
        let (channels, next_at) = (alerting.channels.clone(), now.plus_micros(alerting.digest_micros));
        Telling { row, keystore: about.keystore.cloned(), channels, next_at }
    }

    /// That a key's material ends in so many days, or (`None`) that it has ended.
    pub(crate) fn telling_of_end(&self, key: &KeyRow, expires: Timestamp, days_before: Option<u32>) -> Telling {
        let mut facts = facts_of(key);
        facts.push(("expires_at", expires.rfc3339()));
        facts.push(("mend", mend(key, days_before.is_none())));
        if let Some(days) = days_before {
            facts.push(("days_before", days.to_string()));
            facts.push(("days_left", ((expires.as_micros() - self.now().as_micros()) / DAY).to_string()));
        }
        self.telling(About {
            account: &key.account_id,
            keystore: Some(&key.keystore_id),
            kind: if days_before.is_some() { AlertKind::KeyExpires } else { AlertKind::KeyExpired },
            subject: key.id.as_str(),
            topic: "",
            once: alerts::once_before(&key.id, expires, days_before.unwrap_or(0)),
            facts,
        })
    }

    /// That a key will be rotated by its policy not before then, or (`missed`) that its turn is left out because it is not in use.
    pub(crate) fn telling_of_turn(&self, key: &KeyRow, at: Timestamp, missed: bool) -> Telling {
        let mut facts = facts_of(key);
        facts.push(("rotation_at", at.rfc3339()));
        facts.push(("mend", if missed { turn_missed(key) } else { turn_comes(key) }));
        self.telling(About {
            account: &key.account_id,
            keystore: Some(&key.keystore_id),
            kind: if missed { AlertKind::RotationMissed } else { AlertKind::KeyRotates },
            subject: key.id.as_str(),
            topic: "",
            once: format!("{}/{}/{}", if missed { "rotation-missed" } else { "key-rotates" }, key.lineage_id, at.as_micros()),
            facts,
        })
    }

    /// How an operation ended: with a problem it failed, without one it recovered if it had failed before.
    pub(crate) fn telling_of_operation(&self, operation: &OperationRow, key: Option<&KeyRow>, problem: Option<&Problem>) -> Telling {
        let mut facts = key.map(facts_of).unwrap_or_default();
        facts.push(("operation", operation.id.to_string()));
        facts.push(("operation_kind", operation.kind.clone()));
        if let Some(problem) = problem {
            facts.push(("why", problem.detail.clone()));
            facts.push(("mend", problem.mend.clone()));
        }
        self.telling(About {
            account: &operation.account_id,
            keystore: Some(key.map_or(&operation.keystore_id, |key| &key.keystore_id)),
            kind: if problem.is_some() { AlertKind::OperationFailed } else { AlertKind::OperationRecovered },
            subject: operation.key_id.as_ref().map_or(operation.keystore_id.as_str(), |key| key.as_str()),
            topic: &operation.kind,
            once: format!("operation/{}", operation.id),
            facts,
        })
    }
}

fn facts_of(key: &KeyRow) -> Vec<(&'static str, String)> {
    vec![
        ("key", key.name.clone()),
        ("key_id", key.id.to_string()),
        ("keystore", key.keystore_name.clone()),
        ("state", key.state.as_str().to_owned()),
        ("policy", key.expiry_policy.as_str().to_owned()),
    ]
}

fn mend(key: &KeyRow, is_over: bool) -> String {
    let name = if key.is_current { key.name.as_str() } else { key.id.as_str() };
    if key.ties.custody == Custody::Native {
        return "Keystead keeps no copy of its material and cannot move this end: make another key for what it does before then.".to_owned();
    }
    match (is_over, key.expiry_policy) {
        (true, _) => format!("Bring its material back with `keystead key upload {name}`."),
        (false, ExpiryPolicy::Alert) if key.is_current => {
            format!("Move its end with `keystead key update {name} --expires 90d`, or renew it with `keystead key renew {name}`.")
        }
        (false, ExpiryPolicy::Alert) => format!("What it encrypted no longer opens then; `keystead key upload {name}` brings it back afterwards."),
        (false, _) => format!("Its policy should have moved this end by now: `keystead operation list --key {name}` shows why it has not."),
    }
}

fn turn_comes(key: &KeyRow) -> String {
    let whom = if key.spec.is_pair() { " Whoever holds the old public key needs the new one." } else { "" };
    format!("Nothing is needed where the alias is used.{whom} `keystead rotation show --key {}` shows the policy.", key.name)
}

fn turn_missed(key: &KeyRow) -> String {
    format!(
        "Activate it with `keystead key activate {0}` and rotate it with `keystead key rotate {0}`, or end its policy with `keystead rotation clear --key {0}`.",
        key.name
    )
}
