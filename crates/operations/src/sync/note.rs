//! What a sync writes of Keystead's own keys: each difference from what is wanted, told once to whoever has to look (CM-018, FX-042).

use std::collections::BTreeSet;

use keystead_domain::{
    Custody, DriftId, KeyId, OperationId, RegionRole, Timestamp,
    alert::AlertKind,
    cause,
    drift::{Attribute, Difference, DriftClass, DriftState, class_of},
};
use keystead_store::{
    StoreError, Tx,
    drifts::{self, DriftRow},
    events::{self, Sought},
    keys::{self, KeyRow},
    lineages, locks, operations, rehearsals, syncs,
    views::{self, ViewRow},
};

use super::{
    Seen, View,
    drift::{self, Surroundings, differences, words, words_of},
    keep::{Keeper, Kept},
};
use crate::{alerts::About, sync::cause::Cause};

impl Keeper {
    /// Keystead's own key: what differs is told once, and not touched.
    pub(super) fn keep_own(
        &self,
        tx: &mut Tx<'_>,
        row: &KeyRow,
        seen: &Seen,
        at: Timestamp,
        before: Option<&ViewRow>,
        kept: &mut Kept,
    ) -> Result<(), StoreError> {
        let last = before.map(|view| View::read(&view.facts));
        let around = self.surroundings(tx, row, seen, before)?;
        let found = differences(row, &around, last.as_ref(), seen, self.now);
        self.put_view(tx, &row.id, seen, at, &row.aliases, &words_of(&found))?;
        let is_as_wanted = seen.policy.is_some() && around.baseline.policy == seen.policy;
        if row.awaits_policy && is_as_wanted {
            keys::settle_policy(tx, &row.id)?;
        }
        kept.counts.own += 1;
        kept.counts.different += i64::from(!found.is_empty());
        let unseen_at = before.map_or(Timestamp::from_micros(0), |view| view.seen_at);
        self.note_drift(tx, row, &found, unseen_at, |attribute| drift::was_looked_at(attribute, seen))
    }

    /// A key of Keystead's own that may not be looked at any more.
    pub(super) fn keep_hidden(&self, tx: &mut Tx<'_>, row: &KeyRow, at: Timestamp) -> Result<(), StoreError> {
        let seen_at = views::of(tx, &row.id)?.map_or(Timestamp::from_micros(0), |view| view.seen_at);
        if row.ties.custody == Custody::Native || row.updated_at >= at || seen_at > at || locks::holder(tx, row.id.as_str())?.is_some() {
            return Ok(());
        }
        self.note_drift(tx, row, &[drift::hidden(row, "all")], seen_at, |attribute| attribute == Attribute::Hidden)?;
        refresh_words(tx, &row.id)
    }

    /// What the comparison goes by beside the row.
    fn surroundings(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, before: Option<&ViewRow>) -> Result<Surroundings, StoreError> {
        let baseline = before.map(|view| View::read(view.baseline.as_deref().unwrap_or(&view.facts))).unwrap_or_default();
        let mut around = Surroundings { baseline, is_rehearsed: rehearsals::holds_disabled(tx, &row.id)?, ..Surroundings::default() };
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
    pub(super) fn note_drift(
        &self,
        tx: &mut Tx<'_>,
        row: &KeyRow,
        found: &[Difference],
        unseen_at: Timestamp,
        was_looked_at: impl Fn(Attribute) -> bool,
    ) -> Result<(), StoreError> {
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
                Some(known) if known.live == difference.live && known.class == difference.class => {
                    let cause = self.cause_of_known(tx, row, &known)?;
                    self.see_again(tx, &DriftRow { cause, ..known }, difference)?;
                }
                known => {
                    if let Some(known) = known {
                        drifts::end(tx, &known.id, DriftState::Gone, "system", self.now)?;
                    }
                    let drift = self.drift(Some(&row.id), row.cloud_arn.as_deref().unwrap_or_default(), difference);
                    let drift = DriftRow { unseen_at, ..drift };
                    let drift = DriftRow { cause: self.cause_of_known(tx, row, &drift)?, ..drift };
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
            unseen_at: Timestamp::from_micros(0),
        }
    }

    /// The cause of a key's difference, as far as it was heard of by now: a later event that made it takes the place of an earlier one.
    fn cause_of_known(&self, tx: &mut Tx<'_>, row: &KeyRow, drift: &DriftRow) -> Result<Option<String>, StoreError> {
        let found = row.cloud_key_id.as_deref().map_or(Ok(None), |cloud_key| self.cause(tx, cloud_key, drift))?;
        Ok(found.or_else(|| drift.cause.clone()))
    }

    /// The newest event that can have made a difference. Where that is one of Keystead's own operations, the event that matters was not heard yet.
    fn cause(&self, tx: &mut Tx<'_>, cloud_key: &str, drift: &DriftRow) -> Result<Option<String>, StoreError> {
        let (since, until) = cause::made_between(drift.attribute, drift.unseen_at, drift.found_at);
        let alias = cause::is_of_alias(drift.attribute).then_some(drift.item.as_str());
        for names in cause::events_of(drift.attribute, &drift.live) {
            let newest = events::newest(tx, &self.keystore.id, cloud_key, &Sought { names, alias, since, until })?;
            if let Some(event) = newest {
                return Ok((!event.is_explained).then(|| Cause::of(&event).to_json()));
            }
        }
        Ok(None)
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
            ("cause", drift.cause.as_deref().and_then(Cause::read).map(|cause| cause.in_words()).unwrap_or_default()),
            ("mend", format!("Look at it with `keystead drift show {}`; it says what was wanted, what is, and what can be done.", drift.id)),
        ];
        let subject = drift.key_id.as_ref().map_or(self.keystore.id.as_str(), KeyId::as_str);
        let once = format!("drift/{}", drift.id);
        let (account, keystore, kind) = (&self.keystore.account_id, Some(&self.keystore.id), AlertKind::DriftFound);
        self.engine.telling(About { account, keystore, kind, subject, topic: "", once, facts }).write(tx).map(drop)
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
                let id = arn.rsplit('/').next().unwrap_or_default();
                let drift = DriftRow { cause: self.cause(tx, id, &drift)?, ..drift };
                drifts::insert(tx, &drift)?;
                self.tell(tx, &drift, arn)?;
                let entry = self.begin_entry("keystore.found-unmanaged-key").keystore(&self.keystore.id, &self.keystore.name);
                tx.audit(entry.detail("cloud_key", arn.clone()).done());
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
