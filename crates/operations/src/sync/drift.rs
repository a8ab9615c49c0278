//! In what a key of Keystead's own differs from what is wanted of it: the three-way difference of wanted, last seen and live. Pure functions over what the rows say and
//! what was seen.

use std::collections::{BTreeMap, BTreeSet};

use keystead_domain::{
    Aliases, KeyState, RegionRole, Timestamp,
    drift::{Attribute, Difference, DriftClass, class_of, class_of_end, class_of_grants, class_of_policy},
    tags::OWN_PREFIX,
};
use keystead_store::keys::KeyRow;

use super::{
    GrantView, Seen, View,
    principals::{principals, read_principals},
};
use crate::stored::StoredTime;

/// What is wanted of a key beside its row.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// Policy and grants, as they were first seen or last accepted.
    pub baseline: View,
    /// The full names of the primary's replicas; of a primary only.
    pub replicas: BTreeSet<String>,
    /// Where those of its aliases point that do not point at it; an alias that is not here points at nothing.
    pub moved: BTreeMap<String, String>,
    /// Aliases that point at it and belong to another lineage of Keystead: whose key tells of it.
    pub others: Aliases,
    /// Whether a rehearsal keeps it disabled: then that is what is wanted of a key that is in use.
    pub is_rehearsed: bool,
}

/// What is there, of the attribute and its item, as people read it.
type Said = Option<String>;

struct Comparison<'a> {
    row: &'a KeyRow,
    last: Option<&'a View>,
    live: &'a View,
    found: Vec<Difference>,
}

/// Every difference of a key, the gravest first.
pub(super) fn differences(row: &KeyRow, around: &Surroundings, last: Option<&View>, seen: &Seen, now: Timestamp) -> Vec<Difference> {
    let live = seen.view();
    let mut comparison = Comparison { row, last, live: &live, found: Vec::new() };
    comparison.deletion(seen);
    comparison.usability(around, seen, now);
    comparison.labels(seen);
    comparison.aliases(around, seen);
    comparison.access(&around.baseline, seen);
    comparison.family(around, seen);
    comparison.hidden(&around.baseline, seen);
    let mut found = comparison.found;
    found.sort_by_key(|difference| (difference.class, difference.attribute));
    found
}

/// A key that the cloud no longer has.
pub(super) fn vanished(row: &KeyRow, last: Option<&View>) -> Difference {
    let last_seen = last.map(|_| "there".to_owned());
    let class = class_of(Attribute::Vanished, is_in_use(row));
    Difference {
        attribute: Attribute::Vanished,
        item: String::new(),
        class,
        wanted: format!("{}, in the cloud", row.state.as_str()),
        last_seen,
        live: "gone".into(),
    }
}

/// Something of a key that may not be looked at.
pub(super) fn hidden(row: &KeyRow, item: &str) -> Difference {
    let class = class_of(Attribute::Hidden, is_in_use(row));
    let (wanted, live) = ("may be looked at".to_owned(), "may not be looked at".to_owned());
    Difference { attribute: Attribute::Hidden, item: item.to_owned(), class, wanted, last_seen: None, live }
}

/// Whether a look says something of an attribute at all: what was hidden from it says nothing of what was found before.
pub(super) fn was_looked_at(attribute: Attribute, seen: &Seen) -> bool {
    match attribute {
        Attribute::Policy => seen.policy.is_some(),
        Attribute::Grants => seen.grants.is_some(),
        Attribute::Tags | Attribute::OwnTags => seen.tags.is_some(),
        _ => true,
    }
}

/// The attributes of differences as words, each once: what a view says of its key.
pub(super) fn words_of(differences: &[Difference]) -> String {
    words(differences.iter().map(|difference| difference.attribute))
}

pub(super) fn words(attributes: impl Iterator<Item = Attribute>) -> String {
    let mut words: Vec<&str> = Vec::new();
    for attribute in attributes {
        if !words.contains(&attribute.as_str()) {
            words.push(attribute.as_str());
        }
    }
    words.join(" ")
}

fn is_in_use(row: &KeyRow) -> bool {
    matches!(row.state, KeyState::Active | KeyState::Replaced)
}

