//! The root of the vault is made new while the house is open: begun here, finished in `finish.rs`.
//!
//! A root that opens by shares is begun in two steps. The first makes it and hands the shares out; nothing is stored. The second takes enough of them back, as proof
//! that their keepers have them. So no lost answer can leave a vault behind that nobody opens.
//!
//! On several nodes a rotation of the root needs no agreement. One node stores the record of the new root; from that commit on the store takes nothing that is
//! sealed under the old one, whoever sealed it (`keystead_store::vault` says how). A node that does not know the new root finds that out from the record, or from
//! the first row that it cannot open, seals itself, and waits for the new secret. What another node left undone, any node that is open under the new root finishes.

use std::time::Duration;

use keystead_domain::{Invalid, Timestamp, time::SECOND};
use keystead_identity::{Action, Principal};
use keystead_store::{StoreError, vault, versions};
use keystead_vault::{Adopted, LaterRoot, NewUnlock, RootRecord, SecretText, Share, UnlockSecret, UnsealError, VaultError, root::Created};
use tokio::sync::OwnedMutexGuard;
use zeroize::Zeroizing;

use crate::{
    App, Error, Request,
    error::TxError,
    once::Deed,
    permit,
    transcript::{What, numbers},
    vault::root_error,
};

/// How long new shares wait to be shown again.
const CONFIRM_WITHIN_MICROS: i64 = 15 * 60 * SECOND;
/// The pauses between looks at what became of a commit that was not answered. Behind the last, it is looked at in the background.
const SETTLE_PAUSES: [Duration; 5] = [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1), Duration::from_secs(3)];

/// What whoever changes the root has in hand.
#[derive(Debug, Default)]
pub(crate) struct RootChanges {
    /// The rotation that waits for its shares.
    waiting: Option<Waiting>,
}

/// A rotation whose shares were handed out. The root itself is in the vault, and nowhere else.
#[derive(Debug)]
struct Waiting {
    rotation: String,
    confirm_by: Timestamp,
}

/// What became of a record whose commit was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// There is none.
    Nothing,
    /// It is stored.
    Stored,
    /// It is not, and will not be.
    NotStored,
}

/// A new root whose shares have to be shown again before it counts.
pub struct Prepared {
    /// Names it.
    pub rotation: String,
    /// Until when.
    pub confirm_by: Timestamp,
    /// How many of them have to be shown.
    pub threshold: u8,
    /// All of them, this once.
    pub shares: Vec<SecretText>,
}

/// What a new root shall be.
pub enum NewRoot {
    /// In this software, opened by a secret.
    Secret(NewUnlock),
    /// In a hardware module that the configuration names.
    Module {
        /// Which; the first when nobody says.
        name: Option<String>,
        /// Threshold and count of the shares of a copy.
        backup: Option<(u8, u8)>,
    },
}

/// What became of a rotation of the root.
pub enum Rotation {
    /// The new root is stored; sealing everything anew under it goes on in the background.
    Begun,
    /// Nothing has changed yet.
    Prepared(Prepared),
}

