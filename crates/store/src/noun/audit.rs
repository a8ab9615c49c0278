//! The audit log's rows: entries, the tiles of their tree, its head, and signed checkpoints. Rows are only added, but for the tiles at the right edge.

use keystead_audit::{Entry, Log, TileError};
use keystead_domain::{AccountId, Timestamp};

use super::page::{Listed, Page};
use crate::{Row, StoreError, Tx};

/// The right edge of the tree as the writer last left it. Another node may have appended since: the head says so.
#[derive(Default)]
pub(crate) struct LogTail(Option<Log>);

impl LogTail {
    /// Appends entries at the end of the running transaction. The head's row is held until the commit, so that nodes take turns.
    pub(crate) fn append(&mut self, tx: &mut Tx<'_>, entries: &[Entry]) -> Result<(), StoreError> {
        let head = format!("SELECT size FROM audit_head WHERE id = 1{}", tx.dialect().for_update());
        let size = tx.query_opt(&head, &[])?.map_or(Err(corrupt("the head is missing")), |row| row.read().int())?;
        // Taken out: if anything fails the edge is read anew.
        let mut log = match self.0.take() {
            Some(log) if log.size() as i64 == size => log,
            _ => resume(tx, size)?,
        };
        for entry in entries {
            insert(tx, &mut log, entry)?;
        }
        for tile in log.take_changes() {
            let values = [i64::from(tile.level).into(), (tile.n as i64).into(), (&tile.hashes).into()];
            tx.execute(
                "INSERT INTO audit_tiles (level, n, hashes) VALUES ($1, $2, $3) ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes",
                &values,
            )?;
        }
        let root = hex(&log.root());
        tx.execute_one(
            "audit head",
            "UPDATE audit_head SET size = $1, root = $2 WHERE id = 1 AND size = $3",
            &[(log.size() as i64).into(), (&root).into(), size.into()],
        )?;
        self.0 = Some(log);
        Ok(())
    }
}

fn insert(tx: &mut Tx<'_>, log: &mut Log, entry: &Entry) -> Result<(), StoreError> {
    let bytes = entry.to_bytes();
    let index = log.append(&bytes) as i64;
    let body = std::str::from_utf8(&bytes).map_err(|_| corrupt("an entry is not text"))?;
    let subject = entry.subject.first().map(|subject| subject.id.as_str());
    tx.execute(
        "INSERT INTO audit_entries (idx, at, account_id, subject_id, body) VALUES ($1, $2, $3, $4, $5)",
        &[index.into(), entry.at_micros.into(), (&entry.account).into(), subject.into(), body.into()],
    )
    .map(drop)
}

fn resume(tx: &mut Tx<'_>, size: i64) -> Result<Log, StoreError> {
    let mut source = |level: u8, n: u64| tile(tx, level, n);
    Log::resume(size as u64, &mut source).map_err(|error| match error {
        TileError::Source { source, .. } => source,
        other => corrupt(&other.to_string()),
    })
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("audit log: {what}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hashes of a tile; empty when there is none.
pub fn tile(tx: &mut Tx<'_>, level: u8, n: u64) -> Result<Vec<u8>, StoreError> {
    let row = tx.query_opt("SELECT hashes FROM audit_tiles WHERE level = $1 AND n = $2", &[i64::from(level).into(), (n as i64).into()])?;
    row.map_or(Ok(Vec::new()), |row| row.read().bytes())
}

/// How many entries the log has, and its root in hexadecimal (empty for an empty log).
pub fn head(tx: &mut Tx<'_>) -> Result<(u64, String), StoreError> {
    let row = tx.query_opt("SELECT size, root FROM audit_head WHERE id = 1", &[])?.ok_or_else(|| corrupt("the head is missing"))?;
    let mut row = row.read();
    Ok((row.int()? as u64, row.text()?))
}

/// An entry as it is kept: its index and its canonical bytes as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Position in the log, from 0.
    pub index: u64,
    /// Canonical JSON.
    pub body: String,
}

fn read(row: Row) -> Result<EntryRow, StoreError> {
    let mut row = row.read();
    Ok(EntryRow { index: row.int()? as u64, body: row.text()? })
}

/// A page of an account's entries, newest first, of one subject or of all.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, subject: Option<&str>, page: &Page) -> Result<Listed<EntryRow>, StoreError> {
    let before: i64 = page.after.as_deref().map_or(Ok(i64::MAX), str::parse).unwrap_or(0);
    let mut sql = "SELECT idx, body FROM audit_entries WHERE account_id = $1 AND idx < $2".to_owned();
    let mut values = vec![account.as_str().into(), before.into(), page.fetch().into()];
    if let Some(subject) = subject {
        sql.push_str(" AND subject_id = $4");
        values.push(subject.into());
    }
    sql.push_str(" ORDER BY idx DESC LIMIT $3");
    let rows: Result<Vec<_>, _> = tx.query(&sql, &values)?.into_iter().map(read).collect();
    Ok(page.cut(rows?, |entry| entry.index.to_string()))
}

