//! The control plane: everything under `/_sandbox/`, in JSON, unsigned, on the same loopback listener. Nothing here is AWS's, and nothing here gives out key
//! material.
//!
//! | call | body or query | answer |
//! |---|---|---|
//! | `GET health` | | `{"status": "ok", "version": "0.1.0"}` |
//! | `GET clock` | | `{"now_micros": 1795190400000000, "now": "2026-11-20T16:00:00Z", "offset_micros": 0}` |
//! | `POST advance` | `{"micros": 86400000000}` | as `GET clock`, after everything that became due was carried out |
//! | `GET faults` | | `{"faults": [...]}`: those still to come |
//! | `POST faults` | `{"faults": [{"operation": "CreateKey", "skip": 0, "count": 1, "fault": "lost"}]}` | as `GET faults`; they are added at the end |
//! | `DELETE faults` | | as `GET faults`, empty |
//! | `GET events` | `?since=N`, default 0 | `{"events": [...], "last": N}`: the entries after number N, in CloudTrail's form with `seq` beside |
//! | `GET calls` | | `{"calls": {"DescribeKey": 12, ...}}`: how many there were of each operation |
//! | `GET state` | | `{"keys": [...]}`: id, ARN, account, Region, state, tags, aliases, materials without their bytes |
//! | `POST keys` | `{"account": "123456789012", "region": "eu-west-1", "stem": "orders", "count": 3}`, see [`seed`] | `{"keys": 3}`: enabled keys with material of AWS, made at once |
//! | `DELETE keys` | `{"key": "id or ARN"}` | `{"keys": ["arn", ...]}`: gone, as behind a countdown |
//! | `POST lose-material` | `{"key": "id or ARN"}` | `{"keys": ["arn", ...]}`: emptied as by a power failure; an id means every Region |
//! | `POST force-state` | `{"key": "id or ARN", "state": "Unavailable"}`, or `null` to end it | `{"keys": ["arn", ...]}` |
//! | `POST force-end` | `{"key": "id or ARN", "valid_to_micros": 1795190400000000}`, or `null` for none | `{"keys": ["arn", ...]}`: material that is there ends then |
//! | `POST users` | a user, see [`crate::UserSeed`] | `{}`; replaces the user of the same access key |
//! | `POST roles` | a role, see [`crate::RoleSeed`] | `{}`; replaces the role of the same ARN |
//! | `GET config` | | the members below, and `quotas_as_of`, the date of AWS's rates |
//! | `POST config` | any of `quotas`, `quota_overrides`, `latency_ms`, `visibility_ms`, `disable_lag_ms`, `events_delay_ms`, `keys_max`, `aliases_per_key_max` | as `GET config` |
//!
//! A fault is `{"operation": NAME or "*", "skip": 0, "count": 1, "fault": KIND, ...}`; `count` 0 means every call until the plan is cleared. Kinds:
//! `error` (`code`, `status` default 400, `message`), `lost`, `late` (`calls` or `millis`), `duplicate`, `delay` (`millis`), `drop`, `http_500`;
//! see [`crate::Effect`]. Only authenticated calls of AWS operations consume faults and count for `late`; a client's own retry is such a call.
//!
//! A mistake is answered with 400 or 404 and `{"error": "what is wrong and how to mend it"}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::aws::kms::key::{Countdown, Held, Key, Part};
use crate::aws::kms::realm::Realm;
use crate::aws::kms::state::KeyState;
use crate::aws::quota;
use crate::calendar::rfc3339;
use crate::clock::Micros;
use crate::config::{RoleSeed, Settings, UserSeed};
use crate::fault::Fault;
use crate::seed::{KeySeed, seed};
use crate::world::{Shared, World};

type Control = State<Arc<Shared>>;
type Outcome = Result<Response, Refusal>;

/// The routes, to be nested under `/_sandbox`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/health", get(health))
        .route("/clock", get(clock))
        .route("/advance", post(advance))
        .route("/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .route("/events", get(events))
        .route("/calls", get(calls))
        .route("/state", get(state))
        .route("/keys", post(seed_keys).delete(end_keys))
        .route("/lose-material", post(lose_material))
        .route("/force-state", post(force_state))
        .route("/force-end", post(force_end))
        .route("/users", post(put_user))
        .route("/roles", post(put_role))
        .route("/config", get(show_config).post(change_config))
        .fallback(|| async { Refusal(StatusCode::NOT_FOUND, "the control plane has no such path; see the table of the module `control`".to_owned()) })
}

