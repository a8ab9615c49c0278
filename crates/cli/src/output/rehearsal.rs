//! Rehearsed deletions.

use serde::Deserialize;

use super::{Row, table::time, usage::LastUse};

/// A rehearsed deletion.
#[derive(Debug, Clone, Deserialize)]
pub struct Rehearsal {
    state: String,
    begun_by: String,
    begun_at: String,
    ends_at: String,
    #[serde(default)]
    tries: u32,
    #[serde(default)]
    used_before: LastUse,
    #[serde(default)]
    used_after: Option<LastUse>,
}

impl Row for Rehearsal {
    const HEADER: &'static [&'static str] = &["state", "begun by", "begun", "disabled until", "failed to enable", "used before", "used after"];

    fn cells(&self) -> Vec<String> {
        let after = self.used_after.as_ref().map(LastUse::cell).unwrap_or_default();
        let tries = if self.tries == 0 { String::new() } else { self.tries.to_string() };
        vec![self.state.clone(), self.begun_by.clone(), time(&self.begun_at), time(&self.ends_at), tries, self.used_before.cell(), after]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn a_rehearsal_shows_who_used_the_key_before_and_after_aw_045() {
        let json = serde_json::json!([{"state": "ENDED", "begun_by": "ann", "begun_at": "2026-11-30T08:00:00Z", "ends_at": "2026-11-30T08:15:00Z", "tries": 0,
            "used_before": {"at": "2026-11-30T07:59:00Z", "operation": "Decrypt"}, "used_after": {"not_seen_since": "2026-01-01T00:00:00Z"}}]);
        let rows: Vec<Rehearsal> = serde_json::from_value(json).expect("rehearsals");
        let expected = "\
STATE  BEGUN BY  BEGUN              DISABLED UNTIL     FAILED TO ENABLE  USED BEFORE                USED AFTER
ENDED  ann       2026-11-30 08:00Z  2026-11-30 08:15Z  -                 2026-11-30 07:59Z Decrypt  not seen since 2026-01-01 00:00Z
";
        assert_eq!(grid(Rehearsal::HEADER, rows.iter().map(Row::cells).collect()), expected);
    }
}
