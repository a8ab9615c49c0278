//! A key is asked for: generated in the vault, or taken in (CM-040, CM-053, FX-014, FX-015, FT-036, FT-041 to FT-043).

use keystead_domain::{
    Alias, Aliases, CeremonyId, Invalid, KeyId, KeySpec, KeyState, KeyUsage, LineageId, Name, RegionRole, Tags, Timestamp, WrapMethod,
    key::expiry::{self, ExpiryPolicy},
};
use keystead_identity::{Action, Principal};
use keystead_operations::{Saga, birth::Origin, ceremony::Components, intent::Intent, saga::create_key::CreateKey, stored::Stored};
use keystead_store::{
    StoreError, Tx, keys, keys::KeyRow, keys::Ties, keystores, keystores::KeystoreRow, lineages, lineages::LineageRow, operations::OperationRow, versions,
    versions::VersionRow,
};
use keystead_vault::{CheckValue, HsmError, SecretBytes, VaultError, export_method};

use super::rules::{check_kept, check_place};
use crate::{App, Error, Request, Started, error::TxError, permit, request::Item, who};

/// What is asked for.
pub struct NewKey {
    /// Name.
    pub name: Name,
    /// Keystore, by id or name.
    pub keystore: String,
    /// Kind.
    pub spec: KeySpec,
    /// What it is for; left out, the only usual use of its kind.
    pub usage: Option<KeyUsage>,
    /// Aliases to point at it.
    pub aliases: Aliases,
    /// Free text, at most 8192 characters.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// When its material shall expire.
    pub expires: Option<Timestamp>,
    /// What happens before.
    pub expiry_policy: ExpiryPolicy,
    /// Where its material comes from.
    pub material: Material,
    /// What is expected of material that is brought.
    pub expected: Option<CheckValue>,
    /// What is promised of its material.
    pub terms: Terms,
    /// Whether it can have replicas in other Regions (FT-046).
    pub multi_region: bool,
}

/// What is promised of a key's material for as long as the key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Whether it may leave the vault: by an export, or as a copy in another keystore (FT-032). The way into its own keystore is neither.
    pub exportable: bool,
    /// Whether the vault keeps it; else it destroys its copy as soon as the cloud has confirmed its own (FT-037).
    pub kept: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self { exportable: true, kept: true }
    }
}

/// Where material comes from.
pub enum Material {
    /// The vault makes it.
    Generate,
    /// It is brought in plain.
    Raw(SecretBytes),
    /// It is brought as a PKCS#8 file.
    Pkcs8 {
        /// PEM or DER.
        file: SecretBytes,
        /// What opens it, if it is encrypted.
        passphrase: Option<SecretBytes>,
    },
    /// It is brought in wrapped under a key of the vault, named by id or name.
    Wrapped {
        /// The wrapped bytes.
        wrapped: Vec<u8>,
        /// The key that opens them.
        unwrap_with: String,
        /// By which method, if that key is a pair.
        method: Option<WrapMethod>,
    },
    /// It came in components, each by another person.
    Components(Components),
}

/// The longest description (AWS KMS API reference, Description).
pub const DESCRIPTION_MAX: usize = 8192;

