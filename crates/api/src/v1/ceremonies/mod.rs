//! Ceremonies: an operation, a file.

pub mod begin;
pub mod cancel;
pub mod enter;
pub mod finish;
pub mod list;
pub mod show;

use axum::Json;
use keystead_app::ceremonies::Entered;
use keystead_identity::Principal;
use utoipa::IntoParams;

use crate::{api::Api, change::Wait, problem::Refusal, wire::ceremony::Ceremony};

/// Which ceremony, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichCeremony {
    /// The ceremony's id.
    #[param(example = "ceremony_01997c1f9a5b7d0e8f4a6b2c1d3e5fa1")]
    ceremony: String,
}

/// How the ceremony stands; behind the operation's end, if that was asked for.
async fn answer(api: &Api, caller: &Principal, entered: Entered, wait: Option<Wait>) -> Result<Json<Ceremony>, Refusal> {
    let operation = entered.started.and_then(|started| started.operation);
    let (Some(operation), Some(wait)) = (operation, wait) else { return Ok(Json(Ceremony::of(entered.ceremony))) };
    api.app.wait_operation(caller, operation.id.as_str(), wait.duration()).await?;
    Ok(Json(Ceremony::of(api.app.show_ceremony(caller, entered.ceremony.row.id.as_str()).await?)))
}
