//! Vault, database and cloud compared: what a run of crashes, of either kind, must leave behind.

use std::collections::{BTreeMap, BTreeSet};

use keystead_domain::{AccountId, Alias, Custody, KeyId, KeyState, RegionRole};
use keystead_server::House;
use keystead_store::{StoreError, Tx, keys, keys::KeyFilter, keys::KeyRow, locks, operations, page::Page, versions, versions::VersionRow};
use serde_json::Value;

/// Every key of the simulated cloud, by its full name: the keys of a family of Regions share the short one.
pub struct Cloud(BTreeMap<String, Value>);

impl Cloud {
    /// Of what the sandbox's control plane tells.
    pub fn of(keys: Vec<Value>) -> Self {
        Self(keys.into_iter().map(|key| (key["arn"].as_str().unwrap_or_default().to_owned(), key)).collect())
    }

    fn of_key(&self, key: &KeyRow) -> Option<&Value> {
        self.0.get(key.cloud_arn.as_deref()?)
    }

    /// Whether it has the key.
    pub fn has(&self, key: &KeyRow) -> bool {
        self.of_key(key).is_some()
    }

    /// How many aliases point at a key.
    pub fn aliases_of(&self, key: &KeyRow) -> usize {
        self.of_key(key).map_or(0, |there| there["aliases"].as_array().map_or(0, Vec::len))
    }

