//! The person of the year, who reads what arrives and does what it asks for.

use std::collections::{BTreeMap, BTreeSet};

use keystead_app::{Error, Request, keys::lifecycle::Ask, keys::update::KeyChange};

use super::{groups::Group, relics::Lineage};
use crate::{alerts::Receiver, world::World};

/// What was read, and is not done yet.
#[derive(Default)]
pub struct Person {
    /// Messages read.
    read: usize,
    /// Keys whose end was told.
    ending: BTreeSet<String>,
    /// Sources whose copies did not all follow.
    left_behind: BTreeSet<String>,
    /// Copies that were rotated by hand, because the rotation of their source left them behind.
    pub by_hand: usize,
}

impl Person {
    /// Reads what has come since the last time, and does what is to be done.
    pub async fn reads(&mut self, receiver: &Receiver, world: &World, lineages: &BTreeMap<String, Lineage>) {
        let messages = receiver.taken_since(self.read);
        self.read += messages.len();
        for alert in messages.iter().flat_map(|(_, body)| body["data"]["alerts"].as_array().into_iter().flatten()) {
            let Some(key) = alert["facts"]["key"].as_str().map(ToOwned::to_owned) else { continue };
            if alert["kind"] == "key-expires" && lineages.get(&key).is_some_and(|lineage| lineage.group == Group::Told) {
                self.ending.insert(key);
            } else if alert["facts"]["operation_kind"] == "rotate-copies" {
                self.left_behind.insert(key);
            }
        }
        self.move_ends(world).await;
        self.rotate_copies(world).await;
    }

    /// Moves an end when a week is left.
    async fn move_ends(&self, world: &World) {
        for name in &self.ending {
            let is_near = world.key(name).await.expires_at.is_some_and(|end| end <= world.now().plus_days(8));
            if is_near {
                let change = KeyChange { expires: Some(Some(world.now().plus_days(90))), ..KeyChange::default() };
                let started = world.house.app.update_key(&world.ann, &Request::default(), name, change).await.expect("an intent");
                world.succeeds(started).await;
            }
        }
    }

    /// Rotates each copy that a rotation of its source left behind; one that an operation has, the next time.
    async fn rotate_copies(&mut self, world: &World) {
        for source in std::mem::take(&mut self.left_behind) {
            let newest = world.key(&source).await.id;
            for (suffix, _) in Group::Source.used() {
                let copy = format!("{source}{suffix}");
                if world.key(&copy).await.ties.source.as_ref() == Some(&newest) {
                    continue;
                }
                match world.house.app.ask(&world.ann, &Request::default(), &copy, Ask::Rotate).await {
                    Ok(started) => {
                        world.succeeds(started).await;
                        self.by_hand += 1;
                    }
                    Err(Error::Busy { .. }) => drop(self.left_behind.insert(source.clone())),
                    Err(error) => panic!("{copy}: {error:?}"),
                }
            }
        }
    }
}
