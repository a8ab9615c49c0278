//! Changes: what is done on the way from what is to what is wanted, each with what waits for what, and what is dangerous about it.

use std::borrow::Cow;

use super::{DriftWish, Place, WantedEnd};
use crate::{
    AlertChannels, Aliases, KeyId, KeySpec, KeyUsage, Name, Tags,
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
    rotation::Wish,
};

/// One change. Each is what one command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which value of the estate asks for it: `keys[3]`.
    pub path: String,
    /// What it is about.
    pub subject: Subject,
    /// The key, where there is one already.
    pub key: Option<KeyId>,
    /// What is done.
    pub action: Action,
    /// What becomes different, for people.
    pub fields: Vec<FieldChange>,
    /// What may go wrong for somebody.
    pub dangers: Vec<Danger>,
    /// The places in the list of what must be done before.
    pub waits_for: Vec<usize>,
}

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Every key for which nothing nearer is said.
    Default,
    /// A keystore, by name.
    Keystore(String),
    /// A key, by its name and its keystore's. A replica that has no name yet is called by its primary's.
    Key(String, String),
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A keystore is made.
    CreateKeystore(Place),
    /// Import parameters are fetched ahead, or not.
    SetWarm(bool),
    /// A keystore is looked through otherwise.
    SetDrift(DriftWish),
    /// Other channels hear of a keystore.
    SetAlerts(AlertChannels),
    /// A rotation policy is set.
    SetRotation(Box<Wish>),
    /// A rotation policy goes.
    ClearRotation,
    /// A key is made.
    CreateKey(Box<NewKey>),
    /// A replica is made.
    AddReplica(Box<NewReplica>),
    /// Properties change.
    Update(Box<KeyUpdate>),
    /// The countdown to deletion is stopped.
    CancelDeletion,
    /// The key comes back into use.
    Activate,
    /// The key is taken out of use.
    Deactivate,
    /// The countdown to deletion begins.
    ScheduleDeletion(WaitingDays),
}

/// A key that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Name.
    pub name: Name,
    /// Keystore, by name.
    pub keystore: String,
    /// Kind.
    pub spec: KeySpec,
    /// What it is for.
    pub usage: KeyUsage,
    /// Whether it can have replicas.
    pub multi_region: bool,
    /// Whether its material may leave the vault.
    pub exportable: bool,
    /// Free text.
    pub description: String,
    /// Aliases.
    pub aliases: Aliases,
    /// Tags.
    pub tags: Tags,
    /// When its material ends.
    pub expires: WantedEnd,
    /// What happens before.
    pub expiry_policy: ExpiryPolicy,
}

/// A replica that is to be made; what is left out is as the primary has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplica {
    /// The primary, by name.
    pub primary: String,
    /// The primary, if it is there already.
    pub primary_id: Option<KeyId>,
    /// Keystore, by name.
    pub keystore: String,
    /// Name.
    pub name: Option<Name>,
    /// Free text.
    pub description: Option<String>,
    /// Aliases.
    pub aliases: Option<Aliases>,
    /// Tags.
    pub tags: Option<Tags>,
}

/// What changes of a key's properties; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUpdate {
    /// All aliases.
    pub aliases: Option<Aliases>,
    /// Free text.
    pub description: Option<String>,
    /// All tags.
    pub tags: Option<Tags>,
    /// When its material ends.
    pub expires: Option<WantedEnd>,
    /// What happens before.
    pub expiry_policy: Option<ExpiryPolicy>,
    /// Its material never leaves the vault again.
    pub forbids_export: bool,
}

/// A field as it is and as it will be; `None`: not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Which, in the words of the file.
    pub field: &'static str,
    /// As it is.
    pub from: Option<String>,
    /// As it will be.
    pub to: Option<String>,
}

/// What may go wrong for somebody who uses the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// Behind its waiting time the key is gone for ever.
    Deletes,
    /// Behind its waiting time a Region cannot decrypt any more.
    RemovesReplica,
    /// Nothing can be encrypted or decrypted with it.
    TakesOutOfUse,
    /// Somebody took it out of use, perhaps for a reason.
    BringsBack,
    /// Its material ends earlier than it would.
    EndsSooner,
    /// Who uses the alias reaches the key no more.
    RemovesAlias,
    /// It cannot be taken back.
    ForbidsExport,
    /// Keys are not rotated any more.
    StopsRotation,
    /// Differences are found later, or not at all.
    LooksLess,
    /// A channel that heard of a keystore hears nothing of it any more.
    TellsFewer,
    /// So many keys get new material from now on, which nothing rotated before.
    RotatesKeys(usize),
    /// Keys are rotated later than they would be.
    RotatesLess,
    /// Behind a rotation the old key goes out of use, or sooner than it would.
    RetiresPredecessors,
    /// Nobody moves the end of its material any more.
    LetsEnd,
}

