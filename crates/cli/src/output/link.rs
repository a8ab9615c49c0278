//! Links between keys: how they look.

use serde::Deserialize;

use super::{Row, table::time};

/// That a key is a copy of another.
#[derive(Debug, Clone, Deserialize)]
pub struct Link {
    name: String,
    state: String,
    keystore: String,
    source_name: String,
    source_keystore: String,
    #[serde(default)]
    copied_by: String,
    #[serde(default)]
    copied_by_name: String,
    #[serde(default)]
    copied_at: String,
}

impl Row for Link {
    const HEADER: &'static [&'static str] = &["copy", "state", "keystore", "source", "of keystore", "copied", "by"];

    fn cells(&self) -> Vec<String> {
        let by = if self.copied_by_name.is_empty() { self.copied_by.clone() } else { self.copied_by_name.clone() };
        vec![self.name.clone(), self.state.clone(), self.keystore.clone(), self.source_name.clone(), self.source_keystore.clone(), time(&self.copied_at), by]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn a_link_as_a_line() {
        let json = serde_json::json!({"key": "key_2", "name": "orders_copy1", "state": "ACTIVE", "keystore": "payments-us", "source_key": "key_1", "source_name": "orders",
            "source_state": "ACTIVE", "source_keystore": "payments-eu", "copied_by": "user_1", "copied_by_name": "ann", "copied_at": "2026-11-21T23:44:55Z"});
        let link: Link = serde_json::from_value(json).expect("a link");
        let expected = "\
COPY          STATE   KEYSTORE     SOURCE  OF KEYSTORE  COPIED             BY
orders_copy1  ACTIVE  payments-us  orders  payments-eu  2026-11-21 23:44Z  ann
";
        assert_eq!(grid(Link::HEADER, vec![link.cells()]), expected);
    }
}
