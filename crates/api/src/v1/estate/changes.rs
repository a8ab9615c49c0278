//! `GET /v1/estate/applies/{apply}/changes`.

use axum::{Json, extract::State};
use keystead_domain::batch::ItemState;
use serde::Deserialize;
use utoipa::IntoParams;

use super::WhichApply;
use crate::{
    api::Api,
    caller::Caller,
    extract::Named,
    problem::Refusal,
    query::{Query, page},
    wire::{estate_plan::DoneChange, listing::Listing},
};

/// Which changes, and which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AppliedChanges {
    /// Only those that stand there: WAITING, RUNNING, DONE, SKIPPED or FAILED.
    state: Option<String>,
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the changes of an apply
///
/// In order, each with its operation, or why it waits, was skipped or failed.
#[utoipa::path(get, path = "/v1/estate/applies/{apply}/changes", tag = "estate", params(WhichApply, AppliedChanges),
    responses((status = 200, description = "A page of changes.", body = Listing<DoneChange>)))]
pub(crate) async fn applied_changes(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    Query(asked): Query<AppliedChanges>,
) -> Result<Json<Listing<DoneChange>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let state = asked.state.as_deref().map(ItemState::parse).transpose()?;
    Ok(Json(Listing::of(api.app.applied_changes(&caller, &id, state, page).await?, DoneChange::of)))
}
