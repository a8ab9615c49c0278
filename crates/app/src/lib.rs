//! Use-cases: where a request becomes an effect.
//!
//! *Invariants*: this room knows no HTTP and no SQL. A use-case takes its caller's proof ([`keystead_identity::Authorized`]), asks `domain`'s table, and writes one
//! intent; it never calls a cloud for effect. A refusal is an entry of the audit log like a success. Errors are in users' words and name field and mend.

mod account_key;
pub mod alerts;
pub mod audit;
pub mod batches;
pub mod catalog;
pub mod ceremonies;
pub mod drift;
pub mod error;
pub mod estate;
mod finish;
pub mod health;
pub mod keys;
pub mod keystores;
mod knocks;
pub mod once;
pub mod operations;
pub mod request;
mod rewrap;
pub mod rotation;
pub mod transcript;
mod unseal;
pub mod users;
pub mod vault;

use std::sync::{Arc, Mutex};

pub use catalog::Catalog;
pub use error::Error;
use keystead_domain::{AccountId, Timestamp};
use keystead_identity::{Action, Authorized, Principal, authorize};
use keystead_operations::{Engine, words, words::Who};
use keystead_store::Store;
use keystead_vault::Hsm;
use knocks::Knocks;
pub use request::{Request, Started};
use rotation::RootChanges;
use vault::Counted;

/// The application: everything a request can do.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    catalog: Arc<dyn Catalog>,
    /// The hardware modules that the root may lie in, or move to.
    modules: Arc<[Arc<dyn Hsm>]>,
    /// Whoever changes the root of the vault, or goes by a changed one, holds this.
    root_changes: Arc<tokio::sync::Mutex<RootChanges>>,
    /// How far a rotation of the root was, a moment ago.
    counted: Arc<tokio::sync::Mutex<Counted>>,
    /// Who knocked in the last minute and was not let in, for the audit log.
    knocks: Arc<Mutex<Knocks>>,
}

impl App {
    /// The application over an engine, the clouds that it knows, and the hardware modules.
    pub fn new(engine: Engine, catalog: Arc<dyn Catalog>, modules: Vec<Arc<dyn Hsm>>) -> Self {
        let mut salt = [0; 32];
        engine.parts().random.fill(&mut salt);
        let knocks = Arc::new(Mutex::new(Knocks::new(salt)));
        Self { engine, catalog, modules: modules.into(), root_changes: Arc::default(), counted: Arc::default(), knocks }
    }

    /// The engine beneath.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn store(&self) -> &Store {
        &self.engine.parts().store
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.engine.parts().random.fill(&mut bytes);
        bytes
    }

    /// An entry for the audit log by this caller.
    pub(crate) fn entry(&self, principal: &Principal, action: &str, rule: &str) -> words::Words {
        words::entry(self.engine.parts().random.as_ref(), self.now(), &principal.account, &who(principal), action, rule)
    }
}

/// The caller in the audit log's words.
pub(crate) fn who(principal: &Principal) -> Who {
    Who { id: principal.user.to_string(), name: principal.name.clone() }
}

/// Asks whether the caller may; everything of another account is, to them, not there.
pub(crate) fn permit<P>(principal: &Principal, action: Action, account: &AccountId, payload: P) -> Result<Authorized<P>, Error> {
    authorize(principal, action, account, payload).map_err(|_| Error::NotFound { what: "resource", name: String::new() })
}
