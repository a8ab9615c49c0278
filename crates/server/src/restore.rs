//! `keystead restore-root`: the root of an installation, from the shares of its copy, in another token: behind the loss of the first, or beside it.

use std::{path::PathBuf, sync::Arc};

use keystead_domain::{Clock as _, Invalid};
use keystead_operations::words::{self, Who};
use keystead_store::{Store, StoreError, accounts};
use keystead_vault::{Hsm, Share, SystemRandom};

use zeroize::Zeroizing;

use crate::{ServerError, SystemClock, assemble::stored_root, config::Config, hsm};

/// What is asked for.
pub struct RestoreOptions {
    /// The configuration; it names the token.
    pub config: PathBuf,
    /// The token's module, by its name in the configuration; the first when nobody says.
    pub module: Option<String>,
    /// Shares, as their keepers typed them.
    pub shares: Vec<Share>,
}

/// What was restored.
pub struct RestoreReport {
    /// The root, as the labels of its keys have it.
    pub root: String,
    /// Its generation.
    pub generation: u32,
    /// The module that holds it now.
    pub module: String,
}

/// Reads shares as their keepers typed them.
///
/// # Errors
/// [`Invalid`] naming what is wrong with one.
pub fn read_shares(texts: &[Zeroizing<String>]) -> Result<Vec<Share>, Invalid> {
    Ok(texts.iter().map(|text| Share::parse(text)).collect::<Result<_, _>>()?)
}

/// Restores the root of the stored record. Nothing of the database changes but the audit log.
///
/// # Errors
/// [`ServerError::Vault`] for a root without a copy, for shares that do not restore it, and for what the module says.
pub async fn restore_root(options: RestoreOptions) -> Result<RestoreReport, ServerError> {
    let config = Config::read(&options.config)?;
    let store = Store::open(&config.database()?)?;
    let record = stored_root(&store).await?;
    let modules = hsm::modules(&config)?;
    let found = modules.iter().find(|module| options.module.as_deref().is_none_or(|name| module.name() == name));
    let hsm = found.ok_or_else(|| no_such_module(options.module.as_deref(), &modules))?.clone();
    let report = RestoreReport { root: root_name(&record)?, generation: record.generation(), module: hsm.name().to_owned() };
    // Before anything is made in a token, where it stays.
    note(&store, "begun", &report).await?;
    let restored = tokio::task::spawn_blocking(move || keystead_vault::restore(&record, &hsm, &options.shares)).await;
    restored.map_err(|error| ServerError::Vault(error.to_string()))?.map_err(|error| ServerError::Vault(error.to_string()))?;
    note(&store, "done", &report).await?;
    Ok(report)
}

fn no_such_module(name: Option<&str>, modules: &[Arc<dyn Hsm>]) -> ServerError {
    let known: Vec<&str> = modules.iter().map(|module| module.name()).collect();
    let wanted = name.map(|name| format!(" {name:?}")).unwrap_or_default();
    ServerError::Vault(format!(
        "the configuration names no hardware module{wanted}; it names {}. Add it as [hsm] or [[hsm.more]].",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    ))
}

fn root_name(record: &keystead_vault::RootRecord) -> Result<String, ServerError> {
    let none = || ServerError::Vault(format!("the root does not lie in a hardware module: it opens by {}", record.kind()));
    record.module_root().map(|root| root.to_string()).ok_or_else(none)
}

async fn note(store: &Store, stage: &str, report: &RestoreReport) -> Result<(), ServerError> {
    let account = store.read("accounts.first", accounts::first).await?.ok_or_else(|| ServerError::NotInstalled("The database".to_owned()))?;
    let entry = words::entry(&SystemRandom, SystemClock.now(), &account, &Who::system(), "vault.restore-root", "knows-the-shares")
        .detail("stage", stage.to_owned())
        .detail("generation", report.generation.to_string())
        .detail("root", report.root.clone())
        .detail("module", report.module.clone())
        .done();
    let kept = store.write("vault.restore_root", move |tx| {
        tx.audit(entry.clone());
        Ok::<_, StoreError>(())
    });
    Ok(kept.await?)
}
