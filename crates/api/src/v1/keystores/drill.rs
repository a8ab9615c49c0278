//! `GET` and `PUT /v1/keystores/{keystore}/drill`, `GET /v1/keystores/{keystore}/drills` (FT-019).

use axum::{Json, extract::State};
use keystead_domain::{Invalid, drill, duration};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::WhichKeystore;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named},
    problem::Refusal,
    query::{Query, page},
    wire::{
        drill::{Drill, DrillPolicy},
        listing::Listing,
    },
};

/// How a keystore shall be drilled.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "every": "7d", "within": "5m" }))]
pub(crate) struct SetDrill {
    /// How often, as a span from `1h` to `365d`; left out: not at all.
    #[serde(default)]
    every: Option<String>,
    /// How long its cloud may take to refuse a killed canary; `5m` when left out.
    #[serde(default)]
    within: Option<String>,
}

impl Input for SetDrill {}

impl SetDrill {
    fn read(self) -> Result<(Option<i64>, i64), Invalid> {
        let every = self.every.map(|text| drill::every(&text)).transpose()?;
        let within = self.within.map_or(Ok(drill::WITHIN_DEFAULT), |text| duration::parse("within", &text))?;
        Ok((every, within))
    }
}

/// Show how a keystore's kill switch is drilled
#[utoipa::path(get, path = "/v1/keystores/{keystore}/drill", tag = "keystores", params(WhichKeystore),
    responses((status = 200, description = "How it is drilled.", body = DrillPolicy)))]
pub(crate) async fn drill(State(api): State<Api>, Caller(caller): Caller, Named(keystore): Named) -> Result<Json<DrillPolicy>, Refusal> {
    Ok(Json(DrillPolicy::of(api.app.drill(&caller, &keystore).await?)))
}

/// Set how a keystore's kill switch is drilled
///
/// At its times every key in use that has the tag `keystead-canary` now, and then (eight at most), is killed as `POST /v1/keys/{key}/kill` does without predecessors, the time until its cloud refuses
/// it is measured, and it is restored, whatever becomes of the server. The first drill begins at once. A canary whose kill would reach another key is not killed.
/// What failed, or was slower than `within`, is told as an alert.
#[utoipa::path(put, path = "/v1/keystores/{keystore}/drill", tag = "keystores", params(WhichKeystore), request_body = SetDrill,
    responses((status = 200, description = "How it is drilled now.", body = DrillPolicy)))]
pub(crate) async fn set_drill(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    Body(asked): Body<SetDrill>,
) -> Result<Json<DrillPolicy>, Refusal> {
    let (every, within) = asked.read()?;
    Ok(Json(DrillPolicy::of(api.app.set_drill(&caller, &keystore, every, within).await?)))
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeystoreDrills {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the drills of a keystore
///
/// The newest first: how long it was until its clouds refused each canary, and why a drill did not go as it should.
#[utoipa::path(get, path = "/v1/keystores/{keystore}/drills", tag = "keystores", params(WhichKeystore, KeystoreDrills),
    responses((status = 200, description = "A page of drills.", body = Listing<Drill>)))]
pub(crate) async fn list_drills(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    Query(asked): Query<KeystoreDrills>,
) -> Result<Json<Listing<Drill>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.drills(&caller, &keystore, page).await?, Drill::of)))
}
