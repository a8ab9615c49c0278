//! What a use-case answers when it does not do what it was asked: in users' words, and free of HTTP.

use keystead_domain::{Event, Invalid, KeyState, key::lifecycle::accepted_from};
use keystead_operations::{Problem, engine::call::StepError};
use keystead_store::{CarriesStoreError, StoreError};
use keystead_vault::VaultError;

use crate::once::Done;

/// A refusal or a failure. Nothing has been changed; only behind a problem of the type `outcome-unknown` that is not sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The input breaks a rule.
    Invalid(Invalid),
    /// No such thing, or not for this caller.
    NotFound {
        /// What was looked for: `key`.
        what: &'static str,
        /// By which id or name.
        name: String,
    },
    /// A name or alias is in use.
    Taken {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The lifecycle table refuses.
    WrongState {
        /// The key's name.
        key: String,
        /// Where it stands.
        state: KeyState,
        /// What was asked.
        event: Event,
    },
    /// Another operation holds the key or keystore.
    Busy {
        /// Which.
        name: String,
        /// The operation.
        operation: String,
    },
    /// The same idempotency key was used for something else.
    IdempotencyMismatch,
    /// The same request was done before, and its answer cannot be given again: it held a secret, or it serves once.
    AlreadyDone(Done),
    /// Two people are needed, and this is the same one.
    SamePerson,
    /// No export was prepared, or it is used up.
    NotPrepared {
        /// The key's name.
        key: String,
    },
    /// The prepared export is not the one that its preparer sealed: somebody changed it in the database.
    PreparationChanged {
        /// The key's name.
        key: String,
    },
    /// Who prepared the export is no longer active.
    PreparerInactive {
        /// The key's name.
        key: String,
    },
    /// The keystore still has keys that are not deleted (CM-038).
    KeystoreNotEmpty {
        /// The keystore's name.
        keystore: String,
        /// How many.
        count: i64,
        /// The first few names.
        names: Vec<String>,
    },
    /// The ceremony does not wait for what was asked.
    CeremonyStands {
        /// How it stands, as the end of a sentence.
        how: String,
        /// What helps.
        mend: String,
    },
    /// An estate has mistakes, each with its path: nothing was planned, and nothing done.
    Mistakes(Vec<Invalid>),
    /// What a plan was made for is not so any more.
    PlanStale {
        /// The keys that have changed since, by name.
        moved: Vec<String>,
    },
    /// Another plan of an estate is being done.
    ApplyRuns {
        /// Its id.
        apply: String,
    },
    /// Somebody changed the same thing at the same moment.
    MovedOn,
    /// The vault is sealed.
    Sealed,
    /// The vault of this node is sealed because another node changed the root.
    RootChanged,
    /// The cloud, the vault or the database did not do its part.
    Problem(Problem),
    /// Something that cannot be, told to operators in the log.
    Internal(String),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// What the lifecycle table's refusal is told as, and what helps.
pub fn wrong_state_words(key: &str, state: KeyState, event: Event) -> (String, String) {
    let states: Vec<&str> = accepted_from(event).into_iter().map(KeyState::as_str).collect();
    let mend = format!("This works from {}. See `keystead key show {key}`.", states.join(", "));
    (format!("{key} is {} and cannot be {}.", state.as_str(), event.participle()), mend)
}

/// What is told when an operation holds what another one needs, and what helps.
pub fn busy_words(name: &str, operation: &str) -> (String, String) {
    (format!("The operation {operation} holds {name}."), format!("Wait for it: `keystead operation show {operation}`. Then ask again."))
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::MovedOn(_) => Self::MovedOn,
            StoreError::Corrupt(what) | StoreError::Database(what) => Self::Internal(what),
            other => Self::Problem(Problem::from(&other)),
        }
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Sealed => Self::Sealed,
            VaultError::MaterialRefused(refused) => Self::Invalid(refused.into()),
            other => Self::Problem(Problem::from(&other)),
        }
    }
}

impl From<StepError> for Error {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Cloud(error) => Self::Problem(Problem::from(&error)),
            StepError::Vault(error) => error.into(),
            StepError::Store(error) => error.into(),
            StepError::Missing(_) => Self::Internal("the key has no material".to_owned()),
            other => Self::Internal(format!("{other:?}")),
        }
    }
}

/// The error of a transaction: the store's errors stay whole, so that the writer sees collisions.
#[derive(Debug)]
pub(crate) enum TxError {
    Store(StoreError),
    App(Error),
}

impl From<StoreError> for TxError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for TxError {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

impl CarriesStoreError for TxError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::App(_) => None,
        }
    }
}

impl From<TxError> for Error {
    fn from(error: TxError) -> Self {
        match error {
            TxError::Store(error) => error.into(),
            TxError::App(error) => error,
        }
    }
}
