//! A key that is made anew: how it looks beforehand.

use serde::Deserialize;

use super::{
    Sheet,
    table::{section, time},
};

/// What making a key anew would come to.
#[derive(Debug, Clone, Deserialize)]
pub struct Recreation {
    key: String,
    keystore: String,
    #[serde(default)]
    old_arn: Option<String>,
    #[serde(default)]
    gone_since: Option<String>,
    state: String,
    #[serde(default)]
    spec: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    regained: Vec<String>,
    #[serde(default)]
    lost: Vec<String>,
    #[serde(default)]
    next: Option<String>,
}

impl Recreation {
    /// What whoever makes it anew has to know: what cannot come back, and what is to be done behind it.
    pub fn told(&self) -> impl Iterator<Item = &String> {
        self.lost.iter().chain(&self.next)
    }
}

impl Sheet for Recreation {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let gone = self.gone_since.as_deref().map_or_else(|| "not known: sync the keystore; nothing is made while it is there".to_owned(), time);
        vec![
            ("key", Some(self.key.clone())),
            ("keystore", Some(self.keystore.clone())),
            ("spec", Some(self.spec.clone())),
            ("old cloud key", self.old_arn.clone()),
            ("gone since", Some(gone)),
            ("will be", Some(self.state.clone())),
            ("aliases", Some(self.aliases.join(", "))),
            ("expires", self.expires.as_deref().map(time)),
            ("wanted policy", Some(self.policy.clone().unwrap_or_else(|| "not known: no sync has seen it".to_owned()))),
            ("then", self.next.clone()),
        ]
    }

    fn below(&self) -> String {
        let rows = |lines: &[String]| lines.iter().map(|line| vec![line.clone()]).collect();
        format!("{}{}", section("Comes back", &["what"], rows(&self.regained)), section("Cannot come back", &["what"], rows(&self.lost)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::sheet;

    #[test]
    fn what_cannot_come_back_is_told_before_anything_is_made_fx_003() {
        let json = serde_json::json!({"key": "orders", "keystore": "payments-eu", "old_arn": "arn:1", "gone_since": null, "state": "INACTIVE", "spec": "AES_256", "aliases": ["orders"],
            "expires": null, "policy": null, "regained": ["The aliases."], "lost": ["Its ciphertexts."], "next": "Put the policy back."});
        let plan: Recreation = serde_json::from_value(json).expect("a plan");
        let told = format!("{}{}", sheet(plan.fields()), plan.below());
        for line in [
            "will be        INACTIVE",
            "gone since     not known",
            "wanted policy  not known",
            "then           Put the policy back.",
            "Cannot come back\nWHAT\nIts ciphertexts.",
        ] {
            assert!(told.contains(line), "{line} in {told}");
        }
    }
}