/// A refused call of the control plane.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        with_status(self.0, &json!({"error": self.1}))
    }
}

fn with_status(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn ok(body: &Value) -> Outcome {
    Ok(with_status(StatusCode::OK, body))
}

fn refuse(error: impl std::fmt::Display) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, error.to_string())
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| refuse(format!("the body does not have the documented form: {error}")))
}

async fn health() -> Outcome {
    ok(&json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

async fn clock(State(shared): Control) -> Outcome {
    let now = shared.clock.now_micros();
    ok(&json!({"now_micros": now, "now": rfc3339(now), "offset_micros": shared.clock.offset_micros()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    micros: u64,
}

async fn advance(state: Control, body: Bytes) -> Outcome {
    let Advance { micros } = read(&body)?;
    state.0.advance(micros);
    clock(state).await
}

async fn list_faults(State(shared): Control) -> Outcome {
    ok(&shared.with_world(|world, _| json!({"faults": world.faults.left()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    faults: Vec<Fault>,
}

async fn add_faults(state: Control, body: Bytes) -> Outcome {
    let Faults { faults } = read(&body)?;
    state.0.with_world(|world, _| world.faults.add(faults));
    list_faults(state).await
}

async fn clear_faults(state: Control) -> Outcome {
    state.0.with_world(|world, _| world.faults.clear());
    list_faults(state).await
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn events(State(shared): Control, query: Result<Query<Since>, QueryRejection>) -> Outcome {
    let Query(Since { since }) = query.map_err(|_| refuse("since: it is not a number; give the number of the last entry you have"))?;
    let (events, last) = shared.with_world(|world, _| (world.trail.since(since), world.trail.last()));
    ok(&json!({"events": events, "last": last}))
}

async fn calls(State(shared): Control) -> Outcome {
    ok(&shared.with_world(|world, _| json!({"calls": world.trail.calls()})))
}

async fn state(State(shared): Control) -> Outcome {
    let keys: Vec<Value> = shared.with_world(|world, now| {
        let mut realms: Vec<(_, &Realm)> = world.realms.iter().collect();
        realms.sort_unstable_by_key(|(place, _)| *place);
        realms.into_iter().flat_map(|(_, realm)| realm.keys.values().map(|key| describe(realm, key, now))).collect()
    });
    ok(&json!({"keys": keys}))
}

fn describe(realm: &Realm, key: &Key, now: i64) -> Value {
    let aliases: Vec<&String> = realm.candidates(&key.id).filter(|(_, alias)| alias.target == key.id).map(|(name, _)| name).collect();
    let materials: Vec<Value> = key.materials.iter().map(describe_material).collect();
    let deletion = match key.countdown {
        Some(Countdown::Until(at)) => Some(at),
        Some(Countdown::AfterReplicas(_)) | None => None,
    };
    json!({
        "id": key.id, "arn": key.arn(), "account": key.place.account, "region": key.place.region, "state": key.state(now).name(),
        "spec": key.spec.name, "usage": key.usage.name(), "origin": key.origin.name(), "description": key.description, "tags": key.tags,
        "aliases": aliases, "disabled": key.disabled, "has_material": key.is_complete(), "materials": materials, "rotations": key.rotations,
        "created_micros": key.created, "visible_at_micros": key.visible_at, "deletion_at_micros": deletion
    })
}

fn describe_material(held: &Held) -> Value {
    let part = match held.part {
        Part::Current => "CURRENT",
        Part::NonCurrent => "NON_CURRENT",
        Part::Pending => "PENDING_ROTATION",
    };
    json!({"id": held.id, "part": part, "present": held.bytes.is_some(), "expires_micros": held.expires, "description": held.description})
}

/// Does something to every key of this id or ARN; gives their ARNs.
fn each_key(world: &mut World, name: &str, mut act: impl FnMut(&mut Key)) -> Result<Value, Refusal> {
    let keys = world.realms.values_mut().flat_map(|realm| realm.keys.values_mut());
    let found: Vec<String> = keys
        .filter(|key| key.id == name || key.arn() == name)
        .map(|key| {
            act(key);
            key.arn()
        })
        .collect();
    if found.is_empty() {
        return Err(Refusal(StatusCode::NOT_FOUND, format!("key: there is no key {name:?}; give an id or an ARN of GET state")));
    }
    Ok(json!({"keys": found}))
}

async fn seed_keys(State(shared): Control, body: Bytes) -> Outcome {
    let order: KeySeed = read(&body)?;
    let count = order.count;
    shared.with_world(|world, now| seed(world, order, now)).map_err(refuse)?;
    ok(&json!({"keys": count}))
}

async fn end_keys(State(shared): Control, body: Bytes) -> Outcome {
    let LoseMaterial { key: name } = read(&body)?;
    let ended = shared.with_world(|world, _| {
        let found = each_key(world, &name, |_| ())?;
        world.realms.values_mut().for_each(|realm| {
            let ids: Vec<String> = realm.keys.values().filter(|key| key.id == name || key.arn() == name).map(|key| key.id.clone()).collect();
            ids.iter().for_each(|id| realm.remove_key(id));
        });
        Ok::<_, Refusal>(found)
    });
    ok(&ended?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoseMaterial {
    key: String,
}

async fn lose_material(State(shared): Control, body: Bytes) -> Outcome {
    let LoseMaterial { key: name } = read(&body)?;
    let forget = |key: &mut Key| key.materials.iter_mut().for_each(|held| (held.bytes, held.expires) = (None, None));
    ok(&shared.with_world(|world, _| each_key(world, &name, forget))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForceState {
    key: String,
    state: Option<KeyState>,
}

async fn force_state(State(shared): Control, body: Bytes) -> Outcome {
    let ForceState { key: name, state } = read(&body)?;
    ok(&shared.with_world(|world, _| each_key(world, &name, |key| key.forced = state))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForceEnd {
    key: String,
    valid_to_micros: Option<Micros>,
}

async fn force_end(State(shared): Control, body: Bytes) -> Outcome {
    let ForceEnd { key: name, valid_to_micros } = read(&body)?;
    let move_end = |key: &mut Key| key.materials.iter_mut().filter(|held| held.bytes.is_some()).for_each(|held| held.expires = valid_to_micros);
    ok(&shared.with_world(|world, _| each_key(world, &name, move_end))?)
}

async fn put_user(State(shared): Control, body: Bytes) -> Outcome {
    let seed: UserSeed = read(&body)?;
    shared.with_world(|world, _| world.iam.put_user(seed)).map_err(refuse)?;
    ok(&json!({}))
}

async fn put_role(State(shared): Control, body: Bytes) -> Outcome {
    let seed: RoleSeed = read(&body)?;
    shared.with_world(|world, _| world.iam.put_role(seed)).map_err(refuse)?;
    ok(&json!({}))
}

async fn show_config(State(shared): Control) -> Outcome {
    ok(&shared.with_world(|world, _| settings_json(&world.settings)))
}

fn settings_json(settings: &Settings) -> Value {
    json!({
        "quotas": settings.quotas, "quotas_as_of": quota::AS_OF, "quota_overrides": settings.quota_overrides, "latency_ms": settings.latency_ms,
        "visibility_ms": settings.visibility_ms, "disable_lag_ms": settings.disable_lag_ms, "events_delay_ms": settings.events_delay_ms, "keys_max": settings.keys_max,
        "aliases_per_key_max": settings.aliases_per_key_max
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigChange {
    quotas: Option<bool>,
    quota_overrides: Option<BTreeMap<String, f64>>,
    latency_ms: Option<u64>,
    visibility_ms: Option<u64>,
    disable_lag_ms: Option<u64>,
    events_delay_ms: Option<u64>,
    keys_max: Option<usize>,
    aliases_per_key_max: Option<usize>,
}

impl ConfigChange {
    fn apply(self, old: &Settings) -> Settings {
        Settings {
            quotas: self.quotas.unwrap_or(old.quotas),
            quota_overrides: self.quota_overrides.unwrap_or_else(|| old.quota_overrides.clone()),
            latency_ms: self.latency_ms.unwrap_or(old.latency_ms),
            visibility_ms: self.visibility_ms.unwrap_or(old.visibility_ms),
            disable_lag_ms: self.disable_lag_ms.unwrap_or(old.disable_lag_ms),
            events_delay_ms: self.events_delay_ms.unwrap_or(old.events_delay_ms),
            keys_max: self.keys_max.unwrap_or(old.keys_max),
            aliases_per_key_max: self.aliases_per_key_max.unwrap_or(old.aliases_per_key_max),
        }
    }
}

async fn change_config(state: Control, body: Bytes) -> Outcome {
    let change: ConfigChange = read(&body)?;
    state.0.with_world(|world, _| world.settings = change.apply(&world.settings));
    show_config(state).await
}
