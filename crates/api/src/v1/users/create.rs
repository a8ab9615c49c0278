//! `POST /v1/users` (CM-046).

use axum::extract::State;
use keystead_domain::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::Made,
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::Input,
    problem::Refusal,
    wire::user::NewUser,
};

/// A user as they are asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "ben" }))]
pub(crate) struct CreateUser {
    /// 1 to 64 letters, digits, `.`, `_` and `-`.
    name: String,
}

impl Input for CreateUser {}

/// Create a user
///
/// The answer holds their token, this once. The same request again with the same `Idempotency-Key` makes nobody and is answered with 409 `already-done`: the token is
/// not kept. If it was lost, give them a new one.
#[utoipa::path(post, path = "/v1/users", tag = "users", params(IdempotencyHeader), request_body = CreateUser,
    responses((status = 201, description = "They are made.", body = NewUser)))]
pub(crate) async fn create_user(State(api): State<Api>, Caller(caller): Caller, change: Change<CreateUser>) -> Result<Made<NewUser>, Refusal> {
    let (row, token) = api.app.create_user(&caller, &change.request(&caller), Name::parse(&change.body.name)?).await?;
    Ok(Made { body: NewUser::of(row, token), at: None })
}
