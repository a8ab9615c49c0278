//! `GET /v1/audit` (CM-005, CM-006).

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{audit::AuditEntry, listing::Listing},
};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAudit {
    /// Only those about this key, by id or name.
    key: Option<String>,
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the audit log
///
/// Newest first: every decision and every effect, refusals included.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(ListAudit), responses((status = 200, description = "A page of entries.", body = Listing<AuditEntry>)))]
pub(crate) async fn list_audit(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListAudit>) -> Result<Json<Listing<AuditEntry>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let listed = api.app.list_audit(&caller, asked.key.as_deref(), page).await?;
    Ok(Json(Listing::try_of(listed, AuditEntry::of)?))
}
