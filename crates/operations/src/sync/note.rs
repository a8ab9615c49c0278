//! What a sync writes of Keystead's own keys: each difference from what is wanted, told once to whoever has to look (CM-018, FX-042).

use std::collections::BTreeSet;

use keystead_domain::{
    Custody, DriftId, KeyId, OperationId, RegionRole, Timestamp,
    alert::AlertKind,
    drift::{Attribute, Difference, DriftClass, DriftState, class_of},
};
use keystead_store::{
    StoreError, Tx,
    drifts::{self, DriftRow},
    keys::{self, KeyRow},
    lineages, locks, operations, syncs,
    views::{self, ViewRow},
};

use super::{
    Seen, View,
    drift::{self, Surroundings, differences, words, words_of},
    keep::{Keeper, Kept, RULE},
};
use crate::{alerts::About, words as entries};

impl Keeper {
    /// Keystead's own key: what differs is told once, and not touched.
    pub(super) fn keep_own(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, before: Option<&ViewRow>, kept: &mut Kept) -> Result<(), StoreError> {
        let last = before.map(|view| View::read(&view.facts));
        let around = self.surroundings(tx, row, seen, before)?;
        let found = differences(row, &around, last.as_ref(), seen, self.now);
        self.put_view(tx, &row.id, seen, &row.aliases, &words_of(&found))?;
        let is_as_wanted = seen.policy.is_some() && around.baseline.policy == seen.policy;
        if row.awaits_policy && is_as_wanted {
            keys::settle_policy(tx, &row.id)?;
        }
        kept.counts.own += 1;
        kept.counts.different += i64::from(!found.is_empty());
        self.note_drift(tx, row, &found, |attribute| drift::was_looked_at(attribute, seen))
    }

    /// A key of Keystead's own that may not be looked at any more.
    pub(super) fn keep_hidden(&self, tx: &mut Tx<'_>, row: &KeyRow, at: Timestamp) -> Result<(), StoreError> {
        if row.ties.custody == Custody::Native || row.updated_at >= at || locks::holder(tx, row.id.as_str())?.is_some() {
            return Ok(());
        }
        self.note_drift(tx, row, &[drift::hidden(row, "all")], |attribute| attribute == Attribute::Hidden)?;
        refresh_words(tx, &row.id)
    }

    /// What the comparison goes by beside the row.
    fn surroundings(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, before: Option<&ViewRow>) -> Result<Surroundings, StoreError> {
        let baseline = before.map(|view| View::read(view.baseline.as_deref().unwrap_or(&view.facts))).unwrap_or_default();
        let mut around = Surroundings { baseline, ..Surroundings::default() };
        if row.ties.role == RegionRole::Primary {
            around.replicas = keys::replicas_of(tx, &row.id)?.into_iter().filter_map(|replica| replica.cloud_arn).collect::<BTreeSet<_>>();
        }
        for alias in &row.aliases.without(&seen.aliases) {
            if let Some(target) = syncs::target_of(tx, &self.keystore.id, alias.as_str())? {
                around.moved.insert(alias.as_str().to_owned(), target);
            }
        }
        for alias in &seen.aliases.without(&row.aliases) {
            if lineages::by_alias(tx, &self.keystore.id, alias)?.is_some() {
                around.others = around.others.iter().chain([alias]).cloned().collect();
            }
        }
        Ok(around)
    }

    /// Keeps the differences of a key: new ones are told, known ones brought up to date, and those that are there no more end. One that says something else now, or is
    /// graver, is another one: whoever was shown the one before has not seen this. One that cannot be read holds up no other key.
    pub(super) fn note_drift(&self, tx: &mut Tx<'_>, row: &KeyRow, found: &[Difference], was_looked_at: impl Fn(Attribute) -> bool) -> Result<(), StoreError> {
        let mut open = match drifts::open_of_key(tx, &row.id) {
            Err(StoreError::Corrupt(what)) => {
                tracing::error!(key = %row.id, what, "the differences of a key cannot be read; it is left out");
                return Ok(());
            }
            open => open?,
        };
        let mut is_news = false;
        for difference in found {
            let known = open.iter().position(|one| (one.attribute, &one.item) == (difference.attribute, &difference.item)).map(|at| open.swap_remove(at));
            match known {
                Some(known) if known.live == difference.live && known.class == difference.class => self.see_again(tx, &known, difference)?,
                known => {
                    if let Some(known) = known {
                        drifts::end(tx, &known.id, DriftState::Gone, "system", self.now)?;
                    }
                    let drift = self.drift(Some(&row.id), row.cloud_arn.as_deref().unwrap_or_default(), difference);
                    drifts::insert(tx, &drift)?;
                    self.tell(tx, &drift, &row.name)?;
                    is_news = true;
                }
            }
        }
        let ended: Vec<_> = open.iter().filter(|drift| was_looked_at(drift.attribute)).collect();
        for drift in &ended {
            drifts::end(tx, &drift.id, DriftState::Gone, "system", self.now)?;
        }
        if is_news || !ended.is_empty() {
            let changed = if found.is_empty() { "nothing any more".to_owned() } else { words_of(found) };
            let class = found.first().map_or("", |difference| difference.class.as_str()).to_owned();
            tx.audit(self.entry("key.changed-in-cloud", row, &[("changed", changed), ("class", class)]));
        }
        Ok(())
    }

