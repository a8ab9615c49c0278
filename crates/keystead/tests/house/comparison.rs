//! Vault, database and cloud compared: what a run of crashes, of either kind, must leave behind.

use std::collections::BTreeMap;

use keystead_domain::{AccountId, Alias, Custody, KeyState};
use keystead_server::House;
use keystead_store::{StoreError, keys, keys::KeyFilter, keys::KeyRow, locks, operations, page::Page, versions};
use serde_json::Value;

/// Every key of the simulated cloud, by its id there.
pub struct Cloud(BTreeMap<String, Value>);

impl Cloud {
    /// Of what the sandbox's control plane tells.
    pub fn of(keys: Vec<Value>) -> Self {
        Self(keys.into_iter().map(|key| (key["id"].as_str().unwrap_or_default().to_owned(), key)).collect())
    }

    fn of_key(&self, key: &KeyRow) -> Option<&Value> {
        self.0.get(key.cloud_key_id.as_deref()?)
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
    let raw = cloud.of_key(key).map_or("Gone", |there| there["state"].as_str().unwrap_or_default());
    let is_native = key.ties.custody == Custody::Native;
    let wanted = match key.state {
        KeyState::Inactive if is_native => "Disabled",
        KeyState::Active | KeyState::Replaced => "Enabled",
        KeyState::Inactive => "PendingImport",
        KeyState::PendingDeletion => "PendingDeletion",
        KeyState::Deleted => "Gone",
        KeyState::Creating => "a key that is being made",
    };
    // A deletion that was pending may have been carried out by the cloud when the clock was moved.
    assert!(raw == wanted || (key.state == KeyState::PendingDeletion && raw == "Gone"), "{told}: {} is {raw}", key.state.as_str());
    assert_eq!(key.enabled, raw == "Enabled", "{told}");
    assert!(!key.material_present || raw != "PendingImport", "{told}: the row says that material is there");
    if !is_native {
        check_material(house, key, told).await;
    }
}

/// The vault holds one version of the key's material, which opens, or none of a key that is gone.
async fn check_material(house: &House, key: &KeyRow, told: &str) {
    let id = key.id.clone();
    let rows = house.engine.parts().store.read("test", move |tx| versions::of_key(tx, &id)).await.expect("a store");
    assert_eq!(rows.len(), 1, "{told}: one version");
    assert_eq!(rows[0].sealed.is_some(), key.state != KeyState::Deleted, "{told}: material is kept until the key is gone");
    if key.state != KeyState::Deleted {
        let sealed = house.engine.sealed(key).await.expect("sealed material");
        let vault = &house.engine.parts().vault;
        assert_eq!(vault.fingerprint(&sealed.held().expect("material")).expect("opens").to_string(), rows[0].fingerprint, "{told}");
    }
}

/// The alias points at the current key, and at nothing else.
pub fn check_alias(keys: &[KeyRow], cloud: &Cloud, told: &str) {
    for key in keys.iter().filter(|key| !matches!(key.state, KeyState::Deleted)) {
        let Some(there) = cloud.of_key(key) else { continue };
        let aliases: Vec<&str> = there["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let wanted: Vec<String> = key.alias.iter().map(Alias::with_prefix).collect();
        assert_eq!(aliases, wanted, "{told}: aliases of {}", key.id);
    }
}

/// Whatever else of imported material is in the cloud counts down to deletion, and holds no material. Answers how many there are.
pub async fn check_leftovers(house: &House, account: &AccountId, cloud: &Cloud, told: &str) -> usize {
    let account = account.clone();
    let store = &house.engine.parts().store;
    let known = store
        .read("test", move |tx| {
            let keystore = keystead_store::keystores::find(tx, &account, "payments-eu")?.expect("the keystore");
            keys::cloud_key_ids(tx, &keystore.id)
        })
        .await
        .expect("a store");
    let leftovers: Vec<&Value> = cloud.0.values().filter(|there| there["origin"] == "EXTERNAL" && !known.iter().any(|id| there["id"] == id.as_str())).collect();
    for there in &leftovers {
        assert_eq!(there["state"], "PendingDeletion", "{told}: a leftover: {there}");
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