impl Comparison<'_> {
    fn add(&mut self, attribute: Attribute, item: &str, class: DriftClass, wanted: String, said: impl Fn(&View) -> Said) {
        let last_seen = self.last.and_then(&said);
        let live = said(self.live).unwrap_or_default();
        self.found.push(Difference { attribute, item: item.to_owned(), class, wanted, last_seen, live });
    }

    fn differs(&mut self, attribute: Attribute, wanted: String, said: impl Fn(&View) -> Said) {
        let class = class_of(attribute, is_in_use(self.row));
        self.add(attribute, "", class, wanted, said);
    }

    fn deletion(&mut self, seen: &Seen) {
        let is_wanted = self.row.state == KeyState::PendingDeletion;
        let dates = self.row.deletion_at.zip(seen.key.observed.deletion_at);
        if is_wanted != seen.key.counts_down || dates.is_some_and(|(wanted, live)| seconds(wanted) != seconds(live)) {
            let wanted = if is_wanted { self.row.deletion_at.map_or("counts down".to_owned(), Timestamp::rfc3339) } else { "none".to_owned() };
            self.differs(Attribute::Deletion, wanted, |view| view.facts.as_ref().map(said_of_deletion));
        }
    }

    /// State, material and its end. During a countdown the cloud tells of none of them.
    fn usability(&mut self, around: &Surroundings, seen: &Seen, now: Timestamp) {
        let observed = &seen.key.observed;
        if let Some((wanted, live)) = self.row.material_id.as_ref().zip(observed.material_id.as_ref())
            && wanted != live
        {
            self.differs(Attribute::MaterialId, wanted.clone(), |view| view.facts.as_ref().and_then(|facts| facts.material_id.clone()));
        }
        if seen.key.counts_down || self.row.state == KeyState::PendingDeletion {
            return;
        }
        let in_use = is_in_use(self.row);
        let has_ended = self.row.expires_at.is_some_and(|end| end <= now);
        let wanted = if in_use { !has_ended } else { !self.row.ties.custody.empties_on_deactivation() };
        // What has expired as it should may be there for a moment; what stays when a key goes out of use is not looked for.
        let matters = if in_use { wanted } else { !wanted };
        if matters && observed.material_present.is_some_and(|there| there != wanted) {
            self.differs(Attribute::Material, said_of_presence(wanted).to_owned(), |view| {
                view.facts.as_ref().and_then(|facts| facts.material_present).map(|there| said_of_presence(there).to_owned())
            });
        }
        // A key without material cannot be used: that is told of once.
        let is_rehearsed = around.is_rehearsed && in_use && !observed.enabled;
        if observed.enabled != in_use && !is_rehearsed && observed.material_present != Some(false) {
            let said = |enabled: bool| if enabled { "enabled" } else { "disabled" }.to_owned();
            self.differs(Attribute::State, said(in_use), |view| view.facts.as_ref().map(|facts| said(facts.enabled)));
        }
        if in_use && observed.material_present == Some(true) && self.row.expires_at.map(seconds) != observed.expires.map(seconds) {
            let class = class_of_end(self.row.expires_at, observed.expires, has_ended);
            self.add(Attribute::Expires, "", class, said_of_end(self.row.expires_at), |view| {
                view.facts.as_ref().map(|facts| said_of_end(facts.expires.map(Into::into)))
            });
        }
    }

    fn labels(&mut self, seen: &Seen) {
        if self.row.description != seen.key.description {
            self.differs(Attribute::Description, self.row.description.clone(), |view| view.facts.as_ref().map(|facts| facts.description.clone()));
        }
        if seen.tags.is_none() {
            return;
        }
        let wanted: BTreeMap<String, String> = self.row.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let said = |tags: &BTreeMap<String, String>| serde_json::to_string(tags).unwrap_or_default();
        if self.row.tags != seen.peoples_tags() {
            self.differs(Attribute::Tags, said(&wanted), |view| view.facts.as_ref().map(|facts| said(&facts.tags)));
        }
        let own = BTreeMap::from([("keystead:installation", self.row.account_id.as_str()), ("keystead:key", self.row.id.as_str()), ("managed-by", "keystead")]);
        if own.iter().any(|(name, value)| self.live.other_tags.get(*name).map(String::as_str) != Some(value)) {
            self.differs(Attribute::OwnTags, serde_json::to_string(&own).unwrap_or_default(), |view| Some(said(&own_tags(view))));
        }
    }

    fn aliases(&mut self, around: &Surroundings, seen: &Seen) {
        for alias in &self.row.aliases.without(&seen.aliases) {
            let wanted = "points here".to_owned();
            let name = alias.as_str();
            let last_seen = |view: &View| view.facts.as_ref().filter(|facts| facts.aliases.iter().any(|one| one == name)).map(|_| "points here".to_owned());
            let (attribute, live) = match around.moved.get(name) {
                Some(target) => (Attribute::AliasMoved, target.clone()),
                None => (Attribute::AliasMissing, "points at nothing".to_owned()),
            };
            let class = class_of(attribute, is_in_use(self.row));
            self.found.push(Difference { attribute, item: name.to_owned(), class, wanted, last_seen: self.last.and_then(last_seen), live });
        }
        for alias in &seen.aliases.without(&self.row.aliases).without(&around.others) {
            let class = class_of(Attribute::AliasAdded, is_in_use(self.row));
            let name = alias.as_str();
            self.add(Attribute::AliasAdded, name, class, "none".to_owned(), |view| {
                view.facts.as_ref().filter(|facts| facts.aliases.iter().any(|one| one == name)).map(|_| "points here".to_owned())
            });
        }
    }

    /// Policy and grants. What may not be read says nothing.
    fn access(&mut self, baseline: &View, seen: &Seen) {
        let account = seen.key.observed.arn.split(':').nth(4).unwrap_or_default();
        if let Some((wanted, live)) = baseline.policy.as_ref().zip(seen.policy.as_ref())
            && wanted != live
        {
            let known: Vec<String> = principals(wanted).into_iter().collect();
            let allowed: Option<Vec<String>> = read_principals(live).map(|named| named.into_iter().collect());
            self.add(Attribute::Policy, "", class_of_policy(account, &known, allowed.as_deref()), wanted.clone(), |view| view.policy.clone());
        }
        let live = self.live;
        if baseline.grants.is_some() && live.grants.is_some() && (baseline.grants, &baseline.grantees) != (live.grants, &live.grantees) {
            let came: Vec<&GrantView> = live.grantees.iter().filter(|grant| !baseline.grantees.contains(grant)).collect();
            let class = class_of_grants(account, came.iter().map(|grant| (grant.grantee.as_str(), grant.operations.as_slice())));
            let class = if came.is_empty() && live.grants < baseline.grants { DriftClass::Benign } else { class };
            self.add(Attribute::Grants, "", class, said_of_grants(baseline), |view| view.grants.map(|_| said_of_grants(view)));
        }
    }

    /// What was to be seen once, and is not any more: whoever shuts Keystead out must not pass unseen.
    fn hidden(&mut self, baseline: &View, seen: &Seen) {
        let checks = [
            ("policy", baseline.policy.is_some() && seen.policy.is_none()),
            ("grants", baseline.grants.is_some() && seen.grants.is_none()),
            ("tags", seen.tags.is_none()),
        ];
        for (item, _) in checks.into_iter().filter(|(_, is_hidden)| *is_hidden) {
            self.found.push(hidden(self.row, item));
        }
    }

    fn family(&mut self, around: &Surroundings, seen: &Seen) {
        let role = self.row.ties.role;
        if role != seen.key.family.role {
            self.differs(Attribute::RegionRole, role.as_str().to_owned(), |view| view.facts.as_ref().map(|facts| facts.role.clone()));
        } else if role == RegionRole::Primary && around.replicas != self.live.replicas.iter().cloned().collect() {
            let said = |names: &BTreeSet<String>| if names.is_empty() { "none".to_owned() } else { names.iter().cloned().collect::<Vec<_>>().join(" ") };
            self.differs(Attribute::Replicas, said(&around.replicas), |view| Some(said(&view.replicas.iter().cloned().collect())));
        }
    }
}