    fn see_again(&self, tx: &mut Tx<'_>, known: &DriftRow, now: &Difference) -> Result<(), StoreError> {
        drifts::see_again(tx, &DriftRow { wanted: now.wanted.clone(), last_seen: now.last_seen.clone(), seen_at: self.now, ..known.clone() })
    }

    fn drift(&self, key: Option<&KeyId>, cloud_key: &str, difference: &Difference) -> DriftRow {
        DriftRow {
            id: DriftId::new(self.now, self.draw()),
            account_id: self.keystore.account_id.clone(),
            keystore_id: self.keystore.id.clone(),
            key_id: key.cloned(),
            cloud_key: cloud_key.to_owned(),
            attribute: difference.attribute,
            item: difference.item.clone(),
            class: difference.class,
            wanted: difference.wanted.clone(),
            last_seen: difference.last_seen.clone(),
            live: difference.live.clone(),
            state: DriftState::Open,
            cause: None,
            found_at: self.now,
            seen_at: self.now,
            ended_at: None,
            ended_by: None,
            tries: 0,
        }
    }

    /// Somebody has to look: then somebody is told.
    fn tell(&self, tx: &mut Tx<'_>, drift: &DriftRow, name: &str) -> Result<(), StoreError> {
        if !matches!(drift.class, DriftClass::Hostile | DriftClass::NeedsPerson) {
            return Ok(());
        }
        let facts = vec![
            ("key", name.to_owned()),
            ("key_id", drift.key_id.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("keystore", self.keystore.name.clone()),
            ("attribute", drift.attribute.as_str().to_owned()),
            ("class", drift.class.as_str().to_owned()),
            ("drift", drift.id.to_string()),
            ("mend", format!("Look at it with `keystead drift show {}`; it says what was wanted, what is, and what can be done.", drift.id)),
        ];
        let subject = drift.key_id.as_ref().map_or(self.keystore.id.as_str(), KeyId::as_str);
        let once = format!("drift/{}", drift.id);
        let kind = AlertKind::DriftFound;
        self.engine.telling(About { account: &self.keystore.account_id, kind, subject, topic: "", once, facts }).write(tx).map(drop)
    }

    /// A key with Keystead's tags that no row names, and that no operation is making.
    pub(super) fn note_stranger(&self, tx: &mut Tx<'_>, seen: &Seen) -> Result<(), StoreError> {
        let arn = &seen.key.observed.arn;
        let tag = |name: &str| seen.tags.iter().flatten().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
        let making = match OperationId::parse(&tag("keystead:operation")) {
            Ok(operation) => operations::by_id(tx, &operation)?.is_some_and(|operation| {
                let makes = matches!(operation.kind.as_str(), "create-key" | "renew-key" | "add-replica");
                operation.state == "RUNNING" && makes && operation.account_id == self.keystore.account_id
            }),
            Err(_) => false,
        };
        if making || seen.key.counts_down {
            return Ok(());
        }
        let class = class_of(Attribute::Unmanaged, true);
        let (wanted, live) = ("no such key".to_owned(), format!("there, with Keystead's tags; keystead:key is {}", tag("keystead:key")));
        let difference = Difference { attribute: Attribute::Unmanaged, item: String::new(), class, wanted, last_seen: None, live };
        match drifts::open_of_stranger(tx, &self.keystore.id, arn)? {
            Some(known) => self.see_again(tx, &known, &difference),
            None => {
                let drift = self.drift(None, arn, &difference);
                drifts::insert(tx, &drift)?;
                self.tell(tx, &drift, arn)?;
                let entry = entries::entry(self.random.as_ref(), self.now, &self.keystore.account_id, &self.who, "keystore.found-unmanaged-key", RULE);
                let entry = entry.operation(&self.operation).keystore(&self.keystore.id, &self.keystore.name).detail("cloud_key", arn.clone());
                tx.audit(entry.done());
                Ok(())
            }
        }
    }
}

/// Brings the words of a key's view up to date with the differences that are open still.
///
/// # Errors
/// What the store says.
pub fn refresh_words(tx: &mut Tx<'_>, key: &KeyId) -> Result<(), StoreError> {
    let Some(view) = views::of(tx, key)? else { return Ok(()) };
    let open = drifts::open_of_key(tx, key)?;
    views::put(tx, &ViewRow { differences: words(open.iter().map(|drift| drift.attribute)), ..view })
}