impl Danger {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deletes => "deletes",
            Self::RemovesReplica => "removes-replica",
            Self::TakesOutOfUse => "takes-out-of-use",
            Self::BringsBack => "brings-back",
            Self::EndsSooner => "ends-sooner",
            Self::RemovesAlias => "removes-alias",
            Self::ForbidsExport => "forbids-export",
            Self::StopsRotation => "stops-rotation",
            Self::LooksLess => "looks-less",
            Self::TellsFewer => "tells-fewer",
            Self::RotatesKeys(_) => "rotates-keys",
            Self::RotatesLess => "rotates-less",
            Self::RetiresPredecessors => "retires-predecessors",
            Self::LetsEnd => "lets-end",
        }
    }

    /// As people read it.
    pub fn told(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::RotatesKeys(count) => return Cow::Owned(format!("Keys that nothing rotates now get new material by it, and their aliases move: {count}.")),
            Self::Deletes => "Behind its waiting time the key is gone for ever, and with it what only it decrypts.",
            Self::RemovesReplica => "Behind its waiting time this Region decrypts with the key no more.",
            Self::TakesOutOfUse => "Nothing is encrypted or decrypted with the key until it is active again.",
            Self::BringsBack => "Somebody took the key out of use, perhaps for a reason.",
            Self::EndsSooner => "The material ends earlier than it would, and what it encrypted is closed until it is imported again.",
            Self::RemovesAlias => "Who uses a removed alias does not reach the key any more.",
            Self::ForbidsExport => "That the material may leave the vault cannot be allowed again.",
            Self::StopsRotation => "Keys that were rotated by this policy may not be rotated any more.",
            Self::LooksLess => "What somebody changes in the cloud is found later, or not at all.",
            Self::TellsFewer => "A channel that hears of this keystore and its keys now hears nothing of them any more.",
            Self::RotatesLess => "Keys are rotated later, or less often, than they would be.",
            Self::RetiresPredecessors => {
                "Behind its time of grace the key that was rotated away goes out of use, and what it encrypted is closed until it is active again."
            }
            Self::LetsEnd => "The material ends at its time, and what it encrypted is closed, unless somebody answers the alert.",
        })
    }
}

impl Change {
    /// The keys that are there already and that it is about: its own, and the primary of a replica that is to be made.
    pub fn keys(&self) -> impl Iterator<Item = &KeyId> {
        let primary = match &self.action {
            Action::AddReplica(new) => new.primary_id.as_ref(),
            _ => None,
        };
        self.key.iter().chain(primary)
    }
}

impl Action {
    /// The word in API, command line and audit log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::CreateKeystore(_) => "create-keystore",
            Self::SetWarm(_) => "set-warm",
            Self::SetDrift(_) => "set-drift-policy",
            Self::SetAlerts(_) => "set-alert-channels",
            Self::SetRotation(_) => "set-rotation",
            Self::ClearRotation => "clear-rotation",
            Self::CreateKey(_) => "create-key",
            Self::AddReplica(_) => "add-replica",
            Self::Update(_) => "update-key",
            Self::CancelDeletion => "cancel-deletion",
            Self::Activate => "activate-key",
            Self::Deactivate => "deactivate-key",
            Self::ScheduleDeletion(_) => "schedule-deletion",
        }
    }

    /// Whether it is done in one transaction of the database, without an operation.
    pub const fn is_immediate(&self) -> bool {
        matches!(self, Self::CreateKeystore(_) | Self::SetWarm(_) | Self::SetDrift(_) | Self::SetAlerts(_) | Self::SetRotation(_) | Self::ClearRotation)
    }
}

impl Subject {
    /// The keystore that it is, or is in.
    pub fn keystore(&self) -> Option<&str> {
        match self {
            Self::Default => None,
            Self::Keystore(name) | Self::Key(_, name) => Some(name),
        }
    }

    /// Its name; empty of the default.
    pub fn name(&self) -> &str {
        match self {
            Self::Default => "",
            Self::Keystore(name) | Self::Key(name, _) => name,
        }
    }

    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Keystore(_) => "keystore",
            Self::Key(..) => "key",
        }
    }
}
