//! `GET /v1/vault`.

use axum::{Json, extract::State};

use crate::{api::Api, wire::vault::Vault};

/// Show how the vault stands
///
/// Needs no token: who unseals it may have none at hand.
#[utoipa::path(get, path = "/v1/vault", tag = "vault", security(()), responses((status = 200, description = "The vault.", body = Vault)))]
pub(crate) async fn show_vault(State(api): State<Api>) -> Json<Vault> {
    Json(api.app.vault_status().await.into())
}
