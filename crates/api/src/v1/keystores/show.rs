//! `GET /v1/keystores/{keystore}`.

use axum::{Json, extract::State};

use super::{WhichKeystore, on_wire};
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::keystore::Keystore};

/// Show a keystore
#[utoipa::path(get, path = "/v1/keystores/{keystore}", tag = "keystores", params(WhichKeystore),
    responses((status = 200, description = "The keystore.", body = Keystore)))]
pub(crate) async fn show_keystore(State(api): State<Api>, Caller(caller): Caller, Named(keystore): Named) -> Result<Json<Keystore>, Refusal> {
    let row = api.app.keystore(&caller, &keystore).await?;
    Ok(Json(on_wire(&api, row)))
}
