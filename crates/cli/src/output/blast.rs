//! Blast radius: what depends on a key, as far as it is known.

use serde::Deserialize;

use super::{Row, table::time};

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
}

impl Row for AffectedKey {
    const HEADER: &'static [&'static str] = &["key", "keystore", "state", "is", "aliases", "grants", "policy allows", "seen by a sync"];

    fn cells(&self) -> Vec<String> {
        let unknown = || "not known".to_owned();
        let grants = match self.grants {
            Some(0) => "none".to_owned(),
            Some(count) => format!("{count}: {}", self.grantees.join(" ")),
            None => unknown(),
        };
        let principals = self.principals.as_ref().map_or_else(unknown, |principals| principals.join(" "));
        let seen = self.seen_at.as_deref().map_or_else(|| "never".to_owned(), time);
        vec![self.name.clone(), self.keystore.clone(), self.state.clone(), self.relation.clone(), self.aliases.join(" "), grants, principals, seen]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn what_no_sync_has_seen_is_not_known_and_never_none_aw_045() {
        let json = serde_json::json!([
            {"name": "orders", "keystore": "payments-eu", "state": "ACTIVE", "relation": "itself", "aliases": ["orders"], "seen_at": "2026-11-21T23:44:55Z",
             "grants": 0, "grantees": [], "principals": ["*"]},
            {"name": "orders_copy1", "keystore": "payments-us", "state": "ACTIVE", "relation": "copy", "aliases": [], "seen_at": null, "grants": null, "principals": null},
        ]);
        let keys: Vec<AffectedKey> = serde_json::from_value(json).expect("keys");
        let expected = "\
KEY           KEYSTORE     STATE   IS      ALIASES  GRANTS     POLICY ALLOWS  SEEN BY A SYNC
orders        payments-eu  ACTIVE  itself  orders   none       *              2026-11-21 23:44Z
orders_copy1  payments-us  ACTIVE  copy    -        not known  not known      never
";
        assert_eq!(grid(AffectedKey::HEADER, keys.iter().map(Row::cells).collect()), expected);
    }
}
