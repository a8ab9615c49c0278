//! What must be so after the year.

use std::collections::{BTreeMap, BTreeSet};

use keystead_app::keys::lifecycle::Ask;
use keystead_domain::{Custody, KeyState, RegionRole};
use keystead_store::{alerts, keys::KeyFilter, keys::KeyRow, operations, operations::OperationRow, page::Page};

use super::{Year, groups::Group};
use crate::{
    comparison::{Cloud, check_aliases, check_key, check_leftovers, check_rest, keys_of, versions_of},
    families::check_in_step,
    rotation::is_night_in_berlin,
};

/// Every key, by the name of its lineage, oldest first.
pub type Keys = BTreeMap<String, Vec<KeyRow>>;

/// How many turns there were.
#[derive(Default)]
pub struct Turns {
    pub successors: usize,
    pub in_place: usize,
    /// Copies that followed their source.
    pub copies: usize,
}

/// How many keys that were deactivated behind their grace are taken into use again for what they encrypted, of those with material of their own and of copies.
const BROUGHT_BACK: usize = 40;

impl Year {
    async fn operations(&self) -> Vec<OperationRow> {
        let (mut all, mut page) = (Vec::new(), Page::first());
        loop {
            let (account, this) = (self.world.ann.account.clone(), page.clone());
            let listed = self.world.store().read("test", move |tx| operations::list(tx, &account, None, &this)).await.expect("a store");
            all.extend(listed.rows);
            let Some(next) = listed.next else { return all };
            page = Page { after: Some(next), ..Page::first() };
        }
    }

    pub async fn keys(&self) -> Keys {
        let mut by_name = Keys::new();
        for key in keys_of(&self.world.house, &self.world.ann.account, &KeyFilter::default()).await {
            by_name.entry(key.name.clone()).or_default().push(key);
        }
        by_name
    }

    /// Every operation has ended; every turn began in its window; each lineage had its turns.
    pub async fn check_turns(&self, keys: &Keys) -> Turns {
        let by_id: BTreeMap<&str, &KeyRow> = keys.values().flatten().map(|key| (key.id.as_str(), key)).collect();
        let mut turns = Turns::default();
        for operation in self.operations().await {
            assert_ne!(operation.state, "RUNNING", "{operation:?}");
            if !matches!(operation.kind.as_str(), "renew-key" | "rotate-in-place") || operation.state != "SUCCEEDED" {
                continue;
            }
            let key = by_id[operation.key_id.as_ref().expect("a key").as_str()];
            let Some(group) = self.lineages.get(&key.name).map(|lineage| lineage.group) else {
                turns.copies += 1;
                continue;
            };
            if group != Group::Renewed {
                assert!(is_night_in_berlin(operation.created_at, group.is_on_weekends()), "{} began at {}", key.name, operation.created_at.as_secs());
            }
            assert_eq!(operation.kind == "rotate-in-place", group.is_in_place(), "{}", key.name);
            *if group.is_in_place() { &mut turns.in_place } else { &mut turns.successors } += 1;
        }
        for (name, lineage) in &self.lineages {
            let count = if lineage.group.is_in_place() { versions_of(&self.world.house, &keys[name][0]).await.len() } else { keys[name].len() } - 1;
            let (fewest, most) = lineage.group.turns();
            assert!((fewest..=most).contains(&count), "{name}, {:?}: {count} turns", lineage.group);
        }
        turns
    }

    /// Replicas have the turns, the states, the ends and every material of their primary; copies have the newest material of their source.
    pub async fn check_steps(&self, keys: &Keys) {
        for (name, lineage) in &self.lineages {
            let used = lineage.group.used().iter().map(|(suffix, _)| &keys[&format!("{name}{suffix}")]);
            if lineage.group.is_family() {
                let of_primary = self.materials(&keys[name]).await;
                for member in used.clone() {
                    assert_eq!(self.materials(member).await, of_primary, "{}: a member missed a turn of {name}", member[0].region);
                }
                check_in_step(&used.flatten().cloned().collect::<Vec<KeyRow>>(), name);
            } else if lineage.group == Group::Source {
                let source = self.newest(&keys[name]).await;
                for copy in used {
                    assert_eq!(self.newest(copy).await, source, "{name}: a copy was left behind");
                    check_order(copy, keys);
                }
            }
        }
    }

    /// The fingerprints of every material that the keys of a lineage have had, oldest first.
    async fn materials(&self, lineage: &[KeyRow]) -> Vec<String> {
        let mut all = Vec::new();
        for key in lineage {
            all.extend(versions_of(&self.world.house, key).await.into_iter().map(|version| version.fingerprint));
        }
        all
    }

