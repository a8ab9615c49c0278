//! Export of material, by two people: one names the public key, another takes the wrapped material away, once (CM-017, CM-063 to CM-066, FX-025).

use keystead_domain::{Custody, Event, Invalid, Timestamp, Verdict, WrapMethod, verdict};
use keystead_identity::{Action, Principal};
use keystead_operations::engine::material::{Material, account_key, at_the_vault};
use keystead_store::{StoreError, Tx, exports, exports::ExportRow, keys, keys::KeyRow, users, versions};
use keystead_vault::{ExportKey, Preparation, export_method};

use super::{
    action_of,
    rules::{NO_COPY, Refused},
};
use crate::{App, Error, Request, error::TxError, once::Deed, permit};

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
    /// Which version of the key it is.
    pub version: u32,
    /// Under the prepared public key.
    pub wrapped: Vec<u8>,
    /// How it is wrapped.
    pub method: WrapMethod,
    /// SHA-256 of the public key, hexadecimal.
    pub public_key_fingerprint: String,
}

impl App {
    /// Names the public key for an export, and marks who did (CM-063).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a weak or malformed public key; [`Error::WrongState`].
    pub async fn prepare_export(&self, principal: &Principal, id_or_name: &str, public_key: &str) -> Result<Prepared, Error> {
        match self.try_prepare(principal, id_or_name, public_key).await {
            Err(error) => Err(self.or_root_changed(error).await),
            prepared => prepared,
        }
    }

