//! `POST /v1/vault/seal`.

use axum::{Json, extract::State};

use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Nothing},
    problem::Refusal,
    wire::vault::Vault,
};

/// Seal the vault
///
/// This process forgets the root key. Uses that run end first; operations then wait until somebody unseals it. Keys in the cloud are not touched (CM-010).
#[utoipa::path(post, path = "/v1/vault/seal", tag = "vault", responses((status = 200, description = "The vault.", body = Vault)))]
pub(crate) async fn seal_vault(State(api): State<Api>, Caller(caller): Caller, _: Body<Nothing>) -> Result<Json<Vault>, Refusal> {
    Ok(Json(api.app.seal(&caller).await?.into()))
}
