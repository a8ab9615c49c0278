//! The sagas. Each file reads as a list: the steps, and the two endings.

pub mod activate_key;
pub mod add_replica;
pub mod cancel_deletion;
pub mod clean_up_key;
pub mod create_key;
pub mod deactivate_key;
pub mod delete_keystore;
pub mod end_rehearsal;
pub mod forget_key;
pub mod kill_key;
pub mod promote_replica;
pub mod recreate_key;
pub mod rehearse_deletion;
pub mod renew_key;
pub mod repair_key;
pub mod restore_key;
pub mod restore_keystore;
pub mod revert_key;
pub mod rotate_in_place;
pub mod schedule_deletion;
pub mod sync_keystore;
pub mod update_key;
pub mod upload_key;

use keystead_domain::{Alias, Aliases, KeyId, KeystoreId, Timestamp};
use keystead_store::{StoreError, Tx};
use serde::{Deserialize, Serialize};

use crate::{
    step::{Planned, Step, undoable},
    stored::{Stored, StoredAliases},
};

/// What an operation does: all ids and values it will ever use. This is the journal's record, so a variant's fields may be added to but never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "saga", rename_all = "kebab-case")]
pub enum Saga {
    /// Make a key, with material generated or taken in (CM-053).
    CreateKey(create_key::CreateKey),
    /// Take a key out of use (CM-054).
    DeactivateKey(deactivate_key::DeactivateKey),
    /// Take it into use again (CM-055).
    ActivateKey(activate_key::ActivateKey),
    /// Take a key out of use wherever its material is (FT-019).
    KillKey(kill_key::KillKey),
    /// Undo a kill.
    RestoreKey(restore_key::RestoreKey),
    /// Import the material again (CM-056).
    UploadKey(upload_key::UploadKey),
    /// Make a successor that takes over the aliases (CM-057).
    RenewKey(renew_key::RenewKey),
    /// Make a key anew that its cloud no longer has.
    RecreateKey(recreate_key::RecreateKey),
    /// Give the same cloud key new material.
    RotateInPlace(rotate_in_place::RotateInPlace),
    /// Give the aliases back to the predecessor.
    RevertKey(revert_key::RevertKey),
    /// Disable a key for a while, to see who needs it (AW-045).
    RehearseDeletion(rehearse_deletion::RehearseDeletion),
    /// Enable it again.
    EndRehearsal(end_rehearsal::EndRehearsal),
    /// Start the countdown (CM-058).
    ScheduleDeletion(schedule_deletion::ScheduleDeletion),
    /// Stop the countdown (CM-060).
    CancelDeletion(cancel_deletion::CancelDeletion),
    /// Destroy the material of a key that the cloud deleted (CM-061).
    CleanUpKey(clean_up_key::CleanUpKey),
    /// Take the pointer to a key that the cloud has deleted out of the lists (FT-067).
    ForgetKey(forget_key::ForgetKey),
    /// Put back what somebody changed in the cloud (CM-018).
    RepairKey(repair_key::RepairKey),
    /// Change properties (CM-067).
    UpdateKey(Box<update_key::UpdateKey>),
    /// Make a replica in another Region (FT-047).
    AddReplica(add_replica::AddReplica),
    /// Make a replica the primary of its family.
    PromoteReplica(promote_replica::PromoteReplica),
    /// Delete a keystore whose keys are all deleted (CM-062).
    DeleteKeystore(delete_keystore::DeleteKeystore),
    /// Look at every key of a keystore's place (FT-051).
    SyncKeystore(sync_keystore::SyncKeystore),
    /// Give every key of a keystore its material back whose material is gone (CM-037).
    RestoreKeystore(restore_keystore::RestoreKeystore),
}

/// What every saga is: a list of steps and two endings.
pub trait Shape {
    /// The steps, in order. A pure function: a recovery draws the same list.
    fn steps(&self) -> Vec<Planned>;
    /// What the store says when all steps are done; in the same transaction as the last step's outcome.
    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError>;
    /// What the store says when the steps were taken back.
    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError>;
}

