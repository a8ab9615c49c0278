//! A KMS key: one fact in one place. Its state is not stored but follows from the facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::errors::AwsError;
use super::super::regions::Place;
use super::family::Family;
use super::grants::Grant;
use super::spec::{Spec, Usage};
use super::state::{self, KeyState};
use crate::clock::{Micros, SECOND};
use crate::secret::Secret;

/// `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    AwsKms,
    External,
}

impl Origin {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AwsKms => "AWS_KMS",
            Self::External => "EXTERNAL",
        }
    }
}

/// The countdown to a key's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Countdown {
    /// It runs, and ends then.
    Until(Micros),
    /// A multi-Region primary waits for its replicas to go; then the countdown of this length begins.
    AfterReplicas(Micros),
}

/// Which part a material plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Current,
    NonCurrent,
    /// Imported, not yet rotated in, not permanently associated.
    Pending,
}

/// A material that is associated with a key, whether its bytes are there or not.
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) part: Part,
    pub(crate) description: Option<String>,
    /// `None`: never imported here, deleted, expired or lost.
    pub(crate) bytes: Option<Secret>,
    pub(crate) expires: Option<Micros>,
    /// When it was rotated in; `None` for the first one and for a pending one.
    pub(crate) rotated: Option<Micros>,
}

/// The last use of a key, for GetKeyLastUsage.
#[derive(Clone)]
pub(crate) struct LastUse {
    pub(crate) operation: &'static str,
    pub(crate) at: Micros,
    pub(crate) event_id: String,
    pub(crate) request_id: String,
}

/// A KMS key.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) place: Place,
    pub(crate) created: Micros,
    /// Before that, others do not see it.
    pub(crate) visible_at: Micros,
    /// Before that, it is Creating: a replica in the making.
    pub(crate) ready_at: Micros,
    pub(crate) spec: &'static Spec,
    pub(crate) usage: Usage,
    pub(crate) origin: Origin,
    pub(crate) multi_region: bool,
    pub(crate) description: String,
    pub(crate) policy: Arc<str>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) disabled: bool,
    /// Before that, a key that is disabled is used on.
    pub(crate) dark_at: Micros,
    pub(crate) countdown: Option<Countdown>,
    /// A state that the control plane forces, whatever the facts say.
    pub(crate) forced: Option<KeyState>,
    pub(crate) materials: Vec<Held>,
    /// On-demand rotations that were begun.
    pub(crate) rotations: u32,
    /// Start and end of a rotation that runs.
    pub(crate) rotating: Option<(Micros, Micros)>,
    pub(crate) last_use: Option<LastUse>,
    pub(crate) grants: Vec<Grant>,
    /// What a seeded key shows otherwise than it is; nobody can use what is not simulated.
    pub(crate) guise: Option<Box<Guise>>,
}

/// Another appearance of a key, for who reads inventories.
#[derive(Clone)]
pub(crate) struct Guise {
    /// `KeyManager`.
    pub(crate) manager: &'static str,
    /// `KeySpec`.
    pub(crate) spec: String,
}

impl Key {
    pub(crate) fn arn(&self) -> String {
        self.place.key_arn(&self.id)
    }

    /// The state that follows from the facts.
    pub(crate) fn state(&self, now: Micros) -> KeyState {
        match (self.forced, self.countdown) {
            (Some(forced), _) => forced,
            (None, Some(Countdown::Until(_))) => KeyState::PendingDeletion,
            (None, Some(Countdown::AfterReplicas(_))) => KeyState::PendingReplicaDeletion,
            (None, None) if now < self.ready_at => KeyState::Creating,
            (None, None) if !self.is_complete() => KeyState::PendingImport,
            (None, None) if self.disabled => KeyState::Disabled,
            (None, None) => KeyState::Enabled,
        }
    }

    /// Refuses an operation that this state does not allow.
    pub(crate) fn check(&self, operation: &str, now: Micros) -> Result<(), AwsError> {
        state::check(operation, self.state(now), &self.arn())
    }

    /// Whether it is used on although it was disabled.
    pub(crate) fn lingers(&self, now: Micros) -> bool {
        self.disabled && now < self.dark_at && self.forced.is_none() && self.countdown.is_none()
    }

    /// Materials that belong to the key for ever: the first, and those rotated in.
    pub(crate) fn permanent(&self) -> impl Iterator<Item = &Held> {
        self.materials.iter().filter(|held| held.part != Part::Pending)
    }

