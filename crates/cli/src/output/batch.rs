//! Batches and their plans: how they look.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Row, Sheet,
    dependants::Dependants,
    table::{section, time},
};

/// An action on many keys.
#[derive(Debug, Clone, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: String,
    /// What is done.
    pub action: String,
    #[serde(default)]
    selector: Value,
    state: String,
    /// How many keys it is about.
    pub keys: u64,
    /// How many stand where.
    pub counts: Counts,
    #[serde(default)]
    created_by_name: String,
    #[serde(default)]
    created_at: String,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<String>,
}

/// How many keys stand where.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Counts {
    /// Not begun.
    pub waiting: u64,
    /// Begun.
    pub running: u64,
    /// Succeeded.
    pub done: u64,
    /// Nothing had to be done, or the batch was stopped.
    pub skipped: u64,
    /// Refused, or failed.
    pub failed: u64,
}

impl Counts {
    /// How many have their outcome.
    pub fn ended(self) -> u64 {
        self.done + self.skipped + self.failed
    }
}

impl Row for Batch {
    const HEADER: &'static [&'static str] = &["id", "action", "state", "keys", "done", "skipped", "failed", "begun by", "begun"];

    fn cells(&self) -> Vec<String> {
        let Self { id, action, state, keys, counts, created_by_name, created_at, .. } = self.clone();
        let Counts { done, skipped, failed, .. } = counts;
        vec![id, action, state, keys.to_string(), done.to_string(), skipped.to_string(), failed.to_string(), created_by_name, time(&created_at)]
    }
}

impl Sheet for Batch {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let Counts { waiting, running, done, skipped, failed } = self.counts;
        vec![
            ("id", Some(self.id.clone())),
            ("action", Some(self.action.clone())),
            ("selector", Some(self.selector.to_string())),
            ("state", Some(self.state.clone())),
            ("keys", Some(self.keys.to_string())),
            ("waiting", (waiting > 0).then(|| waiting.to_string())),
            ("running", (running > 0).then(|| running.to_string())),
            ("done", Some(done.to_string())),
            ("skipped", Some(skipped.to_string())),
            ("failed", Some(failed.to_string())),
            ("begun by", Some(self.created_by_name.clone())),
            ("begun at", Some(time(&self.created_at))),
            ("ended at", self.finished_at.as_deref().map(time)),
        ]
    }
}

/// A key of a batch.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    position: u64,
    name: String,
    keystore: String,
    state: String,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    problem: Option<Why>,
}

/// Why something waits, was skipped or failed.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Why {
    detail: String,
    mend: String,
}

impl Why {
    /// As people read it.
    pub fn told(&self) -> String {
        format!("{} {}", self.detail, self.mend)
    }
}

impl Row for Item {
    const HEADER: &'static [&'static str] = &["place", "key", "keystore", "state", "operation", "why"];

    fn cells(&self) -> Vec<String> {
        let Self { position, name, keystore, state, operation, problem } = self.clone();
        let why = problem.map(|why| why.told()).unwrap_or_default();
        vec![position.to_string(), name, keystore, state, operation.unwrap_or_default(), why]
    }
}

/// What an action would come to.
#[derive(Debug, Clone, Deserialize)]
pub struct Plan {
    /// How many keys it is about.
    pub keys: u64,
    /// The digest of these keys.
    #[serde(default)]
    pub digest: Option<String>,
    /// How many would change.
    pub changes: u64,
    already_so: u64,
    refused: u64,
    takes_seconds: u64,
    cost_cents_month: i64,
    #[serde(default)]
    prices: Option<PriceSource>,
    keystores: Vec<Keystore>,
    first: Vec<Planned>,
    #[serde(default)]
    first_refused: Vec<Planned>,
    #[serde(default)]
    dependants: Option<Dependants>,
}

/// Where prices come from.
#[derive(Debug, Clone, Deserialize)]
pub struct PriceSource {
    source: String,
    date: String,
}

