//! `POST /v1/users/{user}/token`.

use axum::{Json, extract::State};

use super::WhichUser;
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::{Named, Nothing},
    problem::Refusal,
    wire::user::NewToken,
};

/// Give a user a new token
///
/// The answer holds it, this once; the one before is useless from now on. The same request again with the same `Idempotency-Key` leaves the token as it is and is
/// answered with 409 `already-done`: the token is not kept. If it was lost, ask with a fresh key.
#[utoipa::path(post, path = "/v1/users/{user}/token", tag = "users", params(WhichUser, IdempotencyHeader),
    responses((status = 200, description = "The token.", body = NewToken)))]
pub(crate) async fn replace_token(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(user): Named,
    change: Change<Nothing>,
) -> Result<Json<NewToken>, Refusal> {
    let (_, token) = api.app.replace_token(&caller, &change.request(&caller), &user).await?;
    Ok(Json(NewToken::of(token)))
}
