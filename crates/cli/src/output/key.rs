//! Keys: how they look.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Row, Sheet,
    health::Health,
    link::Link,
    table::{section, time, yes},
};

/// A key, as far as it is shown.
#[derive(Debug, Clone, Deserialize)]
pub struct Key {
    /// Its id.
    pub id: String,
    name: String,
    state: String,
    keystore: String,
    cloud: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    spec: String,
    #[serde(default)]
    usage: String,
    #[serde(default)]
    origin: String,
    #[serde(default)]
    custody: String,
    #[serde(default = "truth")]
    exportable: bool,
    #[serde(default)]
    source_key: Option<String>,
    #[serde(default)]
    region_role: String,
    #[serde(default)]
    primary_key: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    /// Whether it is the one that bears the lineage's name now.
    #[serde(default = "truth")]
    pub is_current: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    expiry_policy: String,
    /// The key before it in its lineage, by id.
    #[serde(default)]
    pub predecessor: Option<String>,
    /// The key after it in its lineage, by id.
    #[serde(default)]
    pub successor: Option<String>,
    #[serde(default)]
    cloud_arn: Option<String>,
    #[serde(default)]
    cloud_state: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    material_present: Option<bool>,
    #[serde(default)]
    deletion_date: Option<String>,
    #[serde(default)]
    next_rotation: Option<String>,
    #[serde(default)]
    last_rotation: Option<String>,
    #[serde(default)]
    retires: Option<String>,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    created_by: String,
    /// The operation that brought it here; written by the command line.
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    versions: Vec<Version>,
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default)]
    family: Vec<Relative>,
    #[serde(default)]
    adopted_from: Option<String>,
    #[serde(default)]
    view: Option<View>,
    #[serde(default)]
    health: Option<Health>,
}

/// Another member of a family of Regions.
#[derive(Debug, Clone, Deserialize)]
struct Relative {
    name: String,
    region_role: String,
    region: String,
    state: String,
    #[serde(default)]
    cloud_arn: Option<String>,
}

/// What the cloud shows of it beside that, as the last sync saw it.
#[derive(Debug, Clone, Deserialize)]
struct View {
    #[serde(default)]
    seen_at: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    differences: Vec<String>,
    #[serde(default)]
    origin: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    other_tags: BTreeMap<String, String>,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    policy_sha256: Option<String>,
    #[serde(default)]
    grants: Option<u64>,
    #[serde(default)]
    grantees: Vec<Grantee>,
    #[serde(default)]
    primary: Option<String>,
    #[serde(default)]
    replicas: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Grantee {
    grantee: String,
    #[serde(default)]
    operations: Vec<String>,
}

impl View {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        vec![
            ("other aliases", some(self.aliases.join(", "))),
            ("differs in", some(self.differences.join(", "))),
            ("cloud origin", some(format!("{} {}", self.origin, self.kind).trim().to_owned())),
            ("made there", self.created.as_deref().map(time)),
            ("other tags", some(joined(&self.other_tags))),
            ("key policy", self.policy_sha256.as_ref().map(|digest| format!("SHA-256 {digest}"))),
            ("grants", self.grants.map(|count| count.to_string())),
            ("primary", self.primary.clone()),
            ("replicas", some(self.replicas.join(", "))),
            ("seen by a sync", Some(time(&self.seen_at))),
        ]
    }

    fn below(&self) -> String {
        let rows = self.grantees.iter().map(|grant| vec![grant.grantee.clone(), grant.operations.join(" ")]);
        section("Grants", &["grantee", "operations"], rows.collect())
    }
}

