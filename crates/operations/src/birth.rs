//! New material: made in or taken into the vault, with its birth record, ready to be written beside its key.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, KeyId, KeySpec, Timestamp, VersionId, WrapMethod,
    key::expiry::{self, ExpiryPolicy},
};
use keystead_store::{
    StoreError,
    keys::{KeyRow, Ties},
    vault,
    vault::AccountKeyRow,
    versions::VersionRow,
};
use keystead_vault::{CheckValue, Generated, MaterialRefused, Place, ProviderFailed, SecretBytes, Vault, VaultError};

use crate::{
    Engine,
    ceremony::Components,
    engine::{
        call::StepError,
        material::{Sealed, account_key, at_the_vault},
    },
    family::{PreparedFollower, ties_of_replica, unborn},
    schedule::{Born, PreparedSuccessor},
    sync::ADOPTED,
    words::Who,
};

/// Where new material comes from.
pub enum Origin {
    /// The vault makes it.
    Generated,
    /// A person brings it in plain.
    Raw(SecretBytes),
    /// A person brings a private key as a PKCS#8 file.
    Pkcs8 {
        /// PEM or DER.
        file: SecretBytes,
        /// What opens it, if it is encrypted.
        passphrase: Option<SecretBytes>,
    },
    /// A person brings it wrapped under an AES key of the vault.
    Wrapped(Vec<u8>, Box<Sealed>),
    /// Several people brought it in components.
    Components(Components),
    /// A person brings what somebody wrapped under the public half of a pair of the vault.
    ByPair {
        /// The wrapped bytes.
        wrapped: Vec<u8>,
        /// The pair.
        pair: Box<Sealed>,
        /// By which method.
        method: WrapMethod,
    },
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

    /// Makes or takes in the first version of a key; material that is brought can be held against what is expected of it. Nothing is written yet.
    ///
    /// # Errors
    /// The vault's, for example because it is sealed, or because it refuses weak material, or other material than was expected.
    #[expect(clippy::too_many_arguments, reason = "a birth has as many witnesses")]
    pub async fn birth(
        &self,
        account: &AccountId,
        sealing: &AccountKeyRow,
        key: &KeyId,
        spec: KeySpec,
        who: &Who,
        now: Timestamp,
        origin: Origin,
        expected: Option<CheckValue>,
    ) -> Result<VersionRow, StepError> {
        let parts = self.parts();
        let mut random = [0; 10];
        parts.random.fill(&mut random);
        let id = VersionId::new(now, random);
        let cradle = Cradle { account: account.clone(), sealing: sealing.clone(), key: key.clone(), version: id.clone(), spec, expected };
        let vault = parts.vault.clone();
        // A module has a queue of its own.
        let made = if vault.is_in_module() {
            at_the_vault(&parts.vault, |vault| cradle.make(vault, origin))?
        } else if spec.is_pair() || matches!(origin, Origin::ByPair { .. }) {
            if vault.is_sealed() {
                return Err(VaultError::Sealed.into());
            }
            // Making an RSA pair, unwrapping by one, or working through a passphrase's rounds, takes up to seconds: one at a time, so that the rest of the house keeps a core.
            let _turn = self.turn_to_make_a_pair().await;
            let lost = |_| VaultError::Provider(ProviderFailed { operation: "make a key pair" });
            tokio::task::spawn_blocking(move || cradle.make(&vault, origin)).await.map_err(lost)??
        } else {
            cradle.make(&vault, origin)?
        };
        Ok(version_row(account, sealing, key, spec, id, made, who, now))
    }

