//! `POST /v1/vault/rotate/confirm`.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::Input,
    problem::Refusal,
    secret::{SecretString, lengths_only},
    wire::vault::Vault,
};

/// Proof that the keepers of a new root have their shares.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "rotation": "rotation_0b1d6c2f9a8e4735", "shares": ["keystead-share-…", "keystead-share-…"] }))]
pub(crate) struct ConfirmRotation {
    /// The rotation, as `POST /v1/vault/rotate` named it.
    rotation: String,
    /// As many of the new shares as open the vault, or more.
    #[serde(serialize_with = "lengths_only")]
    #[schema(value_type = Vec<String>, format = Password, write_only)]
    shares: Vec<SecretString>,
}

impl Input for ConfirmRotation {
    fn holds_secret(_: Option<&Self>) -> bool {
        true
    }
}

/// The vault behind a rotation that was confirmed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfirmedRotation {
    #[serde(flatten)]
    vault: Vault,
    /// A signed note (C2SP) under the audit log's key, which says who did what and when: `keystead audit verify-note`. The answer to a request that was done before has none.
    #[schema(required)]
    transcript: Option<String>,
}

/// Confirm a rotation of the root
///
/// Shows that enough keepers have their shares of the new root, and begins the rotation. The answer comes when the new root is stored; sealing everything anew under it
/// goes on by itself (`rotation` in `GET /v1/vault`), also when the connection is lost. Shares that do not open the new root change nothing: correct them, and ask again.
/// The same request again with the same `Idempotency-Key` does nothing and is answered like the first.
#[utoipa::path(post, path = "/v1/vault/rotate/confirm", tag = "vault", params(IdempotencyHeader), request_body = ConfirmRotation,
    responses((status = 200, description = "The new root is stored.", body = ConfirmedRotation)))]
pub(crate) async fn confirm_rotation(
    State(api): State<Api>,
    Caller(caller): Caller,
    change: Change<ConfirmRotation>,
) -> Result<Json<ConfirmedRotation>, Refusal> {
    let request = change.request(&caller);
    let ConfirmRotation { rotation, shares } = change.body;
    let shares = shares.into_iter().map(SecretString::into_text).collect();
    let transcript = api.app.confirm_root_rotation(&caller, &request, &rotation, shares).await?;
    Ok(Json(ConfirmedRotation { vault: api.app.vault_status().await.into(), transcript }))
}
