//! Keys on the wire.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use keystead_app::health::KeyHealth as Health;
use keystead_operations::sync::View;
use keystead_store::{keys::KeyRow, links, versions::VersionRow, views::ViewRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{health::KeyHealth, link::Link, tags, time::rfc3339};

/// A key: what Keystead wants of it, and what the cloud last said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::key::example)]
pub(crate) struct Key {
    /// Id.
    pub id: String,
    /// Name; predecessors share it.
    pub name: String,
    /// CREATING, ACTIVE, INACTIVE, REPLACED, PENDING_DELETION or DELETED.
    pub state: &'static str,
    /// Name of the keystore that it lives in.
    pub keystore: String,
    /// Id of the same.
    pub keystore_id: String,
    /// `aws`, or `vault`: it lives in the vault alone.
    pub cloud: String,
    /// Region of the keystore; empty in the vault.
    pub region: String,
    /// Kind of key.
    pub spec: &'static str,
    /// What it is for: encrypt, sign, mac or key-agreement.
    pub usage: &'static str,
    /// `generated`, `imported`, `cloud` (made there, and found by a sync) or `adopted` (generated, in the place of one of the cloud's).
    pub origin: String,
    /// Whose its material is: `own` (in the vault), `linked` (another key's, in the vault) or `native` (the cloud's alone).
    pub custody: &'static str,
    /// Whether its material may leave the vault, by an export or as a copy.
    pub exportable: bool,
    /// The key whose material it has; of a linked key only.
    #[schema(required)]
    pub source_key: Option<String>,
    /// Its part in a family of Regions: `single`, `primary` or `replica`.
    pub region_role: &'static str,
    /// The primary of its family; of a replica only.
    #[schema(required)]
    pub primary_key: Option<String>,
    /// The aliases, without `alias/`, in the order in which they were given; of a predecessor none, because they have moved on.
    pub aliases: Vec<String>,
    /// Whether the name means this key.
    pub is_current: bool,
    /// Free text.
    pub description: String,
    /// Labels; the cloud has the same.
    pub tags: BTreeMap<String, String>,
    /// When the material in the cloud expires; null: never.
    #[schema(required, format = DateTime)]
    pub expires: Option<String>,
    /// What happens before: alert, extend or renew.
    pub expiry_policy: &'static str,
    /// The key that this one succeeded.
    #[schema(required)]
    pub predecessor: Option<String>,
    /// The key that succeeded this one.
    #[schema(required)]
    pub successor: Option<String>,
    /// The cloud's short id.
    #[schema(required)]
    pub cloud_key_id: Option<String>,
    /// The cloud's full name.
    #[schema(required)]
    pub cloud_arn: Option<String>,
    /// The cloud's own word for the state, as last seen.
    #[schema(required)]
    pub cloud_state: Option<String>,
    /// Whether the cloud lets it be used, as last seen.
    pub enabled: bool,
    /// Whether the cloud has its material, as last seen.
    pub material_present: bool,
    /// The cloud's id of the material.
    #[schema(required)]
    pub material_id: Option<String>,
    /// When the cloud will delete it.
    #[schema(required, format = DateTime)]
    pub deletion_date: Option<String>,
    /// When its rotation policy makes a successor: not before then, and inside the maintenance window; null: none is planned.
    #[schema(required, format = DateTime)]
    pub next_rotation: Option<String>,
    /// When its lineage was last rotated, by a policy or by hand.
    #[schema(required, format = DateTime)]
    pub last_rotation: Option<String>,
    /// When it is deactivated, because its successor has taken over.
    #[schema(required, format = DateTime)]
    pub retires: Option<String>,
    /// When made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Who made it: a user's id, or `system`.
    pub created_by: String,
    /// When last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Counts the changes.
    pub revision: i64,
    /// The full name of the key that it took over from; of an adopted key, and only where one key is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted_from: Option<String>,
    /// What the cloud shows beside that, as the last sync saw it; only where one key is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<CloudView>,
    /// Generations of its material; only where one key is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<Vec<Version>>,
    /// Of a copy the link to its source, of a source those of its copies: the first hundred; only where one key is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Link>>,
    /// The other members of its family of Regions; only where one multi-Region key is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Vec<Relative>>,
    /// Whether it is as it should be; only where keys are listed or one is shown, and not of a DELETED one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<KeyHealth>,
}

/// Another member of a family of Regions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Relative {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// `primary` or `replica`.
    pub region_role: &'static str,
    /// Its Region.
    pub region: String,
    /// Where it stands.
    pub state: &'static str,
    /// The cloud's full name.
    #[schema(required)]
    pub cloud_arn: Option<String>,
}

