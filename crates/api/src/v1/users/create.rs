//! `POST /v1/users` (CM-046).

use axum::extract::State;
use keystead_domain::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::Made,
    api::Api,
    caller::Caller,
    extract::{Body, Input},
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
/// The answer holds their token, this once.
#[utoipa::path(post, path = "/v1/users", tag = "users", request_body = CreateUser,
    responses((status = 201, description = "They are made.", body = NewUser)))]
pub(crate) async fn create_user(State(api): State<Api>, Caller(caller): Caller, Body(asked): Body<CreateUser>) -> Result<Made<NewUser>, Refusal> {
    let (row, token) = api.app.create_user(&caller, Name::parse(&asked.name)?).await?;
    Ok(Made { body: NewUser::of(row, token), at: None })
}
