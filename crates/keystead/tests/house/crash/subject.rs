//! The sagas that the crash harness runs: what stands before each, how it is started, and the states of its lineage before and behind it.

use keystead_app::{
    Request, Started,
    keys::{
        copy::NewCopies,
        create::{Material, NewKey, Terms},
        lifecycle::Ask,
        rotation::Target,
        update::{AliasChange, KeyChange},
        waves::{Copies, RotateCopies},
    },
};
use keystead_domain::{
    Aliases, KeyState, Name, Tags,
    key::deletion::WaitingDays,
    rehearsal::SPAN_MIN,
    rotation::Wish,
    time::{DAY, SECOND},
};
use keystead_store::{keys::KeyRow, operations};
use keystead_vault::SecretBytes;

use super::ceremony;
use crate::{
    drift::{Deed, Meddler},
    drills, families, rehearsals,
    world::World,
};

/// One saga under test: what stands before it, and how it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Create,
    Deactivate,
    Activate,
    Kill,
    RestoreKilled,
    Upload,
    Renew,
    RotateInPlace,
    DeactivateRotated,
    ActivateRotated,
    Retire,
    Revert,
    ScheduleDeletion,
    CancelDeletion,
    CleanUp,
    Update,
    Vaulted,
    Copy,
    Follow,
    Unkept,
    Ceremony,
    AddReplica,
    Promote,
    KillFamily,
    RestoreFamily,
    DeactivateFamily,
    ActivateFamily,
    UploadFamily,
    RenewFamily,
    RevertFamily,
    UpdateFamily,
    RotateFamilyInPlace,
    Restore,
    Sync,
    Adopt,
    NativeDeactivate,
    NativeActivate,
    NativeScheduleDeletion,
    NativeCancelDeletion,
    Forget,
    Repair,
    Recreate,
    Rehearse,
    EndRehearsal,
    Drill,
    DrillRestores,
}

pub const SUBJECTS: [Subject; 23] = [
    Subject::Create,
    Subject::Deactivate,
    Subject::Activate,
    Subject::Kill,
    Subject::RestoreKilled,
    Subject::Upload,
    Subject::Renew,
    Subject::RotateInPlace,
    Subject::DeactivateRotated,
    Subject::ActivateRotated,
    Subject::Retire,
    Subject::Revert,
    Subject::ScheduleDeletion,
    Subject::CancelDeletion,
    Subject::CleanUp,
    Subject::Update,
    Subject::Vaulted,
    Subject::Copy,
    Subject::Follow,
    Subject::Unkept,
    Subject::Ceremony,
    Subject::Rehearse,
    Subject::EndRehearsal,
];

/// The same of a multi-Region key: a primary, and a replica in another Region.
pub const FAMILIES: [Subject; 11] = [
    Subject::AddReplica,
    Subject::Promote,
    Subject::KillFamily,
    Subject::RestoreFamily,
    Subject::DeactivateFamily,
    Subject::ActivateFamily,
    Subject::UploadFamily,
    Subject::RenewFamily,
    Subject::RevertFamily,
    Subject::UpdateFamily,
    Subject::RotateFamilyInPlace,
];

/// The same of keys whose material is the cloud's.
pub const NATIVE: [Subject; 7] = [
    Subject::Sync,
    Subject::Adopt,
    Subject::NativeDeactivate,
    Subject::NativeActivate,
    Subject::NativeScheduleDeletion,
    Subject::NativeCancelDeletion,
    Subject::Forget,
];

impl Subject {
    /// Whether the key is one of the cloud's.
    pub fn is_native(self) -> bool {
        NATIVE.contains(&self)
    }

