//! `GET /v1/me`.

use axum::{Json, extract::State};

use crate::{api::Api, caller::Caller, problem::Refusal, wire::user::User};

/// Show who is calling
#[utoipa::path(get, path = "/v1/me", tag = "users", responses((status = 200, description = "You.", body = User)))]
pub(crate) async fn me(State(api): State<Api>, Caller(caller): Caller) -> Result<Json<User>, Refusal> {
    Ok(Json(User::of(api.app.me(&caller).await?)))
}
