//! `POST /v1/estate/applies`.

use axum::extract::State;
use keystead_app::{
    Error,
    estate::{CHANGES_MAX, NewApply},
};
use keystead_domain::Invalid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ESTATE_LEN_MAX;
use crate::{
    answer::Made,
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::{Input, objects},
    problem::Refusal,
    wire::{estate::Estate, estate_plan::Apply},
};

/// A plan that shall be done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = crate::v1::estate::begin::example)]
pub(crate) struct ApplyEstate {
    /// The estate that was planned.
    estate: Estate,
    /// The digest of the plan: if it is another one by now, nothing begins.
    digest: String,
    /// The keys as the plan saw them, with which it tells what has moved since.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    seen: Vec<GivenSeen>,
}

/// A key as a plan saw it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenSeen {
    /// Its id.
    key: String,
    /// Its name.
    #[serde(default)]
    name: String,
    /// Counts its changes.
    revision: i64,
}

impl Input for ApplyEstate {
    const LEN_MAX: usize = ESTATE_LEN_MAX;
}

impl ApplyEstate {
    fn read(self) -> Result<NewApply, Error> {
        let seen = self.seen.len();
        if seen > CHANGES_MAX {
            let mend = format!("Give the keys that the plan named: {CHANGES_MAX} at most.");
            return Err(Invalid::new("seen", format!("names {seen} keys, which are more than a plan has"), mend).into());
        }
        let estate = self.estate.read().map_err(Error::Mistakes)?;
        Ok(NewApply { estate, digest: self.digest, seen: self.seen.into_iter().map(|seen| (seen.key, seen.revision)).collect() })
    }
}

/// Do a plan
///
/// The plan is drawn again. If it is the one of the digest, it begins: each change is what one command does, with the same checks, by and by, in the order of what waits for
/// what. Else nothing is done (`plan-stale`). One apply at a time runs in an account. The same request again with the same `Idempotency-Key` answers the same apply.
#[utoipa::path(post, path = "/v1/estate/applies", tag = "estate", params(IdempotencyHeader), request_body = ApplyEstate,
    responses((status = 201, description = "It has begun.", body = Apply)))]
pub(crate) async fn begin_apply(State(api): State<Api>, Caller(caller): Caller, change: Change<ApplyEstate>) -> Result<Made<Apply>, Refusal> {
    let request = change.request(&caller);
    let begun = match change.body.read() {
        Ok(new) => api.app.begin_apply(&caller, &request, new).await,
        Err(mistakes) => Err(mistakes),
    };
    let body = Apply::of(begun.map_err(below_estate)?);
    let at = Some(format!("/v1/estate/applies/{}", body.id));
    Ok(Made { body, at })
}

/// Mistakes by their paths in the request.
fn below_estate(error: Error) -> Error {
    let below = |invalid: Invalid| Invalid { field: format!("estate.{}", invalid.field), ..invalid };
    match error {
        Error::Mistakes(mistakes) => Error::Mistakes(mistakes.into_iter().map(below).collect()),
        other => other,
    }
}

/// A request as the manual shows it.
pub(crate) fn example() -> serde_json::Value {
    let plan = crate::wire::estate_plan::example();
    serde_json::json!({ "estate": crate::wire::estate::example(), "digest": plan["digest"], "seen": plan["seen"] })
}
