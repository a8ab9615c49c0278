//! Plans of estates and their applies: how they look.

use serde::Deserialize;

use super::{
    Row, Sheet,
    batch::{Counts, PriceSource, Why, dollars, span},
    table::{section, time},
};

/// What would be done.
#[derive(Debug, Clone, Deserialize)]
pub struct EstatePlan {
    digest: String,
    /// The exact changes.
    pub changes: Vec<PlannedChange>,
    unchanged: u64,
    /// How many are dangerous to somebody.
    pub dangerous: u64,
    takes_seconds: u64,
    cost_cents_month: i64,
    #[serde(default)]
    prices: Option<PriceSource>,
}

/// One change.
#[derive(Debug, Clone, Deserialize)]
pub struct PlannedChange {
    position: u64,
    action: String,
    name: String,
    #[serde(default)]
    keystore: Option<String>,
    fields: Vec<Field>,
    dangers: Vec<Danger>,
}

#[derive(Debug, Clone, Deserialize)]
struct Field {
    field: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Danger {
    detail: String,
}

impl Field {
    fn told(&self) -> String {
        let shown = |text: &Option<String>| match text.as_deref() {
            None => "none".to_owned(),
            Some("") => "\"\"".to_owned(),
            Some(text) => text.to_owned(),
        };
        match &self.from {
            None => format!("{}: {}", self.field, shown(&self.to)),
            Some(_) => format!("{}: {} -> {}", self.field, shown(&self.from), shown(&self.to)),
        }
    }
}

impl PlannedChange {
    fn cells(&self) -> Vec<String> {
        let fields: Vec<String> = self.fields.iter().map(Field::told).collect();
        let name = if self.name.is_empty() { "(default)".to_owned() } else { self.name.clone() };
        let keystore = self.keystore.clone().filter(|keystore| *keystore != self.name).unwrap_or_default();
        vec![self.position.to_string(), self.action.clone(), name, keystore, fields.join("; ")]
    }

    fn danger(&self) -> Vec<Vec<String>> {
        self.dangers.iter().map(|danger| vec![self.position.to_string(), self.action.clone(), self.name.clone(), danger.detail.clone()]).collect()
    }
}

impl Sheet for EstatePlan {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let is_empty = self.changes.is_empty();
        vec![
            ("changes", Some(if is_empty { "none: everything is as the files say".to_owned() } else { self.changes.len().to_string() })),
            ("as they are", Some(self.unchanged.to_string())),
            ("dangerous", (self.dangerous > 0).then(|| self.dangerous.to_string())),
            ("takes", (!is_empty).then(|| format!("{}, under the quotas", span(self.takes_seconds)))),
            ("costs", self.prices.as_ref().map(|_| dollars(self.cost_cents_month))),
            ("prices", self.prices.as_ref().map(PriceSource::told)),
            ("digest", Some(self.digest.clone())),
        ]
    }

    fn below(&self) -> String {
        let mut text = section("changes", &["place", "action", "name", "keystore", "what"], self.changes.iter().map(PlannedChange::cells).collect());
        let dangers: Vec<Vec<String>> = self.changes.iter().flat_map(PlannedChange::danger).collect();
        text.push_str(&section("dangers", &["place", "action", "name", "danger"], dangers));
        text
    }
}

/// A plan that is being done, or was.
#[derive(Debug, Clone, Deserialize)]
pub struct Apply {
    /// Its id.
    pub id: String,
    digest: String,
    state: String,
    /// How many changes it has.
    pub changes: u64,
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

impl Row for Apply {
    const HEADER: &'static [&'static str] = &["id", "state", "changes", "done", "skipped", "failed", "begun by", "begun"];

    fn cells(&self) -> Vec<String> {
        let Self { id, state, changes, counts, created_by_name, created_at, .. } = self.clone();
        let Counts { done, skipped, failed, .. } = counts;
        vec![id, state, changes.to_string(), done.to_string(), skipped.to_string(), failed.to_string(), created_by_name, time(&created_at)]
    }
}

impl Sheet for Apply {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let Counts { waiting, running, done, skipped, failed } = self.counts;
        vec![
            ("id", Some(self.id.clone())),
            ("digest", Some(self.digest.clone())),
            ("state", Some(self.state.clone())),
            ("changes", Some(self.changes.to_string())),
            ("waiting", (waiting > 0).then(|| waiting.to_string())),
            ("running", (running > 0).then(|| running.to_string())),
            ("done", Some(done.to_string())),
            ("skipped", (skipped > 0).then(|| skipped.to_string())),
            ("failed", (failed > 0).then(|| failed.to_string())),
            ("begun by", Some(self.created_by_name.clone())),
            ("begun at", Some(time(&self.created_at))),
            ("ended at", self.finished_at.as_deref().map(time)),
        ]
    }
}

/// A change of an apply.
#[derive(Debug, Clone, Deserialize)]
pub struct Change {
    position: u64,
    action: String,
    name: String,
    #[serde(default)]
    keystore: Option<String>,
    state: String,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    problem: Option<Why>,
}

impl Row for Change {
    const HEADER: &'static [&'static str] = &["place", "action", "name", "keystore", "state", "operation", "why"];

    fn cells(&self) -> Vec<String> {
        let Self { position, action, name, keystore, state, operation, problem } = self.clone();
        let why = problem.map(|why| why.told()).unwrap_or_default();
        vec![position.to_string(), action, name, keystore.unwrap_or_default(), state, operation.unwrap_or_default(), why]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::sheet;

    #[test]
    fn a_plan_says_exactly_what_changes_and_what_is_dangerous() {
        let plan: EstatePlan = serde_json::from_value(serde_json::json!({
            "digest": "abc", "unchanged": 3, "dangerous": 1, "takes_seconds": 2, "cost_cents_month": 100,
            "prices": { "key_cents_month": 100, "source": "AWS", "date": "2026-11-21" },
            "changes": [
                { "position": 1, "action": "update-key", "name": "orders", "keystore": "eu", "dangers": [{ "kind": "removes-alias", "detail": "It hurts." }],
                  "fields": [{ "field": "aliases", "from": "x", "to": "" }] },
                { "position": 2, "action": "create-key", "name": "bills", "keystore": "eu", "dangers": [], "fields": [{ "field": "spec", "from": null, "to": "AES_256" }] },
            ]
        }))
        .expect("a plan");
        let text = format!("{}{}", sheet(plan.fields()), plan.below());
        for words in ["aliases: x -> \"\"", "spec: AES_256", "It hurts.", "$1.00 a month", "dangerous"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