/// The cloud counts in seconds or milliseconds.
fn seconds(time: Timestamp) -> i64 {
    time.as_micros() / keystead_domain::time::SECOND
}

fn said_of_presence(there: bool) -> &'static str {
    if there { "present" } else { "absent" }
}

fn said_of_end(end: Option<Timestamp>) -> String {
    end.map_or_else(|| "never".to_owned(), Timestamp::rfc3339)
}

fn said_of_deletion(facts: &Facts) -> String {
    match facts.deletion_at {
        Some(at) => Timestamp::from(at).rfc3339(),
        None if facts.counts_down => "counts down".to_owned(),
        None => "none".to_owned(),
    }
}

fn said_of_grants(view: &View) -> String {
    let named = view.grantees.iter().map(|GrantView { grantee, operations }| format!("{grantee}: {}", operations.join(", ")));
    let named: Vec<String> = named.collect();
    match view.grants.unwrap_or_default() {
        0 => "none".to_owned(),
        count if count as usize > named.len() => format!("{count}, the first of them {}", named.join("; ")),
        _ => named.join("; "),
    }
}

/// Keystead's own tags in a view.
pub(crate) fn own_tags(view: &View) -> BTreeMap<String, String> {
    view.other_tags
        .iter()
        .filter(|(name, _)| name.starts_with(OWN_PREFIX) || *name == "managed-by")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What of a look has a place in the row as well: kept, so that the next look knows what this one saw. A stored record: fields may be added, and never renamed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Whether the key may be used.
    pub enabled: bool,
    /// Whether material is there.
    pub material_present: Option<bool>,
    /// The cloud's id of the material.
    pub material_id: Option<String>,
    /// When the material expires.
    pub expires: Option<StoredTime>,
    /// Whether it counts down to deletion.
    pub counts_down: bool,
    /// Until when.
    pub deletion_at: Option<StoredTime>,
    /// Free text.
    pub description: String,
    /// The people's tags.
    pub tags: BTreeMap<String, String>,
    /// Every alias that points at it.
    pub aliases: Vec<String>,
    /// Its part among Regions.
    pub role: String,
}

impl Facts {
    pub(super) fn of(seen: &Seen) -> Self {
        let observed = &seen.key.observed;
        Self {
            enabled: observed.enabled,
            material_present: observed.material_present,
            material_id: observed.material_id.clone(),
            expires: observed.expires.map(Into::into),
            counts_down: seen.key.counts_down,
            deletion_at: observed.deletion_at.map(Into::into),
            description: seen.key.description.clone(),
            tags: seen.peoples_tags().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            aliases: seen.aliases.to_strings(),
            role: seen.key.family.role.as_str().to_owned(),
        }
    }
}
