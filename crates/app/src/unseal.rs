//! The vault is opened. Nobody has shown a token for it: so one secret is tried at a time, and nobody holds up the next one while a database is waited for.

use std::{future, net::IpAddr, time::Duration};

use keystead_domain::Invalid;
use keystead_store::{StoreError, operations};
use keystead_vault::{HsmError, Share, UnlockKind, UnlockSecret, UnsealError, Vault};

use crate::{
    App, Error,
    vault::{Offer, VaultStatus},
};

/// How long it may take to learn which root is stored now.
const FOLLOW_TAKES: Duration = Duration::from_secs(2);

/// What is offered, read.
enum Key {
    Secret(UnlockSecret),
    Share(Share),
}

impl Offer {
    /// What is offered, for the audit log.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Secret(UnlockSecret::Passphrase(_)) => "a passphrase",
            Self::Secret(UnlockSecret::KeyFile(_)) => "a key file",
            Self::Secret(UnlockSecret::Shares(_)) | Self::Share(_) => "a share",
            Self::Secret(UnlockSecret::Modules(_)) => "the PIN of a hardware module",
        }
    }

    fn read(self) -> Result<Key, Error> {
        match self {
            Self::Secret(secret) => Ok(Key::Secret(secret)),
            Self::Share(text) => Share::parse(&text).map(Key::Share).map_err(|error| Error::Invalid(error.into())),
        }
    }
}

impl App {
    /// Opens the vault. Who knows the secret needs no token; operations that waited go on at once. A secret that does not open it is told to the audit log, with the
    /// address that it came `from`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong secret.
    pub async fn unseal(&self, offer: Offer, from: Option<IpAddr>) -> Result<VaultStatus, Error> {
        self.unseal_in_turn(offer, from, future::ready(Ok::<_, Error>(()))).await
    }

    /// The same for one of many who may come at once: the turn is taken only for trying the secret, and given back before anything is told. An open vault is left as
    /// it is, and the secret is not tried.
    ///
    /// # Errors
    /// As [`unseal`](Self::unseal), and what the turn says.
    pub async fn unseal_in_turn<T, E>(&self, offer: Offer, from: Option<IpAddr>, turn: impl Future<Output = Result<T, E>> + Send) -> Result<VaultStatus, E>
    where
        T: Send + 'static,
        E: From<Error>,
    {
        self.follow_before_unsealing().await;
        // Nobody shall try secrets against a house that works.
        if !self.is_sealed() {
            return Ok(self.vault_status().await);
        }
        let kind = offer.kind();
        let key = match offer.read() {
            Ok(key) => key,
            Err(error) => return Err(self.refuse_key(kind, from, error).await.into()),
        };
        let turn = turn.await?;
        match self.try_key(key, turn).await {
            Ok(has_opened) if has_opened => self.tell_unsealed().await?,
            Ok(_) => {}
            Err(error) => return Err(self.refuse_key(kind, from, error).await.into()),
        }
        Ok(self.vault_status().await)
    }

    /// The secret is held against the root that is stored now, not against the one that this node last knew. What the database cannot tell soon, the next look will.
    async fn follow_before_unsealing(&self) {
        match tokio::time::timeout(FOLLOW_TAKES, self.follow_root()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(?error, "the record of the root could not be read"),
            Err(_) => tracing::warn!("the record of the root could not be read in time"),
        }
    }

    /// Whether this key has opened the vault. Argon2id takes half a second of one core: not on a thread that serves others. The turn ends with the trying, also when who
    /// asked has gone away.
    async fn try_key(&self, key: Key, turn: impl Send + 'static) -> Result<bool, Error> {
        let engine = self.engine.clone();
        let trying = move || {
            let _turn = turn;
            let vault = &engine.parts().vault;
            if !vault.is_sealed() {
                return Ok(false);
            }
            open(vault, key).map(|()| !vault.is_sealed())
        };
        tokio::task::spawn_blocking(trying).await.map_err(|error| Error::Internal(error.to_string()))?
    }

    /// Tells the audit log of a key that does not open the vault; answers why not, or why that could not be told.
    async fn refuse_key(&self, kind: &'static str, from: Option<IpAddr>, error: Error) -> Error {
        self.refuse_unseal(kind, from).await.err().unwrap_or(error)
    }

    async fn tell_unsealed(&self) -> Result<(), Error> {
        self.note_vault("vault.unseal").await?;
        let now = self.now();
        self.store().write("operations.wake_all", move |tx| operations::wake_all(tx, now)).await?;
        Ok(())
    }

    /// Whether the vault is sealed, and a hardware module that the server knows may open it.
    pub fn may_open_by_module(&self) -> bool {
        self.is_sealed() && !self.modules.is_empty() && self.vault().record().module_root().is_some()
    }

    /// Opens the vault with its hardware module, which was away when the server started, or to which another node moved the root. The error says whether waiting
    /// helps.
    ///
    /// # Errors
    /// What the module says.
    pub async fn open_by_module(&self) -> Result<(), HsmError> {
        let (engine, secret) = (self.engine.clone(), UnlockSecret::Modules(self.modules.to_vec()));
        let opened = tokio::task::spawn_blocking(move || engine.parts().vault.unseal(&secret)).await;
        match opened.map_err(|error| HsmError::Refused(error.to_string()))? {
            Ok(()) => {}
            Err(UnsealError::Module(error)) => return Err(error),
            Err(error) => return Err(HsmError::Refused(error.to_string())),
        }
        self.tell_unsealed().await.map_err(|error| HsmError::Away(format!("the vault is open, and the database does not hear of it: {error:?}")))
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
}

fn open(vault: &Vault, key: Key) -> Result<(), Error> {
    let opened = match key {
        Key::Secret(secret) => vault.unseal(&secret),
        Key::Share(share) => vault.offer(share).map(drop),
    };
    opened.map_err(|error| match error {
        UnsealError::Share(error) => Error::Invalid(error.into()),
        UnsealError::OtherKind { wants: UnlockKind::Module, .. } => Error::Invalid(Invalid::new(
            "secret",
            "does not open the vault: its root lies in a hardware module",
            "The server reads the module's PIN when it starts, from the file that [hsm] names: restart it. A PIN is not taken from here, where anybody could lock it.",
        )),
        other => Error::Invalid(Invalid::new("secret", format!("does not open the vault: {other}"), "Give the secret that `keystead vault status` asks for.")),
    })
}
