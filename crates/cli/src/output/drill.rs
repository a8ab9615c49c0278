//! Drills of the kill switch.

use serde::Deserialize;

use super::{Row, Sheet, table::time};

/// How a keystore is drilled.
#[derive(Debug, Clone, Deserialize)]
pub struct DrillPolicy {
    keystore: String,
    #[serde(default)]
    every: Option<String>,
    #[serde(default)]
    within: Option<String>,
    #[serde(default)]
    next_at: Option<String>,
    #[serde(default)]
    set_by: Option<String>,
    #[serde(default)]
    canaries: Vec<String>,
    #[serde(default)]
    unconfirmed: Vec<String>,
    #[serde(default)]
    last_success: Option<String>,
}

impl Sheet for DrillPolicy {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("keystore", Some(self.keystore.clone())),
            ("drilled", Some(self.every.as_ref().map_or("no".to_owned(), |every| format!("every {every}")))),
            ("refused within", self.within.clone()),
            ("canaries", Some(if self.canaries.is_empty() { "none".to_owned() } else { self.canaries.join(" ") })),
            ("tagged, not confirmed", Some(self.unconfirmed.join(" ")).filter(|names| !names.is_empty())),
            ("next drill", self.next_at.as_deref().map(time)),
            ("last success", Some(self.last_success.as_deref().map_or("never".to_owned(), time))),
            ("set by", self.set_by.clone()),
        ]
    }
}

/// A drill on one canary.
#[derive(Debug, Clone, Deserialize)]
pub struct Drill {
    begun_at: String,
    #[serde(default)]
    name: Option<String>,
    state: String,
    #[serde(default)]
    dark_micros: Option<i64>,
    #[serde(default)]
    ended_at: Option<String>,
    #[serde(default)]
    why: Option<String>,
}

impl Row for Drill {
    const HEADER: &'static [&'static str] = &["begun", "canary", "state", "dark after", "ended", "why"];

    fn cells(&self) -> Vec<String> {
        let Self { begun_at, name, state, dark_micros, ended_at, why } = self.clone();
        let dark = dark_micros.map(|micros| format!("{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000)).unwrap_or_default();
        vec![time(&begun_at), name.unwrap_or_default(), state, dark, ended_at.as_deref().map(time).unwrap_or_default(), why.unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn a_drill_shows_how_long_it_took_and_why_it_failed_ft_019() {
        let json = serde_json::json!([
            {"begun_at": "2026-11-30T08:00:00Z", "name": "canary", "state": "SUCCEEDED", "dark_micros": 412_345, "ended_at": "2026-11-30T08:01:00Z", "why": null},
            {"begun_at": "2026-11-23T08:00:00Z", "name": null, "state": "FAILED", "dark_micros": null, "ended_at": "2026-11-23T08:00:00Z", "why": "No canary."},
        ]);
        let rows: Vec<Drill> = serde_json::from_value(json).expect("drills");
        let expected = "\
BEGUN              CANARY  STATE      DARK AFTER  ENDED              WHY
2026-11-30 08:00Z  canary  SUCCEEDED  0.412 s     2026-11-30 08:01Z  -
2026-11-23 08:00Z  -       FAILED     -           2026-11-23 08:00Z  No canary.
";
        assert_eq!(grid(Drill::HEADER, rows.iter().map(Row::cells).collect()), expected);
    }
}