impl Saga {
    /// The name in API, store and audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateKey(_) => "create-key",
            Self::DeactivateKey(_) => "deactivate-key",
            Self::ActivateKey(_) => activate_key::NAME,
            Self::KillKey(_) => kill_key::NAME,
            Self::RestoreKey(_) => restore_key::NAME,
            Self::UploadKey(_) => upload_key::NAME,
            Self::RenewKey(_) => "renew-key",
            Self::RecreateKey(_) => recreate_key::NAME,
            Self::RotateInPlace(_) => "rotate-in-place",
            Self::RevertKey(_) => "revert-key",
            Self::RehearseDeletion(_) => "rehearse-deletion",
            Self::EndRehearsal(_) => "end-rehearsal",
            Self::ScheduleDeletion(_) => "schedule-deletion",
            Self::CancelDeletion(_) => "cancel-deletion",
            Self::CleanUpKey(_) => "clean-up-key",
            Self::ForgetKey(_) => "forget-key",
            Self::RepairKey(_) => "repair-key",
            Self::UpdateKey(_) => "update-key",
            Self::AddReplica(_) => "add-replica",
            Self::PromoteReplica(_) => "promote-replica",
            Self::DeleteKeystore(_) => "delete-keystore",
            Self::SyncKeystore(_) => "sync-keystore",
            Self::RestoreKeystore(_) => "restore-keystore",
        }
    }

    /// The saga's steps and endings.
    pub fn shape(&self) -> &dyn Shape {
        match self {
            Self::CreateKey(saga) => saga,
            Self::DeactivateKey(saga) => saga,
            Self::ActivateKey(saga) => saga,
            Self::KillKey(saga) => saga,
            Self::RestoreKey(saga) => saga,
            Self::UploadKey(saga) => saga,
            Self::RenewKey(saga) => saga,
            Self::RecreateKey(saga) => saga,
            Self::RotateInPlace(saga) => saga,
            Self::RevertKey(saga) => saga,
            Self::RehearseDeletion(saga) => saga,
            Self::EndRehearsal(saga) => saga,
            Self::ScheduleDeletion(saga) => saga,
            Self::CancelDeletion(saga) => saga,
            Self::CleanUpKey(saga) => saga,
            Self::ForgetKey(saga) => saga,
            Self::RepairKey(saga) => saga,
            Self::UpdateKey(saga) => saga.as_ref(),
            Self::AddReplica(saga) => saga,
            Self::PromoteReplica(saga) => saga,
            Self::DeleteKeystore(saga) => saga,
            Self::SyncKeystore(saga) => saga,
            Self::RestoreKeystore(saga) => saga,
        }
    }

    /// The key that the operation is listed under: for a renewal the predecessor, which was asked to be renewed.
    pub fn key(&self) -> Option<&KeyId> {
        match self {
            Self::CreateKey(saga) => Some(&saga.key.0),
            Self::DeactivateKey(saga) => Some(&saga.key.0),
            Self::ActivateKey(saga) => Some(&saga.key.0),
            Self::KillKey(saga) => Some(&saga.key.0),
            Self::RestoreKey(saga) => Some(&saga.key.0),
            Self::UploadKey(saga) => Some(&saga.key.0),
            Self::RenewKey(saga) => Some(&saga.predecessor.0),
            Self::RecreateKey(saga) => Some(&saga.key.0),
            Self::RotateInPlace(saga) => Some(&saga.rotated.key.0),
            Self::RevertKey(saga) => Some(&saga.key.0),
            Self::RehearseDeletion(saga) => Some(&saga.key.0),
            Self::EndRehearsal(saga) => Some(&saga.key.0),
            Self::ScheduleDeletion(saga) => Some(&saga.key.0),
            Self::CancelDeletion(saga) => Some(&saga.key.0),
            Self::CleanUpKey(saga) => Some(&saga.key.0),
            Self::ForgetKey(saga) => Some(&saga.key.0),
            Self::RepairKey(saga) => Some(&saga.key.0),
            Self::UpdateKey(saga) => Some(&saga.key.0),
            Self::AddReplica(saga) => Some(&saga.replica.0),
            Self::PromoteReplica(saga) => Some(&saga.replica.0),
            Self::DeleteKeystore(_) | Self::SyncKeystore(_) | Self::RestoreKeystore(_) => None,
        }
    }

    /// Every key that the operation changes: each key's history tells its end.
    pub fn keys(&self) -> Vec<&KeyId> {
        match self {
            Self::RenewKey(saga) => {
                let replicas = saga.replicas.iter().flat_map(|replica| [&replica.predecessor.0, &replica.successor.0]);
                [&saga.predecessor.0, &saga.successor.0].into_iter().chain(replicas).collect()
            }
            Self::RecreateKey(saga) => vec![&saga.key.0, &saga.successor.0],
            Self::KillKey(saga) => with_key(&saga.key, saga.victims.iter().map(|victim| &victim.key)),
            Self::RestoreKey(saga) => with_key(&saga.key, saga.restored.iter().map(|restored| &restored.key)),
            Self::RevertKey(saga) => saga.replicas.iter().chain([saga]).flat_map(|one| [&one.key.0, &one.predecessor.0]).collect(),
            Self::RotateInPlace(saga) => std::iter::once(&saga.rotated).chain(&saga.replicas).map(|member| &member.key.0).collect(),
            Self::AddReplica(saga) => vec![&saga.replica.0, &saga.primary.0],
            Self::PromoteReplica(saga) => vec![&saga.replica.0, &saga.primary.0],
            other => other.key().into_iter().chain(other.replicas().iter().map(|replica| &replica.0)).collect(),
        }
    }

    /// The replicas that an event of their primary takes along.
    fn replicas(&self) -> &[Stored<KeyId>] {
        match self {
            Self::DeactivateKey(saga) => &saga.replicas,
            Self::ActivateKey(saga) => &saga.replicas,
            Self::UploadKey(saga) => &saga.replicas,
            Self::UpdateKey(saga) => &saga.replicas,
            _ => &[],
        }
    }

    /// The key whose family goes along, and the replicas that do: those that stand where it stands. `None` for what concerns no family.
    pub fn followers(&self) -> Option<(&KeyId, Vec<&KeyId>)> {
        match self {
            Self::RenewKey(saga) => Some((&saga.predecessor.0, saga.replicas.iter().map(|replica| &replica.predecessor.0).collect())),
            Self::RotateInPlace(saga) => Some((&saga.rotated.key.0, saga.replicas.iter().map(|member| &member.key.0).collect())),
            Self::UpdateKey(saga) if !saga.before.ends_otherwise(&saga.after) => None,
            Self::DeactivateKey(_) | Self::ActivateKey(_) | Self::UploadKey(_) | Self::UpdateKey(_) => {
                self.key().map(|key| (key, self.replicas().iter().map(|replica| &replica.0).collect()))
            }
            _ => None,
        }
    }

    /// The aliases of a replica that a saga moves; `None` for a key of which it moves none.
    pub(crate) fn aliases_of(&self, key: &KeyId) -> Option<&Aliases> {
        match self {
            Self::RenewKey(saga) => saga.replicas.iter().find(|replica| replica.predecessor.0 == *key).map(|replica| &replica.aliases.0),
            Self::RevertKey(saga) => saga.replicas.iter().find(|replica| replica.key.0 == *key).map(|replica| &replica.aliases.0),
            _ => None,
        }
    }

    /// What the operation holds while it runs: nobody else changes these.
    pub fn locks(&self, keystore: &KeystoreId) -> Vec<String> {
        let primary = match self {
            Self::ActivateKey(saga) => saga.primary.as_ref(),
            Self::CancelDeletion(saga) => saga.primary.as_ref(),
            Self::DeleteKeystore(_) | Self::SyncKeystore(_) => return vec![keystore.to_string()],
            // A restore waits for no sync, which may take a quarter of an hour.
            Self::RestoreKeystore(saga) => return vec![saga.lock()],
            _ => None,
        };
        self.keys().into_iter().chain(primary.map(|primary| &primary.0)).map(ToString::to_string).collect()
    }
}

