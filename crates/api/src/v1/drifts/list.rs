//! `GET /v1/drifts` (CM-018, FX-042).

use axum::{Json, extract::State};
use keystead_app::drift::Asked;
use keystead_domain::drift::{DriftClass, DriftState};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{drift::Drift, listing::Listing},
};

/// Which differences.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListDrifts {
    /// Only those of this keystore, by id or name.
    keystore: Option<String>,
    /// Only those of this key, by id or name.
    key: Option<String>,
    /// Only those of this class: hostile, needs-person, repairable or benign.
    class: Option<String>,
    /// Only those in this state: OPEN, REPAIRED, ACCEPTED or GONE. OPEN when left out; `any` for all.
    state: Option<String>,
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List drift
///
/// In what the clouds' keys differ from what is wanted of them, the oldest first, as the last sync saw it. Each is a row of its own: what is wanted, what the look
/// before saw, what is; how bad that is, and what a repair would do.
#[utoipa::path(get, path = "/v1/drifts", tag = "drift", params(ListDrifts),
    responses((status = 200, description = "A page of differences.", body = Listing<Drift>)))]
pub(crate) async fn list_drifts(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListDrifts>) -> Result<Json<Listing<Drift>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let state = match asked.state.as_deref() {
        Some("any") => None,
        Some(text) => Some(DriftState::parse(text)?),
        None => Some(DriftState::Open),
    };
    let class = asked.class.as_deref().map(DriftClass::parse).transpose()?;
    let asked = Asked { keystore: asked.keystore, key: asked.key, class, state };
    Ok(Json(Listing::of(api.app.list_drift(&caller, asked, page).await?, Drift::of)))
}
