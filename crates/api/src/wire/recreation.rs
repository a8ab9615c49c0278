//! Keys that are made anew, on the wire: what it would come to.

use keystead_app::keys::recreate::Recreation;
use serde::Serialize;
use utoipa::ToSchema;

use super::{tags, time::rfc3339};

/// What making a key anew would come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "key": "orders", "keystore": "frankfurt", "old_arn": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "gone_since": "2026-11-30T09:00:00.000000Z", "state": "ACTIVE", "spec": "HMAC_256", "usage": "mac", "description": "Orders", "tags": { "team": "pay" },
    "aliases": ["orders"], "expires": null, "policy": null,
    "regained": ["Message authentication codes: the old ones verify, if the request names the new key."], "lost": ["Its grants: make them anew where they are still wanted."],
    "next": null
}))]
pub(crate) struct RecreationPlan {
    /// Name of the key.
    key: String,
    /// Where it is made.
    keystore: String,
    /// The cloud's full name of the key that is gone.
    #[schema(required)]
    old_arn: Option<String>,
    /// Since when it is known to be gone; null: it is not known to be, and the operation fails if it is there.
    #[schema(required, format = DateTime)]
    gone_since: Option<String>,
    /// The new key's state: ACTIVE, or INACTIVE without material until its policy is put back and it is activated.
    state: &'static str,
    /// Kind of key.
    spec: &'static str,
    /// What it is for.
    usage: &'static str,
    /// Its description.
    description: String,
    /// Its tags.
    tags: std::collections::BTreeMap<String, String>,
    /// The aliases that will point at it.
    aliases: Vec<String>,
    /// Until when its material will live; null: without end.
    #[schema(required, format = DateTime)]
    expires: Option<String>,
    /// The policy that the old key was wanted to have: as it was first seen, or last accepted. Keystead does not write it. Null: no sync has seen it.
    #[schema(required)]
    policy: Option<String>,
    /// What works again, each as a sentence.
    regained: Vec<&'static str>,
    /// What cannot come back, each as a sentence.
    lost: Vec<&'static str>,
    /// What is to be done behind it.
    #[schema(required)]
    next: Option<&'static str>,
}

impl From<Recreation> for RecreationPlan {
    fn from(plan: Recreation) -> Self {
        let key = plan.key;
        Self {
            keystore: key.keystore_name,
            old_arn: key.cloud_arn,
            gone_since: plan.gone_since.map(rfc3339),
            state: plan.becomes.as_str(),
            spec: key.spec.as_str(),
            usage: key.usage.as_str(),
            description: key.description,
            tags: tags::of(&key.tags),
            aliases: key.aliases.to_strings(),
            expires: plan.expires.map(rfc3339),
            policy: plan.policy,
            regained: plan.regained,
            lost: plan.lost,
            next: plan.next,
            key: key.name,
        }
    }
}