impl PriceSource {
    /// As people read it.
    pub fn told(&self) -> String {
        format!("{}, read {}", self.source, self.date)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Keystore {
    keystore: String,
    changes: u64,
    already_so: u64,
    refused: u64,
    takes_seconds: u64,
    #[serde(default)]
    cost_cents_month: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Planned {
    key: String,
    name: String,
    keystore: String,
    verdict: String,
    #[serde(default)]
    problem: Option<Why>,
}

impl Planned {
    fn cells(&self) -> Vec<String> {
        let why = self.problem.as_ref().map(Why::told).unwrap_or_default();
        vec![self.name.clone(), self.keystore.clone(), self.verdict.clone(), why]
    }
}

impl Sheet for Plan {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let mut fields = vec![
            ("keys", Some(self.keys.to_string())),
            ("would change", Some(self.changes.to_string())),
            ("already so", Some(self.already_so.to_string())),
            ("refused", Some(self.refused.to_string())),
            ("takes", Some(span(self.takes_seconds))),
            ("costs", self.prices.as_ref().map(|_| dollars(self.cost_cents_month))),
            ("prices", self.prices.as_ref().map(|prices| format!("{}, read {}", prices.source, prices.date))),
        ];
        fields.extend(self.dependants.iter().flat_map(Dependants::fields));
        fields
    }

    fn below(&self) -> String {
        let cost = |cents: Option<i64>| cents.map_or(String::new(), dollars);
        let keystores = self.keystores.iter().map(|one| {
            let Keystore { keystore, changes, already_so, refused, takes_seconds, cost_cents_month } = one.clone();
            vec![keystore, changes.to_string(), already_so.to_string(), refused.to_string(), span(takes_seconds), cost(cost_cents_month)]
        });
        let mut text = section("keystores", &["keystore", "would change", "already so", "refused", "takes", "costs"], keystores.collect());
        let is_shown = |planned: &&Planned| !self.first.iter().any(|shown| shown.key == planned.key);
        let keys = self.first.iter().chain(self.first_refused.iter().filter(is_shown));
        text.push_str(&section("keys", &["key", "keystore", "verdict", "why"], keys.map(Planned::cells).collect()));
        text
    }
}

/// A span of seconds as people say it, in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// US cents a month.
pub(super) fn dollars(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}${}.{:02} a month", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::{grid, sheet};

    #[test]
    fn a_plan_says_what_would_change_how_long_it_takes_and_what_it_costs() {
        let plan: Plan = serde_json::from_value(serde_json::json!({
            "keys": 3, "changes": 1, "already_so": 1, "refused": 1, "takes_seconds": 75, "cost_cents_month": -150,
            "prices": { "key_cents_month": 100, "source": "AWS", "date": "2026-11-21" },
            "keystores": [{ "keystore": "eu", "changes": 1, "already_so": 1, "refused": 1, "takes_seconds": 75, "cost_cents_month": -150 }],
            "first": [{ "key": "key_1", "name": "a", "keystore": "eu", "verdict": "changes", "problem": null }],
            "first_refused": [{ "key": "key_2", "name": "b", "keystore": "eu", "verdict": "refused", "problem": { "type": "t", "detail": "It is so.", "mend": "Do that." } }]
        }))
        .expect("a plan");
        let text = format!("{}{}", sheet(plan.fields()), plan.below());
        for words in ["1 min 15 s", "-$1.50 a month", "AWS, read 2026-11-21", "It is so. Do that."] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn a_batch_as_a_line() {
        let batch: Batch = serde_json::from_value(serde_json::json!({
            "id": "batch_1", "action": "deactivate", "selector": { "tags": ["env=test"] }, "state": "DONE", "keys": 3,
            "counts": { "waiting": 0, "running": 0, "done": 1, "skipped": 1, "failed": 1 }, "created_by_name": "ann", "created_at": "2026-11-21T23:44:55Z", "finished_at": null
        }))
        .expect("a batch");
        let expected = "\
ID       ACTION      STATE  KEYS  DONE  SKIPPED  FAILED  BEGUN BY  BEGUN
batch_1  deactivate  DONE   3     1     1        1       ann       2026-11-21 23:44Z
";
        assert_eq!(grid(Batch::HEADER, vec![batch.cells()]), expected);
        assert_eq!((batch.counts.ended(), span(59), span(7260)), (3, "59 s".to_owned(), "2 h 1 min".to_owned()));
    }
}