fn joined(tags: &BTreeMap<String, String>) -> String {
    tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

fn truth() -> bool {
    true
}

/// What a key does, as people say it.
fn usage_words(usage: &str) -> &str {
    match usage {
        "mac" => "authenticate",
        "key-agreement" => "agree on keys",
        other => other,
    }
}

impl Key {
    /// Its policy in the cloud.
    pub fn policy(&self) -> Option<&str> {
        self.view.as_ref()?.policy.as_deref()
    }

    /// The public half of its newest version, in PEM.
    pub fn public_key(&self) -> Option<&str> {
        self.versions.iter().max_by_key(|version| version.number)?.public_key.as_deref()
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Version {
    number: u64,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    public_key: Option<String>,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    destroyed_at: Option<String>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    pending: bool,
}

impl Row for Key {
    const HEADER: &'static [&'static str] = &["name", "state", "health", "keystore", "cloud", "region", "custody", "aliases", "expires", "id"];

    fn cells(&self) -> Vec<String> {
        let expires = self.expires.as_deref().map(time).unwrap_or_default();
        let place = [self.keystore.clone(), self.cloud.clone(), self.region.clone()];
        [self.name.clone(), self.state.clone(), Health::word(self.health.as_ref())]
            .into_iter()
            .chain(place)
            .chain([self.custody.clone(), self.aliases.join(", "), expires, self.id.clone()])
            .collect()
    }
}

/// A member of a family of Regions, as one line.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Member(Key);

impl Row for Member {
    const HEADER: &'static [&'static str] = &["role", "name", "state", "keystore", "region", "aliases", "expires", "cloud key"];

    fn cells(&self) -> Vec<String> {
        let Self(key) = self;
        let (expires, aliases) = (key.expires.as_deref().map(time).unwrap_or_default(), key.aliases.join(", "));
        let arn = key.cloud_arn.clone().unwrap_or_default();
        vec![key.region_role.clone(), key.name.clone(), key.state.clone(), key.keystore.clone(), key.region.clone(), aliases, expires, arn]
    }
}

impl Sheet for Key {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let expires = self.expires.as_deref().map(|expires| format!("{}, then {}", time(expires), self.expiry_policy));
        let mut fields = vec![
            ("name", Some(self.name.clone())),
            ("id", Some(self.id.clone())),
            ("state", Some(self.state.clone())),
            ("keystore", Some(self.keystore.clone())),
            ("cloud", Some(format!("{} {}", self.cloud, self.region))),
            ("spec", Some(format!("{} to {}, {}", self.spec, usage_words(&self.usage), self.origin))),
            ("custody", Some(self.custody.clone()).filter(|custody| custody != "own")),
            ("adopted from", self.adopted_from.clone()),
            ("source key", self.source_key.clone()),
            ("leaves the vault", (!self.exportable).then(|| "never".to_owned())),
            ("region role", Some(self.region_role.clone()).filter(|role| role != "single")),
            ("primary key", self.primary_key.clone()),
            ("aliases", Some(self.aliases.join(", ")).filter(|aliases| !aliases.is_empty())),
            ("description", Some(self.description.clone())),
            ("tags", Some(joined(&self.tags))),
            ("expires", expires),
            ("next rotation", self.next_rotation.as_deref().map(time)),
            ("last rotation", self.last_rotation.as_deref().map(time)),
            ("deactivation", self.retires.as_deref().map(time)),
            ("deletion", self.deletion_date.as_deref().map(time)),
            ("cloud key", self.cloud_arn.clone()),
            ("cloud state", self.cloud_state.clone()),
            ("enabled", self.enabled.map(yes)),
            ("material there", self.material_present.map(yes)),
            ("predecessor", self.predecessor.clone()),
            ("successor", self.successor.clone()),
            ("created", Some(format!("{} by {}", time(&self.created_at), self.created_by))),
            ("operation", self.operation.clone()),
        ];
        fields.extend(self.health.iter().flat_map(Health::fields));
        fields.extend(self.view.iter().flat_map(View::fields));
        fields
    }

    fn below(&self) -> String {
        let rows = self.versions.iter().map(|version| {
            let destroyed = version.destroyed_at.as_deref().map(time).unwrap_or_default();
            let expires = version.expires.as_deref().map(time).unwrap_or_default();
            let number = format!("{}{}", version.number, if version.pending { " (pending)" } else { "" });
            vec![number, version.fingerprint.clone(), time(&version.created_at), expires, destroyed]
        });
        let links = self.links.iter().map(Row::cells).collect();
        let row =
            |one: &Relative| vec![one.region_role.clone(), one.name.clone(), one.region.clone(), one.state.clone(), one.cloud_arn.clone().unwrap_or_default()];
        format!(
            "{}{}{}{}{}",
            self.health.as_ref().map(Health::below).unwrap_or_default(),
            section("Versions", &["number", "fingerprint", "created", "expires", "destroyed"], rows.collect()),
            section("Links", Link::HEADER, links),
            section("Family", &["role", "name", "region", "state", "cloud key"], self.family.iter().map(row).collect()),
            self.view.as_ref().map(View::below).unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::{grid, sheet};

    fn key() -> Key {
        let json = serde_json::json!({
            "id": "key_1", "name": "orders", "state": "ACTIVE", "keystore": "payments-eu", "keystore_id": "keystore_1", "cloud": "aws", "region": "eu-west-1",
            "spec": "AES_256", "usage": "encrypt", "origin": "generated", "custody": "own", "aliases": ["orders", "bills"], "is_current": true, "description": "Orders\u{1b}[2J", "tags": {"team": "pay", "env": "prod"},
            "expires": "2027-02-19T23:44:00Z", "expiry_policy": "renew", "predecessor": null, "successor": null, "cloud_key_id": "7b", "cloud_arn": "arn:aws:kms:eu-west-1:123456789012:key/7b",
            "cloud_state": "Enabled", "enabled": true, "material_present": true, "material_id": null, "deletion_date": null, "next_rotation": "2026-12-26T01:00:00Z", "created_at": "2026-11-21T23:44:55Z",
            "created_by": "ann", "updated_at": "2026-11-21T23:44:55Z", "revision": 3, "health": {"status": "degraded", "reasons": [{"reason": "end-near", "status": "degraded", "detail": "It ends.", "mend": "Renew it."}]},
            "versions": [{"number": 1, "fingerprint": "f00d", "created_at": "2026-11-21T23:44:55Z", "destroyed_at": null, "birth": {}}]
        });
        serde_json::from_value(json).expect("a key")
    }

    #[test]
    fn keys_as_lines() {
        let expected = "\
NAME    STATE     HEALTH    KEYSTORE     CLOUD  REGION     CUSTODY  ALIASES        EXPIRES            ID
orders  ACTIVE    degraded  payments-eu  aws    eu-west-1  own      orders, bills  2027-02-19 23:44Z  key_1
orders  REPLACED  -         payments-eu  aws    eu-west-1  own      -              -                  key_0
";
        let old = Key { id: "key_0".into(), state: "REPLACED".into(), is_current: false, aliases: Vec::new(), expires: None, health: None, ..key() };
        assert_eq!(grid(Key::HEADER, vec![key().cells(), old.cells()]), expected);
    }

    #[test]
    fn a_virtual_key_is_told_with_what_the_cloud_shows_ft_059_ft_060() {
        let view = serde_json::json!({"seen_at": "2026-11-22T10:00:00Z", "aliases": ["orders/blue"], "differences": [], "origin": "AWS_KMS", "kind": "SYMMETRIC_DEFAULT ENCRYPT_DECRYPT",
            "policy": "{}", "policy_sha256": "44136f", "grants": 1, "grantees": [{"grantee": "arn:aws:iam::1:role/app", "operations": ["Decrypt", "Encrypt"]}], "replicas": ["arn:aws:kms:us-east-1:1:key/mrk-1"]});
        let told = Key { custody: "native".into(), view: Some(serde_json::from_value(view).expect("a view")), ..key() };
        let whole = format!("{}{}", sheet(told.fields()), told.below());
        for line in [
            "custody         native",
            "other aliases   orders/blue",
            "replicas        arn:aws:kms:us-east-1:1:key/mrk-1",
            "key policy      SHA-256 44136f",
            "Decrypt Encrypt",
        ] {
            assert!(whole.contains(line), "{line} in {whole}");
        }
        assert_eq!(told.policy(), Some("{}"));
    }

    #[test]
    fn a_key_told_whole() {
        let expected = "\
name            orders
id              key_1
state           ACTIVE
keystore        payments-eu
cloud           aws eu-west-1
spec            AES_256 to encrypt, generated
aliases         orders, bills
description     Orders?[2J
tags            env=prod, team=pay
expires         2027-02-19 23:44Z, then renew
next rotation   2026-12-26 01:00Z
cloud key       arn:aws:kms:eu-west-1:123456789012:key/7b
cloud state     Enabled
enabled         yes
material there  yes
created         2026-11-21 23:44Z by ann
health          degraded

Health
STATUS    REASON    WHAT      MEND
degraded  end-near  It ends.  Renew it.

Versions
NUMBER  FINGERPRINT  CREATED            EXPIRES  DESTROYED
1       f00d         2026-11-21 23:44Z  -        -
";
        assert_eq!(format!("{}{}", sheet(key().fields()), key().below()), expected);
    }
}
