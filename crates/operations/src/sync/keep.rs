//! What a sync writes of the keys that it has seen: new ones become virtual keys, known ones are brought up to date, Keystead's own are only noticed.

use std::sync::Arc;

use keystead_audit::Entry;
use keystead_domain::{
    Alias, Aliases, Custody, KeyId, KeySpec, KeyState, KeyUsage, LineageId, OperationId, RegionRole, Timestamp,
    key::{expiry::ExpiryPolicy, native},
};
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyRow, Ties},
    keystores::KeystoreRow,
    lineages::{self, LineageRow},
    locks, rehearsals, rotations,
    syncs::{self, Counts},
    views::{self, ViewRow},
};
use keystead_vault::Random;

use super::{
    FOUND, Seen, Sight, Sighting, Stranger, View,
    compare::{changes, same_aliases, taken_over, view_changes},
    drift,
};
use crate::{
    Engine,
    schedule::rehearsals::is_usable,
    words::{self, Who},
};

/// The rule in the audit log: a sync looks, or an event woke somebody who does.
pub(super) const RULE: &str = "sync";
/// The other.
const WOKEN: &str = "event";

/// What has come of some sightings.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Counted with the rows.
    pub(crate) counts: Counts,
    /// Counted with the page, because nothing else remembers them.
    pub(crate) strange: Counts,
    /// The unknown ones.
    pub(crate) strangers: Vec<Stranger>,
}

/// Who writes, for whom, where.
#[derive(Clone)]
pub(crate) struct Keeper {
    pub(crate) engine: Engine,
    pub(crate) keystore: KeystoreRow,
    /// The sync; `None` for a look at single keys, because something was done to them.
    pub(crate) operation: Option<OperationId>,
    /// When the sync began; its list of aliases is as old.
    pub(crate) began: Timestamp,
    pub(crate) who: Who,
    pub(crate) now: Timestamp,
    pub(crate) random: Arc<dyn Random>,
}

impl Keeper {
    pub(super) fn draw(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        bytes
    }

    /// An entry of who looks.
    pub(super) fn begin_entry(&self, action: &str) -> words::Words {
        let rule = if self.operation.is_some() { RULE } else { WOKEN };
        let entry = words::entry(self.random.as_ref(), self.now, &self.keystore.account_id, &self.who, action, rule);
        self.operation.iter().fold(entry, |entry, operation| entry.operation(operation))
    }

    /// Who has seen a key now: the sync, or the one before.
    fn seen_by(&self, before: Option<&ViewRow>) -> Option<OperationId> {
        self.operation.clone().or_else(|| before.and_then(|view| view.seen_by.clone()))
    }

    pub(super) fn entry(&self, action: &str, key: &KeyRow, details: &[(&str, String)]) -> Entry {
        let entry = self.begin_entry(action).key(key).keystore(&self.keystore.id, &self.keystore.name);
        details.iter().fold(entry, |entry, (name, value)| entry.detail(name, value.clone())).done()
    }

    /// Keeps one sighting. A key that this sync has kept already is left as it is, so that a page may be read twice.
    pub(crate) fn keep(&self, tx: &mut Tx<'_>, sighting: &Sighting, kept: &mut Kept) -> Result<(), StoreError> {
        let row = keys::by_cloud_key(tx, &self.keystore.id, &sighting.id)?;
        match (&sighting.seen, row) {
            (Sight::Gone, _) => Ok(()),
            (Sight::Hidden, Some(row)) => self.keep_hidden(tx, &row, sighting.at),
            (Sight::LeftOut, _) => {
                kept.strange.left_out += 1;
                Ok(())
            }
            (Sight::Hidden, None) => {
                kept.unknown(sighting.id.clone(), "may not be looked at: kms:DescribeKey is denied".to_owned());
                Ok(())
            }
            (Sight::Key(seen), row) => {
                let mut seen = seen.clone();
                seen.aliases = match &row {
                    // Who changed it here since the aliases were listed knows better than the list.
                    Some(row) if row.updated_at > self.began => all_aliases(row, views::of(tx, &row.id)?.as_ref()),
                    _ => self.aliases_of(tx, &sighting.id)?,
                };
                match row {
                    Some(row) => self.keep_known(tx, &row, &seen, sighting.at, kept),
                    None => self.keep_new(tx, &sighting.id, &seen, kept),
                }
            }
        }
    }

    fn aliases_of(&self, tx: &mut Tx<'_>, cloud_id: &str) -> Result<Aliases, StoreError> {
        Ok(syncs::aliases_of(tx, &self.keystore.id, cloud_id)?.iter().filter_map(|text| Alias::parse(text).ok()).collect())
    }

