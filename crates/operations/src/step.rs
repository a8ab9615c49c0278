//! Steps: the verbs that sagas are made of. Each may be run twice; each has an undo that may be run even if the step never happened.

use keystead_domain::{Alias, KeyId, Timestamp, VersionId, key::deletion::WaitingDays, tags::TagChange};

/// One step of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the empty cloud key, tagged with the operation. The one call without an idempotency token: a lost answer is resolved by looking for the tag.
    CreateCloudKey(KeyId),
    /// Make the empty replica of a primary's cloud key in the replica's Region, tagged with the operation.
    ReplicateCloudKey {
        /// The replica.
        replica: KeyId,
        /// Its primary.
        primary: KeyId,
    },
    /// Hand the part of the primary on, within a family of Regions.
    Promote {
        /// The primary.
        from: KeyId,
        /// The replica that becomes it.
        to: KeyId,
    },
    /// Take back what [`Step::CreateCloudKey`] or [`Step::ReplicateCloudKey`] made: remove material and count down to deletion.
    AbandonCloudKey(KeyId),
    /// Fetch a wrapping key, wrap the material in the vault, import it, and look until the cloud shows it.
    ImportMaterial(KeyId, Option<Timestamp>),
    /// Import a version beside those that the key has; it waits to be rotated in.
    ImportPending {
        /// The key.
        key: KeyId,
        /// Its pending version.
        version: VersionId,
        /// When the cloud shall forget it.
        expires: Option<Timestamp>,
    },
    /// Remove a version that was not rotated in.
    DeletePending(KeyId, VersionId),
    /// Make a pending version the current one, under the same cloud key.
    RotateIn(KeyId, VersionId),
    /// Several steps at once, each about a key of its own. One that fails stops none of the others; they are then all done again.
    Together(Vec<Step>),
    /// Forbid the key's use; one that cannot be used because it is gone, or counts down, is what was wanted.
    CutOff(KeyId),
    /// Remove the material of a key that was cut off.
    Empty(KeyId),
    /// Try to use the key until the cloud refuses it, and say since when.
    ConfirmDark(KeyId),
    /// Let the key be used.
    Enable(KeyId),
    /// Forbid its use.
    Disable(KeyId),
    /// Be sure that the cloud lets the key be used.
    ConfirmEnabled(KeyId),
    /// Forbid its use, unless this time has come.
    DisableBefore(KeyId, Timestamp),
    /// Remove the material from the cloud.
    DeleteMaterial(KeyId),
    /// Make the alias point at `to`; it may point at `from` now, or at nothing.
    PointAlias {
        /// The alias.
        alias: Alias,
        /// Where it shall point.
        to: KeyId,
        /// Where it may point now.
        from: Option<KeyId>,
    },
    /// Bring an alias back from a cloud key that somebody made it point at.
    TakeAlias {
        /// The alias.
        alias: Alias,
        /// Where it shall point.
        to: KeyId,
        /// The cloud's id of the key that it may point at now.
        from: String,
    },
    /// Write Keystead's own tags.
    TagOwn(KeyId),
    /// Remove the alias if it points at the key.
    RemoveAlias(Alias, KeyId),
    /// Write and remove tags.
    ChangeTags(KeyId, TagChange),
    /// Change the description.
    Describe(KeyId, String),
    /// Start the cloud's countdown.
    ScheduleDeletion(KeyId, WaitingDays),
    /// Stop the countdown.
    CancelDeletion(KeyId),
    /// Be sure that the cloud no longer has the key.
    ConfirmGone(KeyId),
    /// Be sure that nothing else of the place is what this key was: a cloud key with its tags, or one that has its aliases.
    FindStray(KeyId),
    /// Count leftovers of failed creations down to deletion.
    Sweep,
    /// List the aliases of every key of the place.
    ListAliases,
    /// Look at every key of the place, and keep what is seen.
    InspectKeys,
    /// Look for the keys that the list did not show.
    FindVanished,
    /// Look at every key whose material should be there, and note those that have lost it.
    FindLost,
    /// Give those their material back, the most important first.
    GiveBack,
}

