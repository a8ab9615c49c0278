//! Estates on the wire and in files: the same shape both ways. The JSON schema of files is derived from it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tags::GivenTags;
use crate::extract::{given, objects};

/// Keystores, keys and policies as they shall be. What is left out is left alone: a field as well as a whole key. Nothing is deleted unless `deleted` says so.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = crate::wire::estate::example)]
pub(crate) struct Estate {
    /// The form of the file; 1.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 1)]
    pub version: Option<u32>,
    /// How keys are rotated for which nothing nearer is said.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rotation: Option<EstateRotation>,
    /// Keystores, each by its name.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub keystores: Vec<EstateKeystore>,
    /// Keys, each by its name.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<EstateKey>,
}

/// A keystore as it shall be.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateKeystore {
    /// Its name. A file cannot rename it.
    pub name: String,
    /// `aws`, or `vault` for no cloud. Needed of one that is to be made; it cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cloud: Option<String>,
    /// Its Region.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub region: Option<String>,
    /// The twelve digits of its AWS account.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub account: Option<String>,
    /// The role that Keystead assumes there.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role_arn: Option<String>,
    /// The external id of that role; of a new keystore one is made when it is left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub external_id: Option<String>,
    /// Whether import parameters are fetched ahead.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warm: Option<bool>,
    /// How often it is looked through, and what is mended alone.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub drift: Option<EstateDrift>,
    /// The channels of the server's configuration that hear of it and of its keys, 1 to 10; `*` alone: every one, also those that come later.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    pub alerts: Option<Vec<String>>,
    /// How its keys are rotated.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rotation: Option<EstateRotation>,
}

/// How a keystore is looked through.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateDrift {
    /// How often: a span such as `6h`, 15 minutes at least, or `never`.
    pub every: String,
    /// `none` (when left out) or `safe`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub auto_repair: Option<String>,
}

/// How keys are rotated.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateRotation {
    /// `new-key` (when left out), `in-place`, `none`: no rotation, or `inherit`: no policy of its own, the next nearest counts.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub strategy: Option<String>,
    /// So long behind the last rotation: a span such as `90d`. This or `cron`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub every: Option<String>,
    /// By a calendar: minute, hour, day, month, weekday, or `@monthly`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cron: Option<String>,
    /// The time zone of calendar and window by its IANA name; UTC when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone: Option<String>,
    /// Not before this time.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub start: Option<String>,
    /// Begin only inside, for example `sat,sun@02:00-04:00`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub window: Option<String>,
    /// How long before a rotation it is told: a span.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub notice: Option<String>,
    /// How long behind a rotation the predecessor is deactivated: a span; `keep` (when left out): it stays enabled.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub grace: Option<String>,
}

/// A key as it shall be.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateKey {
    /// Its name; it means the current key of that name. A file cannot rename it.
    pub name: String,
    /// Its keystore, by name. Needed of one that is to be made; it cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub keystore: Option<String>,
    /// Its kind; of a new key AES_256 when left out. It cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub spec: Option<String>,
    /// `encrypt`, `sign`, `mac` or `key-agreement`; of a new key the usual use of its kind when left out. It cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub usage: Option<String>,
    /// Where its material comes from: `generated`, `imported` or `copy`. Only what the vault generates can be made from a file.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub origin: Option<String>,
    /// Whether it can have replicas in other Regions; of a new key true where replicas are given. It cannot change.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub multi_region: Option<bool>,
    /// Whether its material may leave the vault. It cannot become true.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exportable: Option<bool>,
    /// At most 8192 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// All aliases that it shall have, with or without `alias/`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub aliases: Option<Vec<String>>,
    /// All tags that it shall have.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, String>>)]
    pub tags: Option<GivenTags>,
    /// `ACTIVE` or `INACTIVE`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub state: Option<String>,
    /// When its material in the cloud expires: a time, a span such as `90d` that it lives from whenever it is imported, or `never`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires: Option<String>,
    /// What happens before: `alert`, `extend` or `renew`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expiry_policy: Option<String>,
    /// How it is rotated.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rotation: Option<EstateRotation>,
    /// Its replicas, each by its keystore.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<EstateReplica>,
    /// True: it shall go. The only way to say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Of a key that shall go: days until the cloud deletes it, 7 to 30; 30 when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 7, maximum = 30)]
    pub waiting_days: Option<u32>,
}

/// A replica as it shall be. What is left out of a new one is as the primary has it.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EstateReplica {
    /// Its keystore, by name: of another Region of the same AWS account.
    pub keystore: String,
    /// Its name; of a new one the primary's with the Region behind it when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// At most 8192 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// All aliases that it shall have in its Region.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub aliases: Option<Vec<String>>,
    /// All tags that it shall have.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, String>>)]
    pub tags: Option<GivenTags>,
    /// True: it shall go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Of a replica that shall go: days until the cloud deletes it, 7 to 30; 30 when left out.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 7, maximum = 30)]
    pub waiting_days: Option<u32>,
}

/// An estate as the manual shows it.
pub(crate) fn example() -> serde_json::Value {
    serde_json::json!({
        "version": 1,
        "keystores": [{ "name": "frankfurt", "cloud": "aws", "region": "eu-central-1", "account": "123456789012", "rotation": { "every": "90d", "grace": "30d" } }],
        "keys": [{ "name": "orders", "keystore": "frankfurt", "aliases": ["orders"], "tags": { "team": "pay" }, "expires": "180d", "expiry_policy": "extend" }]
    })
}
