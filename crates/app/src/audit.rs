//! The audit log from outside: pages, signed checkpoints, and an export that anyone can verify without us (CM-005, CM-006).

use keystead_audit::{
    Checkpoint, CheckpointError, Hash, VerifierKey,
    export::{ExportError, ExportWriter},
};
use keystead_identity::{Action, Principal};
use keystead_operations::engine::material::at_the_vault;
use keystead_store::{
    Store, StoreError, audit,
    audit::{EntryRow, SignerRow},
    page::{Listed, Page},
};
use keystead_vault::VaultError;
use tokio::{runtime::Handle, sync::mpsc};

use crate::{App, Error, permit};

/// How many entries an export reads at a time.
const PAGE: u32 = 1000;

impl App {
    /// A page of the audit log, newest first, of one key or of the whole account.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that is not there.
    pub async fn list_audit(&self, principal: &Principal, key: Option<&str>, page: Page) -> Result<Listed<EntryRow>, Error> {
        let proof = permit(principal, Action::ReadAudit, &principal.account, ())?;
        let subject = match key {
            Some(key) => Some(self.key(&proof.principal, key).await?.id.to_string()),
            None => None,
        };
        let account = principal.account.clone();
        Ok(self.store().read("audit.list", move |tx| audit::list(tx, &account, subject.as_deref(), &page)).await?)
    }

    /// The key that signs checkpoints: its public half, to be kept by who verifies.
    ///
    /// # Errors
    /// What the store says.
    pub async fn audit_key(&self) -> Result<SignerRow, Error> {
        self.store().read("audit.signer", audit::signer).await?.ok_or_else(|| Error::Internal("there is no log key".to_owned()))
    }

    /// A signed checkpoint of the log as it now is. One that exists for this size is answered again: a log never signs two for one size.
    ///
    /// # Errors
    /// [`Error::Sealed`] when a new one is needed and the vault cannot sign.
    pub async fn checkpoint(&self) -> Result<String, Error> {
        let ((size, root), newest) = self.store().read("audit.head", |tx| Ok::<_, StoreError>((audit::head(tx)?, audit::newest_checkpoint(tx)?))).await?;
        if let Some((signed, note)) = newest
            && signed == size
        {
            return Ok(note);
        }
        let signer = self.audit_key().await?;
        let note = match self.sign(&signer, size, &root) {
            Ok(note) => note,
            Err(error) => return Err(self.or_root_changed(error).await),
        };
        let (kept, now) = (note.clone(), self.now());
        self.store().write("audit.insert_checkpoint", move |tx| audit::insert_checkpoint(tx, size, &kept, now)).await?;
        Ok(note)
    }

    fn sign(&self, signer: &SignerRow, size: u64, root: &str) -> Result<String, Error> {
        let key = VerifierKey::parse(&signer.vkey).map_err(|error| Error::Internal(error.to_string()))?;
        let checkpoint = Checkpoint::new(&signer.origin, size, read_root(size, root)?);
        let vault = &self.engine.parts().vault;
        checkpoint.sign_by(&key, |text| at_the_vault(vault, |vault| vault.sign_log(&signer.sealed, text)).map_err(Signing::Vault)).map_err(
            |error| match error {
                Signing::Vault(error) => error.into(),
                Signing::Checkpoint(error) => Error::Internal(error.to_string()),
            },
        )
    }

    /// The export of the whole log as chunks of a file, up to a checkpoint that is signed now.
    ///
    /// # Errors
    /// [`Error::Sealed`] when the vault cannot sign.
    pub async fn export_audit(&self, principal: &Principal) -> Result<mpsc::Receiver<Vec<u8>>, Error> {
        let proof = permit(principal, Action::ReadAudit, &principal.account, ())?;
        let entry = self.entry(principal, "audit.export", proof.rule).done();
        self.store()
            .write("audit.export", move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?;
        let newest = self.checkpoint().await?;
        let signer = self.audit_key().await?;
        let (sender, chunks) = mpsc::channel(16);
        let (store, handle) = (self.store().clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write_export(&store, &handle, &signer, &newest, sender) {
                tracing::error!(%error, "an audit export ended early");
            }
        });
        Ok(chunks)
    }
}

enum Signing {
    Vault(VaultError),
    Checkpoint(CheckpointError),
}

impl From<CheckpointError> for Signing {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

fn read_root(size: u64, text: &str) -> Result<Hash, Error> {
    if size == 0 {
        return Ok(keystead_audit::empty_root());
    }
    let bytes = hex::decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    bytes.ok_or_else(|| Error::Internal("the root of the audit log cannot be read".to_owned()))
}

fn write_export(store: &Store, handle: &Handle, signer: &SignerRow, newest: &str, out: mpsc::Sender<Vec<u8>>) -> Result<(), ExportError<StoreError>> {
    let key = VerifierKey::parse(&signer.vkey).map_err(CheckpointError::from)?;
    let size = Checkpoint::read_unverified(newest)?.size;
    let checkpoints = handle.block_on(store.read("audit.checkpoints", move |tx| audit::checkpoints(tx, size))).unwrap_or_else(|_| vec![newest.to_owned()]);
    let tiles = |level: u8, n: u64| handle.block_on(store.read("audit.tile", move |tx| audit::tile(tx, level, n)));
    let mut writer = ExportWriter::start(Chunks::new(out), &key, 0, checkpoints, tiles)?;
    let range = writer.range();
    let mut next = range.start;
    while next < range.end {
        let page = handle.block_on(store.read("audit.from_index", move |tx| audit::from_index(tx, next, PAGE)));
        let page = page.map_err(|error| std::io::Error::other(error.to_string()))?;
        if page.is_empty() {
            break;
        }
        for entry in page.into_iter().take_while(|entry| entry.index < range.end) {
            writer.entry(entry.body.as_bytes())?;
            next = entry.index + 1;
        }
    }
    writer.finish().map(drop)
}

/// A writer that hands its bytes on in chunks; who no longer reads ends the export.
struct Chunks {
    buffer: Vec<u8>,
    out: mpsc::Sender<Vec<u8>>,
}

/// Size of a chunk in bytes.
const CHUNK: usize = 64 * 1024;

impl Chunks {
    fn new(out: mpsc::Sender<Vec<u8>>) -> Self {
        Self { buffer: Vec::with_capacity(CHUNK), out }
    }

    fn hand_on(&mut self) -> std::io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.out.blocking_send(full).map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    }
}

impl std::io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.hand_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.hand_on() }
    }
}
