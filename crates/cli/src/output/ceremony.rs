//! Ceremonies: how they look.

use serde::Deserialize;

use super::{
    Row, Sheet,
    table::{section, time},
};

/// A key that comes in components.
#[derive(Debug, Clone, Deserialize)]
pub struct Ceremony {
    /// Its id.
    pub id: String,
    name: String,
    keystore: String,
    spec: String,
    components: u32,
    #[serde(default)]
    entered: Vec<Component>,
    state: String,
    #[serde(default)]
    begun_by_name: String,
    #[serde(default)]
    begun_at: String,
    #[serde(default)]
    expires_at: String,
    /// The operation that makes the key.
    #[serde(default)]
    pub operation: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    ended_at: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Component {
    number: u32,
    #[serde(default)]
    entered_by_name: String,
    #[serde(default)]
    entered_at: String,
}

impl Ceremony {
    /// Whether its key is being made.
    pub fn is_making(&self) -> bool {
        self.state == "MAKING"
    }

    /// How many components are there, of how many.
    pub fn progress(&self) -> String {
        format!("{} of {}", self.entered.len(), self.components)
    }
}

impl Row for Ceremony {
    const HEADER: &'static [&'static str] = &["id", "key", "keystore", "spec", "components", "state", "begun by", "waits until"];

    fn cells(&self) -> Vec<String> {
        let until = if self.ended_at.is_none() { time(&self.expires_at) } else { String::new() };
        let Self { id, name, keystore, spec, state, begun_by_name, .. } = self.clone();
        vec![id, name, keystore, spec, self.progress(), state, begun_by_name, until]
    }
}

impl Sheet for Ceremony {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("id", Some(self.id.clone())),
            ("name", Some(self.name.clone())),
            ("keystore", Some(self.keystore.clone())),
            ("spec", Some(self.spec.clone())),
            ("state", Some(self.state.clone())),
            ("components", Some(self.progress())),
            ("begun by", Some(self.begun_by_name.clone())),
            ("begun at", Some(time(&self.begun_at))),
            ("waits until", self.ended_at.is_none().then(|| time(&self.expires_at))),
            ("ended at", self.ended_at.as_deref().map(time)),
            ("operation", self.operation.clone()),
            ("key", self.key.clone()),
        ]
    }

    fn below(&self) -> String {
        let rows: Vec<Vec<String>> = self.entered.iter().map(|one| vec![one.number.to_string(), one.entered_by_name.clone(), time(&one.entered_at)]).collect();
        if rows.is_empty() { String::new() } else { section("entered", &["component", "by", "at"], rows) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    fn shown() -> Ceremony {
        let entered = serde_json::json!([{ "number": 1, "entered_by": "user_1", "entered_by_name": "ann", "entered_at": "2026-11-21T23:44:55Z" }]);
        let json = serde_json::json!({ "id": "ceremony_1", "name": "card-root", "keystore": "eu", "spec": "AES_256", "components": 3, "entered": entered, "state": "WAITING",
            "begun_by": "user_1", "begun_by_name": "ann", "begun_at": "2026-11-21T23:40:00Z", "expires_at": "2026-11-24T23:40:00Z", "operation": null, "key": null,
            "ended_at": null });
        serde_json::from_value(json).expect("a ceremony")
    }

    #[test]
    fn a_ceremony_as_a_line() {
        let expected = "\
ID          KEY        KEYSTORE  SPEC     COMPONENTS  STATE    BEGUN BY  WAITS UNTIL
ceremony_1  card-root  eu        AES_256  1 of 3      WAITING  ann       2026-11-24 23:40Z
";
        assert_eq!(grid(Ceremony::HEADER, vec![shown().cells()]), expected);
    }

    #[test]
    fn who_entered_which_stands_below() {
        assert!(shown().below().contains("1          ann  2026-11-21 23:44Z"), "{}", shown().below());
        assert!(!shown().is_making());
    }
}
