//! Keystores on the wire.

use keystead_domain::keystore::KeystoreState;
use keystead_store::keystores::KeystoreRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::{health::KeystoreHealth, time::rfc3339};

/// A place where keys live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "keystore_01997c1e00aa7b1c9d2e3f4a5b6c7d8e", "name": "frankfurt", "state": "ACTIVE", "cloud": "aws", "region": "eu-central-1", "account": "123456789012",
    "role_arn": "arn:aws:iam::123456789012:role/keystead", "external_id": "keystead-6f1d0c2b4a59887766554433221100ff", "partition": "aws",
    "created_at": "2026-09-21T08:58:00.000000Z", "created_by": "user_01997c1d11223344556677889900aabb", "deleted_at": null, "alert_channels": ["pager"]
}))]
pub(crate) struct Keystore {
    /// Id.
    id: String,
    /// Name, unique among the active ones.
    name: String,
    /// ACTIVE or DELETED.
    state: &'static str,
    /// `aws`, or `vault`: its keys live in the vault alone.
    cloud: String,
    /// Region; empty in the vault.
    region: String,
    /// The twelve digits of the cloud account; empty in the vault.
    account: String,
    /// The role that Keystead assumes there; null: its own credentials.
    #[schema(required)]
    role_arn: Option<String>,
    /// What the role's trust policy asks for.
    #[schema(required)]
    external_id: Option<String>,
    /// The cloud's partition: `aws`, `aws-us-gov`, `aws-cn`; empty in the vault.
    partition: String,
    /// When made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Who made it: a user's id.
    created_by: String,
    /// When deleted.
    #[schema(required, format = DateTime)]
    deleted_at: Option<String>,
    /// The channels of the server's configuration that hear of it and of its keys; null: every one.
    #[schema(required)]
    alert_channels: Option<Vec<String>>,
    /// Whether it is as it should be; only where keystores are listed or one is shown, and not of a deleted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<KeystoreHealth>,
}

impl Keystore {
    /// The same with its health.
    #[must_use]
    pub fn with_health(self, health: Option<KeystoreHealth>) -> Self {
        Self { health, ..self }
    }

    /// A keystore of its row; the partition is the catalogue's word.
    pub fn of(row: KeystoreRow, partition: String) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            state: match row.state {
                KeystoreState::Active => "ACTIVE",
                KeystoreState::Deleted => "DELETED",
            },
            cloud: row.cloud,
            region: row.location.region,
            account: row.location.account,
            role_arn: row.location.role_arn,
            external_id: row.location.external_id,
            partition,
            created_at: rfc3339(row.created_at),
            created_by: row.created_by,
            deleted_at: row.deleted_at.map(rfc3339),
            alert_channels: row.alert_channels.to_list(),
            health: None,
        }
    }
}
