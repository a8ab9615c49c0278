//! `GET /v1/alerts`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{alert::Alert, listing::Listing},
};

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAlerts {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List alerts
///
/// What somebody was or is to be told, newest first, with what became of it on each channel.
#[utoipa::path(get, path = "/v1/alerts", tag = "alerts", params(ListAlerts),
    responses((status = 200, description = "A page of alerts.", body = Listing<Alert>)))]
pub(crate) async fn list_alerts(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListAlerts>) -> Result<Json<Listing<Alert>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.list_alerts(&caller, page).await?, Alert::of)))
}
