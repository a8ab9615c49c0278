//! Keystores, and what a check of one found: how they look.

use serde::Deserialize;

use super::{
    Row, Sheet,
    health::Health,
    table::{section, time, yes},
};

/// A keystore, as far as it is shown.
#[derive(Debug, Clone, Deserialize)]
pub struct Keystore {
    id: String,
    name: String,
    state: String,
    cloud: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    role_arn: Option<String>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    deleted_at: Option<String>,
    #[serde(default)]
    alert_channels: Option<Vec<String>>,
    #[serde(default)]
    health: Option<Health>,
}

impl Row for Keystore {
    const HEADER: &'static [&'static str] = &["name", "state", "health", "cloud", "region", "account", "role", "id"];

    fn cells(&self) -> Vec<String> {
        let role = self.role_arn.clone().unwrap_or_default();
        let health = Health::word(self.health.as_ref());
        vec![self.name.clone(), self.state.clone(), health, self.cloud.clone(), self.region.clone(), self.account.clone(), role, self.id.clone()]
    }
}

impl Sheet for Keystore {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let mut fields = vec![
            ("name", Some(self.name.clone())),
            ("id", Some(self.id.clone())),
            ("state", Some(self.state.clone())),
            ("cloud", Some(format!("{} {}", self.cloud, self.region))),
            ("account", Some(self.account.clone())),
            ("role", self.role_arn.clone()),
            ("external id", self.external_id.clone()),
            ("alerts", Some(self.alert_channels.as_ref().map_or_else(|| "to every channel".to_owned(), |names| format!("to {}", names.join(", "))))),
            ("created", Some(format!("{} by {}", time(&self.created_at), self.created_by))),
            ("deleted", self.deleted_at.as_deref().map(time)),
        ];
        fields.extend(self.health.iter().flat_map(Health::fields));
        fields
    }

    fn below(&self) -> String {
        self.health.as_ref().map(Health::below).unwrap_or_default()
    }
}

/// What a check of the cloud's permissions found.
#[derive(Debug, Clone, Deserialize)]
pub struct Findings {
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    account: Option<String>,
    /// Whether nothing is missing.
    pub sufficient: bool,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Debug, Clone, Deserialize)]
struct Finding {
    action: String,
    standing: String,
    #[serde(default)]
    mend: Option<String>,
}

impl Sheet for Findings {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![("identity", self.identity.clone()), ("account", self.account.clone()), ("sufficient", Some(yes(self.sufficient)))]
    }

    fn below(&self) -> String {
        let rows = self.findings.iter().map(|finding| vec![finding.action.clone(), finding.standing.clone(), finding.mend.clone().unwrap_or_default()]);
        section("Permissions", &["action", "standing", "mend"], rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::{grid, sheet};

    #[test]
    fn a_keystore_as_a_line_and_told_whole() {
        let json = serde_json::json!({"id": "keystore_1", "name": "payments-eu", "state": "ACTIVE", "cloud": "aws", "region": "eu-west-1", "account": "123456789012",
            "role_arn": null, "external_id": "x-1", "partition": "aws", "created_at": "2026-11-21T23:44:55Z", "created_by": "ann", "deleted_at": null, "alert_channels": ["pager", "mail:ops@example.com"], "health": {"status": "ok", "reasons": [], "reachable": true}});
        let keystore: Keystore = serde_json::from_value(json).expect("a keystore");
        let line = "NAME         STATE   HEALTH  CLOUD  REGION     ACCOUNT       ROLE  ID\npayments-eu  ACTIVE  ok      aws    eu-west-1  123456789012  -     keystore_1\n";
        assert_eq!(grid(Keystore::HEADER, vec![keystore.cells()]), line);
        let whole = "\
name         payments-eu
id           keystore_1
state        ACTIVE
cloud        aws eu-west-1
account      123456789012
external id  x-1
alerts       to pager, mail:ops@example.com
created      2026-11-21 23:44Z by ann
health       ok
reachable    yes
";
        assert_eq!(sheet(keystore.fields()), whole);
    }

    #[test]
    fn a_check_lists_every_permission_with_its_mend() {
        let json = serde_json::json!({"identity": "arn:aws:sts::1:assumed-role/k", "account": "123456789012", "sufficient": false,
            "findings": [{"action": "kms:CreateKey", "standing": "granted", "mend": null}, {"action": "kms:ImportKeyMaterial", "standing": "missing", "mend": "Add it."}]});
        let findings: Findings = serde_json::from_value(json).expect("findings");
        let expected = "\
identity    arn:aws:sts::1:assumed-role/k
account     123456789012
sufficient  no

Permissions
ACTION                 STANDING  MEND
kms:CreateKey          granted   -
kms:ImportKeyMaterial  missing   Add it.
";
        assert_eq!(format!("{}{}", sheet(findings.fields()), findings.below()), expected);
    }
}
