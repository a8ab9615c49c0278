//! Blast radius: what depends on a key, as far as it is known.

use serde::Deserialize;

use super::{Row, table::time, usage::LastUse};

/// A key that goes out of use, and who depends on it.
#[derive(Debug, Clone, Deserialize)]
pub struct AffectedKey {
    name: String,
    keystore: String,
    state: String,
    relation: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    seen_at: Option<String>,
    #[serde(default)]
    grants: Option<u64>,
    #[serde(default)]
    grantees: Vec<String>,
    #[serde(default)]
    principals: Option<Vec<String>>,
    #[serde(default)]
    last_use: Option<LastUse>,
}

/// Which of them a command concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everything that has the material, and what it replaced: a kill.
    All,
    /// The key, and its replicas when it is their primary: a deactivation.
    Family,
    /// The key alone: a deletion.
    Alone,
}

impl Reach {
    /// Whether a command of this reach concerns a key of this relation.
    fn takes(self, relation: &str) -> bool {
        match self {
            Self::All => true,
            Self::Family => matches!(relation, "itself" | "replica"),
            Self::Alone => relation == "itself",
        }
    }
}

impl AffectedKey {
    /// Whether a command of this reach concerns it.
    pub fn is_in(&self, reach: Reach) -> bool {
        reach.takes(&self.relation)
    }

    /// Why nothing is known of its last use.
    pub fn untold(&self) -> Option<String> {
        let why = self.last_use.as_ref()?.untold()?;
        Some(format!("{}: its last use is not known. {why}", self.name))
    }
}

impl Row for AffectedKey {
    const HEADER: &'static [&'static str] = &["key", "keystore", "state", "is", "aliases", "grants", "policy allows", "seen by a sync", "last use"];

    fn cells(&self) -> Vec<String> {
        let unknown = || "not known".to_owned();
        let grants = match self.grants {
            Some(0) => "none".to_owned(),
            Some(count) => format!("{count}: {}", self.grantees.join(" ")),
            None => unknown(),
        };
        let principals = self.principals.as_ref().map_or_else(unknown, |principals| principals.join(" "));
        let used = self.last_use.as_ref().map_or_else(unknown, LastUse::cell);
        let seen = self.seen_at.as_deref().map_or_else(|| "never".to_owned(), time);
        vec![self.name.clone(), self.keystore.clone(), self.state.clone(), self.relation.clone(), self.aliases.join(" "), grants, principals, seen, used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn a_command_shows_the_keys_that_it_concerns_and_no_other_aw_045() {
        let concerned = |reach: Reach| ["itself", "replica", "copy", "source", "predecessor"].map(|relation| reach.takes(relation));
        assert_eq!(concerned(Reach::All), [true; 5]);
        assert_eq!(concerned(Reach::Family), [true, true, false, false, false]);
        assert_eq!(concerned(Reach::Alone), [true, false, false, false, false]);
    }

    #[test]
    fn a_last_use_that_nobody_knows_is_told_with_its_reason_and_is_never_called_unused_aw_045() {
        let key = |last_use| {
            serde_json::from_value::<AffectedKey>(
                serde_json::json!({"name": "a", "keystore": "b", "state": "ACTIVE", "relation": "itself", "last_use": last_use}),
            )
            .expect("a key")
        };
        let denied = key(serde_json::json!({"untold": "GetKeyLastUsage was refused."}));
        assert_eq!(
            (denied.cells().pop().as_deref(), denied.untold().as_deref()),
            (Some("not known"), Some("a: its last use is not known. GetKeyLastUsage was refused."))
        );
        assert_eq!(key(serde_json::json!({"not_seen_since": "2026-02-01T00:00:00Z"})).untold(), None);
    }

    #[test]
    fn what_no_sync_has_seen_is_not_known_and_never_none_aw_045() {
        let json = serde_json::json!([
            {"name": "orders", "keystore": "payments-eu", "state": "ACTIVE", "relation": "itself", "aliases": ["orders"], "seen_at": "2026-11-21T23:44:55Z",
             "grants": 0, "grantees": [], "principals": ["*"], "last_use": {"at": "2026-11-20T08:00:00Z", "operation": "Decrypt"}},
            {"name": "orders_copy1", "keystore": "payments-us", "state": "ACTIVE", "relation": "copy", "aliases": [], "seen_at": null, "grants": null, "principals": null,
             "last_use": {"not_seen_since": "2026-02-01T00:00:00Z"}},
        ]);
        let keys: Vec<AffectedKey> = serde_json::from_value(json).expect("keys");
        let expected = "\
KEY           KEYSTORE     STATE   IS      ALIASES  GRANTS     POLICY ALLOWS  SEEN BY A SYNC     LAST USE
orders        payments-eu  ACTIVE  itself  orders   none       *              2026-11-21 23:44Z  2026-11-20 08:00Z Decrypt
orders_copy1  payments-us  ACTIVE  copy    -        not known  not known      never              not seen since 2026-02-01 00:00Z
";
        assert_eq!(grid(AffectedKey::HEADER, keys.iter().map(Row::cells).collect()), expected);
    }
}
