//! Export of material, by two people: one names the public key, another takes the wrapped material away, once (CM-017, CM-063 to CM-066, FX-025).

use keystead_domain::{Event, Timestamp, Verdict, verdict};
use keystead_identity::{Action, Principal};
use keystead_store::{exports, exports::ExportRow, keys, keys::KeyRow};
use keystead_vault::ExportKey;

use super::action_of;
use crate::{App, Error, error::TxError, permit};

/// For how many days a preparation may be used: who prepared it shall still be there to be asked.
const PREPARED_DAYS: i64 = 1;

/// A preparation as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The key.
    pub key: KeyRow,
    /// When.
    pub prepared_at: Timestamp,
    /// SHA-256 of the public key, hexadecimal.
    pub public_key_fingerprint: String,
}

/// Material, wrapped for a person.
pub struct Download {
    /// The key.
    pub key: KeyRow,
    /// RSAES-OAEP with SHA-256 under the prepared public key.
    pub wrapped: Vec<u8>,
    /// SHA-256 of the public key, hexadecimal.
    pub public_key_fingerprint: String,
}

impl App {
    /// Names the public key for an export, and marks who did (CM-063).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a weak or malformed public key; [`Error::WrongState`].
    pub async fn prepare_export(&self, principal: &Principal, id_or_name: &str, public_key: &str) -> Result<Prepared, Error> {
        let export_key = ExportKey::parse_pem(public_key).map_err(|error| Error::Invalid(error.into()))?;
        let key = self.exportable(principal, id_or_name, Event::PrepareExport).await?;
        let proof = permit(principal, Action::PrepareExport, &key.account_id.clone(), key)?;
        let key = proof.payload;
        let row = ExportRow {
            key_id: key.id.clone(),
            account_id: key.account_id.clone(),
            public_key: public_key.to_owned(),
            prepared_by: principal.user.to_string(),
            prepared_at: self.now(),
        };
        let prepared = Prepared { key: key.clone(), prepared_at: row.prepared_at, public_key_fingerprint: export_key.fingerprint_sha256() };
        let entry = self.entry(principal, "key.prepare-export", proof.rule).key(&key).detail("public_key", prepared.public_key_fingerprint.clone()).done();
        self.store()
            .write("exports.prepare", move |tx| {
                // The row may have gone since: a deleted key keeps no preparation.
                if keys::by_id(tx, &row.key_id)?.is_none_or(|now| verdict(now.state, Event::PrepareExport) == Verdict::Refused) {
                    return Err(Error::MovedOn.into());
                }
                exports::prepare(tx, &row)?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await?;
        Ok(prepared)
    }

    /// Hands the wrapped material to somebody else than who prepared it, once (CM-064, CM-065, CM-066).
    ///
    /// # Errors
    /// [`Error::NotPrepared`], [`Error::SamePerson`], [`Error::WrongState`], [`Error::Sealed`].
    pub async fn download_export(&self, principal: &Principal, id_or_name: &str) -> Result<Download, Error> {
        let key = self.exportable(principal, id_or_name, Event::DownloadExport).await?;
        let id = key.id.clone();
        let now = self.now();
        let prepared = self.store().read("exports.of_key", move |tx| exports::of_key(tx, &id)).await?;
        let Some(export) = prepared.filter(|export| now < export.prepared_at.plus_days(PREPARED_DAYS)) else {
            let error = Error::NotPrepared { key: key.name.clone() };
            return Err(self.refuse(principal, "key.download-export", "prepared-before-download", &key, error).await);
        };
        if export.prepared_by == principal.user.as_str() {
            return Err(self.refuse(principal, "key.download-export", "dual-control", &key, Error::SamePerson).await);
        }
        let proof = permit(principal, Action::DownloadExport, &key.account_id.clone(), key)?;
        self.hand_out(principal, proof.payload, export).await
    }

    async fn hand_out(&self, principal: &Principal, key: KeyRow, export: ExportRow) -> Result<Download, Error> {
        let export_key = ExportKey::parse_pem(&export.public_key).map_err(|error| Error::Internal(error.to_string()))?;
        let sealed = self.engine.sealed(&key).await?;
        let held = sealed.held().ok_or_else(|| Error::Internal("the key has no material".to_owned()))?;
        let wrapped = self.engine.parts().vault.export(&held, &export_key)?;
        let entry = self
            .entry(principal, "key.download-export", "dual-control")
            .key(&key)
            .detail("prepared_by", export.prepared_by.clone())
            .detail("public_key", export_key.fingerprint_sha256())
            .done();
        let (name, id) = (key.name.clone(), key.id.clone());
        self.store()
            .write("exports.consume", move |tx| {
                if keys::by_id(tx, &id)?.is_none_or(|now| verdict(now.state, Event::DownloadExport) == Verdict::Refused) {
                    return Err(Error::MovedOn.into());
                }
                // Two downloads at the same moment: one finds the preparation used up.
                exports::consume(tx, &export).map_err(|_| Error::NotPrepared { key: name.clone() })?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await?;
        Ok(Download { key, wrapped, public_key_fingerprint: export_key.fingerprint_sha256() })
    }

    async fn exportable(&self, principal: &Principal, id_or_name: &str, event: Event) -> Result<KeyRow, Error> {
        let key = self.key(principal, id_or_name).await?;
        if verdict(key.state, event) == Verdict::Refused {
            let error = Error::WrongState { key: key.name.clone(), state: key.state, event };
            return Err(self.refuse(principal, action_of(event), "lifecycle-table", &key, error).await);
        }
        Ok(key)
    }
}