/// These keys and the one that was named, which may stand beside them.
fn with_key<'a>(key: &'a Stored<KeyId>, keys: impl Iterator<Item = &'a Stored<KeyId>>) -> Vec<&'a KeyId> {
    let others = keys.map(|key| &key.0).filter(|other| **other != key.0);
    others.chain([&key.0]).collect()
}

/// The step that gives a key an alias which nobody has.
fn point(alias: &Alias, key: &KeyId) -> Planned {
    let undo = vec![Step::RemoveAlias(alias.clone(), key.clone())];
    undoable(Step::PointAlias { alias: alias.clone(), to: key.clone(), from: None }, undo)
}

/// The steps that move aliases from one key to another.
fn hand_over(aliases: &StoredAliases, old: &KeyId, new: &KeyId) -> impl Iterator<Item = Planned> {
    aliases.0.iter().map(|alias| {
        let back = Step::PointAlias { alias: alias.clone(), to: old.clone(), from: Some(new.clone()) };
        undoable(Step::PointAlias { alias: alias.clone(), to: new.clone(), from: Some(old.clone()) }, vec![back])
    })
}

/// A key's replicas, and the key itself last.
fn members<'a>(key: &'a Stored<KeyId>, replicas: &'a [Stored<KeyId>]) -> impl Iterator<Item = &'a KeyId> {
    replicas.iter().chain([key]).map(|key| &key.0)
}
