//! Time to dark: what a kill found of one key, as its journal keeps it and as people read it (FT-019).

use keystead_domain::{KeyId, Timestamp};
use keystead_store::journal::JournalRow;
use serde::{Deserialize, Serialize};

/// How a key stood at the end of a kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dark {
    /// `refused`: a call of its use was refused; `shown`: the cloud shows that it is out of use, and nobody could try; `untold`: the cloud could not be asked.
    pub proof: String,
    /// From the operation's begin to the proof, in microseconds: dark at the latest then.
    pub micros: Option<i64>,
    /// What answered: a call and its code, or the state that the cloud shows.
    pub by: String,
}

impl Dark {
    pub(crate) fn refused(began: Timestamp, now: Timestamp, call: &str, code: &str) -> Self {
        Self { proof: "refused".to_owned(), micros: Some(now.as_micros() - began.as_micros()), by: format!("{call}: {code}") }
    }

    pub(crate) fn shown(began: Timestamp, now: Timestamp, state: &str, why: &str) -> Self {
        Self { proof: "shown".to_owned(), micros: Some(now.as_micros() - began.as_micros()), by: format!("{state} ({why})") }
    }

    pub(crate) fn untold(why: &str) -> Self {
        Self { proof: "untold".to_owned(), micros: None, by: why.to_owned() }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What the journal of a kill says of its keys.
pub fn of_journal(lines: &[JournalRow]) -> Vec<(KeyId, Dark)> {
    let confirmed = lines.iter().filter(|line| line.name == "confirm-dark" && line.phase == "done");
    confirmed.flat_map(|line| read(&line.record)).collect()
}

fn read(record: &str) -> Vec<(KeyId, Dark)> {
    let fields: std::collections::BTreeMap<String, String> = serde_json::from_str(record).unwrap_or_default();
    fields.iter().filter_map(|(key, dark)| Some((KeyId::parse(key).ok()?, serde_json::from_str(dark).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_read_back_from_the_journal_ft_019() {
        let key = KeyId::new(Timestamp::from_secs(1), [7; 10]);
        let dark = Dark::refused(Timestamp::from_secs(1), Timestamp::from_secs(3), "Encrypt", "DisabledException");
        let record = serde_json::json!({ key.to_string(): dark.to_json(), "request_id": "r-1" }).to_string();
        let line =
            |phase: &str| JournalRow { seq: 1, at: Timestamp::from_secs(3), step: 2, name: "confirm-dark".into(), phase: phase.into(), record: record.clone() };
        assert_eq!(of_journal(&[line("about")]), []);
        assert_eq!(of_journal(&[line("about"), line("done")]), [(key, dark.clone())]);
        assert_eq!(dark.micros, Some(2_000_000));
    }
}
