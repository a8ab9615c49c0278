//! On-demand rotation, and the list of a key's materials (cloud-byok.md, section 2.5). Automatic rotation is not simulated; EXTERNAL keys have none.

use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::super::regions::Place;
use super::family;
use super::key::{Held, Key, Origin, Part, epoch, expiration_model};
use super::lifecycle::record;
use super::list::Page;
use super::material;
use super::realm::Naming;
use crate::clock::Micros;
use crate::world::World;

/// On-demand rotations of a key, for life; not adjustable.
const ROTATIONS_MAX: u32 = 25;

/// RotateKeyOnDemand. It ends when the change shows to others: at once, or after the visibility delay.
pub(crate) fn rotate_on_demand(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let (now, end) = (scene.now, scene.visible_at());
    let place = &scene.call.place;
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let pending_everywhere = family::pending_is_everywhere(scene.world, place, &key_id);
    let is_replica = family::is_replica(scene.world, place, &key_id);
    let key = scene.key(&key_id)?;
    if is_replica {
        return Err(AwsError::new(Code::UnsupportedOperation, format!("{} is a replica key; rotate the primary key.", key.arn())));
    }
    check_rotation(key, now, pending_everywhere)?;
    key.rotations += 1;
    key.rotating = Some((now, end));
    if key.origin == Origin::AwsKms {
        add_generated(key)?;
    }
    let reply = json!({"KeyId": key.arn()});
    if end <= now {
        complete(scene.world, place, &key_id, now);
    } else {
        scene.look_at_key(&key_id);
    }
    Ok(reply.into())
}

fn check_rotation(key: &Key, now: Micros, pending_everywhere: bool) -> Result<(), AwsError> {
    require_rotatable(key)?;
    key.check("RotateKeyOnDemand", now)?;
    let arn = key.arn();
    if key.rotating.is_some() {
        return Err(AwsError::new(Code::Conflict, format!("A rotation of {arn} is already in progress.")));
    }
    if key.rotations >= ROTATIONS_MAX {
        let message = "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key:";
        return Err(AwsError::new(Code::LimitExceeded, format!("{message} {arn}")));
    }
    if key.origin == Origin::External && !pending_everywhere {
        return Err(AwsError::new(Code::InvalidState, format!("No available key material pending rotation for the key: {arn}.")));
    }
    Ok(())
}

fn require_rotatable(key: &Key) -> Result<(), AwsError> {
    if key.spec.is_symmetric() {
        return Ok(());
    }
    Err(AwsError::new(Code::UnsupportedOperation, format!("{} key spec is {} which is not valid for this operation.", key.arn(), key.spec.name)))
}

fn add_generated(key: &mut Key) -> Result<(), AwsError> {
    let bytes = material::generate(key.spec, key.place.partition())?;
    let id = material::identity(&key.id, &bytes);
    key.materials.push(Held { id, part: Part::Pending, description: None, bytes: Some(bytes), expires: None, rotated: None });
    Ok(())
}

/// Ends a rotation: the pending material becomes current, in every Region of the key.
pub(crate) fn complete(world: &mut World, place: &Place, key_id: &str, at: Micros) {
    let generated = world.realm_mut(place).keys.get(key_id).filter(|key| key.origin == Origin::AwsKms).and_then(Key::pending);
    let generated = generated.and_then(|held| Some((held.id.clone(), held.bytes.clone()?)));
    for region in family::regions(world, place, key_id) {
        let there = Place { region, ..place.clone() };
        if let Some(key) = world.realm_mut(&there).keys.get_mut(key_id) {
            if let (Some((id, bytes)), None) = (&generated, key.pending()) {
                let (id, bytes) = (id.clone(), Some(bytes.clone()));
                key.materials.push(Held { id, part: Part::Pending, description: None, bytes, expires: None, rotated: None });
            }
            promote(key, at);
            record(world, "RotateKey", &there, key_id, at);
        }
    }
}

fn promote(key: &mut Key, at: Micros) {
    key.rotating = None;
    if key.pending().is_none() {
        return;
    }
    for held in &mut key.materials {
        match held.part {
            Part::Current => held.part = Part::NonCurrent,
            Part::Pending => (held.part, held.rotated) = (Part::Current, Some(at)),
            Part::NonCurrent => {}
        }
    }
}

pub(crate) fn status(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let key = scene.open(Naming::KeyOnly)?;
    let mut reply = json!({"KeyId": key.arn(), "KeyRotationEnabled": false});
    if let Some((start, _)) = key.rotating {
        reply["OnDemandRotationStartDate"] = epoch(start);
    }
    Ok(reply.into())
}

/// ListKeyRotations: completed rotations, or with ALL_KEY_MATERIAL the first and the pending material too.
pub(crate) fn list(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let include = scene.request().choice("IncludeKeyMaterial", &["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"])?;
    let place = &scene.call.place;
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let pending_everywhere = family::pending_is_everywhere(scene.world, place, &key_id);
    let page = Page::read(scene, &format!("ListKeyRotations {key_id}"), 100, 1_000)?;
    let key = scene.key(&key_id)?;
    require_rotatable(key)?;
    let all = include == Some("ALL_KEY_MATERIAL");
    let shown: Vec<&Held> = key.materials.iter().filter(|held| all || held.rotated.is_some()).collect();
    let first = page.after.as_ref().map_or(0, |after| shown.iter().position(|held| held.id == *after).map_or(shown.len(), |index| index + 1));
    let entries = shown.into_iter().skip(first).map(|held| (held.id.clone(), entry(key, held, pending_everywhere)));
    let (items, last) = page.cut(entries);
    page.reply(scene, "Rotations", items, last)
}

fn entry(key: &Key, held: &Held, pending_everywhere: bool) -> Value {
    let state = match held.part {
        Part::Current => "CURRENT",
        Part::NonCurrent => "NON_CURRENT",
        Part::Pending if pending_everywhere => "PENDING_ROTATION",
        Part::Pending => "PENDING_MULTI_REGION_IMPORT_AND_ROTATION",
    };
    let mut entry = json!({"KeyId": key.id, "KeyMaterialId": held.id, "KeyMaterialState": state});
    if key.origin == Origin::External {
        entry["ImportState"] = json!(if held.bytes.is_some() { "IMPORTED" } else { "PENDING_IMPORT" });
        if let Some(description) = &held.description {
            entry["KeyMaterialDescription"] = json!(description);
        }
        if held.bytes.is_some() {
            entry["ExpirationModel"] = json!(expiration_model(held.expires));
        }
        if let Some(at) = held.expires {
            entry["ValidTo"] = epoch(at);
        }
    }
    if let Some(at) = held.rotated {
        entry["RotationDate"] = epoch(at);
        entry["RotationType"] = json!("ON_DEMAND");
    }
    entry
}