    async fn try_prepare(&self, principal: &Principal, id_or_name: &str, public_key: &str) -> Result<Prepared, Error> {
        let export_key = ExportKey::parse_pem(public_key).map_err(|error| Error::Invalid(error.into()))?;
        let key = self.exportable(principal, id_or_name, Event::PrepareExport).await?;
        let proof = permit(principal, Action::PrepareExport, &key.account_id.clone(), key)?;
        let key = proof.payload;
        let mut row = ExportRow {
            key_id: key.id.clone(),
            account_id: key.account_id.clone(),
            public_key: public_key.to_owned(),
            prepared_by: principal.user.to_string(),
            prepared_at: self.now(),
            seal: Vec::new(),
        };
        let sealing = self.engine.account_key(&key.account_id).await?;
        row.seal = at_the_vault(self.vault(), |vault| vault.seal_preparation(&preparation(&row, &export_key), account_key(&sealing)))?;
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

    /// Hands the wrapped material of a version, or of the current one, to somebody else than who prepared it, once (CM-064, CM-065, CM-066).
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `version`; [`Error::NotPrepared`], [`Error::SamePerson`], [`Error::WrongState`], [`Error::Sealed`]; [`Error::PreparationChanged`] and [`Error::PreparerInactive`] when the
    /// preparation cannot be relied on, which is told to the audit log; [`Error::AlreadyDone`] for the same request again: a preparation
    /// serves one download, and what it handed out is not kept.
    pub async fn download_export(&self, principal: &Principal, request: &Request, id_or_name: &str, version: Option<u32>) -> Result<Download, Error> {
        self.refuse_again(principal, request).await?;
        let key = self.exportable(principal, id_or_name, Event::DownloadExport).await?;
        let id = key.id.clone();
        let now = self.now();
        let prepared = self.store().read("exports.of_key", move |tx| exports::of_key(tx, &id)).await?;
        let Some(export) = prepared.filter(|export| now < export.prepared_at.plus_days(PREPARED_DAYS)) else {
            // The same request, a moment earlier, may have used it up.
            self.refuse_again(principal, request).await?;
            let error = Error::NotPrepared { key: key.name.clone() };
            return Err(self.refuse(principal, "key.download-export", "prepared-before-download", &key, error).await);
        };
        if export.prepared_by == principal.user.as_str() {
            return Err(self.refuse(principal, "key.download-export", "dual-control", &key, Error::SamePerson).await);
        }
        let proof = permit(principal, Action::DownloadExport, &key.account_id.clone(), key)?;
        let key = proof.payload;
        let material = self.material_of(&key, version).await?;
        let version = material.version.number;
        match self.hand_out(principal, request, &key, &material, export).await {
            Ok((wrapped, public_key_fingerprint)) => Ok(Download { method: export_method(key.spec), key, version, wrapped, public_key_fingerprint }),
            Err(error @ Error::PreparationChanged { .. }) => Err(self.refuse(principal, "key.download-export", "as-prepared", &key, error).await),
            Err(error @ Error::PreparerInactive { .. }) => Err(self.refuse(principal, "key.download-export", "preparer-is-active", &key, error).await),
            Err(error) => Err(self.or_root_changed(error).await),
        }
    }

    /// The public key of a preparation, when it is the one that its preparer had sealed: the database alone is not believed.
    async fn sealed_export_key(&self, key: &KeyRow, export: &ExportRow) -> Result<ExportKey, Error> {
        let changed = || Error::PreparationChanged { key: key.name.clone() };
        let export_key = ExportKey::parse_pem(&export.public_key).map_err(|_| changed())?;
        let sealing = self.engine.account_key(&key.account_id).await?;
        // The row is held against the key that is asked for, not against what it says of itself.
        let row = ExportRow { key_id: key.id.clone(), account_id: key.account_id.clone(), ..export.clone() };
        let preparation = preparation(&row, &export_key);
        let is_as_prepared = at_the_vault(self.vault(), |vault| vault.is_as_prepared(&preparation, account_key(&sealing), &export.seal))?;
        if is_as_prepared { Ok(export_key) } else { Err(changed()) }
    }

    /// The wrapped material, and the fingerprint of the public key.
    async fn hand_out(
        &self,
        principal: &Principal,
        request: &Request,
        key: &KeyRow,
        material: &Material,
        export: ExportRow,
    ) -> Result<(Vec<u8>, String), Error> {
        let export_key = self.sealed_export_key(key, &export).await?;
        let held = material.sealed.held().ok_or_else(|| Error::Internal("the key has no material".to_owned()))?;
        let way_around = self.vault().way_around(key.spec, export_method(key.spec))?;
        let wrapped = at_the_vault(self.vault(), |vault| vault.export(&held, &export_key))?;
        let words = self
            .entry(principal, "key.download-export", "dual-control")
            .key(key)
            .detail("prepared_by", export.prepared_by.clone())
            .detail("public_key", export_key.fingerprint_sha256())
            .detail("version", material.version.number.to_string());
        let entry = way_around.into_iter().fold(words, |words, way| words.detail("way_around", way.as_str())).done();
        let memory = self.memory(principal, request, Deed::DownloadExport, &key.name);
        let (name, id) = (key.name.clone(), key.id.clone());
        let consumed = self
            .store()
            .write("exports.consume", move |tx| {
                memory.write(tx)?;
                if keys::by_id(tx, &id)?.is_none_or(|now| verdict(now.state, Event::DownloadExport) == Verdict::Refused) {
                    return Err(Error::MovedOn.into());
                }
                // The promise may have been made since.
                if versions::is_bound(tx, &id)? {
                    return Err(Error::MovedOn.into());
                }
                if !is_active(tx, &export)? {
                    return Err(Error::PreparerInactive { key: name.clone() }.into());
                }
                // Two downloads at the same moment: one finds the preparation used up.
                match exports::consume(tx, &export) {
                    Err(StoreError::MovedOn(_)) => return Err(Error::NotPrepared { key: name.clone() }.into()),
                    consumed => consumed?,
                }
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        if let Err(error) = consumed {
            return Err(self.met_itself(principal, request, error).await.into());
        }
        Ok((wrapped, export_key.fingerprint_sha256()))
    }

    /// The material of a key's version of this number, or of its current one.
    async fn material_of(&self, key: &KeyRow, number: Option<u32>) -> Result<Material, Error> {
        let materials = self.engine.materials(key).await?;
        let newest = materials.last().map_or(0, |material| material.version.number);
        let wanted = number.unwrap_or(newest);
        let found = materials.into_iter().find(|material| material.version.number == wanted);
        found.ok_or_else(|| Invalid::new("version", format!("is {wanted}, which the key has not"), format!("Give 1 to {newest}, or leave it out.")).into())
    }

    async fn exportable(&self, principal: &Principal, id_or_name: &str, event: Event) -> Result<KeyRow, Error> {
        let key = self.key(principal, id_or_name).await?;
        if verdict(key.state, event) == Verdict::Refused {
            let error = Error::WrongState { key: key.name.clone(), state: key.state, event };
            return Err(self.refuse(principal, action_of(event), "lifecycle-table", &key, error).await);
        }
        self.demand_unbound(principal, action_of(event), &key).await?;
        Ok(key)
    }

    /// Refuses to let material out of the vault of which the opposite was promised, for whichever of the keys that have it (FT-032).
    pub(crate) async fn demand_unbound(&self, principal: &Principal, action: &str, key: &KeyRow) -> Result<(), Error> {
        self.demand_exportable(principal, action, key).await?;
        let id = key.id.clone();
        match self.store().read("versions.is_bound", move |tx| versions::is_bound(tx, &id)).await? {
            true => Err(self.refuse(principal, action, "key-is-exportable", key, not_exportable().into()).await),
            false => Ok(()),
        }
    }

    /// Refuses what would let the material of a key's successor out of the vault, if the opposite was promised of the key, or of the one that it is a copy of.
    pub(crate) async fn demand_exportable(&self, principal: &Principal, action: &str, key: &KeyRow) -> Result<(), Error> {
        match self.judge_exportable(key).await? {
            Ok(()) => Ok(()),
            Err((rule, refused)) => Err(self.refuse(principal, action, rule, key, refused.into()).await),
        }
    }

    /// The same without a word to the audit log: the refusal is the inner error.
    pub(crate) async fn judge_exportable(&self, key: &KeyRow) -> Result<Result<(), Refused>, Error> {
        if let Some(refused) = key.ties.custody.refusal(Event::PrepareExport).filter(|_| key.origin != "imported") {
            return Ok(Err(("custody", refused)));
        }
        if key.ties.custody == Custody::Native {
            let refused = Invalid::new("key", NO_COPY, "Name a key whose material the vault holds: `keystead key show` tells its custody.");
            return Ok(Err(("material-is-in-the-vault", refused)));
        }
        let source = key.ties.source.clone();
        let source = self.store().read("keys.by_id", move |tx| source.as_ref().map_or(Ok(None), |id| keys::by_id(tx, id))).await?;
        if key.ties.is_exportable && source.is_none_or(|source| source.ties.is_exportable) {
            return Ok(Ok(()));
        }
        Ok(Err(("key-is-exportable", not_exportable())))
    }
}

fn not_exportable() -> Invalid {
    let mend = "That cannot be taken back. Make another key for what shall leave the vault.";
    Invalid::new("key", "is not exportable: its material never leaves the vault but for its own keystore", mend)
}

/// A preparation in the vault's words.
fn preparation<'a>(row: &'a ExportRow, public_key: &'a ExportKey) -> Preparation<'a> {
    Preparation { account: &row.account_id, key: &row.key_id, public_key, prepared_by: &row.prepared_by, prepared_at: row.prepared_at }
}

/// Whether who prepared an export is still a user who may.
fn is_active(tx: &mut Tx<'_>, export: &ExportRow) -> Result<bool, StoreError> {
    let preparer = users::find(tx, &export.account_id, &export.prepared_by)?;
    Ok(preparer.is_some_and(|user| user.id.as_str() == export.prepared_by && user.state == "ACTIVE"))
}
