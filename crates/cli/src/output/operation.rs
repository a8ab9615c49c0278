//! Operations: what they are to this client, and how they look.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Row, Sheet,
    restore::Restored,
    table::{section, time},
};
use crate::problem::Problem;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It runs, or waits.
    Running,
    /// It reached its end.
    Succeeded,
    /// It was taken back.
    Failed,
}

impl State {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }
}

/// A durable change in several steps.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What it does: `renew-key`.
    pub kind: String,
    /// Where it stands.
    pub state: State,
    /// The key that it changes.
    #[serde(default)]
    pub key: Option<String>,
    /// The keystore of that key.
    #[serde(default)]
    pub keystore: Option<String>,
    /// Steps done.
    #[serde(default)]
    pub step: u64,
    /// Steps in all.
    #[serde(default)]
    pub steps: u64,
    /// What is done now.
    #[serde(default)]
    pub step_name: String,
    /// How often the present step was tried.
    #[serde(default)]
    pub attempts: u64,
    /// What it waits for, or why it failed.
    #[serde(default)]
    pub problem: Option<Problem>,
    /// Who asked for it.
    #[serde(default)]
    pub created_by: Option<String>,
    /// When.
    #[serde(default)]
    pub created_at: String,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<String>,
    /// What a sync has found so far.
    #[serde(default)]
    pub sync: Option<Sync>,
    /// How far a restore is.
    #[serde(default)]
    pub restore: Option<Restored>,
    /// What was done, when one operation is shown.
    #[serde(default)]
    journal: Vec<Journaled>,
}

/// What a sync has found.
#[derive(Debug, Clone, Deserialize)]
pub struct Sync {
    found: u64,
    new: u64,
    changed: u64,
    vanished: u64,
    own: u64,
    different: u64,
    #[serde(default)]
    elsewhere: u64,
    unknown: u64,
    #[serde(default)]
    unknown_keys: Vec<UnknownKey>,
    #[serde(default)]
    left_out: u64,
}

/// A key that gets no virtual key.
#[derive(Debug, Clone, Deserialize)]
struct UnknownKey {
    arn: String,
    why: String,
}

impl Sync {
    /// In a line.
    pub fn told(&self) -> String {
        let Self { found, new, changed, vanished, own, different, .. } = self;
        format!("{found} keys found: {new} new, {changed} changed, {own} of Keystead's own ({different} differ); {vanished} vanished")
    }

    /// What has no virtual key, in a line; `None` when everything has one.
    fn left(&self) -> Option<String> {
        let counted = [(self.unknown, "unknown"), (self.elsewhere, "of another keystore or in the making"), (self.left_out, "of the cloud's own")];
        let told: Vec<String> = counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        Some(told.join(", ")).filter(|told| !told.is_empty())
    }
}

/// A row of the journal.
#[derive(Debug, Clone, Deserialize)]
struct Journaled {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    at: String,
    #[serde(default)]
    step: Value,
    #[serde(default)]
    name: String,
    #[serde(default)]
    phase: String,
}

/// What a request for a change is answered with.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// The operation that runs now; none when it was already so.
    pub operation: Option<Operation>,
    /// The key as it stands now.
    #[serde(default)]
    pub key: Option<Value>,
    /// Whether nothing had to be done.
    #[serde(default)]
    pub no_op: bool,
}

/// The kind in words: `renew-key` is "renew key".
pub fn kind_words(kind: &str) -> String {
    kind.to_lowercase().replace(['-', '_'], " ")
}

impl Operation {
    fn progress(&self) -> String {
        format!("{}/{}", self.step, self.steps)
    }
}

impl Row for Operation {
    const HEADER: &'static [&'static str] = &["id", "operation", "state", "step", "doing", "started", "waits for"];

    fn cells(&self) -> Vec<String> {
        let waits = self.problem.as_ref().map_or(String::new(), |problem| problem.slug().to_owned());
        vec![self.id.clone(), kind_words(&self.kind), self.state.as_str().to_owned(), self.progress(), self.step_name.clone(), time(&self.created_at), waits]
    }
}

