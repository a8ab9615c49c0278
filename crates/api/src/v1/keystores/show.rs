//! `GET /v1/keystores/{keystore}`.

use axum::{Json, extract::State};

use super::{WhichKeystore, shown};
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::keystore::Keystore};

/// Show a keystore
///
/// With its health: whether it is reachable, permitted and in step, until when its keys are protected, and what is left of its quotas.
#[utoipa::path(get, path = "/v1/keystores/{keystore}", tag = "keystores", params(WhichKeystore),
    responses((status = 200, description = "The keystore.", body = Keystore)))]
pub(crate) async fn show_keystore(State(api): State<Api>, Caller(caller): Caller, Named(keystore): Named) -> Result<Json<Keystore>, Refusal> {
    let found = api.app.show_keystore(&caller, &keystore).await?;
    Ok(Json(shown(&api, found)))
}
