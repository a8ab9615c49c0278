//! A plan in a file: the estate that was planned, what the server said, and a hash over both, so that a file that somebody changed is not applied.

use std::{collections::BTreeMap, fs, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use keystead_domain::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Places;
use crate::error::CliError;

/// The form of plan files.
const FORMAT: u32 = 1;

/// A plan that was kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    format: u32,
    /// The estate that was planned.
    pub estate: Value,
    /// What the server said.
    pub plan: Value,
    /// Where each value of the estate stood.
    places: BTreeMap<String, String>,
    sha256: String,
}

impl PlanFile {
    /// A plan as it is kept.
    pub fn new(estate: Value, plan: Value, places: Places) -> Self {
        let sha256 = hash(&estate, &plan, &places.0);
        Self { format: FORMAT, estate, plan, places: places.0, sha256 }
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub fn write(&self, path: &Path) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| CliError::Local(format!("The plan cannot be written: {error}.")))?;
        fs::write(path, format!("{text}\n")).map_err(|reason| CliError::writing(path, reason))
    }

    /// Reads it, and sees whether it is as it was written.
    ///
    /// # Errors
    /// [`CliError::File`]; [`CliError::Invalid`] for a file that is none, or that somebody changed.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path).map_err(|reason| CliError::reading(path, reason))?;
        let name = path.display().to_string();
        let refuse = |reason: String, mend: &str| CliError::from(Invalid::new(name.clone(), reason, mend));
        let mend = "Make one: `keystead plan FILE... --out plan.json`.";
        let read: Self = serde_json::from_str(&text).map_err(|error| refuse(format!("is no plan: line {}", error.line()), mend))?;
        if read.format != FORMAT {
            return Err(refuse(format!("is a plan of the form {}, which this Keystead does not read", read.format), mend));
        }
        if read.sha256 != hash(&read.estate, &read.plan, &read.places) {
            return Err(refuse(
                "has a hash that does not fit: somebody changed it since it was made".to_owned(),
                "Plan again, and look at it. Nothing was done.",
            ));
        }
        Ok(read)
    }

    /// Where values of its estate stood.
    pub fn places(&self) -> Places {
        Places(self.places.clone())
    }

    /// What is sent to have it done.
    pub fn order(&self) -> Value {
        json!({ "estate": self.estate, "digest": self.plan["digest"], "seen": self.plan["seen"] })
    }
}

/// SHA-256 over everything else; names in JSON objects are sorted.
fn hash(estate: &Value, plan: &Value, places: &BTreeMap<String, String>) -> String {
    let text = json!({ "format": FORMAT, "estate": estate, "plan": plan, "places": places }).to_string();
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written_and_one_that_somebody_changed_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("plan.json");
        let places = Places(BTreeMap::from([("keys[0]".to_owned(), "a.toml:1".to_owned())]));
        let plan = PlanFile::new(json!({ "keys": [{ "name": "a" }] }), json!({ "digest": "d", "changes": [], "seen": [] }), places.clone());
        plan.write(&path).expect("is written");
        let read = PlanFile::read(&path).expect("is read");
        assert_eq!((read.places(), &read.order()["digest"]), (places, &json!("d")));
        let text = fs::read_to_string(&path).expect("a text");
        for (from, to) in [("\"name\": \"a\"", "\"name\": \"b\""), ("\"d\"", "\"e\""), ("a.toml:1", "b.toml:1")] {
            fs::write(&path, text.replace(from, to)).expect("is written");
            let refused = PlanFile::read(&path).expect_err("is refused");
            assert!(matches!(&refused, CliError::Invalid(invalid) if invalid.reason.contains("hash that does not fit")), "{refused:?}");
        }
        fs::write(&path, "{}").expect("is written");
        assert!(matches!(PlanFile::read(&path), Err(CliError::Invalid(invalid)) if invalid.reason.starts_with("is no plan")));
    }
}