    /// The key in use of a lineage, by its source if it has one, and its newest material.
    async fn newest(&self, lineage: &[KeyRow]) -> (String, String) {
        let key = lineage.iter().find(|key| key.is_current).expect("a current key");
        assert_eq!(key.state, KeyState::Active, "{}", key.name);
        let version = versions_of(&self.world.house, key).await.pop().expect("a version");
        (key.ties.source.as_ref().unwrap_or(&key.id).to_string(), version.fingerprint)
    }

    /// No material has ended; vault, database and cloud agree on every key, and nothing is left beside them.
    pub async fn check_places(&self, keys: &Keys) {
        assert!(self.ended.is_empty(), "ended: {:?}", self.ended);
        let house = &self.world.house;
        house.engine.sweep_all().await;
        let cloud = Cloud::of(self.world.cloud_keys().await);
        let all: Vec<KeyRow> = keys.values().flatten().cloned().collect();
        for key in &all {
            assert!(matches!(key.state, KeyState::Active | KeyState::Replaced | KeyState::Inactive), "{} is {}", key.name, key.state.as_str());
            check_key(house, key, &cloud, &format!("{} {}", key.name, key.id)).await;
        }
        check_aliases(&all, &cloud, "after the year");
        check_leftovers(house, &self.world.ann.account, &cloud, "after the year").await;
        check_rest(house, &all, "after the year").await;
    }

    /// What was made under any key at any time is good. Keys that were deactivated behind their grace are taken into use again for it; of those a sample.
    pub async fn check_relics(&self, keys: &Keys) -> usize {
        let is_retired = |key: &&KeyRow| key.state == KeyState::Inactive;
        let used: Vec<&KeyRow> = keys.values().flatten().filter(|key| key.cloud_arn.is_some()).collect();
        let mut is_open: BTreeSet<&str> = used.iter().filter(|key| !is_retired(key)).filter_map(|key| key.cloud_arn.as_deref()).collect();
        for custody in [Custody::Own, Custody::Linked] {
            let retired: Vec<&KeyRow> =
                used.iter().filter(|key| is_retired(key) && key.ties.custody == custody && key.ties.role == RegionRole::Single).copied().collect();
            for key in retired.iter().step_by(retired.len() / BROUGHT_BACK + 1) {
                self.world.does(key.id.as_str(), Ask::Activate).await;
                is_open.extend(key.cloud_arn.as_deref());
            }
        }
        let mut good = 0;
        for (name, lineage) in &self.lineages {
            good += lineage.check(name, &is_open, &self.applications).await;
        }
        good
    }

    /// Every alert that was written has arrived, in one message; nothing arrived that was not written.
    pub async fn check_alerts(&self) -> usize {
        let (account, mut written, mut page) = (self.world.ann.account.clone(), BTreeSet::new(), Page::first());
        loop {
            let (account, this) = (account.clone(), page.clone());
            let listed = self.world.store().read("test", move |tx| alerts::list(tx, &account, &this)).await.expect("a store");
            written.extend(listed.rows.into_iter().map(|row| row.id.to_string()));
            let Some(next) = listed.next else { break };
            page = Page { after: Some(next), ..Page::first() };
        }
        let mut arrived: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (message, body) in self.receiver.taken() {
            for alert in body["data"]["alerts"].as_array().into_iter().flatten() {
                arrived.entry(alert["id"].as_str().unwrap_or_default().to_owned()).or_default().insert(message.clone());
            }
        }
        assert!(arrived.values().all(|messages| messages.len() == 1), "an alert came in two messages");
        assert_eq!(arrived.into_keys().collect::<BTreeSet<_>>(), written);
        written.len()
    }

    pub async fn check_log(&self) -> u64 {
        let (_, key) = self.world.rest(0, "GET", "/v1/audit/key", None).await;
        let export = self.world.http.get(format!("{}/v1/audit/export", self.world.url)).bearer_auth(&self.world.tokens[0]).send().await.expect("an answer");
        let export = export.bytes().await.expect("a body");
        keystead_audit::verify_export(&export[..], key["vkey"].as_str(), None).expect("the log verifies").entries
    }
}

/// Each copy was made behind the source that it has the material of, and before the next one.
fn check_order(copies: &[KeyRow], keys: &Keys) {
    let sources: BTreeMap<&str, &KeyRow> = keys.values().flatten().map(|key| (key.id.as_str(), key)).collect();
    for copy in copies {
        let source = sources[copy.ties.source.as_ref().expect("a source").as_str()];
        let next = source.successor_id.as_ref().map(|next| sources[next.as_str()]);
        assert!(copy.created_at >= source.created_at, "{}", copy.name);
        assert!(next.is_none_or(|next| copy.created_at <= next.created_at), "{} is older than its source's successor", copy.name);
    }
}
