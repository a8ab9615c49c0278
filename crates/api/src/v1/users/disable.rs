//! `POST /v1/users/{user}/disable`.

use axum::{Json, extract::State};

use super::WhichUser;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Named, Nothing},
    problem::Refusal,
    wire::user::User,
};

/// Lock a user out
///
/// Their token is useless from now on. Nobody locks themselves out.
#[utoipa::path(post, path = "/v1/users/{user}/disable", tag = "users", params(WhichUser), responses((status = 200, description = "The user.", body = User)))]
pub(crate) async fn disable_user(State(api): State<Api>, Caller(caller): Caller, Named(user): Named, _: Body<Nothing>) -> Result<Json<User>, Refusal> {
    let row = api.app.disable_user(&caller, &user).await?;
    Ok(Json(User::of(row)))
}
