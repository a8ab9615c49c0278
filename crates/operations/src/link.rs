//! A copy that is about to be written: a key in another keystore with the material of its source, and the link between the two (FT-015, FT-021).

use std::collections::BTreeMap;

use keystead_domain::{Custody, KeyId, RegionRole, Timestamp, VersionId};
use keystead_store::{
    StoreError, Tx,
    keys::{KeyRow, Ties},
    links::{self, LinkRow},
    versions::{self, VersionRow},
};

use crate::{Engine, engine::material::Material, words::Who};

/// The key whose material a copy of `key` has: of a copy, the key that it is a copy of. Links have one level.
pub fn source_of(key: &KeyRow) -> KeyId {
    key.ties.source.clone().unwrap_or_else(|| key.id.clone())
}

/// The ties of a copy.
pub fn ties(source: &KeyId, is_exportable: bool) -> Ties {
    Ties { custody: Custody::Linked, is_exportable, source: Some(source.clone()), role: RegionRole::Single, primary: None }
}

/// A copy's version and link; its row stands beside them.
#[derive(Debug, Clone)]
pub struct Copied {
    version: VersionRow,
    link: LinkRow,
}

impl Engine {
    /// Lets a new key share a material. Nothing is written, and nothing is opened: the vault may be sealed.
    pub fn share(&self, material: &Material, copy: &KeyRow, source: &KeyId, who: &Who, now: Timestamp) -> Copied {
        let mut random = [0; 10];
        self.parts().random.fill(&mut random);
        let holder = &material.sealed.version;
        let asked_by = if who.name.is_empty() { who.id.clone() } else { format!("{} ({})", who.name, who.id) };
        let birth = BTreeMap::from([
            ("asked_by", asked_by),
            ("born_at_micros", now.as_micros().to_string()),
            ("source", format!("the material of {} {}", holder.key_id, holder.id)),
        ]);
        let version = VersionRow {
            id: VersionId::new(now, random),
            key_id: copy.id.clone(),
            number: 1,
            sealed: None,
            birth: serde_json::Value::from_iter(birth).to_string(),
            created_at: now,
            destroyed_at: None,
            source_id: Some(holder.id.clone()),
            material_id: None,
            expires_at: None,
            is_pending: false,
            ..holder.clone()
        };
        let link = LinkRow {
            key_id: copy.id.clone(),
            source_id: source.clone(),
            account_id: copy.account_id.clone(),
            keystore: copy.keystore_name.clone(),
            copied_by: who.id.clone(),
            copied_by_name: who.name.clone(),
            copied_at: now,
        };
        Copied { version, link }
    }
}

impl Copied {
    /// The fingerprint of the material.
    pub fn fingerprint(&self) -> &str {
        &self.version.fingerprint
    }

    /// Writes version and link, behind the copy's row.
    ///
    /// # Errors
    /// [`StoreError::MovedOn`] when the material is gone.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        versions::insert(tx, &self.version)?;
        links::insert(tx, &self.link)
    }
}
