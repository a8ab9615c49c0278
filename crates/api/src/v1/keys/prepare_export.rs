//! `POST /v1/keys/{key}/export/prepare` (CM-063).

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named},
    problem::Refusal,
    wire::time::rfc3339,
};

/// Under which key the material shall be wrapped.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "public_key": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A…\n-----END PUBLIC KEY-----\n" }))]
pub(crate) struct PrepareExport {
    /// An RSA public key of at least 2048 bits, PEM.
    public_key: String,
}

impl Input for PrepareExport {}

/// An export that another user can now download.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "prepared_by": "user_01997c1d11223344556677889900aabb", "prepared_at": "2026-09-21T09:05:00.000000Z",
    "public_key_fingerprint": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
}))]
pub(crate) struct PreparedExport {
    /// Id of the key.
    key: String,
    /// Id of the user who may not download it.
    prepared_by: String,
    /// When.
    #[schema(format = DateTime)]
    prepared_at: String,
    /// SHA-256 of the public key, hexadecimal: compare it over another channel.
    public_key_fingerprint: String,
}

/// Prepare an export
///
/// From every state but DELETED. Names the public key for an export, which somebody else must download. A later preparation takes the place of an earlier one.
#[utoipa::path(post, path = "/v1/keys/{key}/export/prepare", tag = "keys", params(WhichKey), request_body = PrepareExport,
    responses((status = 200, description = "It is prepared.", body = PreparedExport)))]
pub(crate) async fn prepare_export(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    Body(asked): Body<PrepareExport>,
) -> Result<Json<PreparedExport>, Refusal> {
    let prepared = api.app.prepare_export(&caller, &key, &asked.public_key).await?;
    Ok(Json(PreparedExport {
        key: prepared.key.id.to_string(),
        prepared_by: caller.user.to_string(),
        prepared_at: rfc3339(prepared.prepared_at),
        public_key_fingerprint: prepared.public_key_fingerprint,
    }))
}