    /// Draws a successor for a key: the same properties, new material, the same span of life.
    ///
    /// # Errors
    /// The store's or the vault's.
    pub async fn prepare_successor(&self, key: &KeyRow, who: &Who, now: Timestamp) -> Result<PreparedSuccessor, StepError> {
        let sealing = self.account_key(&key.account_id).await?;
        let successor = self.successor_row(key, key, who, now);
        let version = self.birth(&key.account_id, &sealing, &successor.id, key.spec, who, now, Origin::Generated, None).await?;
        // Whose the predecessor's material was, its successor has its own.
        let ties = Ties { is_exportable: key.ties.is_exportable, role: key.ties.role, ..Ties::default() };
        let successor = KeyRow { origin: "generated".to_owned(), ties, ..successor };
        let follow = |replica: &KeyRow| {
            let ties = ties_of_replica(&successor.id, &successor.id, key.ties.is_exportable);
            let next = KeyRow { origin: "generated".to_owned(), ties, ..self.successor_row(replica, key, who, now) };
            let copy = self.copy_of(&version, &next.id, who, now);
            PreparedFollower::new(next, copy, replica)
        };
        let replicas = self.followers(key).await?.iter().map(follow).collect();
        let born = Born::Own(Box::new(version));
        Ok(PreparedSuccessor { key: successor, born, predecessor: key.id.clone(), lineage: key.lineage_id.clone(), grace: None, replicas })
    }

    /// Draws a successor of our own for a key whose material is the cloud's: the same properties, new material, its own span of life (FT-079).
    ///
    /// # Errors
    /// The store's or the vault's.
    pub async fn prepare_adoption(&self, key: &KeyRow, who: &Who, now: Timestamp, expires: Option<Timestamp>) -> Result<PreparedSuccessor, StepError> {
        let mut prepared = self.prepare_successor(&KeyRow { expiry_span: None, ..key.clone() }, who, now).await?;
        prepared.key = KeyRow {
            origin: ADOPTED.to_owned(),
            expires_at: expires,
            expiry_span: expires.map(|end| end.as_micros() - now.as_micros()),
            expiry_policy: ExpiryPolicy::Alert,
            ties: Ties::default(),
            ..prepared.key
        };
        Ok(prepared)
    }

    /// The row of a key's successor: the same properties, and nothing of the cloud yet. Its end is counted from now, by the span of the key that leads.
    pub(crate) fn successor_row(&self, key: &KeyRow, leader: &KeyRow, who: &Who, now: Timestamp) -> KeyRow {
        let mut random = [0; 10];
        self.parts().random.fill(&mut random);
        KeyRow {
            expires_at: leader.expiry_span.map(|span| expiry::renewed(span, now)),
            expiry_span: leader.expiry_span,
            expiry_policy: leader.expiry_policy,
            predecessor_id: Some(key.id.clone()),
            ..unborn(key, KeyId::new(now, random), who, now)
        }
    }
}

/// Where new material will lie.
struct Cradle {
    account: AccountId,
    sealing: AccountKeyRow,
    key: KeyId,
    version: VersionId,
    spec: KeySpec,
    expected: Option<CheckValue>,
}

impl Cradle {
    fn make(&self, vault: &Vault, origin: Origin) -> Result<Generated, VaultError> {
        let place = Place { account: &self.account, key: &self.key, version: &self.version, spec: self.spec, generation: 1 };
        let (sealing, expected) = (account_key(&self.sealing), self.expected.as_ref());
        match origin {
            Origin::Generated => vault.generate(&place, sealing),
            Origin::Raw(material) => vault.take_in(&place, sealing, material, expected),
            Origin::Pkcs8 { file, passphrase } => vault.take_in_pkcs8(&place, sealing, &file, passphrase.as_ref(), expected),
            Origin::Wrapped(wrapped, kek) => {
                let kek = kek.held().ok_or(MaterialRefused::NotUnwrapped)?;
                vault.take_in_wrapped(&place, sealing, &wrapped, &kek, expected)
            }
            Origin::Components(components) => vault.take_in_components(&place, sealing, &components.held(), components.entered_by(), expected),
            Origin::ByPair { wrapped, pair, method } => {
                let pair = pair.held().ok_or(MaterialRefused::NotUnwrapped)?;
                vault.take_in_by_pair(&place, sealing, &wrapped, &pair, method, expected)
            }
        }
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
        public_key: made.public_key,
        birth: serde_json::Value::from_iter(birth).to_string(),
        created_at: now,
        destroyed_at: None,
        source_id: None,
        material_id: None,
        expires_at: None,
        is_pending: false,
    }
}
