//! `GET /v1/schedule`.

use axum::{Json, extract::State};
use keystead_app::alerts::DAYS_AHEAD;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, number, page},
    wire::{alert::Coming, listing::Listing},
};

/// How far ahead.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowSchedule {
    /// How many days ahead; 90 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 366)]
    days: Option<String>,
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Show what will happen by itself
///
/// Alerts, extensions, renewals, expiries, deletions and clean-ups, in order, each with the rule behind it; as things stand, and if every operation succeeds.
#[utoipa::path(get, path = "/v1/schedule", tag = "alerts", params(ShowSchedule),
    responses((status = 200, description = "A page of what is coming.", body = Listing<Coming>)))]
pub(crate) async fn show_schedule(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ShowSchedule>) -> Result<Json<Listing<Coming>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let days = asked.days.as_deref().map(|text| number("days", text)).transpose()?.unwrap_or(DAYS_AHEAD);
    Ok(Json(Listing::of(api.app.schedule(&caller, days, page).await?, Coming::of)))
}
