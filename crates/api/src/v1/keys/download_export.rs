//! `POST /v1/keys/{key}/export/download` (CM-064 to CM-066).

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::{Input, Named},
    problem::Refusal,
};

/// Material, wrapped for a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "version": 1, "wrapped": "kJ5w…", "algorithm": "RSAES_OAEP_SHA_256",
    "public_key_fingerprint": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
}))]
pub(crate) struct DownloadedExport {
    /// Id of the key.
    key: String,
    /// Number of the version whose material it is.
    version: u32,
    /// The wrapped material, base64.
    wrapped: String,
    /// How it is wrapped: `RSAES_OAEP_SHA_256` (MGF1 with the same hash, no label), for a key pair `RSA_AES_KEY_WRAP_SHA_256`: an AES-256 key by that method, then the
    /// PKCS#8 document under it by AES-KWP (RFC 5649).
    algorithm: &'static str,
    /// SHA-256 of the public key that it is wrapped under, hexadecimal.
    public_key_fingerprint: String,
}

/// What shall be handed out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "version": 1 }))]
pub(crate) struct DownloadExport {
    /// The number of a version: a key that was rotated in place has several. Left out: the current one.
    #[serde(default)]
    version: Option<u32>,
}

impl Input for DownloadExport {
    const MAY_BE_ABSENT: bool = true;
}

/// Download an export
///
/// From every state but DELETED, by another user than the one who prepared it, once. The same request again with the same `Idempotency-Key` hands out nothing and is
/// answered with 409 `already-done`: a preparation serves one download, and what it handed out is not kept. If it was lost, have it prepared again.
#[utoipa::path(post, path = "/v1/keys/{key}/export/download", tag = "keys", params(WhichKey, IdempotencyHeader), request_body = DownloadExport,
    responses((status = 200, description = "The wrapped material. The preparation is used up.", body = DownloadedExport)))]
pub(crate) async fn download_export(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    change: Change<DownloadExport>,
) -> Result<Json<DownloadedExport>, Refusal> {
    let download = api.app.download_export(&caller, &change.request(&caller), &key, change.body.version).await?;
    Ok(Json(DownloadedExport {
        key: download.key.id.to_string(),
        version: download.version,
        wrapped: STANDARD.encode(&download.wrapped),
        algorithm: download.method.as_str(),
        public_key_fingerprint: download.public_key_fingerprint,
    }))
}
