//! New material: made in or taken into the vault, with its birth record, ready to be written beside its key.

use std::collections::BTreeMap;

use keystead_domain::{AccountId, KeyId, KeySpec, KeyState, Timestamp, VersionId, key::expiry};
use keystead_store::{StoreError, keys::KeyRow, vault, vault::AccountKeyRow, versions::VersionRow};
use keystead_vault::{Generated, Held, Place, SecretBytes, VaultError};

use crate::{
    Engine,
    engine::{call::StepError, material::account_key},
    schedule::PreparedSuccessor,
    words::Who,
};

/// Where new material comes from.
pub enum Origin<'a> {
    /// The vault makes it.
    Generated,
    /// A person brings it in plain.
    Raw(SecretBytes),
    /// A person brings it wrapped under a key of the vault.
    Wrapped(&'a [u8], Held<'a>),
}

impl Engine {
    /// The newest account key: what new material is sealed under.
    ///
    /// # Errors
    /// What the store says.
    pub async fn account_key(&self, account: &AccountId) -> Result<AccountKeyRow, StoreError> {
        let wanted = account.clone();
        let keys = self.parts().store.read("vault.account_keys", move |tx| vault::account_keys(tx, &wanted)).await?;
        keys.into_iter().next_back().ok_or_else(|| StoreError::Corrupt("the account has no key".to_owned()))
    }

    /// Makes or takes in the first version of a key. Nothing is written yet.
    ///
    /// # Errors
    /// The vault's, for example because it is sealed or because it refuses weak material.
    #[expect(clippy::too_many_arguments, reason = "a birth has as many witnesses")]
    pub fn birth(
        &self,
        account: &AccountId,
        sealing: &AccountKeyRow,
        key: &KeyId,
        spec: KeySpec,
        who: &Who,
        now: Timestamp,
        origin: Origin<'_>,
    ) -> Result<VersionRow, VaultError> {
        let parts = self.parts();
        let mut random = [0; 10];
        parts.random.fill(&mut random);
        let id = VersionId::new(now, random);
        let place = Place { account, key, version: &id, spec, generation: 1 };
        let sealing_key = account_key(sealing);
        let made = match origin {
            Origin::Generated => parts.vault.generate(&place, sealing_key)?,
            Origin::Raw(material) => parts.vault.take_in(&place, sealing_key, material)?,
            Origin::Wrapped(wrapped, kek) => parts.vault.take_in_wrapped(&place, sealing_key, wrapped, &kek)?,
        };
        Ok(version_row(account, sealing, key, spec, id.clone(), made, who, now))
    }

    /// Draws a successor for a key: the same properties, new material, the same span of life.
    ///
    /// # Errors
    /// The store's or the vault's.
    pub async fn prepare_successor(&self, key: &KeyRow, who: &Who, now: Timestamp) -> Result<PreparedSuccessor, StepError> {
        let sealing = self.account_key(&key.account_id).await?;
        let mut random = [0; 10];
        self.parts().random.fill(&mut random);
        let id = KeyId::new(now, random);
        let version = self.birth(&key.account_id, &sealing, &id, key.spec, who, now, Origin::Generated)?;
        let successor = KeyRow {
            id,
            state: KeyState::Creating,
            origin: "generated".to_owned(),
            expires_at: key.expiry_span.map(|span| expiry::renewed(span, now)),
            predecessor_id: Some(key.id.clone()),
            successor_id: None,
            cloud_key_id: None,
            cloud_arn: None,
            cloud_state: None,
            enabled: false,
            material_present: false,
            material_id: None,
            deletion_at: None,
            created_at: now,
            created_by: who.id.clone(),
            updated_at: now,
            revision: 1,
            ..key.clone()
        };
        Ok(PreparedSuccessor { key: successor, version, predecessor: key.id.clone(), lineage: key.lineage_id.clone() })
    }
}

#[expect(clippy::too_many_arguments, reason = "a row has as many parts")]
fn version_row(
    account: &AccountId,
    sealing: &AccountKeyRow,
    key: &KeyId,
    spec: KeySpec,
    id: VersionId,
    made: Generated,
    who: &Who,
    now: Timestamp,
) -> VersionRow {
    let mut birth: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in made.birth.fields() {
        // A name that occurs again (each health test) is gathered into one value.
        birth.entry(name).and_modify(|present| *present = format!("{present}; {value}")).or_insert(value);
    }
    birth.insert("asked_by", if who.name.is_empty() { who.id.clone() } else { format!("{} ({})", who.name, who.id) });
    birth.insert("born_at_micros", now.as_micros().to_string());
    VersionRow {
        id,
        account_id: account.clone(),
        key_id: key.clone(),
        number: 1,
        spec,
        generation: 1,
        account_key_generation: sealing.generation,
        sealed: Some(made.sealed.into_bytes()),
        fingerprint: made.fingerprint.to_string(),
        birth: serde_json::Value::from_iter(birth).to_string(),
        created_at: now,
        destroyed_at: None,
    }
}