impl Step {
    /// The name in journal, operation and audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateCloudKey(_) => "create-cloud-key",
            Self::ReplicateCloudKey { .. } => "replicate-cloud-key",
            Self::Promote { .. } => "promote",
            Self::AbandonCloudKey(_) => "abandon-cloud-key",
            Self::ImportMaterial(..) => "import-material",
            Self::ImportPending { .. } => "import-pending",
            Self::DeletePending(..) => "delete-pending",
            Self::RotateIn(..) => "rotate-in",
            Self::Together(steps) => steps.last().map_or("together", Self::name),
            Self::CutOff(_) => "cut-off",
            Self::Empty(_) => "empty",
            Self::ConfirmDark(_) => "confirm-dark",
            Self::Enable(_) => "enable",
            Self::Disable(_) => "disable",
            Self::ConfirmEnabled(_) => "confirm-enabled",
            Self::DisableBefore(..) => "disable",
            Self::DeleteMaterial(_) => "delete-material",
            Self::PointAlias { .. } => "point-alias",
            Self::TakeAlias { .. } => "take-alias",
            Self::TagOwn(_) => "tag-own",
            Self::RemoveAlias(..) => "remove-alias",
            Self::ChangeTags(..) => "change-tags",
            Self::Describe(..) => "describe",
            Self::ScheduleDeletion(..) => "schedule-deletion",
            Self::CancelDeletion(_) => "cancel-deletion",
            Self::ConfirmGone(_) => "confirm-gone",
            Self::FindStray(_) => "find-stray",
            Self::Sweep => "sweep",
            Self::ListAliases => "list-aliases",
            Self::InspectKeys => "inspect-keys",
            Self::FindVanished => "find-vanished",
            Self::FindLost => "find-lost",
            Self::GiveBack => "give-back",
        }
    }

    /// The key that the step is about.
    pub fn key(&self) -> Option<&KeyId> {
        match self {
            Self::CreateCloudKey(key)
            | Self::ReplicateCloudKey { replica: key, .. }
            | Self::Promote { from: key, .. }
            | Self::AbandonCloudKey(key)
            | Self::ImportMaterial(key, _)
            | Self::ImportPending { key, .. }
            | Self::DeletePending(key, _)
            | Self::RotateIn(key, _)
            | Self::CutOff(key)
            | Self::Empty(key)
            | Self::ConfirmDark(key)
            | Self::Enable(key)
            | Self::Disable(key)
            | Self::ConfirmEnabled(key)
            | Self::DisableBefore(key, _)
            | Self::DeleteMaterial(key)
            | Self::PointAlias { to: key, .. }
            | Self::TakeAlias { to: key, .. }
            | Self::TagOwn(key)
            | Self::RemoveAlias(_, key)
            | Self::ChangeTags(key, _)
            | Self::Describe(key, _)
            | Self::ScheduleDeletion(key, _)
            | Self::CancelDeletion(key)
            | Self::ConfirmGone(key)
            | Self::FindStray(key) => Some(key),
            Self::Together(steps) => steps.last().and_then(Self::key),
            Self::Sweep | Self::ListAliases | Self::InspectKeys | Self::FindVanished | Self::FindLost | Self::GiveBack => None,
        }
    }
}

/// A step in its place: how it is taken back, and whether it still can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What to do.
    pub step: Step,
    /// What to do to take it back, in order.
    pub undo: Vec<Step>,
    /// From here on there is no way back: a refusal of the cloud makes the operation wait for a person, on the safe side, instead of undoing.
    pub pivot: bool,
}

/// A step that can be taken back by `undo`.
pub fn undoable(step: Step, undo: Vec<Step>) -> Planned {
    Planned { step, undo, pivot: false }
}

/// A step whose half-done state is the safe one: the operation only goes forward from it.
pub fn pivot(step: Step) -> Planned {
    Planned { step, undo: Vec::new(), pivot: true }
}

/// A step that changes nothing by itself, or nothing that needs taking back.
pub fn harmless(step: Step) -> Planned {
    Planned { step, undo: Vec::new(), pivot: false }
}