    /// How many keys there are, leftovers included.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The account's keys that this filter lets through, all pages, oldest first.
pub async fn keys_of(house: &House, account: &AccountId, filter: &KeyFilter) -> Vec<KeyRow> {
    let (mut found, mut page) = (Vec::new(), Page::first());
    loop {
        let (account, filter, this) = (account.clone(), filter.clone(), page.clone());
        let listed = house.engine.parts().store.read("test", move |tx| keys::list(tx, &account, &filter, &this)).await.expect("a store");
        found.extend(listed.rows);
        let Some(next) = listed.next else { return found };
        page = Page { after: Some(next), ..Page::first() };
    }
}

/// Cloud and vault fit the key's state.
pub async fn check_key(house: &House, key: &KeyRow, cloud: &Cloud, told: &str) {
    if key.is_in_vault() {
        assert_eq!(key.enabled, matches!(key.state, KeyState::Active | KeyState::Replaced), "{told}");
        assert_eq!((key.material_present, &key.cloud_key_id), (key.state != KeyState::Deleted, &None), "{told}");
        return check_material(house, key, None, told).await;
    }
    let raw = match cloud.of_key(key).map_or("Gone", |there| there["state"].as_str().unwrap_or_default()) {
        // A primary whose countdown begins with the end of its last replica.
        "PendingReplicaDeletion" if key.ties.role == RegionRole::Primary => "PendingDeletion",
        raw => raw,
    };
    let wanted = match key.state {
        KeyState::Active | KeyState::Replaced => "Enabled",
        KeyState::Inactive if key.ties.custody == Custody::Native => "Disabled",
        KeyState::Inactive => "PendingImport",
        KeyState::PendingDeletion => "PendingDeletion",
        KeyState::Deleted => "Gone",
        KeyState::Creating => "a key that is being made",
    };
    // A deletion that was pending may have been carried out by the cloud when the clock was moved.
    assert!(raw == wanted || (key.state == KeyState::PendingDeletion && raw == "Gone"), "{told}: {} is {raw}", key.state.as_str());
    assert_eq!(key.enabled, raw == "Enabled", "{told}");
    assert!(!key.material_present || raw != "PendingImport", "{told}: the row says that material is there");
    check_material(house, key, cloud.of_key(key), told).await;
}

/// Every version of a key, oldest first.
pub async fn versions_of(house: &House, key: &KeyRow) -> Vec<VersionRow> {
    let id = key.id.clone();
    house.engine.parts().store.read("test", move |tx| versions::of_key(tx, &id)).await.expect("a store")
}

/// The vault holds every version of the key's material, each of which opens, or none of a key that is gone; the cloud holds the same, and none beside them.
async fn check_material(house: &House, key: &KeyRow, there: Option<&Value>, told: &str) {
    let rows = versions_of(house, key).await;
    // Of a key that a sync found the vault never had any.
    let has_some = !rows.is_empty() || key.ties.custody == Custody::Native;
    assert!(has_some && rows.iter().all(|row| !row.is_pending), "{told}: at rest no version waits");
    if key.state == KeyState::Deleted || key.ties.custody == Custody::Native {
        // What a family shares is there until the last of it is gone.
        let is_shared = match key.successor_id.clone() {
            // One that was made anew has the same, and is told for itself.
            Some(successor) => shares(house, successor, &rows).await,
            None => false,
        };
        let is_gone = is_shared || key.ties.role != RegionRole::Single || rows.iter().all(|row| row.sealed.is_none());
        assert!(is_gone, "{told}: material is kept until the key is gone, and no longer");
        return;
    }
    let materials = house.engine.materials(key).await.expect("sealed material");
    assert_eq!(materials.len(), rows.len(), "{told}");
    for material in &materials {
        let opened = house.engine.parts().vault.fingerprint(&material.sealed.held().expect("material")).expect("opens");
        assert_eq!(opened.to_string(), material.version.fingerprint, "{told}");
    }
    let Some(there) = there.filter(|there| there["state"] == "Enabled") else { return };
    let known: Vec<Option<&str>> = rows.iter().map(|row| row.material_id.as_deref()).collect();
    let held: Vec<Option<&str>> = there["materials"].as_array().into_iter().flatten().map(|held| held["id"].as_str()).collect();
    assert!(held.len() == rows.len() && (known == held || known.contains(&None)), "{told}: {known:?} {held:?}");
}

/// Whether a key lives that shares the material of one of these versions.
async fn shares(house: &House, key: KeyId, rows: &[VersionRow]) -> bool {
    let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((keys::by_id(tx, &key)?, versions::of_key(tx, &key)?));
    let (found, versions) = house.engine.parts().store.read("test", look).await.expect("a store");
    let of = |version: &VersionRow| rows.iter().any(|row| version.source_id.as_ref() == Some(&row.id));
    found.is_some_and(|key| key.state != KeyState::Deleted) && versions.iter().any(of)
}

/// The aliases point at the current key, and at nothing else.
pub fn check_aliases(keys: &[KeyRow], cloud: &Cloud, told: &str) {
    for key in keys.iter().filter(|key| !matches!(key.state, KeyState::Deleted)) {
        let Some(there) = cloud.of_key(key) else { continue };
        let aliases: BTreeSet<&str> = there["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let wanted: Vec<String> = key.aliases.iter().map(Alias::with_prefix).collect();
        let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        assert_eq!(aliases, wanted, "{told}: aliases of {}", key.id);
    }
}

/// Whatever else of imported material is in the cloud counts down to deletion, and holds no material. Answers how many there are.
pub async fn check_leftovers(house: &House, account: &AccountId, cloud: &Cloud, told: &str) -> usize {
    let known: BTreeSet<String> = keys_of(house, account, &KeyFilter::default()).await.into_iter().filter_map(|key| key.cloud_arn).collect();
    let leftovers: Vec<&Value> = cloud.0.iter().filter(|(arn, there)| there["origin"] == "EXTERNAL" && !known.contains(*arn)).map(|(_, there)| there).collect();
    for there in &leftovers {
        assert!(there["state"] == "PendingDeletion" || there["state"] == "PendingReplicaDeletion", "{told}: a leftover: {there}");
        assert_eq!(there["has_material"], false, "{told}: a leftover holds material");
    }
    leftovers.len()
}

/// Nothing runs, and nothing holds one of these keys.
pub async fn check_rest(house: &House, keys: &[KeyRow], told: &str) {
    let now = house.engine.now().plus_days(10_000);
    let store = &house.engine.parts().store;
    let running = store.read("test", move |tx| operations::any_due(tx, now)).await.expect("a store");
    assert!(!running, "{told}: an operation still runs");
    let ids: Vec<_> = keys.iter().map(|key| key.id.clone()).collect();
    let holders = store.read("test", move |tx| ids.iter().map(|id| locks::holder(tx, id.as_str())).collect::<Result<Vec<_>, StoreError>>()).await;
    assert!(holders.expect("a store").iter().all(Option::is_none), "{told}: a lock is held");
}
