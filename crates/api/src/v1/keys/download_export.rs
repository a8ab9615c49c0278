//! `POST /v1/keys/{key}/export/download` (CM-064 to CM-066).

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::{Named, Nothing},
    problem::Refusal,
};

/// Material, wrapped for a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "wrapped": "kJ5w…", "algorithm": "RSAES_OAEP_SHA_256",
    "public_key_fingerprint": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
}))]
pub(crate) struct DownloadedExport {
    /// Id of the key.
    key: String,
    /// The wrapped material, base64.
    wrapped: String,
    /// How it is wrapped: `RSAES_OAEP_SHA_256` (MGF1 with the same hash, no label), for a key pair `RSA_AES_KEY_WRAP_SHA_256`: an AES-256 key by that method, then the
    /// PKCS#8 document under it by AES-KWP (RFC 5649).
    algorithm: &'static str,
    /// SHA-256 of the public key that it is wrapped under, hexadecimal.
    public_key_fingerprint: String,
}

/// Download an export
///
/// From every state but DELETED, by another user than the one who prepared it, once. The same request again with the same `Idempotency-Key` hands out nothing and is
/// answered with 409 `already-done`: a preparation serves one download, and what it handed out is not kept. If it was lost, have it prepared again.
#[utoipa::path(post, path = "/v1/keys/{key}/export/download", tag = "keys", params(WhichKey, IdempotencyHeader),
    responses((status = 200, description = "The wrapped material. The preparation is used up.", body = DownloadedExport)))]
pub(crate) async fn download_export(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    change: Change<Nothing>,
) -> Result<Json<DownloadedExport>, Refusal> {
    let download = api.app.download_export(&caller, &change.request(&caller), &key).await?;
    Ok(Json(DownloadedExport {
        key: download.key.id.to_string(),
        wrapped: STANDARD.encode(&download.wrapped),
        algorithm: download.method.as_str(),
        public_key_fingerprint: download.public_key_fingerprint,
    }))
}
