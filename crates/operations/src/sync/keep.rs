//! What a sync writes of the keys that it has seen: new ones become virtual keys, known ones are brought up to date, Keystead's own are only noticed.

use std::sync::Arc;

use keystead_audit::Entry;
use keystead_domain::{
    Alias, Custody, KeyId, KeySpec, KeyState, KeyUsage, LineageId, OperationId, RegionRole, Timestamp,
    key::{expiry::ExpiryPolicy, native},
};
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyRow, Ties},
    keystores::KeystoreRow,
    lineages::{self, LineageRow},
    locks, rotations,
    syncs::{self, Counts},
    views::{self, ViewRow},
};
use keystead_vault::Random;

use super::{
    FOUND, Seen, Sight, Sighting, Stranger, View,
    compare::{differences, others, taken_over, view_changes},
};
use crate::words::{self, Who};

/// The rule in the audit log.
const RULE: &str = "sync";

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
    pub(crate) keystore: KeystoreRow,
    pub(crate) operation: OperationId,
    /// When the sync began; its list of aliases is as old.
    pub(crate) began: Timestamp,
    pub(crate) who: Who,
    pub(crate) now: Timestamp,
    pub(crate) random: Arc<dyn Random>,
}

impl Keeper {
    fn draw(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        bytes
    }

    fn entry(&self, action: &str, key: &KeyRow, details: &[(&str, String)]) -> Entry {
        let entry = words::entry(self.random.as_ref(), self.now, &self.keystore.account_id, &self.who, action, RULE)
            .operation(&self.operation)
            .key(key)
            .keystore(&self.keystore.id, &self.keystore.name);
        details.iter().fold(entry, |entry, (name, value)| entry.detail(name, value.clone())).done()
    }

