//! `GET /v1/users`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{listing::Listing, user::User},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsers {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List users
///
/// In the order they were made, disabled ones included.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(ListUsers), responses((status = 200, description = "A page of users.", body = Listing<User>)))]
pub(crate) async fn list_users(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListUsers>) -> Result<Json<Listing<User>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let listed = api.app.list_users(&caller, page).await?;
    Ok(Json(Listing::of(listed, User::of)))
}
