//! `POST /v1/vault/unseal`.

use std::time::Duration;

use axum::{Json, extract::State, http::Extensions};
use keystead_app::vault::Offer;
use keystead_domain::Invalid;
use keystead_vault::UnlockSecret;
use serde::{Deserialize, Serialize};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use utoipa::ToSchema;

use crate::{
    api::Api,
    caller::peer,
    extract::{Body, Input},
    problem::Refusal,
    secret::{SecretString, length_only},
    wire::vault::Vault,
};

/// How long somebody waits for their turn.
const TURN: Duration = Duration::from_secs(5);

/// What opens the vault: one of the three.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "passphrase": "correct horse battery staple and so on" }))]
pub(crate) struct UnsealVault {
    /// The passphrase.
    #[serde(default, serialize_with = "optional_length")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    passphrase: Option<SecretString>,
    /// One share; the one that completes the threshold opens the vault.
    #[serde(default, serialize_with = "optional_length")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    share: Option<SecretString>,
    /// The bytes of the key file, base64.
    #[serde(default, serialize_with = "optional_length")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    key_file: Option<SecretString>,
}

impl Input for UnsealVault {
    fn holds_secret(_: Option<&Self>) -> bool {
        true
    }
}

/// [`length_only`] for a secret that may be absent.
pub(super) fn optional_length<S: serde::Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => length_only(secret, serializer),
        None => serializer.serialize_none(),
    }
}

impl UnsealVault {
    fn read(self) -> Result<Offer, Invalid> {
        match (self.passphrase, self.share, self.key_file) {
            (Some(passphrase), None, None) => Ok(Offer::Secret(UnlockSecret::Passphrase(passphrase.into_bytes()))),
            (None, Some(share), None) => Ok(Offer::Share(std::mem::take(&mut *share.into_text()))),
            (None, None, Some(file)) => Ok(Offer::Secret(UnlockSecret::KeyFile(file.decode_base64("key_file")?))),
            _ => Err(Invalid::new("body", "must have one secret", "Give passphrase, share or key_file, and only one of them.")),
        }
    }
}

/// Unseal the vault
///
/// Needs no token: knowing the secret is the proof. Operations that waited for it go on at once. An open vault is left as it is, and the secret is not looked at.
#[utoipa::path(post, path = "/v1/vault/unseal", tag = "vault", security(()), request_body = UnsealVault,
    responses((status = 200, description = "The vault: open, or waiting for more shares.", body = Vault)))]
pub(crate) async fn unseal_vault(State(api): State<Api>, extensions: Extensions, Body(asked): Body<UnsealVault>) -> Result<Json<Vault>, Refusal> {
    let status = api.app.unseal_in_turn(asked.read()?, peer(&extensions), turn(&api)).await?;
    Ok(Json(status.into()))
}

async fn turn(api: &Api) -> Result<OwnedSemaphorePermit, Refusal> {
    match timeout(TURN, api.unsealing.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Refusal::Crowded),
    }
}