    fn keep_known(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, at: Timestamp, kept: &mut Kept) -> Result<(), StoreError> {
        let before = views::of(tx, &row.id)?;
        if self.operation.is_some() && before.as_ref().is_some_and(|view| view.seen_by == self.operation) {
            return Ok(());
        }
        let is_native = row.ties.custody == Custody::Native;
        // An operation that runs, or has run since the look began, knows better than the look, and so does another look that began later; a key in the making may yet be
        // taken back.
        let is_late = before.as_ref().is_some_and(|view| view.seen_at > at);
        if is_late || row.updated_at >= at || locks::holder(tx, row.id.as_str())?.is_some() {
            kept.counts.unchanged += i64::from(is_native);
            kept.counts.own += i64::from(!is_native);
            return match before {
                _ if row.state == KeyState::Creating => Ok(()),
                Some(view) => views::put(tx, &ViewRow { seen_by: self.seen_by(Some(&view)), ..view }),
                None => self.put_view(tx, &row.id, seen, at, &row.aliases, ""),
            };
        }
        if is_native { self.keep_native(tx, row, seen, at, before.as_ref(), kept) } else { self.keep_own(tx, row, seen, at, before.as_ref(), kept) }
    }

    /// A virtual key: the cloud has the last word.
    fn keep_native(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, at: Timestamp, before: Option<&ViewRow>, kept: &mut Kept) -> Result<(), StoreError> {
        let mut after = taken_over(Some(row), seen);
        // Disabled for a rehearsal it is not out of use, and comes back.
        if is_usable(row.state) && !seen.key.observed.enabled && !seen.key.counts_down && rehearsals::holds_disabled(tx, &row.id)? {
            after.state = row.state;
        }
        let mut changed = changes(row, &all_aliases(row, before), seen);
        changed.extend(before.map(|view| view_changes(&View::read(&view.facts), &seen.view())).unwrap_or_default());
        if !changed.is_empty() {
            keys::take_over(tx, row, &after, self.now)?;
        }
        let aliases = self.settle_aliases(tx, row, seen)?;
        if aliases != row.aliases && !changed.contains(&"aliases") {
            // One that another key had given up.
            changed.push("aliases");
        }
        self.put_view(tx, &row.id, seen, at, &aliases, "")?;
        if changed.is_empty() {
            kept.counts.unchanged += 1;
            return Ok(());
        }
        kept.counts.changed += 1;
        let details = [("changed", changed.join(" ")), ("from_state", row.state.as_str().to_owned()), ("to_state", after.state.as_str().to_owned())];
        tx.audit(self.entry("key.changed-in-cloud", row, &details));
        Ok(())
    }

    /// Keeps what a look that began at this time saw beside the row, which has the aliases `own`.
    pub(super) fn put_view(&self, tx: &mut Tx<'_>, key: &KeyId, seen: &Seen, at: Timestamp, own: &Aliases, differences: &str) -> Result<(), StoreError> {
        let (aliases, view) = (seen.aliases.without(own).to_strings(), seen.view());
        // What is wanted of policy and grants is what was seen of them first; the part that could not be read then, when it can.
        let before = views::of(tx, key)?;
        let seen_by = self.seen_by(before.as_ref());
        let mut baseline = before.map(|before| View::read(before.baseline.as_deref().unwrap_or(&before.facts))).unwrap_or_default();
        if baseline.policy.is_none() {
            (baseline.policy, baseline.policy_sha256) = (view.policy.clone(), view.policy_sha256.clone());
        }
        if baseline.grants.is_none() {
            (baseline.grants, baseline.grantees) = (view.grants, view.grantees.clone());
        }
        let (facts, baseline, differences) = (view.write(), Some(baseline.write_baseline()), differences.to_owned());
        views::put(tx, &ViewRow { key_id: key.clone(), seen_by, seen_at: at, aliases, facts, differences, baseline })
    }

    /// The aliases of a virtual key's lineage, brought up to date; those that stay keep their order.
    fn settle_aliases(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen) -> Result<Aliases, StoreError> {
        if !row.is_current || row.state == KeyState::Deleted || same_aliases(&row.aliases, &seen.aliases) {
            return Ok(row.aliases.clone());
        }
        let free = self.free_aliases(tx, Some(&row.lineage_id), seen)?;
        let gone = row.aliases.without(&free);
        let stay = row.aliases.without(&gone);
        let aliases: Aliases = stay.iter().chain(&free.without(&stay)).cloned().collect();
        if aliases != row.aliases {
            lineages::set_aliases(tx, &row.lineage_id, &aliases)?;
        }
        Ok(aliases)
    }