    /// Whether there is material, and none that belongs to the key is missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.current().is_some() && self.permanent().all(|held| held.bytes.is_some())
    }

    pub(crate) fn current(&self) -> Option<&Held> {
        self.materials.iter().find(|held| held.part == Part::Current)
    }

    pub(crate) fn pending(&self) -> Option<&Held> {
        self.materials.iter().find(|held| held.part == Part::Pending)
    }

    pub(crate) fn material(&self, id: &str) -> Option<&Held> {
        self.materials.iter().find(|held| held.id == id)
    }

    pub(crate) fn material_mut(&mut self, id: &str) -> Option<&mut Held> {
        self.materials.iter_mut().find(|held| held.id == id)
    }

    /// Bytes of the current material.
    pub(crate) fn current_bytes(&self) -> Option<&Secret> {
        self.current().and_then(|held| held.bytes.as_ref())
    }

    /// The next time at which something happens to this key by itself.
    pub(crate) fn next_due(&self) -> Option<Micros> {
        let expiries = self.materials.iter().filter(|held| held.bytes.is_some()).filter_map(|held| held.expires);
        let deletion = self.countdown.and_then(|countdown| match countdown {
            Countdown::Until(at) => Some(at),
            Countdown::AfterReplicas(_) => None,
        });
        expiries.chain(deletion).chain(self.rotating.map(|(_, end)| end)).min()
    }

    /// `KeyMetadata`. Members that do not apply are left out, never null.
    pub(crate) fn metadata(&self, family: Option<&Family>, now: Micros) -> Value {
        let state = self.state(now);
        let mut members = self.fixed_members();
        members.insert("Enabled".to_owned(), json!(state == KeyState::Enabled));
        members.insert("KeyState".to_owned(), json!(state.name()));
        members.insert("Description".to_owned(), json!(self.description));
        self.add_material_members(&mut members);
        match self.countdown {
            Some(Countdown::Until(at)) => drop(members.insert("DeletionDate".to_owned(), epoch(at))),
            Some(Countdown::AfterReplicas(window)) => drop(members.insert("PendingDeletionWindowInDays".to_owned(), json!(window / crate::clock::DAY))),
            None => {}
        }
        if let Some(family) = family {
            members.insert("MultiRegionConfiguration".to_owned(), family.configuration(&self.place, &self.id));
        }
        Value::Object(members)
    }

    fn fixed_members(&self) -> Map<String, Value> {
        let members = json!({
            "AWSAccountId": self.place.account,
            "KeyId": self.id,
            "Arn": self.arn(),
            "CreationDate": epoch(self.created),
            "KeyUsage": self.usage.name(),
            "Origin": self.origin.name(),
            "KeyManager": "CUSTOMER",
            "KeySpec": self.spec.name,
            "CustomerMasterKeySpec": self.spec.name,
            "MultiRegion": self.multi_region,
            (self.usage.algorithms_member()): self.spec.algorithms(self.usage),
        });
        match members {
            Value::Object(mut members) => {
                if let Some(guise) = &self.guise {
                    members.insert("KeyManager".to_owned(), json!(guise.manager));
                    members.insert("KeySpec".to_owned(), json!(guise.spec));
                    members.insert("CustomerMasterKeySpec".to_owned(), json!(guise.spec));
                }
                members
            }
            _ => Map::new(),
        }
    }

    fn add_material_members(&self, members: &mut Map<String, Value>) {
        if let Some(current) = self.current().filter(|_| self.spec.is_symmetric()) {
            members.insert("CurrentKeyMaterialId".to_owned(), json!(current.id));
        }
        if self.origin == Origin::External && self.permanent().any(|held| held.bytes.is_some()) {
            let earliest = self.permanent().filter(|held| held.bytes.is_some()).filter_map(|held| held.expires).min();
            members.insert("ExpirationModel".to_owned(), json!(expiration_model(earliest)));
            earliest.map(|at| members.insert("ValidTo".to_owned(), epoch(at)));
        }
    }
}

/// `ExpirationModel` of material with this end.
pub(crate) const fn expiration_model(expires: Option<Micros>) -> &'static str {
    match expires {
        Some(_) => "KEY_MATERIAL_EXPIRES",
        None => "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }
}

/// A point in time as JSON 1.1 has it: seconds since the epoch, to the millisecond.
pub(crate) fn epoch(at: Micros) -> Value {
    json!((at / 1_000) as f64 / (SECOND / 1_000) as f64)
}
