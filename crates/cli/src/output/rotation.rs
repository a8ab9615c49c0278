//! Rotation: how policies look.

use serde::Deserialize;

use super::{Row, Sheet, table::time};

/// A policy, as far as it is shown.
#[derive(Debug, Clone, Deserialize)]
pub struct Policy {
    target: String,
    strategy: String,
    #[serde(default)]
    every: Option<String>,
    #[serde(default)]
    cron: Option<String>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    window: Option<String>,
    #[serde(default)]
    notice: Option<String>,
    #[serde(default)]
    grace: Option<String>,
}

impl Policy {
    /// How often, in one cell.
    fn cadence(&self) -> String {
        let every = self.every.as_ref().map(|span| format!("every {span}"));
        every.or_else(|| self.cron.clone()).unwrap_or_else(|| "never".to_owned())
    }
}

impl Row for Policy {
    const HEADER: &'static [&'static str] = &["for", "strategy", "when", "window", "zone", "notice", "grace"];

    fn cells(&self) -> Vec<String> {
        let cell = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![self.target.clone(), self.strategy.clone(), self.cadence(), cell(&self.window), cell(&self.zone), cell(&self.notice), cell(&self.grace)]
    }
}

/// How something is rotated.
#[derive(Debug, Clone, Deserialize)]
pub struct Rotation {
    target: String,
    #[serde(default)]
    policy: Option<Policy>,
    #[serde(default)]
    next_rotation: Option<String>,
    #[serde(default)]
    last_rotation: Option<String>,
    #[serde(default)]
    next_strategy: Option<String>,
    #[serde(default)]
    in_place_left: Option<u32>,
    /// What a rotation will not do for the key's users.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Sheet for Rotation {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let policy = self.policy.clone();
        let of = |field: fn(Policy) -> Option<String>| policy.clone().and_then(field);
        vec![
            ("for", Some(self.target.clone())),
            ("policy of", Some(of(|policy| Some(policy.target)).unwrap_or_else(|| "nobody: it is not rotated".to_owned()))),
            ("strategy", of(|policy| Some(policy.strategy))),
            ("when", of(|policy| Some(policy.cadence()))),
            ("zone", of(|policy| policy.zone)),
            ("start", of(|policy| policy.start).as_deref().map(time)),
            ("window", of(|policy| policy.window)),
            ("notice", of(|policy| policy.notice)),
            ("grace", of(|policy| policy.grace)),
            ("last rotation", self.last_rotation.as_deref().map(time)),
            ("next rotation", self.next_rotation.as_deref().map(time)),
            ("next by", self.next_strategy.clone().filter(|_| self.next_rotation.is_some())),
            ("left in place", self.in_place_left.filter(|_| self.next_strategy.as_deref() == Some("in-place")).map(|left| left.to_string())),
        ]
    }

    fn below(&self) -> String {
        let lines: Vec<String> = self.warnings.iter().map(|warning| format!("- {}\n", super::table::clean_line(warning))).collect();
        if lines.is_empty() { String::new() } else { format!("\nWhat a rotation does not do\n{}", lines.concat()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::{grid, sheet};

    #[test]
    fn a_policy_as_a_line_and_a_keys_rotation_told_whole() {
        let policy = serde_json::json!({"target": "keystore:eu", "strategy": "new-key", "every": "90d", "cron": null, "zone": "Europe/Berlin", "start": null,
            "window": "sat@02:00-04:00", "notice": null, "grace": "keep", "set_at": "2026-11-21T23:44:55Z", "set_by": "user_1"});
        let row: Policy = serde_json::from_value(policy.clone()).expect("a policy");
        let line = "\
FOR          STRATEGY  WHEN       WINDOW           ZONE           NOTICE  GRACE
keystore:eu  new-key   every 90d  sat@02:00-04:00  Europe/Berlin  -       keep
";
        assert_eq!(grid(Policy::HEADER, vec![row.cells()]), line);
        let rotation = serde_json::json!({"target": "key:orders", "policy": policy, "next_rotation": "2026-11-28T01:00:00Z", "last_rotation": null, "warnings": ["Mind."]});
        let rotation: Rotation = serde_json::from_value(rotation).expect("a rotation");
        let whole = "\
for            key:orders
policy of      keystore:eu
strategy       new-key
when           every 90d
zone           Europe/Berlin
window         sat@02:00-04:00
grace          keep
next rotation  2026-11-28 01:00Z

What a rotation does not do
- Mind.
";
        assert_eq!(format!("{}{}", sheet(rotation.fields()), rotation.below()), whole);
    }
}
