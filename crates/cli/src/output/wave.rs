//! Waves: how the rotation of copies behind their source looks.

use serde::Deserialize;

use super::{Row, table::time};

/// The rotation of a copy behind its source's.
#[derive(Debug, Clone, Deserialize)]
pub struct Wave {
    name: String,
    keystore: String,
    wave: u64,
    state: String,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    asked_at: String,
}

impl Row for Wave {
    const HEADER: &'static [&'static str] = &["wave", "copy", "keystore", "state", "asked", "operation"];

    fn cells(&self) -> Vec<String> {
        let operation = self.operation.clone().unwrap_or_default();
        vec![self.wave.to_string(), self.name.clone(), self.keystore.clone(), self.state.clone(), time(&self.asked_at), operation]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn a_wave_as_a_line() {
        let json = serde_json::json!({"key": "key_2", "name": "orders_copy1", "keystore": "payments-us", "wave": 1, "state": "PENDING", "source_key": "key_3",
            "operation": null, "asked_by": "user_1", "asked_at": "2026-11-21T23:44:55Z"});
        let wave: Wave = serde_json::from_value(json).expect("a wave");
        let expected = "\
WAVE  COPY          KEYSTORE     STATE    ASKED              OPERATION
1     orders_copy1  payments-us  PENDING  2026-11-21 23:44Z  -
";
        assert_eq!(grid(Wave::HEADER, vec![wave.cells()]), expected);
    }
}
