//! Multi-Region keys: a primary and its replicas share id, spec, usage, origin and material, and nothing else (cloud-byok.md, section 2.7). A replica of an
//! EXTERNAL key begins in PendingImport and takes only the very material of its primary.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::super::policy;
use super::super::regions::{Partition, Place};
use super::create::check_room;
use super::key::{Countdown, Held, Key, Origin, Part};
use super::lifecycle::schedule_look;
use super::realm::Naming;
use super::tags::read_tags;
use crate::clock::Micros;
use crate::world::World;

/// The Regions of one multi-Region key.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    primary: String,
    pub(crate) replicas: BTreeSet<String>,
}

impl Family {
    pub(crate) fn new(primary: &str) -> Self {
        Self { primary: primary.to_owned(), replicas: BTreeSet::new() }
    }

    /// `MultiRegionConfiguration`, as the key at this place shows it.
    pub(crate) fn configuration(&self, place: &Place, key_id: &str) -> Value {
        let member = |region: &String| {
            let there = Place { region: region.clone(), ..place.clone() };
            json!({"Arn": there.key_arn(key_id), "Region": region})
        };
        let kind = if place.region == self.primary { "PRIMARY" } else { "REPLICA" };
        let replicas: Vec<Value> = self.replicas.iter().map(member).collect();
        json!({"MultiRegionKeyType": kind, "PrimaryKey": member(&self.primary), "ReplicaKeys": replicas})
    }
}

fn family<'w>(world: &'w World, place: &Place, key_id: &str) -> Option<&'w Family> {
    world.families.get(&(place.account.clone(), key_id.to_owned()))
}

/// Whether the key at this place is a replica.
pub(crate) fn is_replica(world: &World, place: &Place, key_id: &str) -> bool {
    family(world, place, key_id).is_some_and(|family| family.primary != place.region)
}

/// Whether the key at this place is a primary that has replicas.
pub(crate) fn has_replicas(world: &World, place: &Place, key_id: &str) -> bool {
    family(world, place, key_id).is_some_and(|family| family.primary == place.region && !family.replicas.is_empty())
}

/// Every Region of a key; for a single-Region key its own.
pub(crate) fn regions(world: &World, place: &Place, key_id: &str) -> Vec<String> {
    match family(world, place, key_id) {
        Some(family) => std::iter::once(&family.primary).chain(&family.replicas).cloned().collect(),
        None => vec![place.region.clone()],
    }
}

fn members<'w>(world: &'w World, place: &Place, key_id: &str) -> Vec<&'w Key> {
    let there = |region| Place { region, ..place.clone() };
    regions(world, place, key_id).into_iter().filter_map(|region| world.realms.get(&there(region))?.keys.get(key_id)).collect()
}

/// Whether a pending material is imported in every Region of its key.
pub(crate) fn pending_is_everywhere(world: &World, place: &Place, key_id: &str) -> bool {
    members(world, place, key_id).iter().all(|key| key.pending().is_some_and(|held| held.bytes.is_some()))
}

/// New material of a primary becomes known to its replicas, which then take it as existing material.
pub(crate) fn announce_material(world: &mut World, place: &Place, key_id: &str, material_id: &str) {
    for region in regions(world, place, key_id) {
        let there = Place { region, ..place.clone() };
        let Some(key) = world.realm_mut(&there).keys.get_mut(key_id) else { continue };
        if key.material(material_id).is_none() {
            let part = if key.materials.is_empty() { Part::Current } else { Part::Pending };
            key.materials.push(Held { id: material_id.to_owned(), part, description: None, bytes: None, expires: None, rotated: None });
        }
    }
}

/// Pending material that was deleted leaves the key; deleted at the primary, it leaves the replicas too.
pub(crate) fn forget_pending(world: &mut World, place: &Place, key_id: &str, material_id: &str) {
    if is_replica(world, place, key_id) {
        return;
    }
    for region in regions(world, place, key_id) {
        let there = Place { region, ..place.clone() };
        if let Some(key) = world.realm_mut(&there).keys.get_mut(key_id) {
            key.materials.retain(|held| held.id != material_id);
        }
    }
}

/// A key has ended: it leaves its family, and a primary that waited for the last replica begins its countdown.
pub(crate) fn leave(world: &mut World, place: &Place, key_id: &str, at: Micros) {
    let name = (place.account.clone(), key_id.to_owned());
    let Some(family) = world.families.get_mut(&name) else { return };
    family.replicas.remove(&place.region);
    if family.primary == place.region {
        world.families.remove(&name);
        return;
    }
    if !family.replicas.is_empty() {
        return;
    }
    let primary = Place { region: family.primary.clone(), ..place.clone() };
    if let Some(key) = world.realm_mut(&primary).keys.get_mut(key_id)
        && let Some(Countdown::AfterReplicas(window)) = key.countdown
    {
        key.countdown = Some(Countdown::Until(at + window));
    }
    schedule_look(world, &primary, key_id);
}

