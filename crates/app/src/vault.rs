//! The vault from outside: how it stands, and closing it. How it is opened stands in `unseal.rs`, how its keys are made new in `rotation.rs` and `account_key.rs`.

use std::time::{Duration, Instant};

use keystead_domain::{AccountId, Invalid};
use keystead_identity::{Action, Principal};
use keystead_store::{StoreError, versions};
use keystead_vault::{HsmError, Member, Progress, RootError, UnlockKind, UnlockSecret, Vault, VaultError};

use crate::{App, Error, permit};

/// How the vault stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultStatus {
    /// Whether it holds no root key.
    pub sealed: bool,
    /// What opens it.
    pub kind: UnlockKind,
    /// How far shares have come.
    pub shares: Option<Progress>,
    /// Threshold and count of the shares that restore the copy of a root in a module.
    pub backup: Option<(u8, u8)>,
    /// Generation of the root.
    pub root_generation: u32,
    /// Whether it is sealed because another node changed the root: it then opens by the new secret only.
    pub root_changed: bool,
    /// How far a rotation of the root is that is not finished.
    pub rotation: Option<RotationProgress>,
}

/// How far a rotation of the root is; unknown when the database does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RotationProgress {
    /// How many key versions are sealed under the new root.
    pub done: Option<u64>,
    /// How many key versions have material.
    pub total: Option<u64>,
}

/// How long a count of the versions is good.
const COUNT_IS_GOOD: Duration = Duration::from_secs(5);
/// How long a count may take.
const COUNT_TAKES: Duration = Duration::from_secs(2);

/// The last count; whoever counts holds it, so that one does it for all who wait.
pub(crate) type Counted = Option<CountedNow>;

/// How far a rotation was, and when that was counted.
#[derive(Debug)]
pub(crate) struct CountedNow {
    at: Instant,
    root_generation: u32,
    progress: RotationProgress,
}

/// What somebody offers to open the vault with.
pub enum Offer {
    /// A whole secret.
    Secret(UnlockSecret),
    /// One share of several.
    Share(String),
}

impl App {
    pub(crate) fn vault(&self) -> &Vault {
        &self.engine.parts().vault
    }

    /// Whether the vault holds no root key.
    pub fn is_sealed(&self) -> bool {
        self.vault().is_sealed()
    }

    /// Whether this node was sealed because another one changed the root.
    pub fn is_root_changed(&self) -> bool {
        self.vault().is_superseded()
    }

    /// How the vault stands. Anybody may ask: whoever unseals it has no token yet.
    pub async fn vault_status(&self) -> VaultStatus {
        let record = self.vault().record();
        let rotation = match record.previous_generation() {
            Some(_) => Some(self.rotation_progress(record.generation()).await),
            None => None,
        };
        VaultStatus {
            sealed: self.is_sealed(),
            kind: record.kind(),
            shares: self.vault().progress(),
            backup: record.backup(),
            root_generation: record.generation(),
            root_changed: self.is_root_changed(),
            rotation,
        }
    }

    /// Counted only while a rotation runs, and then at most every few seconds: anybody may ask, and counting looks at every version. A look at the vault must not fail
    /// because the database is away.
    async fn rotation_progress(&self, root_generation: u32) -> RotationProgress {
        let mut last = self.counted.lock().await;
        if let Some(counted) = last.as_ref().filter(|counted| counted.root_generation == root_generation && counted.at.elapsed() < COUNT_IS_GOOD) {
            return counted.progress;
        }
        let counting = self.store().read("versions.progress", versions::progress);
        let progress = match tokio::time::timeout(COUNT_TAKES, counting).await {
            Ok(Ok((done, total))) => RotationProgress { done: Some(done), total: Some(total) },
            _ => RotationProgress::default(),
        };
        *last = Some(CountedNow { at: Instant::now(), root_generation, progress });
        progress
    }

    /// The hardware modules that the configuration names, and how each is doing, for operators: of a sealed vault none is in.
    pub fn modules(&self) -> Vec<Member> {
        let mut all = self.vault().members();
        for hsm in self.modules.iter().filter(|hsm| !self.vault().members().iter().any(|member| member.name == hsm.name())) {
            all.push(Member { name: hsm.name().to_owned(), is_in: false, condition: hsm.condition() });
        }
        all
    }

    /// Whether requests can be served: the database answers, the vault is open, and of the modules that hold its root one works, as far as is known: those that idle are
    /// looked after every few seconds.
    ///
    /// # Errors
    /// [`Error::Sealed`] or [`Error::RootChanged`], or what the store says; a problem of the type `hsm-away`, which does not say more: anybody may ask.
    pub async fn check_ready(&self) -> Result<(), Error> {
        self.account().await?;
        let members = self.vault().members();
        if !members.is_empty() && members.iter().all(|member| !member.is_up()) {
            return Err(VaultError::Module(HsmError::Away("`keystead vault status` says more".to_owned())).into());
        }
        match (self.is_sealed(), self.is_root_changed()) {
            (false, _) => Ok(()),
            (true, false) => Err(Error::Sealed),
            (true, true) => Err(Error::RootChanged),
        }
    }

    /// Forgets the root key. Running uses end first; operations then wait.
    ///
    /// # Errors
    /// What the store says.
    pub async fn seal(&self, principal: &Principal) -> Result<VaultStatus, Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, ())?;
        let entry = self.entry(principal, "vault.seal", proof.rule).done();
        // A hardware module may take some seconds to let go.
        let app = self.clone();
        let sealed = tokio::task::spawn_blocking(move || app.close()).await;
        sealed.map_err(|error| Error::Internal(error.to_string()))?;
        self.store()
            .write("vault.seal", move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(self.vault_status().await)
    }

    /// Seals the vault and closes every module that this node knows, with its PIN: also such as hold no root of the vault, or did so before. To use them again the server is
    /// restarted.
    pub fn close(&self) {
        self.vault().seal();
        self.modules.iter().for_each(|module| module.close());
    }

    pub(crate) async fn account(&self) -> Result<AccountId, Error> {
        let first = self.store().read("accounts.first", keystead_store::accounts::first).await?;
        first.ok_or_else(|| Error::Internal("there is no account".to_owned()))
    }
}

pub(crate) fn root_error(error: RootError) -> Error {
    match error {
        RootError::Sealed => Error::Sealed,
        RootError::Unlock(refused) => Error::Invalid(refused.into()),
        RootError::Module(error) => VaultError::from(error).into(),
        error @ RootError::CannotHold { .. } => {
            Error::Invalid(Invalid::new("unlock.hsm", error.to_string(), "Choose another module, or end the life of those keys."))
        }
        error @ RootError::InModule => Error::Invalid(Invalid::new("unlock", format!("was refused: {error}"), "Give hsm, and the name of a module.")),
        other => Error::Invalid(Invalid::new("unlock", format!("was refused: {other}"), "See `keystead vault status`.")),
    }
}
