//! Health, as it is shown: the word, its reasons, and what stands behind them.

use std::collections::{BTreeMap, BTreeSet};

use keystead_domain::{
    KeyId, KeyState, Timestamp,
    health::{CheckOutcome, Health, KeyReason, KeystoreReason, of_keystore, word_of_key, word_of_keystore},
    key::expiry::ExpiryPolicy,
    keystore::KeystoreState,
};
use keystead_store::{
    StoreError, Tx,
    health::{self, KeyKnown, KeystoreKnown},
    keys::KeyRow,
    keystores::{self, KeystoreRow},
};

use crate::App;

/// The health of a keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoreHealth {
    /// The worst of its reasons.
    pub word: Health,
    /// Why, the gravest first.
    pub reasons: Vec<KeystoreReason>,
    /// What stands behind them.
    pub known: KeystoreKnown,
    /// Whether its cloud answers; `None` while nobody has asked.
    pub is_reachable: Option<bool>,
    /// Whether everything that is needed is permitted.
    pub is_permitted: Option<bool>,
}

/// The health of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHealth {
    /// The worst of its reasons.
    pub word: Health,
    /// Why, and what else is shown.
    pub known: KeyKnown,
    /// Whether the cloud's key is as it is wanted; `None` while no sync has seen it.
    pub is_in_step: Option<bool>,
    /// The end of its material, if nobody moves it; `None`: none is in sight.
    pub protected_until: Option<Timestamp>,
}

impl KeystoreHealth {
    /// The health of a keystore of what is known; one that is deleted has none.
    pub(crate) fn of(row: &KeystoreRow, known: KeystoreKnown, check_every: Option<i64>, now: Timestamp) -> Option<Self> {
        if row.state == KeystoreState::Deleted {
            return None;
        }
        let reasons = of_keystore(&known.facts, row.is_vault(), check_every, now);
        let checked = known.facts.check.map(|(outcome, _)| outcome);
        // No cloud and no role stands between Keystead and its own vault.
        let (is_reachable, is_permitted) = match row.is_vault() {
            true => (Some(true), Some(true)),
            false => (checked.map(CheckOutcome::is_reachable), checked.and_then(CheckOutcome::is_permitted)),
        };
        Some(Self { word: word_of_keystore(&reasons), reasons, known, is_reachable, is_permitted })
    }
}

impl KeyHealth {
    fn of(row: &KeyRow, known: KeyKnown) -> Self {
        let differs = known.reasons.iter().any(|reason| matches!(reason, KeyReason::CloudKeyGone | KeyReason::DriftHostile | KeyReason::DriftOpen));
        let is_left_to_end =
            row.expiry_policy == ExpiryPolicy::Alert || known.reasons.iter().any(|reason| matches!(reason, KeyReason::Expired | KeyReason::EndNear));
        let is_in_use = matches!(row.state, KeyState::Active | KeyState::Replaced);
        Self {
            word: word_of_key(&known.reasons),
            is_in_step: if differs { Some(false) } else { known.seen_at.map(|_| true) },
            protected_until: row.expires_at.filter(|_| is_in_use && is_left_to_end),
            known,
        }
    }
}

/// These keys with their health, by a few more reads and not one a key.
pub(crate) fn with_health(tx: &mut Tx<'_>, rows: Vec<KeyRow>, now: Timestamp) -> Result<Vec<(KeyRow, Option<KeyHealth>)>, StoreError> {
    let ids: Vec<KeyId> = rows.iter().map(|row| row.id.clone()).collect();
    let mut known: BTreeMap<KeyId, KeyKnown> = health::of_keys(tx, &ids, now)?.into_iter().map(|known| (known.id.clone(), known)).collect();
    let with = |row: KeyRow| {
        let health = known.remove(&row.id).map(|known| KeyHealth::of(&row, known));
        (row, health)
    };
    Ok(rows.into_iter().map(with).collect())
}

impl App {
    /// How many keystores of the whole installation have each health; deleted ones are not counted.
    ///
    /// # Errors
    /// What the store says.
    pub async fn count_keystores_by_health(&self) -> Result<BTreeMap<Health, i64>, StoreError> {
        let (every, now) = (self.check_every(), self.now());
        let count = move |tx: &mut Tx<'_>| {
            let active = keystores::active(tx)?;
            let mut known = BTreeMap::new();
            let accounts: BTreeSet<_> = active.iter().map(|row| row.account_id.clone()).collect();
            for account in accounts {
                known.extend(health::keystores(tx, &account, now)?);
            }
            let mut counts = BTreeMap::new();
            for row in &active {
                let health = KeystoreHealth::of(row, known.remove(&row.id).unwrap_or_default(), every, now);
                *counts.entry(health.map_or(Health::Unknown, |health| health.word)).or_default() += 1;
            }
            Ok(counts)
        };
        self.store().read("health.keystores", count).await
    }

    /// How often keystores are checked by themselves, in microseconds; `None`: when somebody asks.
    pub(crate) fn check_every(&self) -> Option<i64> {
        self.engine.parts().settings.check_micros
    }
}