    /// Those of the aliases that no other lineage has. A virtual key that has lost one in the cloud gives it up here; a key of Keystead's own never does.
    fn free_aliases(&self, tx: &mut Tx<'_>, lineage: Option<&LineageId>, seen: &Seen) -> Result<Aliases, StoreError> {
        let mut free = Vec::new();
        for alias in &seen.aliases {
            let holder = lineages::by_alias(tx, &self.keystore.id, alias)?.filter(|holder| Some(&holder.id) != lineage);
            let is_free = match holder {
                Some(holder) => self.gives_up(tx, &holder, alias)?,
                None => true,
            };
            if is_free {
                free.push(alias.clone());
            }
        }
        Ok(free.into_iter().collect())
    }

    /// Whether the lineage gives up an alias that the cloud shows at another key.
    fn gives_up(&self, tx: &mut Tx<'_>, holder: &LineageRow, alias: &Alias) -> Result<bool, StoreError> {
        let key = keys::by_id(tx, &holder.current_key_id)?;
        let Some(key) = key.filter(|key| key.ties.custody == Custody::Native) else { return Ok(false) };
        if locks::holder(tx, key.id.as_str())?.is_some() {
            return Ok(false);
        }
        lineages::drop_alias(tx, &holder.id, alias)?;
        tx.audit(self.entry("key.changed-in-cloud", &key, &[("changed", "aliases".to_owned()), ("lost_alias", alias.with_prefix())]));
        Ok(true)
    }

    fn keep_new(&self, tx: &mut Tx<'_>, cloud_id: &str, seen: &Seen, kept: &mut Kept) -> Result<(), StoreError> {
        let arn = &seen.key.observed.arn;
        if seen.is_own || keys::names_cloud_arn(tx, cloud_id, arn)? {
            kept.strange.elsewhere += 1;
            let is_known = !seen.is_own || keys::names_cloud_arn(tx, cloud_id, arn)?;
            return if is_known { Ok(()) } else { self.note_stranger(tx, seen) };
        }
        let (Some(spec), Some(usage)) = (seen.key.spec, seen.key.usage) else {
            kept.unknown(arn.clone(), format!("is of a kind that Keystead does not know: {}", seen.key.kind));
            return Ok(());
        };
        let aliases = self.free_aliases(tx, None, seen)?;
        let name = self.free_name(tx, seen.aliases.first(), cloud_id)?;
        let after = taken_over(None, seen);
        let key = self.pointer(name, aliases, (spec, usage), seen, &after);
        self.insert(tx, &key, cloud_id, seen, after.facts)?;
        kept.counts.fresh += 1;
        Ok(())
    }

    /// The row of a virtual key.
    fn pointer(&self, name: String, aliases: Aliases, (spec, usage): (KeySpec, KeyUsage), seen: &Seen, after: &keys::Seen) -> KeyRow {
        let expires = seen.key.observed.expires;
        // As if its span had begun with the key: so people are told before its end like of any other.
        let born = |end: Timestamp| seen.key.created.unwrap_or(self.now).min(end);
        KeyRow {
            id: KeyId::new(self.now, self.draw()),
            account_id: self.keystore.account_id.clone(),
            keystore_id: self.keystore.id.clone(),
            keystore_name: self.keystore.name.clone(),
            cloud: self.keystore.cloud.clone(),
            region: self.keystore.location.region.clone(),
            lineage_id: LineageId::new(self.now, self.draw()),
            name,
            aliases,
            is_current: true,
            state: after.state,
            spec,
            usage,
            origin: FOUND.to_owned(),
            description: after.description.clone(),
            tags: after.tags.clone(),
            expires_at: expires,
            expiry_span: expires.map(|end| end.as_micros() - born(end).as_micros()),
            expiry_policy: ExpiryPolicy::Alert,
            predecessor_id: None,
            successor_id: None,
            cloud_key_id: None,
            cloud_arn: None,
            cloud_state: None,
            enabled: false,
            material_present: false,
            material_id: None,
            deletion_at: None,
            rotation: Default::default(),
            ties: Ties { custody: Custody::Native, is_exportable: false, role: after.role, ..Ties::default() },
            awaits_policy: false,
            created_at: self.now,
            created_by: self.who.id.clone(),
            updated_at: self.now,
            revision: 1,
        }
    }

