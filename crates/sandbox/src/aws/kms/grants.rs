//! Grants: made, listed, revoked. As with key policies, they are kept and shown, and permit nothing here.

use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::key::{Key, epoch};
use super::list::Page;
use super::realm::Naming;
use crate::clock::Micros;
use crate::random;

/// Grants of a key (AWS KMS Developer Guide, "Resource quotas").
const GRANTS_MAX: usize = 50_000;
/// What a grant may permit (AWS KMS API reference, CreateGrant, Operations).
const OPERATIONS: [&str; 17] = [
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
];

/// A grant.
pub(crate) struct Grant {
    id: String,
    token: String,
    name: Option<String>,
    grantee: String,
    retiring: Option<String>,
    operations: Vec<String>,
    constraints: Option<Value>,
    created: Micros,
}

impl Grant {
    /// Whether a request with a name asks for this one again: then AWS answers with it and makes no other.
    fn is_same(&self, other: &Self) -> bool {
        let parts = |grant: &Self| (grant.name.clone(), grant.grantee.clone(), grant.retiring.clone(), grant.operations.clone(), grant.constraints.clone());
        self.name.is_some() && parts(self) == parts(other)
    }

    fn entry(&self, key: &Key) -> Value {
        let mut entry = json!({
            "KeyId": key.arn(), "GrantId": self.id, "GranteePrincipal": self.grantee, "Operations": self.operations, "CreationDate": epoch(self.created),
            "IssuingAccount": format!("arn:{}:iam::{}:root", key.place.partition().name(), key.place.account)
        });
        let optional = [
            ("Name", self.name.clone().map(Value::from)),
            ("RetiringPrincipal", self.retiring.clone().map(Value::from)),
            ("Constraints", self.constraints.clone()),
        ];
        for (member, value) in optional {
            if let Some(value) = value {
                entry[member] = value;
            }
        }
        entry
    }
}

pub(crate) fn create(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let grant = read(scene)?;
    let key = scene.open(Naming::KeyOnly)?;
    if let Some(same) = key.grants.iter().find(|present| present.is_same(&grant)) {
        return Ok(json!({"GrantId": same.id, "GrantToken": same.token}).into());
    }
    if key.grants.len() >= GRANTS_MAX {
        return Err(AwsError::new(Code::LimitExceeded, format!("The maximum number of grants of a KMS key ({GRANTS_MAX}) has been reached.")));
    }
    let reply = json!({"GrantId": grant.id, "GrantToken": grant.token});
    key.grants.push(grant);
    Ok(reply.into())
}

fn read(scene: &Scene<'_>) -> Result<Grant, AwsError> {
    let request = scene.request();
    let operations = request.text_list("Operations")?.ok_or_else(|| AwsError::constraint("Operations", Some("null"), "Member must not be null"))?;
    if let Some(unknown) = operations.iter().find(|operation| !OPERATIONS.contains(operation)) {
        return Err(AwsError::constraint("Operations", Some(unknown), &format!("Member must satisfy enum value set: [{}]", OPERATIONS.join(", "))));
    }
    Ok(Grant {
        id: hex::encode(random::vec(32)?),
        token: hex::encode(random::vec(48)?),
        name: request.text("Name", 1, 256)?.map(str::to_owned),
        grantee: principal(request.required_text("GranteePrincipal", 1, 256)?)?,
        retiring: request.text("RetiringPrincipal", 1, 256)?.map(principal).transpose()?,
        operations: operations.into_iter().map(str::to_owned).collect(),
        constraints: request.members().get("Constraints").filter(|constraints| constraints.is_object()).cloned(),
        created: scene.now,
    })
}

fn principal(text: &str) -> Result<String, AwsError> {
    let is_principal = text.starts_with("arn:") || text.ends_with(".amazonaws.com");
    if is_principal { Ok(text.to_owned()) } else { Err(AwsError::new(Code::InvalidArn, format!("Invalid arn {text}"))) }
}

/// ListGrants: of one key, narrowed by grantee or id.
pub(crate) fn list(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let request = scene.request();
    let (grantee, id) = (request.text("GranteePrincipal", 1, 256)?, request.text("GrantId", 1, 128)?);
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let page = Page::read(scene, &format!("ListGrants {key_id} {grantee:?} {id:?}"), 50, 100)?;
    let after = page.after.clone();
    let key = scene.key(&key_id)?;
    let mut grants: Vec<&Grant> =
        key.grants.iter().filter(|grant| grantee.is_none_or(|is| grant.grantee == is) && id.is_none_or(|is| grant.id == is)).collect();
    grants.sort_by(|a, b| a.id.cmp(&b.id));
    let rest = grants.into_iter().filter(|grant| after.as_ref().is_none_or(|after| grant.id > *after));
    let (items, last) = page.cut(rest.map(|grant| (grant.id.clone(), grant.entry(key))));
    page.reply(scene, "Grants", items, last)
}

pub(crate) fn revoke(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let id = scene.request().required_text("GrantId", 1, 128)?;
    let key = scene.open(Naming::KeyOnly)?;
    let before = key.grants.len();
    key.grants.retain(|grant| grant.id != id);
    if key.grants.len() == before { Err(AwsError::new(Code::NotFound, format!("Grant ID {id} not found"))) } else { Ok(Stage::Done(None)) }
}
