//! `POST /v1/keys/{key}/adopt` (FT-079, FT-080).

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
    wire::time::when,
};

/// How the successor shall be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "expires": "180d" }))]
pub(crate) struct AdoptKey {
    /// When its material shall expire in the cloud: a span such as `90d`, or a time; never, when left out.
    #[serde(default)]
    expires: Option<String>,
}

impl Input for AdoptKey {
    const MAY_BE_ABSENT: bool = true;
}

/// Adopt a key of the cloud's
///
/// From ACTIVE, of a key with custody `native`. A successor of the same kind and use, with material that the vault has made, takes over every alias that the last sync
/// saw; this key becomes REPLACED, stays enabled and goes on decrypting. `revert` takes the aliases back. What an alias does not help with stands in `warnings`.
#[utoipa::path(post, path = "/v1/keys/{key}/adopt", tag = "keys", params(WhichKey, ChangeHeaders), request_body = AdoptKey, responses(OperationAnswer))]
pub(crate) async fn adopt_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<AdoptKey>) -> Result<Answered, Refusal> {
    let expires = change.body.expires.as_deref().map(|text| when("expires", text, api.app.engine().now())).transpose()?;
    let warnings = api.app.rotation_warnings(&caller, &key, None).await?;
    let started = api.app.adopt_key(&caller, &change.request(&caller), &key, expires).await?;
    Ok(answer(&api, &caller, started, change.wait).await?.warning(warnings))
}