/// The primary that a call names, and the other Region that it names.
fn open_primary(scene: &mut Scene<'_>, region_member: &str) -> Result<(String, Place), AwsError> {
    let region = scene.request().required_text(region_member, 1, 32)?;
    let (now, operation, place) = (scene.now, scene.call.operation.name, &scene.call.place);
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let is_primary = family(scene.world, place, &key_id).is_some_and(|family| family.primary == place.region);
    let key = scene.key(&key_id)?;
    if !is_primary {
        return Err(AwsError::new(Code::UnsupportedOperation, format!("{} is not a multi-Region primary key.", key.arn())));
    }
    key.check(operation, now)?;
    if Partition::of_region(region) != Some(place.partition()) || region == place.region {
        return Err(AwsError::new(Code::Validation, format!("{region} is not another Region of this partition.")));
    }
    Ok((key_id, Place { region: region.to_owned(), ..place.clone() }))
}

pub(crate) fn replicate(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let (key_id, there) = open_primary(scene, "ReplicaRegion")?;
    let request = scene.request();
    let policy = match request.text("Policy", 1, 131_072)? {
        Some(policy) => policy.to_owned(),
        None => policy::default_policy(&there),
    };
    policy::check(&policy, &scene.call.caller, request.flag("BypassPolicyLockoutSafetyCheck")?)?;
    let tags = read_tags(request, &Default::default())?;
    let description = request.text("Description", 0, 8_192)?.unwrap_or_default().to_owned();
    scene.authorize_action("kms:CreateKey", "*")?;
    check_room(scene)?;
    if scene.world.realm_mut(&there).keys.contains_key(&key_id) {
        return Err(AwsError::new(Code::AlreadyExists, format!("Key {} already exists.", there.key_arn(&key_id))));
    }
    let (now, ready_at) = (scene.now, scene.visible_at());
    let policy = policy.into();
    let replica = Key { description, policy, tags, created: now, ready_at, ..replica_of(scene.key(&key_id)?, there.clone()) };
    scene.touched.push(replica.arn());
    let (reply_policy, reply_tags) = (replica.policy.to_string(), super::tags::as_list(&replica.tags));
    let family = scene.world.families.get_mut(&(there.account.clone(), key_id.clone()));
    let family = family.ok_or_else(|| AwsError::internal("a primary key without a family"))?;
    family.replicas.insert(there.region.clone());
    let metadata = replica.metadata(Some(family), now);
    scene.world.realm_mut(&there).keys.insert(key_id.clone(), replica);
    schedule_look(scene.world, &there, &key_id);
    Ok(json!({"ReplicaKeyMetadata": metadata, "ReplicaPolicy": reply_policy, "ReplicaTags": reply_tags}).into())
}

/// What a replica shares with its primary. Imported material it only knows by name; material of AWS it has.
fn replica_of(primary: &Key, place: Place) -> Key {
    let shares_bytes = primary.origin == Origin::AwsKms;
    let held = |held: &Held| Held {
        id: held.id.clone(),
        part: held.part,
        description: None,
        bytes: held.bytes.clone().filter(|_| shares_bytes),
        expires: None,
        rotated: held.rotated,
    };
    Key {
        id: primary.id.clone(),
        place,
        created: primary.created,
        visible_at: 0,
        ready_at: 0,
        spec: primary.spec,
        usage: primary.usage,
        origin: primary.origin,
        multi_region: true,
        description: String::new(),
        policy: Default::default(),
        tags: Default::default(),
        disabled: false,
        dark_at: 0,
        countdown: None,
        forced: None,
        materials: primary.materials.iter().map(held).collect(),
        rotations: primary.rotations,
        rotating: None,
        last_use: None,
        grants: Vec::new(),
        guise: None,
    }
}

/// UpdatePrimaryRegion: primary and replica change places, at once.
pub(crate) fn update_primary(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let (key_id, there) = open_primary(scene, "PrimaryRegion")?;
    scene.authorize(&there.key_arn(&key_id))?;
    let here = scene.call.place.region.clone();
    let family = scene.world.families.get_mut(&(there.account.clone(), key_id.clone()));
    let family = family.filter(|family| family.replicas.contains(&there.region));
    let family = family.ok_or_else(|| AwsError::new(Code::NotFound, format!("Key '{}' does not exist", there.key_arn(&key_id))))?;
    family.replicas.remove(&there.region);
    family.replicas.insert(here);
    family.primary = there.region;
    Ok(Stage::Done(None))
}
