//! The meddler of the year: somebody who changes keys at AWS behind Keystead's back, at any time and in any Region. Each deed is seen by its event and says who did it; it stays
//! for a while, in which turns, extensions and kills go on around it, until a person has it put right (CM-018, FX-042).

use std::collections::BTreeMap;

use keystead_domain::KeyState;
use keystead_store::{keys::KeyRow, locks};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::relics::Lineage;
use crate::{
    drift::{Deed, Meddler},
    process::is_proof,
    world::{CUSTOMER, World},
};

/// The deeds, what each is found as, and its event. An alias is not taken: the key that it would be moved to stays in the account, and is none of the year's.
const DEEDS: [(Deed, &str, &str); 9] = [
    (Deed::Disable, "state", "DisableKey"),
    (Deed::EmptyIt, "material", "DeleteImportedKeyMaterial"),
    (Deed::DropTheAlias, "alias-missing", "DeleteAlias"),
    (Deed::AddAnAlias, "alias-added", "CreateAlias"),
    (Deed::ChangeTags, "tags", "TagResource"),
    (Deed::DropKeysteadsTags, "own-tags", "UntagResource"),
    (Deed::Describe, "description", "UpdateKeyDescription"),
    (Deed::Grant, "grants", "CreateGrant"),
    (Deed::Count, "deletion", "ScheduleKeyDeletion"),
];

/// Of so many looks one is meddled before: in a proof, and in the tests.
const SELDOM: [u32; 2] = [8, 24];

/// What was done, and what has become of it.
#[derive(Default)]
pub struct Meddling {
    pub deeds: usize,
    pub repaired: usize,
    pub accepted: usize,
    /// Keys that were changed, and for how many more looks they stay so.
    left: BTreeMap<String, usize>,
}

impl Meddling {
    /// Every keystore in a cloud listens to a queue of its own.
    pub async fn begin(world: &World) -> Self {
        let (_, listed) = world.rest(0, "GET", "/v1/keystores?limit=1000", None).await;
        for keystore in listed["items"].as_array().expect("keystores").iter().filter(|keystore| keystore["cloud"] == "aws") {
            let (name, region) = (keystore["name"].as_str().expect("a name"), keystore["region"].as_str().expect("a Region"));
            world.sandbox.put_queue(CUSTOMER, region, name, false);
            let queue = format!("arn:aws:sqs:{region}:{CUSTOMER}:{name}");
            let (status, answer) = world.rest(0, "PUT", &format!("/v1/keystores/{name}/event-queue"), Some(json!({ "queue": queue }))).await;
            assert_eq!(status, 200, "{answer}");
        }
        Self::default()
    }

    /// Perhaps does something to a key, in clear weather, and is found out.
    pub async fn meddles(&mut self, world: &World, lineages: &BTreeMap<String, Lineage>, random: &mut StdRng) {
        if random.random_ratio(1, SELDOM[usize::from(!is_proof())]) {
            let names: Vec<&String> = lineages.keys().collect();
            let name = *names.choose(random).expect("lineages");
            let (suffix, region) = lineages[name].group.used().choose(random).expect("a member");
            let (deed, attribute, event) = *DEEDS.choose(random).expect("deeds");
            let key = world.key(&format!("{name}{suffix}")).await;
            if key.state == KeyState::Active && !self.left.contains_key(key.id.as_str()) && is_free(world, &key).await {
                if deed == Deed::Grant {
                    // Of grants is wanted what was seen first, and a successor was perhaps not seen yet.
                    world.sync(&key.keystore_name).await;
                }
                Meddler::in_region(world, region).does(deed, &key).await;
                self.deeds += 1;
                self.left.insert(key.id.to_string(), random.random_range(0..4));
                listen(world).await;
                let open = world.open_drift(&format!("&key={}", key.id)).await;
                let found = open.iter().find(|drift| drift["attribute"] == attribute).unwrap_or_else(|| panic!("{deed:?} on {}: {open:?}", key.name));
                assert_eq!(found["cause"]["event"], event, "{deed:?} on {}: {found}", key.name);
            }
        }
    }

    /// A person has put right what has stayed for long enough; all of it before applications come.
    pub async fn mends(&mut self, world: &World, all: bool) {
        let due: Vec<String> = self.left.iter().filter(|(_, looks)| all || **looks == 0).map(|(key, _)| key.clone()).collect();
        self.left.values_mut().for_each(|looks| *looks = looks.saturating_sub(1));
        for key in due {
            if self.mend(world, &key).await {
                self.left.remove(&key);
            }
        }
    }

    /// Whether nothing is open on the key any more. What an operation holds up is mended behind it.
    async fn mend(&mut self, world: &World, key: &str) -> bool {
        let open = world.open_drift(&format!("&key={key}")).await;
        let has_fix = |drift: &&Value| drift["repair"].as_array().is_some_and(|steps| !steps.is_empty());
        if open.iter().any(|drift| has_fix(&drift)) {
            let (status, answer) = world.rest(0, "POST", &format!("/v1/keys/{key}/repair"), None).await;
            self.repaired += usize::from(status == 200 && answer["operation"]["state"] == "SUCCEEDED");
        }
        for drift in open.iter().filter(|drift| !has_fix(drift) && drift["instead_of_accepting"].is_null()) {
            let (status, _) = world.rest(0, "PUT", &format!("/v1/drifts/{}/acceptance", drift["id"].as_str().expect("an id")), Some(json!({}))).await;
            self.accepted += usize::from(status == 200);
        }
        world.open_drift(&format!("&key={key}")).await.is_empty()
    }

    /// Behind the year nothing differs, and no deed was left as it was.
    pub async fn check(&self, world: &World) {
        assert!(self.left.is_empty(), "not put right: {:?}", self.left);
        listen(world).await;
        let open = world.open_drift("").await;
        assert!(open.is_empty(), "{open:?}");
        let (_, listed) = world.rest(0, "GET", "/v1/keystores?limit=1000", None).await;
        for keystore in listed["items"].as_array().expect("keystores").iter().filter(|keystore| keystore["cloud"] == "aws") {
            let (_, queue) = world.rest(0, "GET", &format!("/v1/keystores/{}/event-queue", keystore["name"].as_str().expect("a name")), None).await;
            assert_eq!(queue["unexplained"], json!([]), "an operation explains everything in Keystead's own name: {queue}");
        }
        assert!(self.repaired > 0 && self.deeds > 0, "the meddler did nothing: that proves nothing");
    }
}

/// Whether no operation has the key in hand.
async fn is_free(world: &World, key: &KeyRow) -> bool {
    let id = key.id.to_string();
    world.store().read("test", move |tx| locks::holder(tx, &id)).await.expect("a store").is_none()
}

/// Hears what is told, and looks at what is woken, until nothing is.
async fn listen(world: &World) {
    let engine = &world.house.engine;
    loop {
        let heard = engine.listen().await.expect("a store");
        let woken = engine.look_at_woken().await.expect("a store");
        if heard == 0 && woken == 0 {
            return;
        }
    }
}
