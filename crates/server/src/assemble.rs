//! The house put together: store, vault, engine, application, each given to the next.

use std::sync::Arc;

use keystead_app::App;
use keystead_domain::Clock;
use keystead_operations::{
    Engine, Hooks,
    engine::{Parts, Settings},
};
use keystead_store::{Store, operations, vault};
use keystead_vault::{Random, RootRecord, SystemRandom, UnlockSecret, Vault};

use crate::{AwsClouds, ServerError};

/// What a house is built of.
pub struct Wiring {
    /// The open database, with an installation in it.
    pub store: Store,
    /// What opens the vault now; without it the house starts sealed.
    pub secret: Option<UnlockSecret>,
    /// The clouds.
    pub clouds: Arc<AwsClouds>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where tests look in.
    pub hooks: Arc<dyn Hooks>,
    /// How the engine behaves.
    pub settings: Settings,
}

/// A house that stands.
#[derive(Clone)]
pub struct House {
    /// The application.
    pub app: App,
    /// The engine beneath it.
    pub engine: Engine,
}

/// Puts a house together. Operations of an earlier life are free to be taken up; nothing runs before the schedule does.
///
/// # Errors
/// [`ServerError::NotInstalled`] for an empty database, [`ServerError::Vault`] for a secret that does not open it.
pub async fn assemble(wiring: Wiring) -> Result<House, ServerError> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let vault = open_vault(&wiring.store, wiring.secret, random.clone()).await?;
    if wiring.store.is_exclusive() {
        wiring.store.write("operations.free_all_leases", operations::free_all_leases).await?;
    }
    let mut node = [0; 8];
    random.fill(&mut node);
    let engine = Engine::new(Parts {
        store: wiring.store,
        vault: Arc::new(vault),
        clouds: wiring.clouds.clone(),
        clock: wiring.clock,
        random,
        hooks: wiring.hooks,
        node: format!("node-{:016x}", u64::from_be_bytes(node)),
        settings: wiring.settings,
    });
    Ok(House { app: App::new(engine.clone(), wiring.clouds), engine })
}

async fn open_vault(store: &Store, secret: Option<UnlockSecret>, random: Arc<dyn Random>) -> Result<Vault, ServerError> {
    let stored = store.read("vault.root", vault::root).await?;
    let bytes = stored.ok_or_else(|| ServerError::NotInstalled("The database".to_owned()))?;
    let record = RootRecord::from_bytes(&bytes).map_err(|error| ServerError::Vault(error.to_string()))?;
    let vault = Vault::sealed(record, random);
    let Some(secret) = secret else { return Ok(vault) };
    // Argon2id takes a while; nobody is served yet.
    let opened = tokio::task::spawn_blocking(move || vault.unseal(&secret).map(|()| vault)).await;
    opened.map_err(|error| ServerError::Vault(error.to_string()))?.map_err(|error| ServerError::Vault(error.to_string()))
}
