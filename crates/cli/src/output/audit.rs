//! Entries of the audit log: how they look.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Row, table::time};

/// An entry and its place in the log.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditEntry {
    index: u64,
    #[serde(default)]
    at: String,
    entry: Entry,
}

#[derive(Debug, Clone, Deserialize)]
struct Entry {
    #[serde(default)]
    actor: Actor,
    action: String,
    #[serde(default)]
    subject: Vec<Subject>,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    detail: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Actor {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Subject {
    kind: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
}

impl Subject {
    /// By its name at that time, if the entry has one.
    fn words(&self) -> String {
        format!("{} {}", self.kind, if self.name.is_empty() { &self.id } else { &self.name })
    }
}

impl Row for AuditEntry {
    const HEADER: &'static [&'static str] = &["index", "at", "who", "action", "what", "outcome", "detail"];

    fn cells(&self) -> Vec<String> {
        let subject: Vec<String> = self.entry.subject.iter().map(Subject::words).collect();
        let detail: Vec<String> = self.entry.detail.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let entry = &self.entry;
        let who = if entry.actor.name.is_empty() { &entry.actor.id } else { &entry.actor.name };
        vec![self.index.to_string(), time(&self.at), who.clone(), entry.action.clone(), subject.join(", "), entry.outcome.clone(), detail.join(" ")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn an_entry_as_a_line() {
        let json = serde_json::json!({"index": 41, "at": "2026-11-21T23:44:55Z", "entry": {"id": "entry_1", "at_micros": 1, "account": "acct_1",
            "actor": {"kind": "user", "id": "user_1", "name": "ann"}, "action": "key.renew", "subject": [{"kind": "key", "id": "key_1", "name": "orders"}],
            "rule": "owner", "outcome": "allowed", "detail": {"alias": "orders"}}});
        let entry: AuditEntry = serde_json::from_value(json).expect("an entry");
        let expected = "INDEX  AT                 WHO  ACTION     WHAT        OUTCOME  DETAIL\n41     2026-11-21 23:44Z  ann  key.renew  key orders  allowed  alias=orders\n";
        assert_eq!(grid(AuditEntry::HEADER, vec![entry.cells()]), expected);
        let nameless: Subject = serde_json::from_value(serde_json::json!({"kind": "key", "id": "key_1", "name": ""})).expect("a subject");
        assert_eq!(nameless.words(), "key key_1");
    }
}
