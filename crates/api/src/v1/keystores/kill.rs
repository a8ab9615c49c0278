//! `POST /v1/keystores/{keystore}/kill` (FT-019).

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use keystead_app::keystores::kill::{KillPlan, Selection};
use keystead_domain::Invalid;
use keystead_operations::kill::Pace;
use keystead_store::keys::KeyRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKeystore;
use crate::{
    answer::{OperationAnswer, answer_each},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named},
    problem::Refusal,
    wire::{dependants::Dependants, tags::GivenTags},
};

/// Which keys of the keystore are killed: those with all of `tags`, or all of them. One of the two is given.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "tags": { "team": "payments" }, "dry_run": true }))]
pub(crate) struct KillKeystore {
    /// Only keys that have all of these.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    tags: GivenTags,
    /// Every key.
    #[serde(default)]
    all: bool,
    /// Whether predecessors go along. True when left out.
    #[serde(default = "taken_along")]
    lineage: bool,
    /// Only say what would be done, and how long it would take.
    #[serde(default)]
    dry_run: bool,
}

fn taken_along() -> bool {
    true
}

impl Input for KillKeystore {}

impl KillKeystore {
    fn selection(self) -> Result<Selection, Invalid> {
        let tags = self.tags.read()?;
        if tags.is_empty() != self.all {
            let reason = if self.all { "are given, and all keys are asked for, too" } else { "are missing" };
            return Err(Invalid::new("tags", reason, "Give tags, or `all`: one of the two."));
        }
        Ok(Selection { tags, lineage: self.lineage })
    }
}

/// What is done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeystoreKill {
    /// Whether it was only asked what would be done.
    dry_run: bool,
    /// How many kills there are, or would be.
    kills: usize,
    /// What they take out of use: their names, each with its keystore. Of a dry run only.
    reached: Vec<ReachedKey>,
    /// How long the quotas make it take, by account and Region. Of a dry run only.
    paces: Vec<KillPace>,
    /// Keys that another operation has in hand, or brings back just now, which did not make way in 20 seconds: repeat the request when it has ended. In a dry run those that have one now.
    left: Vec<LeftKey>,
    /// Who depends on the keys that are taken out of use; null of anything but a dry run.
    #[schema(required)]
    dependants: Option<Dependants>,
    /// One answer a kill.
    started: Vec<OperationAnswer>,
}

/// A key that is taken out of use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReachedKey {
    /// Id.
    key: String,
    /// Its name.
    name: String,
    /// Name of its keystore.
    keystore: String,
    /// Its state.
    state: &'static str,
    /// Whether its material is removed there, and not only disabled.
    emptied: bool,
}

/// How long it takes in one account and Region.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KillPace {
    /// Cloud, account and Region.
    scope: String,
    /// Keys that are disabled.
    keys: usize,
    /// Of those, the ones that are emptied.
    emptied: usize,
    /// Microseconds from the first call to the last, when nobody else uses the quotas.
    micros: i64,
}

/// A key that is not killed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeftKey {
    /// Id.
    key: String,
    /// Its name.
    name: String,
    /// The operation that has it, or something that would go along, in hand.
    operation: String,
}

/// Kill keys of a keystore
///
/// As a kill of each key that matches: its replicas, copies and predecessors go along, wherever they are. Every intent is durable before the first call; 1,000 at most in
/// one request. With `dry_run` nothing is changed: the answer says what is reached, and how long the quotas make it take.
#[utoipa::path(post, path = "/v1/keystores/{keystore}/kill", tag = "keystores", params(WhichKeystore, ChangeHeaders), request_body = KillKeystore,
    responses((status = 200, description = "A dry run, or every kill has ended.", body = KeystoreKill),
        (status = 202, description = "Every intent is durable and the kills run.", body = KeystoreKill)))]
pub(crate) async fn kill_keystore(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    change: Change<KillKeystore>,
) -> Result<Response, Refusal> {
    let (request, wait, dry_run) = (change.request(&caller), change.wait, change.body.dry_run);
    let selection = change.body.selection()?;
    if dry_run {
        let plan = api.app.plan_keystore_kill(&caller, &keystore, &selection).await?;
        return Ok((StatusCode::OK, Json(planned(plan))).into_response());
    }
    let (started, left) = api.app.kill_keystore(&caller, &request, &keystore, &selection).await?;
    let started = answer_each(&api, &caller, started, wait).await?;
    let status = if started.iter().any(OperationAnswer::is_running) { StatusCode::ACCEPTED } else { StatusCode::OK };
    let left = left.into_iter().map(left_key).collect();
    let body = KeystoreKill { dry_run: false, kills: started.len(), reached: Vec::new(), paces: Vec::new(), left, dependants: None, started };
    Ok((status, Json(body)).into_response())
}

fn planned(plan: KillPlan) -> KeystoreKill {
    KeystoreKill {
        dry_run: true,
        kills: plan.kills,
        reached: plan.reached.into_iter().map(reached_key).collect(),
        paces: plan.paces.into_iter().map(|Pace { scope, keys, emptied, micros }| KillPace { scope, keys, emptied, micros }).collect(),
        left: plan.left.into_iter().map(left_key).collect(),
        dependants: Some(Dependants::of(plan.dependants)),
        started: Vec::new(),
    }
}

fn reached_key(key: KeyRow) -> ReachedKey {
    let emptied = key.ties.custody.empties_on_deactivation() && !key.is_in_vault();
    ReachedKey { key: key.id.to_string(), name: key.name, keystore: key.keystore_name, state: key.state.as_str(), emptied }
}

fn left_key((key, operation): (KeyRow, String)) -> LeftKey {
    LeftKey { key: key.id.to_string(), name: key.name, operation }
}
