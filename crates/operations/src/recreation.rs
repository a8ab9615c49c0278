//! A key that is about to be made anew, because its cloud no longer has it: its row, and its share of the material. And what was the cloud's default of its policy.
//!
//! Keystead writes no key policies: a policy hands out the use of a key. A new key has the cloud's default, like every key that Keystead makes. Where the old one had another,
//! the new one waits without material until somebody has put that back: at no time does the material stand under a wider policy than before.

use keystead_domain::{KeyState, Timestamp};
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, lineages};
use serde_json::Value;

use crate::{
    Engine, Saga,
    engine::call::StepError,
    family::PreparedCopy,
    saga::recreate_key::RecreateKey,
    stored::{Stored, StoredTime},
    words::Who,
};

/// A key that is about to be made anew.
pub struct PreparedRecreation {
    old: KeyRow,
    new: KeyRow,
    copy: PreparedCopy,
    imports: bool,
    asked_by: String,
}

impl Engine {
    /// Draws the key that takes a gone one's place: the same properties and material. Nothing is written yet.
    ///
    /// # Errors
    /// [`StepError::Missing`] when the vault has no material of it.
    pub async fn prepare_recreation(&self, key: &KeyRow, who: &Who, expires: Option<StoredTime>, start: Start) -> Result<PreparedRecreation, StepError> {
        let (now, imports) = (self.now(), start == Start::AtOnce);
        let current = self.materials(key).await?.pop().ok_or_else(|| StepError::Missing(key.id.clone()))?;
        let awaits_policy = start == Start::AwaitsPolicy;
        let new = KeyRow { expires_at: expires.map(Timestamp::from), awaits_policy, ..self.successor_row(key, key, who, now) };
        let copy = self.copy_of(&current.version, &new.id, who, now).alone();
        Ok(PreparedRecreation { old: key.clone(), new, copy, imports, asked_by: who.id.clone() })
    }
}

impl PreparedRecreation {
    /// The saga that makes it.
    pub fn saga(&self) -> Saga {
        Saga::RecreateKey(RecreateKey {
            key: Stored(self.old.id.clone()),
            from: self.old.state.as_str().to_owned(),
            successor: Stored(self.new.id.clone()),
            lineage: Stored(self.old.lineage_id.clone()),
            aliases: self.old.aliases.clone().into(),
            expires: self.new.expires_at.map(Into::into),
            imports: self.imports,
            asked_by: self.asked_by.clone(),
        })
    }

    /// Writes row and version; in the transaction of the intent.
    ///
    /// # Errors
    /// What the store says.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let lineage = lineages::by_id(tx, &self.old.lineage_id)?.ok_or_else(|| StoreError::Corrupt("a key without a lineage".to_owned()))?;
        if lineage.current_key_id != self.old.id {
            return Err(StoreError::MovedOn("lineage"));
        }
        keys::insert(tx, &self.new)?;
        self.copy.write(tx)
    }
}

/// How a key made anew begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With its material.
    AtOnce,
    /// Without: the old one was out of use.
    OutOfUse,
    /// Without, and it gets none until its policy is what it was, or somebody takes the one that it has for wanted.
    AwaitsPolicy,
}

/// How a key made anew begins: with its material, if it was in use and its policy was the default that it has again.
pub fn start_of(state: KeyState, policy: Option<&str>, account: &str) -> Start {
    match policy.is_some_and(|policy| is_default_policy(policy, account)) {
        false => Start::AwaitsPolicy,
        true if state == KeyState::Active => Start::AtOnce,
        true => Start::OutOfUse,
    }
}

/// Whether a policy is AWS's default for keys that are made without one: the account decides, by its own policies (AWS KMS Developer Guide, "Default key policy").
pub fn is_default_policy(policy: &str, account: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let [statement] = statements else { return false };
    let is_root = |principal: &str| principal.starts_with("arn:") && principal.ends_with(&format!(":iam::{account}:root"));
    let only = |value: &Value| match value {
        Value::Array(values) if values.len() == 1 => values[0].as_str().map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    let known = ["Sid", "Effect", "Principal", "Action", "Resource"];
    let principals = statement["Principal"].as_object();
    statement.as_object().is_some_and(|fields| fields.keys().all(|field| known.contains(&field.as_str())))
        && statement["Effect"] == "Allow"
        && only(&statement["Action"]).as_deref() == Some("kms:*")
        && only(&statement["Resource"]).as_deref() == Some("*")
        && principals.is_some_and(|principals| principals.len() == 1)
        && only(&statement["Principal"]["AWS"]).is_some_and(|principal| is_root(&principal))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",
        "Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}"#;

    #[test]
    fn only_the_default_of_the_own_account_is_the_default() {
        let is = |text: &str| is_default_policy(text, "111122223333");
        assert!(is(DEFAULT) && is(&DEFAULT.replace(r#""kms:*""#, r#"["kms:*"]"#)) && is(&DEFAULT.replace("arn:aws:", "arn:aws-cn:")));
        for (part, other) in [
            ("111122223333", "999988887777"),
            ("kms:*", "kms:Decrypt"),
            ("Allow", "Deny"),
            (r#""Resource":"*""#, r#""Resource":"*","Condition":{}"#),
            (r#""Principal":{"AWS":"arn:aws:iam::111122223333:root"}"#, r#""Principal":"*""#),
            (r#""AWS":"arn:aws:iam::111122223333:root""#, r#""AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:role/x"]"#),
            (r#""Resource":"*"}]"#, r#""Resource":"*"},{}]"#),
        ] {
            assert!(DEFAULT.contains(part) && !is(&DEFAULT.replace(part, other)), "{other}");
        }
        assert!(!is("") && !is("{}") && !is("[]"));
    }

    /// Material never stands under a wider policy than before, and never in a key that was out of use.
    #[test]
    fn material_waits_for_a_policy_that_is_not_the_default_or_was_never_seen() {
        let start = |state, policy| start_of(state, policy, "111122223333");
        assert_eq!((start(KeyState::Active, Some(DEFAULT)), start(KeyState::Inactive, Some(DEFAULT))), (Start::AtOnce, Start::OutOfUse));
        for state in [KeyState::Active, KeyState::Inactive] {
            assert!([None, Some("{}"), Some("")].into_iter().all(|policy| start(state, policy) == Start::AwaitsPolicy));
        }
    }
}
