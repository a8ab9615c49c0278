//! `GET /v1/operations/{operation}`.

use axum::{Json, extract::State};
use keystead_domain::Invalid;
use serde::Deserialize;
use utoipa::IntoParams;

use super::WhichOperation;
use crate::{
    api::Api,
    caller::Caller,
    change::{WAIT_SECS_MAX, Wait},
    extract::Named,
    problem::Refusal,
    query::{Query, number},
    wire::operation::Operation,
};

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowOperation {
    /// Seconds: answer when the operation has ended, or after this time.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 60)]
    wait: Option<String>,
}

/// Show an operation
///
/// With its journal: what it was about to do and what came of it.
#[utoipa::path(get, path = "/v1/operations/{operation}", tag = "operations", params(WhichOperation, ShowOperation),
    responses((status = 200, description = "The operation.", body = Operation)))]
pub(crate) async fn show_operation(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    Query(asked): Query<ShowOperation>,
) -> Result<Json<Operation>, Refusal> {
    if let Some(text) = asked.wait.as_deref() {
        api.app.wait_operation(&caller, &id, wait(text)?.duration()).await?;
    }
    let (row, journal) = api.app.show_operation(&caller, &id).await?;
    let (sync, restore) = (api.app.sync_of(&row.id).await?, api.app.restore_of(&row.id).await?);
    let killed = api.app.killed_by(&row).await?;
    Ok(Json(Operation::of(row).with_sync(sync).with_restore(restore).with_kill(killed).with_journal(journal)))
}

fn wait(text: &str) -> Result<Wait, Invalid> {
    match number("wait", text)? {
        seconds @ 0..=WAIT_SECS_MAX => Ok(Wait(seconds)),
        seconds => Err(Invalid::new("wait", format!("is {seconds}"), format!("Give 0 to {WAIT_SECS_MAX} seconds, and ask again."))),
    }
}
