//! Switching keys on and off, ending them, and what time does to them by itself (cloud-byok.md, sections 2.4 and 2.7).

use serde_json::json;

use super::super::call::{Scene, Stage};
use super::super::errors::AwsError;
use super::super::regions::Place;
use super::family;
use super::key::{Countdown, Key, Part, epoch};
use super::realm::Naming;
use super::rotation;
use crate::clock::{DAY, Micros};
use crate::random;
use crate::world::World;

impl Scene<'_> {
    /// Puts a key's next due time on the agenda.
    pub(crate) fn look_at_key(&mut self, key_id: &str) {
        schedule_look(self.world, &self.call.place, key_id);
    }
}

pub(crate) fn schedule_look(world: &mut World, place: &Place, key_id: &str) {
    let due = world.realm_mut(place).keys.get(key_id).and_then(Key::next_due);
    if let Some(at) = due {
        world.look_at(at, place, key_id);
    }
}

pub(crate) fn enable(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    scene.open(Naming::KeyOnly)?.disabled = false;
    Ok(Stage::Done(None))
}

pub(crate) fn disable(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let lag = i64::try_from(scene.world.settings.disable_lag_ms).unwrap_or(i64::MAX);
    let dark_at = scene.now.saturating_add(lag.saturating_mul(1_000));
    let key = scene.open(Naming::KeyOnly)?;
    if !key.disabled {
        key.dark_at = dark_at;
    }
    key.disabled = true;
    Ok(Stage::Done(None))
}

/// ScheduleKeyDeletion: 7 to 30 days, 30 unless told otherwise. A multi-Region primary with replicas waits for them first.
pub(crate) fn schedule_deletion(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let days = scene.request().integer("PendingWindowInDays", 7, 30)?.unwrap_or(30);
    let (now, place) = (scene.now, &scene.call.place);
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let has_replicas = family::has_replicas(scene.world, place, &key_id);
    let key = scene.key(&key_id)?;
    key.check("ScheduleKeyDeletion", now)?;
    let until = now + days * DAY;
    key.countdown = Some(if has_replicas { Countdown::AfterReplicas(days * DAY) } else { Countdown::Until(until) });
    let mut reply = json!({"KeyId": key.arn(), "KeyState": key.state(now).name(), "PendingWindowInDays": days});
    if !has_replicas {
        reply["DeletionDate"] = epoch(until);
    }
    scene.look_at_key(&key_id);
    Ok(reply.into())
}

/// CancelKeyDeletion leaves the key Disabled, or PendingImport when its material is missing.
pub(crate) fn cancel_deletion(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let key = scene.open(Naming::KeyOnly)?;
    key.countdown = None;
    key.disabled = true;
    Ok(json!({"KeyId": key.arn()}).into())
}

/// Carries out what is due for a key at that time: expiry, the end of a rotation, the end of the key.
pub(crate) fn settle(world: &mut World, place: &Place, key_id: &str, at: Micros) {
    let Some(key) = world.realm_mut(place).keys.get_mut(key_id) else { return };
    let expired = expire(key, at);
    let rotated = key.rotating.is_some_and(|(_, end)| end <= at);
    let ended = matches!(key.countdown, Some(Countdown::Until(end)) if end <= at);
    if expired {
        record(world, "DeleteExpiredKeyMaterial", place, key_id, at);
    }
    if rotated {
        rotation::complete(world, place, key_id, at);
    }
    if ended {
        world.realm_mut(place).remove_key(key_id);
        record(world, "DeleteKey", place, key_id, at);
        family::leave(world, place, key_id, at);
    } else {
        schedule_look(world, place, key_id);
    }
}

/// Records what the cloud does by itself.
pub(crate) fn record(world: &mut World, event: &str, place: &Place, key_id: &str, at: Micros) {
    let event_id = random::uuid().unwrap_or_default();
    world.record_service(event, place, key_id, event_id, at);
}

/// Drops material whose time has come; a pending one leaves the key altogether. Whether anything was dropped.
fn expire(key: &mut Key, at: Micros) -> bool {
    let mut dropped = false;
    for held in &mut key.materials {
        if held.expires.is_some_and(|end| end <= at) && held.bytes.take().is_some() {
            held.expires = None;
            dropped = true;
        }
    }
    key.materials.retain(|held| held.part != Part::Pending || held.bytes.is_some() || key.multi_region);
    dropped
}
