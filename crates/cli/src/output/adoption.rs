//! Adoption of a renewal: whether a key's predecessors are still used.

use serde::Deserialize;

use super::{
    Sheet,
    table::{section, time},
    usage::LastUse,
    uses::UserOfKey,
};

/// How far a renewal is adopted.
#[derive(Debug, Clone, Deserialize)]
pub struct Adoption {
    name: String,
    key: String,
    last_use: LastUse,
    predecessors: Vec<Predecessor>,
}

#[derive(Debug, Clone, Deserialize)]
struct Predecessor {
    key: String,
    state: String,
    renewed_at: String,
    #[serde(default)]
    retires_at: Option<String>,
    last_use: LastUse,
    #[serde(default)]
    is_still_used: Option<bool>,
    #[serde(default)]
    users: Vec<UserOfKey>,
}

impl Predecessor {
    fn cells(&self) -> Vec<String> {
        let since = match self.is_still_used {
            Some(true) => "used",
            Some(false) => "not seen",
            None => "not known",
        };
        let retires = self.retires_at.as_deref().map(time).unwrap_or_default();
        vec![self.key.clone(), self.state.clone(), time(&self.renewed_at), since.to_owned(), self.last_use.cell(), retires]
    }

    fn users(&self) -> impl Iterator<Item = Vec<String>> {
        self.users.iter().map(|user| [vec![self.key.clone()], user.cells()].concat())
    }
}

impl Sheet for Adoption {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let before =
            if self.predecessors.is_empty() { "none: it was never renewed, or they are deleted".to_owned() } else { self.predecessors.len().to_string() };
        vec![
            ("name", Some(self.name.clone())),
            ("id", Some(self.key.clone())),
            ("last use", Some(self.last_use.cell())),
            ("not known why", self.last_use.untold().map(ToOwned::to_owned)),
            ("predecessors", Some(before)),
        ]
    }

    fn below(&self) -> String {
        let rows = self.predecessors.iter().map(Predecessor::cells).collect();
        let predecessors = section("predecessors", &["key", "state", "renewed", "since then", "last use", "deactivated on"], rows);
        let users = self.predecessors.iter().flat_map(Predecessor::users).collect();
        predecessors + &section("who used them since, as the queue told", &[&["key"], &UserOfKey::HEADER[..]].concat(), users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::sheet;

    #[test]
    fn a_predecessor_is_used_not_seen_or_not_known_and_never_unused_aw_045() {
        let one = |is_still_used, last_use| serde_json::json!({"key": "key_1", "state": "REPLACED", "renewed_at": "2026-11-30T08:00:00Z", "is_still_used": is_still_used, "last_use": last_use});
        let adoption = serde_json::json!({"name": "orders", "key": "key_2", "last_use": {"not_seen_since": "2026-11-30T08:00:00Z"}, "predecessors": [
            one(Some(true), serde_json::json!({"at": "2026-11-30T09:00:00Z", "operation": "Decrypt"})), one(Some(false), serde_json::json!({"not_seen_since": "2026-01-01T00:00:00Z"})),
            one(None, serde_json::json!({"untold": "denied"})),
        ]});
        let mut adoption = adoption;
        adoption["predecessors"][0]["users"] = serde_json::json!([{"who": "arn:aws:iam::1:role/app", "from": "203.0.113.7", "operation": "Decrypt",
            "first_at": "2026-11-30T08:30:00Z", "last_at": "2026-11-30T09:00:00Z", "heard": 2}]);
        let adoption: Adoption = serde_json::from_value(adoption).expect("an adoption");
        let text = format!("{}{}", sheet(adoption.fields()), adoption.below());
        for words in ["2026-11-30 09:00Z Decrypt", "not seen since 2026-01-01", "key_1  arn:aws:iam::1:role/app  Decrypt"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(text.matches("not known").count(), 2, "{text}");
        assert!(!text.contains("unused"), "{text}");
    }
}
