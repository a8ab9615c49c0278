//! A plan in a file: the estate that was planned, what the server said, and a hash over both, so that a file that somebody changed is not applied.

use std::{collections::BTreeMap, fs, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use keystead_domain::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Places;
use crate::{error::CliError, problem::Problem};

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

    /// What the server plans now is what the file keeps. The hash has no key, so that whoever writes a file can make it fit: only the server's word counts.
    ///
    /// # Errors
    /// [`CliError::Refused`] for a plan that is stale, or that never was one of this estate.
    pub fn demand_current(&self, planned: &Value) -> Result<(), CliError> {
        if self.plan["digest"].is_string() && self.plan["digest"] == planned["digest"] {
            return Ok(());
        }
        let moved = self.moved(planned);
        let what =
            if moved.is_empty() { "What it would do is something else now".to_owned() } else { format!("These have changed since: {}", moved.join(", ")) };
        let detail = format!("The plan was made for another state of things. {what}. Nothing was done.");
        let problem = Problem::own("plan-stale", "The plan is stale", detail, "Plan again, look at it, and apply that plan.");
        Err(CliError::Refused(Box::new(Problem { status: Some(409), ..problem })))
    }

    /// The keys that the file saw otherwise, or that the server does not see.
    fn moved(&self, planned: &Value) -> Vec<&str> {
        let seen = planned["seen"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_same = |key: &Value| seen.iter().any(|now| now["key"] == key["key"] && now["revision"] == key["revision"]);
        let before = self.plan["seen"].as_array().map(Vec::as_slice).unwrap_or_default();
        before.iter().filter(|key| !is_same(key)).filter_map(|key| key["name"].as_str()).collect()
    }

    /// What is sent to have done what the server planned.
    pub fn order(&self, planned: &Value) -> Value {
        json!({ "estate": self.estate, "digest": planned["digest"], "seen": planned["seen"] })
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
        assert_eq!((read.places(), &read.order(&read.plan)["digest"]), (places, &json!("d")));
        assert!(read.demand_current(&json!({ "digest": "d" })).is_ok() && read.demand_current(&json!({ "digest": "e" })).is_err());
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