/// Checks a description.
///
/// # Errors
/// [`Invalid`] naming `description`.
pub fn check_description(text: &str) -> Result<(), Invalid> {
    if text.chars().count() > DESCRIPTION_MAX {
        return Err(Invalid::new("description", "is too long", format!("Give at most {DESCRIPTION_MAX} characters.")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Invalid::new("description", "has a control character", "Give plain text."));
    }
    Ok(())
}

impl App {
    /// Makes a key. The answer comes when its intent is durable; the operation then runs.
    ///
    /// # Errors
    /// Of the input, of names in use, of a sealed vault.
    pub async fn create_key(&self, principal: &Principal, request: &Request, new: NewKey) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let (new, keystore) = self.checked(principal, new).await?;
        self.begin_key(principal, request, new, keystore, None, |_, _, _| Ok(())).await
    }

    /// What is asked for, looked at with its keystore: a key of this kind can be made there.
    pub(crate) async fn checked(&self, principal: &Principal, new: NewKey) -> Result<(NewKey, KeystoreRow), Error> {
        let new = self.checked_alone(new)?;
        let keystore = self.active_keystore(principal, &new.keystore).await?;
        self.check_there(&keystore, &new)?;
        Ok((new, keystore))
    }

    /// What is asked for, looked at without its keystore.
    pub(crate) fn checked_alone(&self, new: NewKey) -> Result<NewKey, Invalid> {
        let now = self.now();
        let usage = new.spec.usage(new.usage)?;
        check_form(new.spec, &new.material)?;
        let new = NewKey { usage: Some(usage), expires: new.expires.map(|expires| expiry::check(expires, now)).transpose()?, ..new };
        check_description(&new.description)?;
        check_kept(&new)?;
        Ok(new)
    }

    /// Whether a key of this kind can be made in a keystore.
    pub(crate) fn check_there(&self, keystore: &KeystoreRow, new: &NewKey) -> Result<(), Invalid> {
        check_place(keystore, new)?;
        self.check_importable(keystore, new.spec)?;
        if new.multi_region {
            self.catalog.check_multi_region(&keystore.cloud, &keystore.location)?;
        }
        Ok(())
    }

    /// Begins to make a key that was [`checked`](Self::checked). `beside` is done in the transaction of its intent.
    pub(crate) async fn begin_key(
        &self,
        principal: &Principal,
        request: &Request,
        new: NewKey,
        keystore: KeystoreRow,
        ceremony: Option<CeremonyId>,
        beside: impl Fn(&mut Tx<'_>, &OperationRow, &KeyRow) -> Result<(), TxError> + Send + 'static,
    ) -> Result<Started, Error> {
        let now = self.now();
        let proof = permit(principal, Action::ManageKeys, &keystore.account_id, new)?;
        let (key, lineage) = self.rows(principal, &keystore, &proof.payload, now);
        let version = match self.born(principal, &key, proof.payload.material, proof.payload.expected, now).await {
            Ok(version) => version,
            Err(error) => return Err(self.or_root_changed(error).await),
        };
        let intent = self.creation(principal, request, &keystore, (&key, &lineage, &version), !proof.payload.terms.kept, ceremony, proof.rule);
        let refusal = self.entry(principal, "key.create", "names-are-unique").keystore(&keystore.id, &keystore.name).detail("name", key.name.clone());
        let (answer, item) = (key.clone(), request.item.clone());
        let holds = [(keystore.id.to_string(), keystore.name.clone())];
        let written = self
            .store()
            .write("keys.create", move |tx| {
                insert(tx, &keystore, &lineage, &key, &version)?;
                let operation = intent.write(tx)?;
                item.iter().try_for_each(|item| item.begin(tx, &operation.id))?;
                beside(tx, &operation, &key)?;
                Ok::<_, TxError>(operation)
            })
            .await;
        match written {
            Ok(operation) => {
                self.engine.start(operation.clone());
                Ok(Started { operation: Some(operation), key: Some(answer) })
            }
            Err(error) => match self.not_begun(principal, request, error, &holds).await {
                Err(Error::Taken { field, value }) => Err(self.refuse_taken(refusal, field, value).await),
                Err(error) => Err(self.or_root_changed(error).await),
                begun => begun,
            },
        }
    }

    /// The intent of the operation that makes the key.
    #[expect(clippy::too_many_arguments, reason = "an intent has as many parts")]
    fn creation(
        &self,
        principal: &Principal,
        request: &Request,
        keystore: &KeystoreRow,
        (key, lineage, version): (&KeyRow, &LineageRow, &VersionRow),
        forgets: bool,
        ceremony: Option<CeremonyId>,
        rule: &str,
    ) -> Intent {
        let saga = Saga::CreateKey(CreateKey {
            key: Stored(key.id.clone()),
            lineage: Stored(lineage.id.clone()),
            aliases: lineage.aliases.clone().into(),
            expires: key.expires_at.map(Into::into),
            copy_of: None,
            forgets,
            ceremony: ceremony.clone().map(Stored),
        });
        let intent = self
            .engine
            .intend(&saga, keystore, &who(principal), rule, request.idempotency.clone())
            .detail("name", key.name.clone())
            .detail("origin", key.origin.clone())
            .detail("fingerprint", version.fingerprint.clone())
            .detail("kept", if forgets { "false" } else { "true" });
        let intent = request.item.iter().map(Item::told).fold(intent, |intent, (of, id)| intent.detail(of, id));
        ceremony.iter().fold(intent, |intent, ceremony| intent.subject("ceremony", ceremony.as_str(), &key.name))
    }

    /// Whether the place takes this kind of key; the vault takes every kind that it makes.
    pub(crate) fn check_importable(&self, keystore: &KeystoreRow, spec: KeySpec) -> Result<(), Invalid> {
        if keystore.is_vault() {
            return Ok(());
        }
        self.catalog.check_importable(&keystore.location, spec)?;
        self.check_wrappable(spec)
    }

    /// Whether the hardware module that holds the root can wrap this kind of key for a cloud: if not, nothing is begun.
    pub(crate) fn check_wrappable(&self, spec: KeySpec) -> Result<(), Invalid> {
        match self.vault().method_for_cloud(spec, export_method(spec)) {
            Err(VaultError::Module(HsmError::Cannot { what, mend })) => {
                Err(Invalid::new("spec", format!("cannot go to a cloud: the hardware module {what}"), mend))
            }
            // That the vault is sealed or the module away is said where it is used.
            _ => Ok(()),
        }
    }

    pub(crate) fn rows(&self, principal: &Principal, keystore: &KeystoreRow, new: &NewKey, now: Timestamp) -> (KeyRow, LineageRow) {
        let id = KeyId::new(now, self.random());
        let lineage = LineageRow {
            id: LineageId::new(now, self.random()),
            account_id: keystore.account_id.clone(),
            keystore_id: keystore.id.clone(),
            name: new.name.to_string(),
            aliases: new.aliases.clone(),
            current_key_id: id.clone(),
            created_at: now,
        };
        let key = KeyRow {
            id,
            account_id: keystore.account_id.clone(),
            keystore_id: keystore.id.clone(),
            keystore_name: keystore.name.clone(),
            cloud: keystore.cloud.clone(),
            region: keystore.location.region.clone(),
            lineage_id: lineage.id.clone(),
            name: new.name.to_string(),
            aliases: new.aliases.clone(),
            is_current: true,
            state: KeyState::Creating,
            spec: new.spec,
            usage: new.usage.unwrap_or(new.spec.usages()[0]),
            origin: if matches!(new.material, Material::Generate) { "generated" } else { "imported" }.to_owned(),
            description: new.description.clone(),
            tags: new.tags.clone(),
            expires_at: new.expires,
            expiry_span: new.expires.map(|expires| expires.as_micros() - now.as_micros()),
            expiry_policy: new.expiry_policy,
            predecessor_id: None,
            successor_id: None,
            cloud_key_id: None,
            cloud_arn: None,
            cloud_state: None,
            enabled: false,
            material_present: false,
            material_id: None,
            deletion_at: None,
            rotation: Default::default(),
            ties: Ties {
                is_exportable: new.terms.exportable,
                role: if new.multi_region { RegionRole::Primary } else { RegionRole::Single },
                ..Ties::default()
            },
            awaits_policy: false,
            created_at: now,
            created_by: principal.user.to_string(),
            updated_at: now,
            revision: 1,
        };
        (key, lineage)
    }

    /// Has the vault make or take in the first version.
    async fn born(&self, principal: &Principal, key: &KeyRow, material: Material, expected: Option<CheckValue>, now: Timestamp) -> Result<VersionRow, Error> {
        let sealing = self.engine.account_key(&key.account_id).await?;
        let by = who(principal);
        let origin = match material {
            Material::Generate => Origin::Generated,
            Material::Raw(bytes) => Origin::Raw(bytes),
            Material::Pkcs8 { file, passphrase } => Origin::Pkcs8 { file, passphrase },
            Material::Components(components) => Origin::Components(components),
            Material::Wrapped { wrapped, unwrap_with, method } => self.unwrapping(principal, wrapped, &unwrap_with, method).await?,
        };
        Ok(self.engine.birth(&key.account_id, &sealing, &key.id, key.spec, &by, now, origin, expected).await?)
    }
}

/// A PKCS#8 file holds a pair and nothing else; a symmetric key comes as bytes.
fn check_form(spec: KeySpec, material: &Material) -> Result<(), Invalid> {
    match material {
        Material::Pkcs8 { .. } if !spec.is_pair() => {
            let mend = format!("Give raw, base64, hex or wrapped for {}, or name the kind of pair that the file holds.", spec.as_str());
            Err(Invalid::new("material.format", "is pkcs8, which holds a key pair", mend))
        }
        _ => Ok(()),
    }
}

pub(super) fn insert(tx: &mut Tx<'_>, keystore: &KeystoreRow, lineage: &LineageRow, key: &KeyRow, version: &VersionRow) -> Result<(), TxError> {
    if !keystores::hold_active(tx, &keystore.id)? {
        return Err(Error::NotFound { what: "keystore", name: keystore.name.clone() }.into());
    }
    insert_lineage(tx, lineage)?;
    keys::insert(tx, key)?;
    Ok(versions::insert(tx, version)?)
}

/// Makes a lineage, and says which of its names is in use if one is.
pub(super) fn insert_lineage(tx: &mut Tx<'_>, lineage: &LineageRow) -> Result<(), TxError> {
    check_aliases_free(tx, lineage)?;
    lineages::insert(tx, lineage).map_err(|error| taken(error, lineage))
}

/// Looks whether another lineage has one of the aliases.
pub(super) fn check_aliases_free(tx: &mut Tx<'_>, lineage: &LineageRow) -> Result<(), TxError> {
    for alias in &lineage.aliases {
        if lineages::by_alias(tx, &lineage.keystore_id, alias)?.is_some_and(|holder| holder.id != lineage.id) {
            return Err(Error::Taken { field: "aliases", value: alias.with_prefix() }.into());
        }
    }
    Ok(())
}

/// Which of the unique values of a lineage is in use. Of aliases somebody was faster with one of them since they were looked for: nobody knows which.
pub(crate) fn taken(error: StoreError, lineage: &LineageRow) -> TxError {
    match &error {
        StoreError::Unique { table, .. } if table == "aliases" => {
            let aliases: Vec<String> = lineage.aliases.iter().map(Alias::with_prefix).collect();
            Error::Taken { field: "aliases", value: aliases.join(", ") }.into()
        }
        StoreError::Unique { table, column } if table == "lineages" && column == "name" => Error::Taken { field: "name", value: lineage.name.clone() }.into(),
        _ => error.into(),
    }
}
