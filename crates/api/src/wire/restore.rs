//! Restores on the wire: what one would take, and how far one is.

use keystead_app::keystores::restore::{Outlook, Restoring};
use keystead_domain::time::SECOND;
use keystead_operations::{Problem, restore::Forecast};
use keystead_store::restores::{LeftRow, Stock};
use serde::Serialize;
use utoipa::ToSchema;

/// What cannot come back with a key that is gone.
const GONE: &str = "The cloud no longer has this key. What was encrypted under it names its id and cannot be opened by any other key there, even one with the same \
                    material. Make it anew with the same material, `keystead key recreate NAME --dry-run` says what for, or with new material: `keystead key renew NAME`.";

/// What a restore would take.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "keystore": "frankfurt", "keeps_warm": true,
    "all": { "keys": 300, "warm": 300, "cold": 0, "seconds": 21, "tightest": "import", "calls": [{ "call": "import", "count": 300, "seconds": 21 }] },
    "lost": { "keys": 0, "warm": 0, "cold": 0, "seconds": 1, "tightest": "observe", "calls": [{ "call": "observe", "count": 300, "seconds": 1 }] },
    "order": [{ "importance": 1, "keys": 12 }, { "importance": 5, "keys": 288 }]
}))]
pub(crate) struct RestoreForecast {
    /// The keystore's name.
    keystore: String,
    /// Whether import parameters of its keys are fetched ahead.
    keeps_warm: bool,
    /// If every key has lost its material.
    all: Expected,
    /// If those alone have lost it of which that is known.
    lost: Expected,
    /// How many keys come at which turn.
    order: Vec<Turn>,
}

/// How long a restore of some keys takes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Expected {
    /// How many keys.
    keys: i64,
    /// Of those, the ones whose import parameters are here.
    warm: i64,
    /// The others.
    cold: i64,
    /// How long it takes, in whole seconds.
    seconds: i64,
    /// The call whose quota decides about that.
    #[schema(required)]
    tightest: Option<&'static str>,
    /// Call by call. The first line is the look at all keys, which comes before; of the others, which go side by side, the longest counts.
    calls: Vec<ExpectedCalls>,
}

/// The calls of one kind that a restore makes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExpectedCalls {
    /// Which call: the word of the quota.
    call: &'static str,
    /// How many.
    count: u64,
    /// How long they take under their quota, in whole seconds.
    seconds: i64,
}

/// How many keys of one importance there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Turn {
    /// 1 comes first, 9 last.
    importance: u32,
    /// How many.
    keys: u64,
}

impl From<Outlook> for RestoreForecast {
    fn from(outlook: Outlook) -> Self {
        let Outlook { keystore, keeps_warm, all, all_takes, lost, lost_takes, order } = outlook;
        let order = order.into_iter().map(|(importance, keys)| Turn { importance: importance.get(), keys }).collect();
        Self { keystore: keystore.name, keeps_warm, all: Expected::of(&all, &all_takes), lost: Expected::of(&lost, &lost_takes), order }
    }
}

impl Expected {
    fn of(stock: &Stock, takes: &Forecast) -> Self {
        let calls = takes.calls.iter().map(|load| ExpectedCalls { call: load.call.as_str(), count: load.count, seconds: seconds(load.micros) });
        Self {
            keys: stock.keys,
            warm: stock.warm,
            cold: stock.keys - stock.warm,
            seconds: seconds(takes.micros),
            tightest: takes.tightest.map(keystead_cloud::Call::as_str),
            calls: calls.collect(),
        }
    }
}

/// Whole seconds, rounded up: what takes a moment is not told as nothing.
const fn seconds(micros: i64) -> i64 {
    (micros + SECOND - 1) / SECOND
}

/// How far a restore is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Restore {
    /// Keys that were looked at.
    looked: i64,
    /// Of those, the ones whose material was gone.
    lost: i64,
    /// Those that have it again.
    restored: i64,
    /// Those whose upload runs.
    running: i64,
    /// Those whose turn has not come.
    waiting: i64,
    /// Those that did not get it.
    failed: i64,
    /// Keys that the cloud no longer has.
    gone: i64,
    /// Keys that the cloud does not let be looked at.
    hidden: i64,
    /// The first of those that failed or are gone.
    left: Vec<LeftKey>,
}

/// A key that did not get its material back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeftKey {
    /// Id.
    id: String,
    /// Name.
    name: String,
    /// The cloud's name.
    #[schema(required)]
    cloud_arn: Option<String>,
    /// Whether the cloud no longer has the key itself.
    gone: bool,
    /// Why.
    why: String,
    /// What to do.
    mend: String,
}

impl Restore {
    /// Of its rows.
    pub fn of(restoring: Restoring) -> Self {
        let Restoring { row, tally, left } = restoring;
        Self {
            looked: row.looked,
            lost: tally.waiting + tally.running + tally.restored + tally.failed,
            restored: tally.restored,
            running: tally.running,
            waiting: tally.waiting,
            failed: tally.failed,
            gone: tally.gone,
            hidden: row.hidden,
            left: left.into_iter().map(LeftKey::of).collect(),
        }
    }
}

impl LeftKey {
    fn of(row: LeftRow) -> Self {
        let problem = row.problem.as_deref().and_then(Problem::from_json);
        let (why, mend) = match problem {
            Some(problem) => (problem.detail, problem.mend),
            None if !row.is_gone => ("Nothing says why.".to_owned(), "Look at the key: `keystead key show`.".to_owned()),
            None => (GONE.to_owned(), "Look in the cloud's audit trail who deleted it.".to_owned()),
        };
        Self { id: row.key_id.to_string(), name: row.name, cloud_arn: row.cloud_arn, gone: row.is_gone, why, mend }
    }
}