    pub async fn set_up(self, world: &World, name: &str) {
        if matches!(self, Self::Drill | Self::DrillRestores) {
            drills::set_up(world, name).await;
        } else if self == Self::Restore {
            // A keystore of its own: the restores of the runs to come shall not look at the keys of all before.
            world.make_keystore(name).await;
            let made = world.start_create_in(name, name).await;
            world.succeeds(made).await;
            world.lose(&world.key(name).await).await;
        } else if matches!(self, Self::Copy | Self::Follow) {
            let source = world.start_create_in_vault("main", &format!("{name}-source")).await;
            world.succeeds(source).await;
        } else if FAMILIES.contains(&self) {
            families::make_primary(world, name).await;
            if self != Self::AddReplica {
                families::add_replica(world, name, "payments-us").await;
            }
        } else if self.is_native() {
            set_up_native(self, world, name).await;
        } else if self == Self::Ceremony {
            ceremony::begin(world, name).await;
        } else if !matches!(self, Self::Create | Self::Vaulted | Self::Unkept) {
            world.create(name).await;
        }
        match self {
            Self::Repair => meddle(world, name).await,
            Self::Recreate => delete_behind_our_back(world, name).await,
            Self::DrillRestores => {
                let killed = drills::begin(world, name).await;
                world.succeeds(killed).await;
            }
            Self::EndRehearsal => {
                let begun = rehearsals::begin(world, name, SPAN_MIN).await;
                world.succeeds(begun).await;
                world.sandbox.advance(SPAN_MIN as u64);
            }
            Self::Activate | Self::ActivateFamily => world.does(name, Ask::Deactivate).await,
            Self::Kill => world.does(name, Ask::Renew).await,
            Self::RestoreKilled => {
                world.does(name, Ask::Renew).await;
                world.kills(name).await;
            }
            Self::RestoreFamily => world.kills(name).await,
            Self::DeactivateRotated => world.does(name, Ask::RotateInPlace).await,
            Self::Follow => {
                let made = copy(world, name).await;
                world.succeeds(made).await;
                let with_all = RotateCopies { strategy: None, copies: Copies::All, wave: 10 };
                let rotated = world.house.app.rotate_key(&world.ann, &Request::default(), &format!("{name}-source"), &with_all).await.expect("an intent");
                world.succeeds(rotated).await;
            }
            Self::ActivateRotated => {
                world.does(name, Ask::RotateInPlace).await;
                world.does(name, Ask::Deactivate).await;
            }
            Self::Revert | Self::RevertFamily => world.does(name, Ask::Renew).await,
            Self::Retire => {
                set_grace(world, name).await;
                world.does(name, Ask::Rotate).await;
                world.sandbox.advance((2 * DAY) as u64);
            }
            Self::CancelDeletion => world.does(name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await,
            Self::CleanUp => {
                drain(world).await;
                world.does(name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
                world.sandbox.advance((8 * DAY) as u64);
            }
            _ => {}
        }
    }

    pub async fn start(self, world: &World, name: &str) -> Started {
        match self {
            Self::Create => world.start_create(name).await,
            Self::Deactivate | Self::DeactivateFamily | Self::DeactivateRotated => world.start(name, Ask::Deactivate).await,
            Self::Activate | Self::ActivateFamily | Self::ActivateRotated => world.start(name, Ask::Activate).await,
            Self::Kill | Self::KillFamily => world.start_kill(name).await,
            Self::RestoreKilled | Self::RestoreFamily => world.house.app.restore_key(&world.ann, &Request::default(), name).await.expect("an intent"),
            Self::RotateInPlace | Self::RotateFamilyInPlace => world.start(name, Ask::RotateInPlace).await,
            Self::Upload | Self::UploadFamily => world.start(name, Ask::Upload).await,
            Self::Renew | Self::RenewFamily => world.start(name, Ask::Renew).await,
            Self::AddReplica => families::start_replica(world, name, "payments-us").await,
            Self::Promote => families::start_promotion(world, &replica_of(name)).await,
            Self::Retire => retire(world, name).await,
            Self::Revert | Self::RevertFamily => world.start(name, Ask::Revert).await,
            Self::ScheduleDeletion => world.start(name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await,
            Self::CancelDeletion => world.start(name, Ask::CancelDeletion).await,
            Self::Update | Self::UpdateFamily => update(world, name).await,
            Self::CleanUp => clean_up(world, name).await,
            Self::Vaulted => world.start_create_in_vault("main", name).await,
            Self::Copy => copy(world, name).await,
            Self::Unkept => forget(world, name).await,
            Self::Ceremony => ceremony::complete(world, name).await,
            Self::Follow => {
                assert_eq!(world.house.engine.look_at_waves().await, Ok(1), "the wave with {name}");
                newest_operation(world, world.key(name).await).await
            }
            Self::Restore => world.start_restore(name).await,
            Self::Sync => world.start_sync("payments-eu").await,
            Self::Adopt => world.house.app.adopt_key(&world.ann, &Request::default(), name, None).await.expect("an intent"),
            Self::NativeDeactivate => world.start(name, Ask::Deactivate).await,
            Self::NativeActivate => world.start(name, Ask::Activate).await,
            Self::NativeScheduleDeletion => world.start(name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await,
            Self::NativeCancelDeletion => world.start(name, Ask::CancelDeletion).await,
            Self::Repair => world.house.app.repair_key(&world.ann, &Request::default(), name).await.expect("an intent"),
            Self::Recreate => world.house.app.recreate_key(&world.ann, &Request::default(), name).await.expect("an intent"),
            Self::Rehearse => rehearsals::begin(world, name, SPAN_MIN).await,
            Self::EndRehearsal => {
                assert_eq!(world.house.engine.look_at_rehearsals().await, Ok(1), "the end for {name}");
                newest_operation(world, world.key(name).await).await
            }
            Self::Drill | Self::DrillRestores => drills::begin(world, name).await,
            Self::Forget => world.house.app.forget_key(&world.ann, &Request::default(), name).await.expect("an intent"),
        }
    }
}

/// A key of the cloud's, found and given this name; for the sync itself it is not found yet.
async fn set_up_native(subject: Subject, world: &World, name: &str) {
    world.seed(name, 1, serde_json::json!({"aliases": 2, "exact": true})).await;
    if subject == Subject::Sync {
        return;
    }
    world.sync("payments-eu").await;
    match subject {
        Subject::NativeActivate => world.does(name, Ask::Deactivate).await,
        Subject::NativeCancelDeletion => world.does(name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await,
        Subject::Forget => {
            let cloud_key = world.key(name).await.cloud_key_id;
            world.sandbox_does(reqwest::Method::DELETE, "keys", serde_json::json!({ "key": cloud_key })).await;
        }
        _ => {}
    }
}

/// Somebody changes a key in the cloud in all the ways that Keystead can put right at once.
async fn meddle(world: &World, name: &str) {
    world.sync("payments-eu").await;
    let (meddler, key) = (Meddler::new(world), world.key(name).await);
    for deed in [Deed::TakeTheAlias, Deed::ChangeTags, Deed::DropKeysteadsTags, Deed::Describe, Deed::Count] {
        meddler.does(deed, &key).await;
    }
    world.sync("payments-eu").await;
}

/// Somebody deletes a key at the cloud that a sync has seen.
async fn delete_behind_our_back(world: &World, name: &str) {
    world.sync("payments-eu").await;
    let cloud_key = world.key(name).await.cloud_key_id;
    world.sandbox_does(reqwest::Method::DELETE, "keys", serde_json::json!({ "key": cloud_key })).await;
    world.sandbox.advance((300 * SECOND) as u64);
    world.sync("payments-eu").await;
}

/// Cleans up after the runs before: one look takes on a portion only, and the key under test shall be in it.
async fn drain(world: &World) {
    world.sandbox.advance((8 * DAY) as u64);
    while world.house.engine.clean_up().await.expect("a store") > 0 {
        world.settle().await;
    }
}

/// A policy under which predecessors are deactivated after a day.
async fn set_grace(world: &World, name: &str) {
    let wish = Wish { every: Some(3000 * DAY), grace: Some(DAY), ..Wish::default() };
    world.house.app.set_rotation(&world.ann, &Target::Key(name.to_owned()), wish).await.expect("a policy");
}

/// The schedule deactivates the predecessor.
async fn retire(world: &World, name: &str) -> Started {
    let old = world.key(name).await.predecessor_id.expect("was rotated");
    assert!(world.house.engine.look_at_rotation().await.expect("a store") >= 1, "the schedule finds {name}");
    newest_operation(world, world.key(old.as_str()).await).await
}

pub async fn newest_operation(world: &World, key: KeyRow) -> Started {
    let (account, id) = (world.ann.account.clone(), key.id.clone());
    let page = keystead_store::page::Page::first();
    let listed = world.store().read("test", move |tx| operations::list(tx, &account, Some(&id), &page)).await.expect("a store");
    Started { operation: listed.rows.into_iter().next(), key: Some(key) }
}

async fn update(world: &World, name: &str) -> Started {
    let change = KeyChange {
        name: Name::parse(&format!("{name}-new")).ok(),
        aliases: AliasChange {
            all: None,
            add: Aliases::parse([format!("{name}-new"), format!("{name}-too")]).expect("are aliases"),
            remove: Aliases::parse([name]).expect("an alias"),
        },
        description: Some("changed".into()),
        tags: Tags::parse([("team".to_owned(), "others".to_owned()), ("more".to_owned(), "yes".to_owned())]).ok(),
        expires: Some(Some(world.now().plus_days(200))),
        expiry_policy: None,
        exportable: None,
    };
    world.house.app.update_key(&world.ann, &Request::default(), name, change).await.expect("an intent")
}

/// A copy of the source of this name, with an alias of its own.
async fn copy(world: &World, name: &str) -> Started {
    let (aliases, expires) = (Aliases::parse([name, &format!("{name}/more")]).expect("are aliases"), Some(world.now().plus_days(90)));
    let new = NewCopies { to: vec!["payments-eu".into()], name: Name::parse(name).ok(), aliases, expires, ..NewCopies::default() };
    let started = world.house.app.copy_key(&world.ann, &Request::default(), &format!("{name}-source"), new).await.expect("an intent");
    started.into_iter().next().expect("one")
}

/// Material that is brought along, and of which the vault keeps no copy.
async fn forget(world: &World, name: &str) -> Started {
    let material = Material::Raw(SecretBytes::from(rand::random::<[u8; 32]>().to_vec()));
    let new = NewKey { material, terms: Terms { kept: false, ..Terms::default() }, ..world.new_key("payments-eu", name) };
    world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent")
}

pub async fn clean_up(world: &World, name: &str) -> Started {
    let key = world.key(name).await;
    assert!(world.house.engine.clean_up().await.expect("a store") >= 1, "the clean-up finds {name}");
    newest_operation(world, key).await
}

/// The name of the replica under test.
pub fn replica_of(name: &str) -> String {
    format!("{name}_us-east-1")
}

/// The states of a lineage, oldest key first, before and after.
pub fn expected(subject: Subject) -> (Vec<KeyState>, Vec<KeyState>) {
    use KeyState::{Active, Deleted, Inactive, PendingDeletion, Replaced};
    match subject {
        Subject::Create | Subject::Vaulted | Subject::Copy | Subject::Unkept | Subject::Ceremony => (vec![], vec![Active]),
        Subject::Deactivate | Subject::DeactivateRotated => (vec![Active], vec![Inactive]),
        Subject::Activate | Subject::ActivateRotated => (vec![Inactive], vec![Active]),
        Subject::Kill => (vec![Replaced, Active], vec![Inactive; 2]),
        Subject::RestoreKilled => (vec![Inactive; 2], vec![Replaced, Active]),
        Subject::Upload | Subject::Update | Subject::RotateInPlace | Subject::Restore => (vec![Active], vec![Active]),
        Subject::Renew | Subject::Follow => (vec![Active], vec![Replaced, Active]),
        Subject::Retire => (vec![Replaced, Active], vec![Inactive, Active]),
        Subject::Revert => (vec![Replaced, Active], vec![Active, Replaced]),
        Subject::ScheduleDeletion => (vec![Active], vec![PendingDeletion]),
        Subject::CancelDeletion => (vec![PendingDeletion], vec![Inactive]),
        Subject::CleanUp => (vec![PendingDeletion], vec![Deleted]),
        Subject::AddReplica => (vec![Active], vec![Active, Active]),
        Subject::Promote | Subject::UploadFamily | Subject::UpdateFamily | Subject::RotateFamilyInPlace => (vec![Active; 2], vec![Active; 2]),
        Subject::DeactivateFamily | Subject::KillFamily => (vec![Active; 2], vec![Inactive; 2]),
        Subject::ActivateFamily | Subject::RestoreFamily => (vec![Inactive; 2], vec![Active; 2]),
        Subject::RenewFamily => (vec![Active; 2], vec![Replaced, Active, Replaced, Active]),
        Subject::RevertFamily => (vec![Replaced, Active, Replaced, Active], vec![Active, Replaced, Active, Replaced]),
        Subject::Sync => (vec![], vec![Active]),
        Subject::Adopt => (vec![Active], vec![Replaced, Active]),
        Subject::NativeDeactivate => (vec![Active], vec![Inactive]),
        Subject::NativeActivate => (vec![Inactive], vec![Active]),
        Subject::NativeScheduleDeletion => (vec![Active], vec![PendingDeletion]),
        Subject::NativeCancelDeletion => (vec![PendingDeletion], vec![Inactive]),
        Subject::Forget => (vec![Active], vec![]),
        Subject::Repair | Subject::Rehearse | Subject::EndRehearsal | Subject::Drill | Subject::DrillRestores => (vec![Active], vec![Active]),
        Subject::Recreate => (vec![Active], vec![Deleted, Active]),
    }
}
