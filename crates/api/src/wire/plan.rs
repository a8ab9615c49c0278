//! Plans on the wire: what an action on many keys would come to.

use keystead_app::batches;
use keystead_domain::time::SECOND;
use keystead_operations::Problem;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::dependants::Dependants;
use crate::problem::type_of;

/// What an action on many keys would come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::plan::example)]
pub(crate) struct Plan {
    /// How many keys it is about.
    keys: u64,
    /// The digest of these keys, for the batch's `expect_digest`.
    digest: String,
    /// How many of them would change.
    changes: u64,
    /// How many are already so.
    already_so: u64,
    /// How many would be refused.
    refused: u64,
    /// How long it takes under the quotas, in seconds: keystores of one cloud account and Region share them, others go on side by side.
    takes_seconds: u64,
    /// What the clouds would charge more for keys, or less, in US cents a month, as far as somebody says. Requests and earlier rotations are not in it.
    cost_cents_month: i64,
    /// Where the prices come from; null where nobody says.
    #[schema(required)]
    prices: Option<PriceSource>,
    /// The same by keystore.
    keystores: Vec<PlannedKeystore>,
    /// The first 100 keys.
    first: Vec<PlannedKey>,
    /// The first 100 of those that would be refused.
    first_refused: Vec<PlannedKey>,
    /// Who depends on the keys that would change; null of an action that takes none out of use.
    #[schema(required)]
    dependants: Option<Dependants>,
}

/// Where prices come from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceSource {
    /// A key for a month, in US cents.
    key_cents_month: u32,
    /// Who says so.
    source: &'static str,
    /// When it was read.
    date: &'static str,
}

impl PriceSource {
    /// Prices as the clouds' connectors know them.
    pub fn of(prices: keystead_cloud::Prices) -> Self {
        Self { key_cents_month: prices.key_month_cents, source: prices.source, date: prices.date }
    }
}

/// A keystore in a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedKeystore {
    /// Its name.
    keystore: String,
    /// How many of its keys would change.
    changes: u64,
    /// How many are already so.
    already_so: u64,
    /// How many would be refused.
    refused: u64,
    /// How long its own changes take under the quotas, in seconds.
    takes_seconds: u64,
    /// What its cloud would charge more for keys, or less, in US cents a month; null where nobody says.
    #[schema(required)]
    cost_cents_month: Option<i64>,
}

/// A key in a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedKey {
    /// Its id.
    key: String,
    /// Its name.
    name: String,
    /// Name of its keystore.
    keystore: String,
    /// `changes`, `already-so` or `refused`.
    verdict: &'static str,
    /// Why nothing would be done.
    #[schema(required)]
    problem: Option<Why>,
}

/// Why something is not done, or waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Why {
    /// What kind of problem: a URL whose last segment is stable.
    #[serde(rename = "type")]
    kind: String,
    /// What happened, as a sentence.
    detail: String,
    /// What to do, as a sentence.
    mend: String,
}

impl Why {
    /// A problem as it is kept; `None` for what is none.
    pub fn read(text: &str) -> Option<Self> {
        Problem::from_json(text).map(Self::of)
    }

    fn of(problem: Problem) -> Self {
        Self { kind: type_of(&problem.kind), detail: problem.detail, mend: problem.mend }
    }
}

impl Plan {
    /// A plan.
    pub fn of(plan: batches::Plan) -> Self {
        let sum = |of: fn(&batches::Place) -> u64| plan.places.iter().map(of).sum();
        Self {
            keys: plan.keys,
            digest: plan.digest,
            changes: sum(|place| place.changes),
            already_so: sum(|place| place.already_so),
            refused: sum(|place| place.refused),
            takes_seconds: seconds(plan.micros),
            cost_cents_month: plan.cents_month,
            prices: plan.prices.map(PriceSource::of),
            keystores: plan.places.into_iter().map(PlannedKeystore::of).collect(),
            first: plan.first.into_iter().map(PlannedKey::of).collect(),
            first_refused: plan.refused.into_iter().map(PlannedKey::of).collect(),
            dependants: plan.dependants.map(Dependants::of),
        }
    }
}

impl PlannedKeystore {
    fn of(place: batches::Place) -> Self {
        let batches::Place { keystore, changes, already_so, refused, micros, cents_month } = place;
        Self { keystore, changes, already_so, refused, takes_seconds: seconds(micros), cost_cents_month: cents_month }
    }
}

impl PlannedKey {
    fn of(key: batches::PlannedKey) -> Self {
        Self { key: key.id.to_string(), name: key.name, keystore: key.keystore, verdict: key.verdict.as_str(), problem: key.problem.map(Why::of) }
    }
}

/// Whole seconds, rounded up: a forecast that is kept to.
pub(crate) fn seconds(micros: i64) -> u64 {
    u64::try_from((micros + SECOND - 1) / SECOND).unwrap_or(0)
}

/// A plan as the manual shows it.
pub(crate) fn example() -> Value {
    json!({
        "keys": 12, "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "changes": 11, "already_so": 1, "refused": 0, "takes_seconds": 3, "cost_cents_month": 0, "prices": null,
        "keystores": [{ "keystore": "frankfurt", "changes": 11, "already_so": 1, "refused": 0, "takes_seconds": 3, "cost_cents_month": 0 }],
        "first": [{ "key": "key_01997c1f9a5b7d0e8f4a6b2c1d3e5f60", "name": "orders", "keystore": "frankfurt", "verdict": "changes", "problem": null }],
        "first_refused": [],
        "dependants": { "looked_at": 11, "never_seen": 0, "aliases": 12, "grants": 0, "principals": 1, "first_principals": ["arn:aws:iam::123456789012:root"] }
    })
}