impl Relative {
    /// A member of its row.
    fn of(row: KeyRow) -> Self {
        let (region_role, state) = (row.ties.role.as_str(), row.state.as_str());
        Self { id: row.id.to_string(), name: row.name, region_role, region: row.region, state, cloud_arn: row.cloud_arn }
    }
}

/// What the cloud shows of a key, as the last sync saw it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CloudView {
    /// When.
    #[schema(format = DateTime)]
    seen_at: String,
    /// Aliases that it has in the cloud beside the key's own `aliases`; no renewal moves them.
    aliases: Vec<String>,
    /// In what the cloud's key differs from what stands here; of a virtual key nothing, because the cloud has the last word.
    differences: Vec<String>,
    /// Where its material comes from: `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    origin: String,
    /// Kind and use in the cloud's words.
    kind: String,
    /// When the cloud made it.
    #[schema(required, format = DateTime)]
    created: Option<String>,
    /// Tags that cannot be set here: the cloud's, and Keystead's own.
    other_tags: BTreeMap<String, String>,
    /// Its policy; null where it may not be read.
    #[schema(required)]
    policy: Option<String>,
    /// SHA-256 of the policy, hexadecimal.
    #[schema(required)]
    policy_sha256: Option<String>,
    /// How many grants it has; null where they may not be listed.
    #[schema(required)]
    grants: Option<u64>,
    /// The first hundred of them.
    grantees: Vec<CloudGrant>,
    /// Full name of the primary of its family of Regions.
    #[schema(required)]
    primary: Option<String>,
    /// Full names of the replicas of its family.
    replicas: Vec<String>,
}

/// A permission that a key's owner has given away.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CloudGrant {
    /// To whom.
    grantee: String,
    /// What they may do.
    operations: Vec<String>,
}

impl CloudView {
    /// The view of a key that has these aliases of its own by now.
    fn of(row: ViewRow, own: &[String]) -> Self {
        let view = View::read(&row.facts);
        Self {
            seen_at: rfc3339(row.seen_at),
            aliases: row.aliases.into_iter().filter(|alias| !own.contains(alias)).collect(),
            differences: row.differences.split_whitespace().map(str::to_owned).collect(),
            origin: view.origin,
            kind: view.kind,
            created: view.created.map(|created| rfc3339(created.into())),
            other_tags: view.other_tags,
            policy: view.policy,
            policy_sha256: view.policy_sha256,
            grants: view.grants,
            grantees: view.grantees.into_iter().map(|grant| CloudGrant { grantee: grant.grantee, operations: grant.operations }).collect(),
            primary: view.primary,
            replicas: view.replicas,
        }
    }
}

/// One generation of a key's material. The material itself is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Version {
    /// Counts from 1.
    pub number: u32,
    /// A keyed MAC: equal for equal material inside an account, and telling nothing of it.
    pub fingerprint: String,
    /// The public half of a key pair in PEM (RFC 7468, section 13); null for symmetric keys.
    #[schema(required)]
    pub public_key: Option<String>,
    /// When made or taken in.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When destroyed.
    #[schema(required, format = DateTime)]
    pub destroyed_at: Option<String>,
    /// The cloud's id of this material.
    #[schema(required)]
    pub material_id: Option<String>,
    /// When the cloud forgets this material; null: never.
    #[schema(required, format = DateTime)]
    pub expires: Option<String>,
    /// Whether it waits to be rotated in.
    pub pending: bool,
    /// The birth record: source, mechanism, health tests, who asked.
    #[schema(value_type = Object)]
    pub birth: Value,
}

