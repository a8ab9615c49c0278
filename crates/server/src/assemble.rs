//! The house put together: store, vault, engine, application, each given to the next.

use std::sync::Arc;

use keystead_app::App;
use keystead_domain::Clock;
use keystead_operations::{
    Engine, Hooks,
    engine::{Parts, Settings},
};
use keystead_store::{Store, operations, vault};
use keystead_vault::{Hsm, HsmError, Random, RootRecord, SystemRandom, UnlockSecret, UnsealError, Vault};

use crate::{AwsClouds, ServerError};

/// What a house is built of.
pub struct Wiring {
    /// The open database, with an installation in it.
    pub store: Store,
    /// What opens the vault now; without it the house starts sealed.
    pub secret: Option<UnlockSecret>,
    /// The hardware modules that a root may lie in, or move to.
    pub modules: Vec<Arc<dyn Hsm>>,
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
    /// Whether the modules refused to open the vault: it is not tried again by itself, because each try of a PIN counts.
    pub is_refused: bool,
}

/// Puts a house together. Operations of an earlier life are free to be taken up; nothing runs before the schedule does.
///
/// # Errors
/// [`ServerError::NotInstalled`] for an empty database, [`ServerError::Vault`] for a secret that does not open it.
pub async fn assemble(wiring: Wiring) -> Result<House, ServerError> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let (vault, is_refused) = open_vault(&wiring.store, wiring.secret, random.clone()).await?;
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
    Ok(House { app: App::new(engine.clone(), wiring.clouds, wiring.modules), engine, is_refused })
}

/// The record of the root as it is stored.
pub(crate) async fn stored_root(store: &Store) -> Result<RootRecord, ServerError> {
    let stored = store.read("vault.root", vault::root).await?;
    let bytes = stored.ok_or_else(|| ServerError::NotInstalled("The database".to_owned()))?;
    RootRecord::from_bytes(&bytes).map_err(|error| ServerError::Vault(error.to_string()))
}

/// The vault, open or sealed, and whether its modules refused for good. A hardware module that is away keeps nobody from reading: the vault is sealed, and opened when the module is there.
async fn open_vault(store: &Store, secret: Option<UnlockSecret>, random: Arc<dyn Random>) -> Result<(Vault, bool), ServerError> {
    let vault = Vault::sealed(stored_root(store).await?, random);
    let Some(secret) = secret else { return Ok((vault, false)) };
    // Argon2id takes a while; nobody is served yet.
    let (vault, opened) = tokio::task::spawn_blocking(move || {
        let opened = vault.unseal(&secret);
        (vault, opened)
    })
    .await
    .map_err(|error| ServerError::Vault(error.to_string()))?;
    match opened {
        Ok(()) => Ok((vault, false)),
        // A token that is not there at a start may be one whose module is still coming up behind a power cut.
        Err(UnsealError::Module(error)) if error.passes() || matches!(error, HsmError::NoToken { .. }) => {
            tracing::warn!(%error, "the vault stays sealed until its hardware module answers");
            Ok((vault, false))
        }
        // A server that ended here would be started again, and use up the PIN's tries.
        Err(UnsealError::Module(error @ (HsmError::PinWrong | HsmError::PinLastTry | HsmError::PinLocked))) => {
            tracing::error!(%error, "the vault stays sealed: mend hsm.pin_file, then restart");
            Ok((vault, true))
        }
        Err(error) => Err(ServerError::Vault(error.to_string())),
    }
}