/// Entries from an index on, oldest first, of every account: what an export is made of.
pub fn from_index(tx: &mut Tx<'_>, index: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
    let rows = tx.query("SELECT idx, body FROM audit_entries WHERE idx >= $1 ORDER BY idx LIMIT $2", &[(index as i64).into(), limit.into()])?;
    rows.into_iter().map(read).collect()
}

/// Keeps a signed checkpoint; the same size again is the same checkpoint and is left alone.
pub fn insert_checkpoint(tx: &mut Tx<'_>, size: u64, note: &str, now: Timestamp) -> Result<(), StoreError> {
    let values = [(size as i64).into(), note.into(), now.into()];
    tx.execute("INSERT INTO audit_checkpoints (size, note, at) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING", &values).map(drop)
}

/// Every checkpoint up to a size, oldest first.
pub fn checkpoints(tx: &mut Tx<'_>, up_to: u64) -> Result<Vec<String>, StoreError> {
    let rows = tx.query("SELECT note FROM audit_checkpoints WHERE size <= $1 ORDER BY size", &[(up_to as i64).into()])?;
    rows.into_iter().map(|row| row.read().text()).collect()
}

/// The newest checkpoint and its size.
pub fn newest_checkpoint(tx: &mut Tx<'_>) -> Result<Option<(u64, String)>, StoreError> {
    let row = tx.query_opt("SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1", &[])?;
    row.map(|row| {
        let mut row = row.read();
        Ok((row.int()? as u64, row.text()?))
    })
    .transpose()
}

/// The key that signs checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerRow {
    /// Name of the log.
    pub origin: String,
    /// Verifier key, in the open.
    pub vkey: String,
    /// The seed, sealed by the vault.
    pub sealed: Vec<u8>,
}

/// The signer, when the installation was made.
pub fn signer(tx: &mut Tx<'_>) -> Result<Option<SignerRow>, StoreError> {
    let row = tx.query_opt("SELECT origin, vkey, sealed FROM audit_signer WHERE id = 1", &[])?;
    row.map(|row| {
        let mut row = row.read();
        Ok(SignerRow { origin: row.text()?, vkey: row.text()?, sealed: row.bytes()? })
    })
    .transpose()
}

/// Keeps the signer; a second one is refused as not unique.
pub fn insert_signer(tx: &mut Tx<'_>, signer: &SignerRow) -> Result<(), StoreError> {
    let values = [(&signer.origin).into(), (&signer.vkey).into(), (&signer.sealed).into()];
    tx.execute("INSERT INTO audit_signer (id, origin, vkey, sealed) VALUES (1, $1, $2, $3)", &values).map(drop)
}

/// Keeps the signer's seed sealed anew, after a change of the root.
pub fn reseal_signer(tx: &mut Tx<'_>, old: &[u8], new: &[u8]) -> Result<(), StoreError> {
    tx.execute_one("audit signer", "UPDATE audit_signer SET sealed = $1 WHERE id = 1 AND sealed = $2", &[new.into(), old.into()])
}
