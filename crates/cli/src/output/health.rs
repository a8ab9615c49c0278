//! Health: how it looks, of keystores and of keys.

use serde::Deserialize;

use super::table::{section, time, yes};

/// The health of a keystore or key, as far as it is shown. What only one of them has is missing in the other.
#[derive(Debug, Clone, Deserialize)]
pub struct Health {
    status: String,
    #[serde(default)]
    reasons: Vec<Reason>,
    #[serde(default)]
    reachable: Option<bool>,
    #[serde(default)]
    permitted: Option<bool>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    checked_at: Option<String>,
    #[serde(default)]
    in_step: Option<bool>,
    #[serde(default)]
    looked_at: Option<String>,
    #[serde(default)]
    protected_until: Option<String>,
    #[serde(default)]
    quota_left_percent: Option<u8>,
    #[serde(default)]
    quota_call: Option<String>,
    #[serde(default)]
    operation: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reason {
    reason: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    mend: String,
}

impl Health {
    /// The one word.
    pub fn word(health: Option<&Self>) -> String {
        health.map(|health| health.status.clone()).unwrap_or_default()
    }

    /// What stands behind the word.
    pub fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let call = self.quota_call.as_deref().unwrap_or_default();
        vec![
            ("health", Some(self.status.clone())),
            ("reachable", self.reachable.map(yes)),
            ("permitted", self.permitted.map(yes)),
            ("last check says", self.why.clone()),
            ("checked", self.checked_at.as_deref().map(time)),
            ("in step", self.in_step.map(yes)),
            ("looked through", self.looked_at.as_deref().map(time)),
            ("protected until", self.protected_until.as_deref().map(time)),
            ("quota left", self.quota_left_percent.map(|left| format!("{left} % of {call}"))),
            ("held by", self.operation.clone()),
        ]
    }

    /// Why it is not `ok`, each with its mend.
    pub fn below(&self) -> String {
        let row = |one: &Reason| vec![one.status.clone(), one.reason.clone(), one.detail.clone(), one.mend.clone()];
        section("Health", &["status", "reason", "what", "mend"], self.reasons.iter().map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::sheet;

    #[test]
    fn health_is_told_with_every_reason_and_its_mend_fx_042() {
        let json = serde_json::json!({"status": "failing", "reasons": [{"reason": "denied", "status": "failing", "detail": "The role cannot be assumed.", "mend": "Mend it."}],
            "reachable": true, "permitted": false, "missing": [], "why": "AssumeRole was refused", "checked_at": "2026-11-21T23:44:55Z", "in_step": null,
            "protected_until": "2026-12-21T23:44:55Z", "quota_left_percent": 88, "quota_call": "DescribeKey"});
        let health: Health = serde_json::from_value(json).expect("a health");
        let expected = "\
health           failing
reachable        yes
permitted        no
last check says  AssumeRole was refused
checked          2026-11-21 23:44Z
protected until  2026-12-21 23:44Z
quota left       88 % of DescribeKey

Health
STATUS   REASON  WHAT                         MEND
failing  denied  The role cannot be assumed.  Mend it.
";
        assert_eq!(format!("{}{}", sheet(health.fields()), health.below()), expected);
        assert_eq!((Health::word(Some(&health)), Health::word(None)), ("failing".to_owned(), String::new()));
    }
}