    /// Keeps one sighting. A key that this sync has kept already is left as it is, so that a page may be read twice.
    pub(crate) fn keep(&self, tx: &mut Tx<'_>, sighting: &Sighting, kept: &mut Kept) -> Result<(), StoreError> {
        let row = keys::by_cloud_key(tx, &self.keystore.id, &sighting.id)?;
        match (&sighting.seen, row) {
            (Sight::Gone, _) | (Sight::Hidden, Some(_)) => Ok(()),
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
                    Some(row) if row.updated_at > self.began => known_aliases(tx, row)?,
                    _ => self.aliases_of(tx, &sighting.id)?,
                };
                match row {
                    Some(row) => self.keep_known(tx, &row, &seen, sighting.at, kept),
                    None => self.keep_new(tx, &sighting.id, &seen, kept),
                }
            }
        }
    }

    fn aliases_of(&self, tx: &mut Tx<'_>, cloud_id: &str) -> Result<Vec<Alias>, StoreError> {
        Ok(syncs::aliases_of(tx, &self.keystore.id, cloud_id)?.iter().filter_map(|text| Alias::parse(text).ok()).collect())
    }

    fn keep_known(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, at: Timestamp, kept: &mut Kept) -> Result<(), StoreError> {
        let before = views::of(tx, &row.id)?;
        if before.as_ref().is_some_and(|view| view.seen_by.as_ref() == Some(&self.operation)) {
            return Ok(());
        }
        let is_native = row.ties.custody == Custody::Native;
        // An operation that runs, or has run since the look began, knows better than the look; and a key in the making may yet be taken back.
        if row.updated_at >= at || locks::holder(tx, row.id.as_str())?.is_some() {
            kept.counts.unchanged += i64::from(is_native);
            kept.counts.own += i64::from(!is_native);
            return match before {
                _ if row.state == KeyState::Creating => Ok(()),
                Some(view) => views::put(tx, &ViewRow { seen_by: Some(self.operation.clone()), seen_at: self.now, ..view }),
                None => self.put_view(tx, &row.id, seen, row.alias.as_ref(), ""),
            };
        }
        if is_native { self.keep_native(tx, row, seen, before.as_ref(), kept) } else { self.keep_own(tx, row, seen, before.as_ref(), kept) }
    }

    /// A virtual key: the cloud has the last word.
    fn keep_native(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, before: Option<&ViewRow>, kept: &mut Kept) -> Result<(), StoreError> {
        let after = taken_over(Some(row), seen);
        let mut changed = differences(row, before.map(|view| view.aliases.as_slice()), seen);
        changed.extend(before.map(|view| view_changes(&View::read(&view.facts), &seen.view())).unwrap_or_default());
        if !changed.is_empty() {
            keys::take_over(tx, row, &after, self.now)?;
        }
        let alias = self.settle_alias(tx, row, seen)?;
        self.put_view(tx, &row.id, seen, alias.as_ref(), "")?;
        if changed.is_empty() {
            kept.counts.unchanged += 1;
            return Ok(());
        }
        kept.counts.changed += 1;
        let details = [("changed", changed.join(" ")), ("from_state", row.state.as_str().to_owned()), ("to_state", after.state.as_str().to_owned())];
        tx.audit(self.entry("key.changed-in-cloud", row, &details));
        Ok(())
    }

    /// Keystead's own key: what differs is told once, and not touched.
    fn keep_own(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen, before: Option<&ViewRow>, kept: &mut Kept) -> Result<(), StoreError> {
        let mut differ = differences(row, before.map(|view| view.aliases.as_slice()), seen);
        let others_before = before.map(|view| view.aliases.clone()).filter(|_| differ.contains(&"aliases"));
        let told = differ.join(" ");
        differ.extend(before.map(|view| view_changes(&View::read(&view.facts), &seen.view())).unwrap_or_default());
        // Other aliases than before stay a difference until somebody says which are meant.
        let aliases = others_before.unwrap_or_else(|| others(&seen.aliases, row.alias.as_ref()));
        self.put(tx, &row.id, seen, aliases, &told)?;
        kept.counts.own += 1;
        kept.counts.different += i64::from(!told.is_empty());
        let news = differ.len() > told.split_whitespace().count() || before.map_or("", |view| view.differences.as_str()) != told;
        if news {
            let changed = if differ.is_empty() { "nothing any more".to_owned() } else { differ.join(" ") };
            tx.audit(self.entry("key.changed-in-cloud", row, &[("changed", changed)]));
        }
        Ok(())
    }

    fn put_view(&self, tx: &mut Tx<'_>, key: &KeyId, seen: &Seen, alias: Option<&Alias>, differences: &str) -> Result<(), StoreError> {
        self.put(tx, key, seen, others(&seen.aliases, alias), differences)
    }

    fn put(&self, tx: &mut Tx<'_>, key: &KeyId, seen: &Seen, aliases: Vec<String>, differences: &str) -> Result<(), StoreError> {
        let (facts, differences) = (seen.view().write(), differences.to_owned());
        views::put(tx, &ViewRow { key_id: key.clone(), seen_by: Some(self.operation.clone()), seen_at: self.now, aliases, facts, differences })
    }

    /// The alias of a known key's lineage, brought up to date.
    fn settle_alias(&self, tx: &mut Tx<'_>, row: &KeyRow, seen: &Seen) -> Result<Option<Alias>, StoreError> {
        if !row.is_current || row.state == KeyState::Deleted || row.alias.as_ref().is_some_and(|alias| seen.aliases.contains(alias)) {
            return Ok(row.alias.clone());
        }
        let alias = self.free_alias(tx, seen)?;
        if alias != row.alias {
            lineages::set_alias(tx, &row.lineage_id, alias.as_ref())?;
        }
        Ok(alias)
    }

    /// The first of the aliases that no other lineage has. A virtual key that has lost it in the cloud gives it up here; a key of Keystead's own never does.
    fn free_alias(&self, tx: &mut Tx<'_>, seen: &Seen) -> Result<Option<Alias>, StoreError> {
        for alias in &seen.aliases {
            let Some(holder) = lineages::by_alias(tx, &self.keystore.id, alias)? else { return Ok(Some(alias.clone())) };
            let key = keys::by_id(tx, &holder.current_key_id)?;
            let Some(key) = key.filter(|key| key.ties.custody == Custody::Native) else { continue };
            if locks::holder(tx, key.id.as_str())?.is_none() {
                lineages::set_alias(tx, &holder.id, None)?;
                tx.audit(self.entry("key.changed-in-cloud", &key, &[("changed", "aliases".to_owned()), ("lost_alias", alias.with_prefix())]));
                return Ok(Some(alias.clone()));
            }
        }
        Ok(None)
    }

    fn keep_new(&self, tx: &mut Tx<'_>, cloud_id: &str, seen: &Seen, kept: &mut Kept) -> Result<(), StoreError> {
        let arn = &seen.key.observed.arn;
        if seen.is_own || keys::names_cloud_arn(tx, cloud_id, arn)? {
            kept.strange.elsewhere += 1;
            return Ok(());
        }
        let (Some(spec), Some(usage)) = (seen.key.spec, seen.key.usage) else {
            kept.unknown(arn.clone(), format!("is of a kind that Keystead does not know: {}", seen.key.kind));
            return Ok(());
        };
        let alias = self.free_alias(tx, seen)?;
        let name = self.free_name(tx, seen.aliases.first(), cloud_id)?;
        let after = taken_over(None, seen);
        let key = self.pointer(name, alias, (spec, usage), seen, &after);
        self.insert(tx, &key, cloud_id, seen, after.facts)?;
        kept.counts.fresh += 1;
        Ok(())
    }

    /// The row of a virtual key.
    fn pointer(&self, name: String, alias: Option<Alias>, (spec, usage): (KeySpec, KeyUsage), seen: &Seen, after: &keys::Seen) -> KeyRow {
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
            alias,
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
                alias: key.alias.clone(),
                current_key_id: key.id.clone(),
                created_at: self.now,
            },
        )?;
        keys::insert(tx, key)?;
        keys::keep_facts(tx, &key.id, &keys::CloudFacts { identity: Some((cloud_id.to_owned(), arn.clone())), ..facts }, self.now)?;
        // Keystead rotates no key whose material it does not have: that is planned once and for all.
        rotations::plan(tx, &key.lineage_id, None, None)?;
        self.put_view(tx, &key.id, seen, key.alias.as_ref(), "")?;
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
        let before = views::of(tx, &row.id)?;
        let (aliases, facts) = before.as_ref().map_or_else(|| (Vec::new(), "{}".to_owned()), |view| (view.aliases.clone(), view.facts.clone()));
        let was_told = before.as_ref().is_some_and(|view| view.differences == "gone");
        let is_native = row.ties.custody == Custody::Native;
        let differences = if is_native { String::new() } else { "gone".to_owned() };
        views::put(tx, &ViewRow { key_id: row.id.clone(), seen_by: Some(self.operation.clone()), seen_at: self.now, aliases, facts, differences })?;
        if is_native {
            end_native(tx, &row, self.now)?;
        }
        if !was_told {
            tx.audit(self.entry("key.vanished-from-cloud", &row, &[("from_state", row.state.as_str().to_owned())]));
        }
        Ok(!was_told)
    }
}

impl Kept {
    fn unknown(&mut self, arn: String, why: String) {
        self.strange.unknown += 1;
        self.strangers.push(Stranger { arn, why });
    }
}

/// A key's aliases as the house knows them.
fn known_aliases(tx: &mut Tx<'_>, row: &KeyRow) -> Result<Vec<Alias>, StoreError> {
    let others = views::of(tx, &row.id)?.map(|view| view.aliases).unwrap_or_default();
    Ok(row.alias.iter().cloned().chain(others.iter().filter_map(|text| Alias::parse(text).ok())).collect())
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