impl App {
    /// Makes a new root. One that opens by a passphrase or a key file, or lies in a module, is stored at once; every other node then seals itself until it is opened with
    /// the new secret, or opens itself by the module if it knows it. One that opens by shares, or has a copy that they restore, waits for [`confirm_root_rotation`](Self::confirm_root_rotation); another rotation that waited is forgotten.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unfit secret, or for a module that is not there or would not take what the vault holds, [`Error::Sealed`], [`Error::RootChanged`]; [`Error::MovedOn`] when another node was faster. [`Error::AlreadyDone`] for the
    /// same request again: whether it names the same secret cannot be told, because nothing of a secret is remembered.
    pub async fn rotate_root(&self, principal: &Principal, request: &Request, root: NewRoot) -> Result<Rotation, Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, root)?;
        let (unlock, rule) = (self.read_root(proof.payload)?, proof.rule);
        let mut changes = self.root_changes.clone().lock_owned().await;
        self.refuse_again(principal, request).await?;
        // What is not settled is settled first: beginning forgets the root that was begun before.
        self.follow(&mut changes).await?;
        if changes.waiting.is_some() && matches!(unlock, NewUnlock::Module { .. }) {
            return Err(waits_already());
        }
        let is_by_shares = matches!(unlock, NewUnlock::Shares { .. } | NewUnlock::Module { backup: Some(_), .. });
        changes.waiting = None;
        let kinds = self.store().read("versions.kinds", versions::kinds).await?;
        let engine = self.engine.clone();
        let begun = tokio::task::spawn_blocking(move || engine.parts().vault.begin_root_rotation(&unlock, &kinds)).await;
        let created = match begun.map_err(|error| Error::Internal(error.to_string()))? {
            Ok(created) => created,
            Err(error) => return Err(self.told_of_root(root_error(error))),
        };
        if is_by_shares {
            return self.hand_out_shares(principal, created, rule, &mut changes).await.map(Rotation::Prepared);
        }
        self.begin_root(principal, request, created.record, rule, changes).await?;
        Ok(Rotation::Begun)
    }

    fn read_root(&self, root: NewRoot) -> Result<NewUnlock, Error> {
        let (name, backup) = match root {
            NewRoot::Secret(unlock) => return Ok(unlock),
            NewRoot::Module { name, backup } => (name, backup),
        };
        let found = self.modules.iter().find(|module| name.as_deref().is_none_or(|name| module.name() == name));
        let hsm = found.ok_or_else(|| self.no_such_module(name.as_deref()))?.clone();
        Ok(NewUnlock::Module { hsm, backup })
    }

    fn no_such_module(&self, name: Option<&str>) -> Error {
        let known: Vec<&str> = self.modules.iter().map(|module| module.name()).collect();
        let reason =
            name.map_or_else(|| "names no module, and the server knows none".to_owned(), |name| format!("names no module that the server knows: {name:?}"));
        let mend = match known.as_slice() {
            [] => "Add the module to the server's configuration, as [hsm], and restart the server.".to_owned(),
            known => format!("Give one of {}, or add it to the server's configuration, as [[hsm.more]], and restart the server.", known.join(", ")),
        };
        Error::Invalid(Invalid::new("unlock.hsm", reason, mend))
    }

    async fn hand_out_shares(&self, principal: &Principal, created: Created, rule: &str, changes: &mut RootChanges) -> Result<Prepared, Error> {
        let rotation = format!("rotation_{}", hex::encode(self.random::<8>()));
        let generation = created.record.generation().to_string();
        let entry = self.entry(principal, "vault.prepare-root", rule).detail("generation", generation).detail("rotation", rotation.clone());
        let entry = match created.record.module_root() {
            Some(root) => entry.detail("module_root", root.to_string()).done(),
            None => entry.done(),
        };
        self.store()
            .write("vault.prepare_root", move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?;
        let confirm_by = self.now().plus_micros(CONFIRM_WITHIN_MICROS);
        changes.waiting = Some(Waiting { rotation: rotation.clone(), confirm_by });
        let threshold = created.shares.first().map_or(0, Share::threshold);
        Ok(Prepared { rotation, confirm_by, threshold, shares: created.shares.iter().map(Share::text).collect() })
    }

    /// Begins a rotation whose new shares are shown: at least as many as open the vault. Answers the signed transcript. The same request again does nothing, and succeeds
    /// without one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for shares that do not open the new root, which changes nothing, and for a rotation that does not wait here; else as
    /// [`rotate_root`](Self::rotate_root).
    pub async fn confirm_root_rotation(
        &self,
        principal: &Principal,
        request: &Request,
        rotation: &str,
        shares: Vec<Zeroizing<String>>,
    ) -> Result<Option<String>, Error> {
        let shares = read_shares(&shares)?;
        let shown = numbers(&shares);
        let proof = permit(principal, Action::ManageVault, &principal.account, UnlockSecret::Shares(shares))?;
        let mut changes = self.root_changes.clone().lock_owned().await;
        if self.done_before(principal, request).await?.is_some() {
            return Ok(None);
        }
        self.follow(&mut changes).await?;
        if self.is_sealed() {
            return Err(self.told_of_root(Error::Sealed));
        }
        if changes.waiting.as_ref().is_none_or(|waiting| waiting.rotation != rotation) {
            return Err(not_waiting());
        }
        let engine = self.engine.clone();
        // A module takes its time.
        let proved = tokio::task::spawn_blocking(move || engine.parts().vault.prove_begun(&proof.payload)).await;
        let record = proved.map_err(|error| Error::Internal(error.to_string()))?.map_err(unproved)?;
        self.begin_root(principal, request, record.clone(), proof.rule, changes).await?;
        // The root counts; that its transcript could not be signed must not say otherwise.
        let transcript = self.transcript(What::Rotation, principal, &record, &shown).await;
        Ok(transcript.inspect_err(|error| tracing::warn!(?error, "the transcript could not be signed; rehearse the shares for another")).ok().flatten())
    }

    /// Stores the record of the root that was begun, and only then goes by it. It runs on a task of its own: whoever asked may go away in the middle, and what became
    /// of the commit is looked at all the same.
    async fn begin_root(
        &self,
        principal: &Principal,
        request: &Request,
        record: RootRecord,
        rule: &'static str,
        mut changes: OwnedMutexGuard<RootChanges>,
    ) -> Result<(), Error> {
        let (app, principal, request) = (self.clone(), principal.clone(), request.clone());
        let task = tokio::spawn(async move {
            let begun = app.store_begun(&principal, &request, record, rule, &mut changes).await;
            drop(changes);
            if begun.is_ok() {
                app.finish_in_background();
            }
            begun
        });
        task.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    async fn store_begun(
        &self,
        principal: &Principal,
        request: &Request,
        record: RootRecord,
        rule: &'static str,
        changes: &mut RootChanges,
    ) -> Result<(), Error> {
        self.vault().begun_is_being_stored(&record).map_err(root_error)?;
        let error = match self.replace_root(principal, request, &record, rule).await {
            Ok(()) => return self.go_by(record, changes),
            Err(error) => error,
        };
        if !is_unknown(&error) {
            self.drop_begun(changes);
            return Err(self.met_itself(principal, request, error).await.into());
        }
        match self.settle_soon(changes).await {
            Ok(Settled::Stored) => Ok(()),
            Ok(Settled::NotStored) => Err(StoreError::Unavailable("a commit was not kept".to_owned()).into()),
            // Nobody knows still. The root stays where it is, no other is begun, and the background looks again; or the vault was sealed meanwhile, and forgot it.
            Ok(Settled::Nothing) | Err(_) => Err(error.into()),
        }
    }

    async fn replace_root(&self, principal: &Principal, request: &Request, record: &RootRecord, rule: &'static str) -> Result<(), TxError> {
        let (old, new, now) = (self.vault().record().to_bytes(), record.to_bytes(), self.now());
        let generation = record.generation();
        let mut entry = self.entry(principal, "vault.rotate-root", rule).detail("generation", generation.to_string()).detail("root", record.kind().to_string());
        if let Some(root) = record.module_root() {
            entry = entry.detail("module_root", root.to_string());
        }
        if let Some(keepers) = record.keepers() {
            entry = entry.detail("shares", format!("{} of {}, set {}", keepers.threshold, keepers.commitments.len(), keepers.set));
        }
        let entry = entry.done();
        let memory = self.memory(principal, request, Deed::RotateRoot, generation.to_string());
        let kept = self.store().write("vault.replace_root", move |tx| {
            memory.write(tx)?;
            vault::replace_root(tx, &old, &new, generation, now)?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        kept.await
    }

    fn go_by(&self, record: RootRecord, changes: &mut RootChanges) -> Result<(), Error> {
        changes.waiting = None;
        self.adopt(record)
    }

    fn drop_begun(&self, changes: &mut RootChanges) {
        changes.waiting = None;
        self.vault().forget_begun();
    }

    async fn settle_soon(&self, changes: &mut RootChanges) -> Result<Settled, Error> {
        let mut settled = Ok(Settled::Nothing);
        for pause in SETTLE_PAUSES {
            tokio::time::sleep(pause).await;
            settled = self.settle(changes).await;
            if settled.is_ok() {
                break;
            }
        }
        settled
    }

    /// Finds out whether a record was stored whose commit was not answered. A read would not do: the commit may still be on its way, and
    /// a snapshot from before it says no. A transaction that takes the row waits for it.
    async fn settle(&self, changes: &mut RootChanges) -> Result<Settled, Error> {
        let Some(begun) = self.vault().unsettled() else { return Ok(Settled::Nothing) };
        let stored = self.store().write("vault.settle_root", vault::hold_root).await?;
        let stored = stored.and_then(|bytes| RootRecord::from_bytes(&bytes).ok());
        match stored.filter(|stored| stored.is_of_same_root(&begun)) {
            Some(stored) => {
                tracing::info!(generation = stored.generation(), "the rotation of the root whose commit was not answered is stored");
                self.go_by(stored, changes).map(|()| Settled::Stored)
            }
            None => {
                self.drop_begun(changes);
                Ok(Settled::NotStored)
            }
        }
    }

    /// Takes over what another node did to the root. A node that does not know the new root seals itself and waits. Also finds out what became of a record of this
    /// node's own whose commit was not answered, and forgets new roots whose shares were not shown in time.
    ///
    /// # Errors
    /// What the store says.
    pub async fn follow_root(&self) -> Result<(), Error> {
        self.follow(&mut *self.root_changes.lock().await).await
    }

    /// What a caller is told whose request met a sealed vault or a row that moved on: both may mean that another node changed the root, and then that is the answer.
    pub(crate) async fn or_root_changed(&self, error: Error) -> Error {
        if !matches!(error, Error::Sealed | Error::MovedOn) {
            return error;
        }
        // Whoever holds this changes the root on this very node.
        if let Ok(mut changes) = self.root_changes.try_lock()
            && let Err(error) = self.follow(&mut changes).await
        {
            tracing::warn!(?error, "the record of the root could not be read");
        }
        match self.vault().denied_later_root() {
            Some(damage) if error == Error::Sealed && !self.is_sealed() => VaultError::from(damage).into(),
            _ => self.told_of_root(error),
        }
    }

    fn told_of_root(&self, error: Error) -> Error {
        if self.is_root_changed() { Error::RootChanged } else { error }
    }

    async fn follow(&self, changes: &mut RootChanges) -> Result<(), Error> {
        self.settle(changes).await?;
        // Without somebody who waits for it a root that was begun is nobody's: who asked went away, or came too late.
        if changes.waiting.as_ref().is_none_or(|waiting| waiting.confirm_by <= self.now()) {
            self.drop_begun(changes);
        }
        let later = self.vault().later_roots();
        let stored = self.store().read("vault.root", vault::root).await?;
        let Some(record) = stored.and_then(|bytes| RootRecord::from_bytes(&bytes).ok()) else { return Ok(()) };
        if record == self.vault().record() {
            self.tell_damage(&later);
            return Ok(());
        }
        if record.generation() < self.vault().record().generation() {
            // Somebody put an old database back, or an old record into this one: what is sealed under an old root may be known to who has its shares.
            tracing::error!(stored = record.generation(), "the stored record of the root is older than the one that this node works by, and is not taken over");
            return Ok(());
        }
        let was_open = !self.is_sealed();
        if self.vault().adopt(record) == Adopted::Sealed && was_open {
            tracing::error!("the root was changed on another node: this node is sealed until it is unsealed with the new secret");
        }
        Ok(())
    }

    fn tell_damage(&self, later: &[LaterRoot]) {
        self.vault().deny_later_roots(later);
        for root in later {
            tracing::error!(blob = %root.blob, generation = root.generation, "a row names a later root than the stored one: it is damaged; restore it from a backup");
        }
    }

    pub(crate) fn adopt(&self, record: RootRecord) -> Result<(), Error> {
        match self.vault().adopt(record) {
            Adopted::Open => Ok(()),
            Adopted::Sealed => Err(Error::Sealed),
        }
    }
}

/// Whether nobody knows what became of a transaction.
fn is_unknown(error: &TxError) -> bool {
    matches!(error, TxError::Store(StoreError::OutcomeUnknown(_) | StoreError::Closed))
}

/// A root in a module cannot be unmade: nobody shall fill a token with roots that nobody confirms.
fn waits_already() -> Error {
    let mend = "Confirm it with `keystead vault confirm-rotation`, or wait until its time is over: 15 minutes.";
    Error::Invalid(Invalid::new("unlock.hsm", "would make another root in a module while one waits for its shares", mend))
}

fn not_waiting() -> Error {
    let mend = "Make new shares with `keystead vault rotate root --to shares`, and confirm them in time, at the same node.";
    Error::Invalid(Invalid::new("rotation", "does not wait for its shares: it is over, or too old, or another one was begun behind it", mend))
}

/// Reads shares as their keepers typed them.
pub(crate) fn read_shares(texts: &[Zeroizing<String>]) -> Result<Vec<Share>, Error> {
    texts.iter().map(|text| Share::parse(text)).collect::<Result<_, _>>().map_err(|error| unproved(error.into()))
}

/// Why shares do not prove a root.
pub(crate) fn unproved(error: UnsealError) -> Error {
    match error {
        UnsealError::NothingBegun => not_waiting(),
        UnsealError::Share(error) => Error::Invalid(Invalid { field: "shares".to_owned(), ..error.into() }),
        UnsealError::Module(error) => VaultError::from(error).into(),
        other => Error::Invalid(Invalid::new("shares", format!("do not open the root: {other}"), "Give as many of its shares as open it.")),
    }
}
