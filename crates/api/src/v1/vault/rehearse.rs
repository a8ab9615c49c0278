//! `POST /v1/vault/rehearse`.

use axum::{Json, extract::State};
use keystead_app::transcript::Rehearsed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::Input,
    problem::Refusal,
    secret::{SecretString, lengths_only},
};

/// Shares that their keepers show.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "shares": ["keystead-share-…", "keystead-share-…"] }))]
pub(crate) struct RehearseShares {
    /// As many as it takes, or more.
    #[serde(serialize_with = "lengths_only")]
    #[schema(value_type = Vec<String>, format = Password, write_only)]
    shares: Vec<SecretString>,
}

impl Input for RehearseShares {
    fn holds_secret(_: Option<&Self>) -> bool {
        true
    }
}

/// What a rehearsal showed.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "shares_needed": 2, "shares_shown": [1, 3], "transcript": "keystead root transcript 1\n…" }))]
pub(crate) struct Rehearsal {
    /// How many shares it takes.
    shares_needed: u8,
    /// The numbers of those that were shown; all of them are right.
    shares_shown: Vec<u8>,
    /// A signed note (C2SP) under the audit log's key, which says who did what and when: `keystead audit verify-note`.
    transcript: String,
}

impl From<Rehearsed> for Rehearsal {
    fn from(Rehearsed { threshold, shown, transcript }: Rehearsed) -> Self {
        Self { shares_needed: threshold, shares_shown: shown, transcript }
    }
}

/// Rehearse the shares
///
/// Shows whether enough of the shares that open the vault, or that restore the copy of its root where that lies in a hardware module, are there and right. Nothing is changed by it;
/// the vault is open, and stays so. Of shares beyond the needed number each is held against its commitment.
#[utoipa::path(post, path = "/v1/vault/rehearse", tag = "vault", params(IdempotencyHeader), request_body = RehearseShares,
    responses((status = 200, description = "They are right.", body = Rehearsal)))]
pub(crate) async fn rehearse_shares(State(api): State<Api>, Caller(caller): Caller, change: Change<RehearseShares>) -> Result<Json<Rehearsal>, Refusal> {
    let shares = change.body.shares.into_iter().map(SecretString::into_text).collect();
    Ok(Json(api.app.rehearse(&caller, shares).await?.into()))
}
