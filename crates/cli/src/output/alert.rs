//! Alerts and what is coming: how they look.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Row, Sheet,
    table::{section, time},
};

/// Something that somebody was or is to be told.
#[derive(Debug, Clone, Deserialize)]
pub struct Alert {
    id: String,
    kind: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    facts: BTreeMap<String, String>,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    deliveries: Vec<Delivery>,
}

/// What became of it on a channel.
#[derive(Debug, Clone, Deserialize)]
struct Delivery {
    channel: String,
    state: String,
    #[serde(default)]
    attempts: u64,
    #[serde(default)]
    last_error: Option<String>,
    #[serde(default)]
    delivered_at: Option<String>,
}

impl Alert {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether each channel has said something.
    pub fn was_tried(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.state != "PENDING" || delivery.attempts > 0)
    }

    fn fact(&self, name: &str) -> Option<String> {
        self.facts.get(name).cloned()
    }

    /// `1 DELIVERED, 1 PENDING`.
    fn standing(&self) -> String {
        let counts = ["DELIVERED", "PENDING", "GIVEN_UP"].map(|state| (self.deliveries.iter().filter(|delivery| delivery.state == state).count(), state));
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, state)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
    }
}

impl Row for Alert {
    const HEADER: &'static [&'static str] = &["when", "alert", "key", "keystore", "ends", "deliveries", "id"];

    fn cells(&self) -> Vec<String> {
        let fact = |name: &str| self.fact(name).unwrap_or_default();
        let ends = self.fact("expires_at").map(|at| time(&at)).unwrap_or_default();
        vec![time(&self.created_at), self.kind.clone(), fact("key"), fact("keystore"), ends, self.standing(), self.id.clone()]
    }
}

impl Sheet for Alert {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("id", Some(self.id.clone())),
            ("alert", Some(self.kind.clone())),
            ("when", Some(time(&self.created_at))),
            ("about", Some(self.subject.clone())),
            ("key", self.fact("key")),
            ("keystore", self.fact("keystore")),
            ("policy", self.fact("policy")),
            ("ends", self.fact("expires_at").map(|at| time(&at))),
            ("operation", self.fact("operation")),
            ("operation kind", self.fact("operation_kind")),
            ("why", self.fact("why")),
            ("mend", self.fact("mend")),
            ("by", self.fact("by")),
        ]
    }

    fn below(&self) -> String {
        let rows = self.deliveries.iter().map(|delivery| {
            let taken = delivery.delivered_at.as_deref().map(time).unwrap_or_default();
            vec![delivery.channel.clone(), delivery.state.clone(), delivery.attempts.to_string(), taken, delivery.last_error.clone().unwrap_or_default()]
        });
        section("Deliveries", &["channel", "state", "attempts", "delivered", "last error"], rows.collect())
    }
}

/// Something that will happen to a key by itself.
#[derive(Debug, Clone, Deserialize)]
pub struct Coming {
    at: String,
    what: String,
    name: String,
    #[serde(default)]
    keystore: String,
    #[serde(default)]
    why: String,
}

impl Row for Coming {
    const HEADER: &'static [&'static str] = &["when", "what", "key", "keystore", "why"];

    fn cells(&self) -> Vec<String> {
        vec![time(&self.at), self.what.clone(), self.name.clone(), self.keystore.clone(), self.why.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::{grid, sheet};

    fn alert() -> Alert {
        let json = serde_json::json!({
            "id": "alert_1", "kind": "key-expires", "subject": "key_1", "created_at": "2026-11-21T23:44:55Z",
            "facts": {"key": "orders", "keystore": "eu", "policy": "alert", "expires_at": "2026-12-21T23:44:55Z", "mend": "Renew it."},
            "deliveries": [
                {"channel": "mail:ops@example.com", "state": "DELIVERED", "attempts": 1, "last_error": null, "delivered_at": "2026-11-21T23:50:00Z"},
                {"channel": "webhook:h", "state": "PENDING", "attempts": 2, "last_error": "refused: the receiver answered 500", "delivered_at": null}
            ]
        });
        serde_json::from_value(json).expect("an alert")
    }

    #[test]
    fn an_alert_as_a_line() {
        let expected = "\
WHEN               ALERT        KEY     KEYSTORE  ENDS               DELIVERIES              ID
2026-11-21 23:44Z  key-expires  orders  eu        2026-12-21 23:44Z  1 DELIVERED, 1 PENDING  alert_1
";
        assert_eq!(grid(Alert::HEADER, vec![alert().cells()]), expected);
        assert!(alert().was_tried());
    }

    #[test]
    fn an_alert_told_whole() {
        let told = format!("{}{}", sheet(alert().fields()), alert().below());
        assert!(told.contains("mend      Renew it.\n") && told.contains("webhook:h             PENDING    2 "), "{told}");
    }
}
