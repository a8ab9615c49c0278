//! `POST /v1/users/{user}/token`.

use axum::{Json, extract::State};

use super::WhichUser;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Named, Nothing},
    problem::Refusal,
    wire::user::NewToken,
};

/// Give a user a new token
///
/// The answer holds it, this once; the one before is useless from now on.
#[utoipa::path(post, path = "/v1/users/{user}/token", tag = "users", params(WhichUser),
    responses((status = 200, description = "The token.", body = NewToken)))]
pub(crate) async fn replace_token(State(api): State<Api>, Caller(caller): Caller, Named(user): Named, _: Body<Nothing>) -> Result<Json<NewToken>, Refusal> {
    let (_, token) = api.app.replace_token(&caller, &user).await?;
    Ok(Json(NewToken::of(token)))
}