impl Key {
    /// A key of its row.
    pub fn of(row: KeyRow) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            state: row.state.as_str(),
            keystore: row.keystore_name,
            keystore_id: row.keystore_id.to_string(),
            cloud: row.cloud,
            region: row.region,
            spec: row.spec.as_str(),
            usage: row.usage.as_str(),
            origin: row.origin,
            custody: row.ties.custody.as_str(),
            exportable: row.ties.is_exportable,
            source_key: row.ties.source.map(|id| id.to_string()),
            region_role: row.ties.role.as_str(),
            primary_key: row.ties.primary.map(|id| id.to_string()),
            aliases: row.aliases.to_strings(),
            is_current: row.is_current,
            description: row.description,
            tags: tags::of(&row.tags),
            expires: row.expires_at.map(rfc3339),
            expiry_policy: row.expiry_policy.as_str(),
            predecessor: row.predecessor_id.map(|id| id.to_string()),
            successor: row.successor_id.map(|id| id.to_string()),
            cloud_key_id: row.cloud_key_id,
            cloud_arn: row.cloud_arn,
            cloud_state: row.cloud_state,
            enabled: row.enabled,
            material_present: row.material_present,
            material_id: row.material_id,
            deletion_date: row.deletion_at.map(rfc3339),
            next_rotation: row.rotation.planned.map(rfc3339),
            last_rotation: row.rotation.last.map(rfc3339),
            retires: row.rotation.retires.map(rfc3339),
            created_at: rfc3339(row.created_at),
            created_by: row.created_by,
            updated_at: rfc3339(row.updated_at),
            revision: row.revision,
            adopted_from: None,
            view: None,
            versions: None,
            links: None,
            family: None,
            health: None,
        }
    }

    /// The same with the other members of its family.
    #[must_use]
    pub fn with_family(self, members: Vec<KeyRow>) -> Self {
        let others = members.into_iter().map(Relative::of).filter(|other| other.id != self.id).collect();
        Self { family: Some(others), ..self }
    }

    /// The same with its links.
    #[must_use]
    pub fn with_links(self, links: Vec<links::Link>) -> Self {
        Self { links: Some(links.into_iter().map(Link::of).collect()), ..self }
    }

    /// The same with what the cloud shows beside it.
    #[must_use]
    pub fn with_view(self, view: Option<ViewRow>, adopted_from: Option<String>) -> Self {
        let view = view.map(|row| CloudView::of(row, &self.aliases));
        Self { view, adopted_from, ..self }
    }

    /// A key of its row, with its health.
    pub fn with_health((row, health): (KeyRow, Option<Health>)) -> Self {
        let health = health.map(|health| KeyHealth::of(&row, health));
        Self { health, ..Self::of(row) }
    }

    /// The same with its versions.
    #[must_use]
    pub fn with_versions(self, rows: Vec<VersionRow>) -> Self {
        Self { versions: Some(rows.into_iter().map(Version::of).collect()), ..self }
    }
}

impl Version {
    fn of(row: VersionRow) -> Self {
        Self {
            number: row.number,
            fingerprint: row.fingerprint,
            public_key: row.public_key.as_deref().map(pem),
            created_at: rfc3339(row.created_at),
            destroyed_at: row.destroyed_at.map(rfc3339),
            material_id: row.material_id,
            expires: row.expires_at.map(rfc3339),
            pending: row.is_pending,
            birth: serde_json::from_str(&row.birth).unwrap_or_default(),
        }
    }
}

/// SubjectPublicKeyInfo in PEM, as OpenSSL reads and writes it.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// A key as the manual shows it.
pub(crate) fn example() -> Value {
    serde_json::json!({
        "id": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "name": "orders", "state": "ACTIVE", "keystore": "frankfurt",
        "keystore_id": "keystore_01997c1e00aa7b1c9d2e3f4a5b6c7d8e", "cloud": "aws", "region": "eu-central-1", "spec": "AES_256", "usage": "encrypt", "origin": "generated",
        "custody": "own", "exportable": true, "source_key": null, "region_role": "single", "primary_key": null,
        "aliases": ["orders"], "is_current": true, "description": "Orders at rest", "tags": { "team": "pay" }, "expires": "2026-12-20T09:00:00.000000Z",
        "expiry_policy": "renew", "predecessor": null, "successor": null, "cloud_key_id": "1234abcd-12ab-34cd-56ef-1234567890ab",
        "cloud_arn": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", "cloud_state": "Enabled", "enabled": true,
        "material_present": true, "material_id": null, "deletion_date": null, "next_rotation": "2026-12-26T01:00:00.000000Z", "last_rotation": null,
        "retires": null, "created_at": "2026-09-21T09:00:00.000000Z",
        "created_by": "user_01997c1d11223344556677889900aabb", "updated_at": "2026-09-21T09:00:01.250000Z", "revision": 4
    })
}
