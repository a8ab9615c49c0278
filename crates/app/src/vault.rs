//! The vault from outside: is it open, open it, close it. How its keys are made new stands in `rotation.rs`.

use std::net::IpAddr;

use keystead_domain::{AccountId, Invalid};
use keystead_identity::{Action, Principal};
use keystead_store::{StoreError, operations, versions};
use keystead_vault::{Progress, UnlockKind, UnlockSecret, UnsealError, Vault};

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

/// What somebody offers to open the vault with.
pub enum Offer {
    /// A whole secret.
    Secret(UnlockSecret),
    /// One share of several.
    Share(String),
}

impl Offer {
    /// What is offered, for the audit log.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Secret(UnlockSecret::Passphrase(_)) => "a passphrase",
            Self::Secret(UnlockSecret::KeyFile(_)) => "a key file",
            Self::Secret(UnlockSecret::Shares(_)) | Self::Share(_) => "a share",
        }
    }
}

/// What became of a rotation.
pub struct Rotated {
    /// How many key versions were sealed anew.
    pub rewrapped: u64,
    /// The new shares, when the root opens by shares; shown this once.
    pub shares: Vec<keystead_vault::SecretText>,
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
            Some(_) => Some(self.rotation_progress().await),
            None => None,
        };
        VaultStatus {
            sealed: self.is_sealed(),
            kind: record.kind(),
            shares: self.vault().progress(),
            root_generation: record.generation(),
            root_changed: self.is_root_changed(),
            rotation,
        }
    }

    /// Counted only while a rotation runs; a look at the vault must not fail because the database is away.
    async fn rotation_progress(&self) -> RotationProgress {
        let counted = self.store().read("versions.progress", versions::progress).await;
        counted.map_or_else(|_| RotationProgress::default(), |(done, total)| RotationProgress { done: Some(done), total: Some(total) })
    }

    /// Whether requests can be served: the database answers and the vault is open.
    ///
    /// # Errors
    /// [`Error::Sealed`] or [`Error::RootChanged`], or what the store says.
    pub async fn check_ready(&self) -> Result<(), Error> {
        self.account().await?;
        match (self.is_sealed(), self.is_root_changed()) {
            (false, _) => Ok(()),
            (true, false) => Err(Error::Sealed),
            (true, true) => Err(Error::RootChanged),
        }
    }

    /// Opens the vault. Who knows the secret needs no token; operations that waited go on at once. A secret that does not open it is told to the audit log, with the
    /// address that it came `from`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong secret.
    pub async fn unseal(&self, offer: Offer, from: Option<IpAddr>) -> Result<VaultStatus, Error> {
        let kind = offer.kind();
        // The secret is held against the root that is stored now, not against the one that this node last knew. What the database cannot tell, the next look will.
        if let Err(error) = self.follow_root().await {
            tracing::warn!(?error, "the record of the root could not be read");
        }
        let parts = self.engine.clone();
        let was_sealed = self.vault().is_sealed();
        // Argon2id takes half a second of one core: not on a thread that serves others.
        let opened = tokio::task::spawn_blocking(move || open(&parts.parts().vault, offer)).await;
        if let Err(error) = opened.map_err(|error| Error::Internal(error.to_string()))? {
            self.refuse_unseal(kind, from).await?;
            return Err(error);
        }
        if was_sealed && !self.vault().is_sealed() {
            self.note_vault("vault.unseal").await?;
            let now = self.now();
            self.store().write("operations.wake_all", move |tx| operations::wake_all(tx, now)).await?;
        }
        Ok(self.vault_status().await)
    }

    /// Forgets the root key. Running uses end first; operations then wait.
    ///
    /// # Errors
    /// What the store says.
    pub async fn seal(&self, principal: &Principal) -> Result<VaultStatus, Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, ())?;
        let entry = self.entry(principal, "vault.seal", proof.rule).done();
        self.vault().seal();
        self.store()
            .write("vault.seal", move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(self.vault_status().await)
    }

    async fn note_vault(&self, action: &'static str) -> Result<(), Error> {
        let account = self.account().await?;
        let parts = self.engine.parts();
        let who = keystead_operations::words::Who::system();
        let entry = keystead_operations::words::entry(parts.random.as_ref(), self.now(), &account, &who, action, "knows-the-secret").done();
        Ok(self
            .store()
            .write(action, move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?)
    }

    pub(crate) async fn account(&self) -> Result<AccountId, Error> {
        let first = self.store().read("accounts.first", keystead_store::accounts::first).await?;
        first.ok_or_else(|| Error::Internal("there is no account".to_owned()))
    }
}

fn open(vault: &Vault, offer: Offer) -> Result<(), Error> {
    let opened = match offer {
        Offer::Secret(secret) => vault.unseal(&secret),
        Offer::Share(text) => vault.offer_share(&text).map(drop),
    };
    opened.map_err(|error| match error {
        UnsealError::Share(error) => Error::Invalid(error.into()),
        other => Error::Invalid(Invalid::new("secret", format!("does not open the vault: {other}"), "Give the secret that `keystead vault status` asks for.")),
    })
}

pub(crate) fn root_error(error: keystead_vault::RootError) -> Error {
    match error {
        keystead_vault::RootError::Sealed => Error::Sealed,
        keystead_vault::RootError::Unlock(refused) => Error::Invalid(refused.into()),
        other => Error::Invalid(Invalid::new("unlock", format!("was refused: {other}"), "See `keystead vault status`.")),
    }
}