impl Sheet for Operation {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let problem = self.problem.as_ref();
        vec![
            ("id", Some(self.id.clone())),
            ("operation", Some(kind_words(&self.kind))),
            ("state", Some(self.state.as_str().to_owned())),
            ("step", Some(format!("{} {}", self.progress(), self.step_name))),
            ("attempts", Some(self.attempts).filter(|attempts| *attempts > 1).map(|attempts| attempts.to_string())),
            ("key", self.key.clone()),
            ("keystore", self.keystore.clone()),
            ("sync", self.sync.as_ref().map(Sync::told)),
            ("left out", self.sync.as_ref().and_then(Sync::left)),
            ("restore", self.restore.as_ref().map(Restored::told)),
            ("problem", problem.map(|problem| problem.detail.clone())),
            ("mend", problem.map(|problem| problem.mend.clone())),
            ("cloud code", problem.and_then(|problem| problem.cloud_code.clone())),
            ("cloud request", problem.and_then(|problem| problem.cloud_request.clone())),
            ("asked by", self.created_by.clone()),
            ("started", Some(time(&self.created_at))),
            ("ended", self.finished_at.as_deref().map(time)),
        ]
    }

    fn below(&self) -> String {
        let rows = self.journal.iter().map(|row| vec![row.seq.to_string(), time(&row.at), row.step.to_string(), row.name.clone(), row.phase.clone()]);
        let strangers = self.sync.iter().flat_map(|sync| &sync.unknown_keys).map(|key| vec![key.arn.clone(), key.why.clone()]);
        let strangers = section("Without a virtual key", &["key", "why"], strangers.collect());
        let left = self.restore.as_ref().map(Restored::named).unwrap_or_default();
        format!("{strangers}{left}{}", section("Journal", &["seq", "at", "step", "name", "phase"], rows.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::{grid, sheet};

    fn operation() -> Operation {
        let json = serde_json::json!({
            "id": "op_1", "kind": "renew-key", "state": "RUNNING", "key": "key_1", "keystore": "payments-eu", "step": 4, "steps": 9,
            "step_name": "import material", "attempts": 3, "created_by": "ann", "created_at": "2026-11-21T23:44:55Z", "finished_at": null,
            "problem": {"type": "cloud-access-denied", "detail": "Refused.", "mend": "Allow it.", "cloud_code": "AccessDenied", "cloud_request": "7b"},
            "journal": [{"seq": 1, "at": "2026-11-21T23:44:56Z", "step": 1, "name": "create cloud key", "phase": "about-to", "record": {}}]
        });
        serde_json::from_value(json).expect("an operation")
    }

    #[test]
    fn an_operation_as_a_line() {
        let expected = "\
ID    OPERATION  STATE    STEP  DOING            STARTED            WAITS FOR
op_1  renew key  RUNNING  4/9   import material  2026-11-21 23:44Z  cloud-access-denied
";
        assert_eq!(grid(Operation::HEADER, vec![operation().cells()]), expected);
    }

    #[test]
    fn a_sync_is_told_with_its_counts() {
        let json = serde_json::json!({"found": 12, "new": 3, "changed": 1, "vanished": 1, "own": 2, "different": 1, "unknown": 1, "left_out": 2,
            "unknown_keys": [{"arn": "arn:aws:kms:eu-west-1:1:key/9", "why": "is of a kind that Keystead does not know: ML_DSA_44 SIGN_VERIFY"}]});
        let told = Operation { sync: Some(serde_json::from_value(json).expect("a sync")), ..operation() };
        let whole = format!("{}{}", sheet(told.fields()), told.below());
        assert!(whole.contains("12 keys found: 3 new, 1 changed, 2 of Keystead's own (1 differ); 1 vanished"), "{whole}");
        assert!(whole.contains("1 unknown, 2 of the cloud's own") && whole.contains("ML_DSA_44"), "{whole}");
    }

    #[test]
    fn an_operation_told_whole() {
        let expected = "\
id             op_1
operation      renew key
state          RUNNING
step           4/9 import material
attempts       3
key            key_1
keystore       payments-eu
problem        Refused.
mend           Allow it.
cloud code     AccessDenied
cloud request  7b
asked by       ann
started        2026-11-21 23:44Z

Journal
SEQ  AT                 STEP  NAME              PHASE
1    2026-11-21 23:44Z  1     create cloud key  about-to
";
        assert_eq!(format!("{}{}", sheet(operation().fields()), operation().below()), expected);
    }
}
