//! `POST /v1/keys/{key}/kill` (FT-019).

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named},
    problem::Refusal,
};

/// How far a kill reaches.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "lineage": true }))]
pub(crate) struct KillKey {
    /// Whether the key's predecessors go along, and their copies: what they encrypted could be read on. True when left out.
    #[serde(default = "taken_along")]
    lineage: bool,
}

fn taken_along() -> bool {
    true
}

impl Input for KillKey {
    const MAY_BE_ABSENT: bool = true;
}

/// What whoever kills a key is told while a copy of it is being made.
const UNBORN: &str = "A copy or replica of it is being made just now, and is not reached: kill the key once more when that operation has ended.";

/// Kill a key
///
/// The key is taken out of use wherever its material is: in its own cloud, in its replicas' Regions and in every keystore that has a copy of it. All are disabled
/// before the first is emptied. Then each is tried until the cloud refuses it: the operation's `kill` says since when. What could never come back, material of
/// custody `native`, is disabled and not removed. The vault keeps the material; `restore` brings everything back as it was.
#[utoipa::path(post, path = "/v1/keys/{key}/kill", tag = "keys", params(WhichKey, ChangeHeaders), request_body = KillKey, responses(OperationAnswer))]
pub(crate) async fn kill_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<KillKey>) -> Result<Answered, Refusal> {
    let lineage = change.body.lineage;
    let started = api.app.kill_key(&caller, &change.request(&caller), &key, lineage).await?;
    let unborn = api.app.kill_reach(&caller, &key, lineage).await?.unborn;
    let warnings = if unborn.is_empty() { Vec::new() } else { vec![UNBORN] };
    Ok(answer(&api, &caller, started, change.wait).await?.warning(warnings))
}