    fn insert(&self, tx: &mut Tx<'_>, key: &KeyRow, cloud_id: &str, seen: &Seen, facts: keys::CloudFacts) -> Result<(), StoreError> {
        let arn = seen.key.observed.arn.clone();
        lineages::insert(
            tx,
            &LineageRow {
                id: key.lineage_id.clone(),
                account_id: key.account_id.clone(),
                keystore_id: key.keystore_id.clone(),
                name: key.name.clone(),
                aliases: key.aliases.clone(),
                current_key_id: key.id.clone(),
                created_at: self.now,
            },
        )?;
        keys::insert(tx, key)?;
        keys::keep_facts(tx, &key.id, &keys::CloudFacts { identity: Some((cloud_id.to_owned(), arn.clone())), ..facts }, self.now)?;
        // Keystead rotates no key whose material it does not have: that is planned once and for all.
        rotations::plan(tx, &key.lineage_id, None, None)?;
        self.put_view(tx, &key.id, seen, self.began, &key.aliases, "")?;
        let mut details = vec![("cloud_key", arn), ("kind", seen.key.kind.clone()), ("state", key.state.as_str().to_owned())];
        if key.ties.role != RegionRole::Single {
            details.push(("region_role", key.ties.role.as_str().to_owned()));
        }
        tx.audit(self.entry("key.found-in-cloud", key, &details));
        Ok(())
    }

    fn free_name(&self, tx: &mut Tx<'_>, alias: Option<&Alias>, cloud_id: &str) -> Result<String, StoreError> {
        for name in native::names(alias, cloud_id) {
            if !lineages::is_name_taken(tx, &self.keystore.account_id, name.as_str())? {
                return Ok(name.to_string());
            }
        }
        Err(StoreError::Corrupt(format!("no name is left for the cloud key {cloud_id}")))
    }

    /// A key that the cloud no longer has. A virtual one is gone with it; one of Keystead's own keeps its material and its state, and the difference is told.
    pub(crate) fn gone(&self, tx: &mut Tx<'_>, seen: &KeyRow) -> Result<bool, StoreError> {
        let Some(row) = keys::by_id(tx, &seen.id)?.filter(|row| row.revision == seen.revision) else { return Ok(false) };
        if locks::holder(tx, row.id.as_str())?.is_some() {
            return Ok(false);
        }
        // One that is in the making was not there yet, and one that went as it should is not missed.
        if matches!(row.state, KeyState::Creating | KeyState::Deleted) {
            return Ok(false);
        }
        let before = views::of(tx, &row.id)?;
        let unseen_at = before.as_ref().map_or(Timestamp::from_micros(0), |view| view.seen_at);
        let is_native = row.ties.custody == Custody::Native;
        // Whoever counts down to that end has come to it.
        let is_due = row.state == KeyState::PendingDeletion && row.deletion_at.is_some_and(|end| end <= self.now);
        let last = before.as_ref().map(|view| View::read(&view.facts));
        let found = if is_native || is_due { Vec::new() } else { vec![drift::vanished(&row, last.as_ref())] };
        let was_told = before.as_ref().is_some_and(|view| view.differences == "vanished");
        let seen_by = self.seen_by(before.as_ref());
        let seen = ViewRow { key_id: row.id.clone(), seen_by, seen_at: self.now, ..before.unwrap_or_else(|| never_seen(&row.id)) };
        views::put(tx, &ViewRow { differences: drift::words_of(&found), ..seen })?;
        if is_native {
            end_native(tx, &row, self.now)?;
        } else {
            self.note_drift(tx, &row, &found, unseen_at, |_| true)?;
        }
        if !was_told && !is_due {
            tx.audit(self.entry("key.vanished-from-cloud", &row, &[("from_state", row.state.as_str().to_owned())]));
        }
        Ok(!was_told && !is_due)
    }
}

fn never_seen(key: &KeyId) -> ViewRow {
    let (aliases, facts, differences) = (Vec::new(), "{}".to_owned(), String::new());
    ViewRow { key_id: key.clone(), seen_by: None, seen_at: Timestamp::from_micros(0), aliases, facts, differences, baseline: None }
}

impl Kept {
    fn unknown(&mut self, arn: String, why: String) {
        self.strange.unknown += 1;
        self.strangers.push(Stranger { arn, why });
    }
}

/// A key's aliases as the house knows them: the lineage's, and those that were seen beside them.
fn all_aliases(row: &KeyRow, view: Option<&ViewRow>) -> Aliases {
    let others = view.map(|view| view.aliases.as_slice()).unwrap_or_default();
    row.aliases.iter().cloned().chain(others.iter().filter_map(|text| Alias::parse(text).ok())).collect()
}

/// Ends a virtual key whose cloud key is gone: there is nothing of it here but the record.
pub(crate) fn end_native(tx: &mut Tx<'_>, row: &KeyRow, now: Timestamp) -> Result<(), StoreError> {
    let gone = keys::CloudFacts { raw_state: Some("Deleted".to_owned()), enabled: Some(false), material_present: Some(false), ..keys::CloudFacts::default() };
    if row.state != KeyState::Deleted {
        keys::transition(tx, &row.id, row.state, KeyState::Deleted, now)?;
    }
    keys::keep_facts(tx, &row.id, &gone, now)?;
    lineages::end_if_all_deleted(tx, &row.lineage_id)
}
