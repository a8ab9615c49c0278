//! `POST /v1/vault/rotate`.

use axum::{Json, extract::State};
use keystead_app::vault::Rotated;
use keystead_domain::Invalid;
use keystead_vault::{NewUnlock, PassphraseCost};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::unseal::optional_length;
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::Input,
    problem::Refusal,
    secret::{SecretString, ShownOnce},
    wire::vault::Vault,
};

/// Which key of the vault shall be new.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "what": "root", "unlock": { "shares": { "count": 5, "threshold": 3 } } }))]
pub(crate) struct RotateVault {
    /// `root` or `account-key`.
    what: String,
    /// What the new root shall open by; needed for `root`, and only there.
    #[serde(default)]
    unlock: Option<GivenUnlock>,
}

/// What a root shall open by: one of the three.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenUnlock {
    /// A passphrase of at least 12 characters.
    #[serde(default, serialize_with = "optional_length")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    passphrase: Option<SecretString>,
    /// 32 random bytes, base64.
    #[serde(default, serialize_with = "optional_length")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    key_file: Option<SecretString>,
    /// Fresh shares; the answer holds them, this once.
    #[serde(default)]
    shares: Option<ShareNumbers>,
}

/// How many shares there are, and how many open the vault.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShareNumbers {
    /// At most 16.
    count: u8,
    /// At least 2.
    threshold: u8,
}

impl Input for RotateVault {
    /// Also when it is the answer that holds them: new shares.
    fn holds_secret(body: Option<&Self>) -> bool {
        body.is_none_or(|body| body.unlock.is_some())
    }
}

/// The vault after a rotation.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "sealed": false, "kind": "shares", "shares_needed": 2, "shares_have": 0, "root_generation": 2, "root_changed": false, "rotation": null,
    "rewrapped": 1200,
    "new_shares": ["keystead-share-…", "keystead-share-…", "keystead-share-…"]
}))]
pub(crate) struct RotatedVault {
    #[serde(flatten)]
    vault: Vault,
    /// How many key versions were sealed anew.
    rewrapped: u64,
    /// The new shares, when the root opens by them: hand each to its keeper, they are not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, read_only)]
    new_shares: Option<Vec<ShownOnce>>,
}

enum What {
    Root(NewUnlock),
    AccountKey,
}

impl RotateVault {
    fn read(self) -> Result<What, Invalid> {
        match (self.what.as_str(), self.unlock) {
            ("root", Some(unlock)) => unlock.read().map(What::Root),
            ("account-key", None) => Ok(What::AccountKey),
            ("root", None) => Err(Invalid::new("unlock", "is missing", "Say what the new root shall open by: passphrase, key_file or shares.")),
            ("account-key", Some(_)) => Err(Invalid::new("unlock", "is for the root only", "Leave it out.")),
            _ => Err(Invalid::new("what", "is not a key of the vault", "Give root or account-key.")),
        }
    }
}

impl GivenUnlock {
    fn read(self) -> Result<NewUnlock, Invalid> {
        match (self.passphrase, self.key_file, self.shares) {
            (Some(passphrase), None, None) => Ok(NewUnlock::Passphrase { passphrase: passphrase.into_bytes(), cost: PassphraseCost::default() }),
            (None, Some(file), None) => Ok(NewUnlock::KeyFile(file.decode_base64("unlock.key_file")?)),
            (None, None, Some(ShareNumbers { count, threshold })) => Ok(NewUnlock::Shares { threshold, count }),
            _ => Err(Invalid::new("unlock", "must have one secret", "Give passphrase, key_file or shares, and only one of them.")),
        }
    }
}

/// Rotate a key of the vault
///
/// Makes a new root key or account key and seals everything anew under it, while the house goes on. The answer comes when all of it is done; a crash in between
/// leaves every row openable, and the next start goes on. With a new root every other node on the same PostgreSQL seals itself (`root_changed` in `GET /v1/vault` and
/// `GET /v1/status`): unseal each with the new secret. A key that was being made at that moment may be refused with 409 `moved-on`: repeat it. The same request again with the same `Idempotency-Key` makes no other key: for `account-key` it goes on with
/// what the first left undone and answers like it; for `root` it is answered with 409 `already-done`, because nothing of a secret is kept: not the new shares, and not by
/// which passphrase or key file a repeated request could be told from another one.
#[utoipa::path(post, path = "/v1/vault/rotate", tag = "vault", params(IdempotencyHeader), request_body = RotateVault,
    responses((status = 200, description = "It is done.", body = RotatedVault)))]
pub(crate) async fn rotate_vault(State(api): State<Api>, Caller(caller): Caller, change: Change<RotateVault>) -> Result<Json<RotatedVault>, Refusal> {
    let request = change.request(&caller);
    let Rotated { rewrapped, shares } = match change.body.read()? {
        What::Root(unlock) => api.app.rotate_root(&caller, &request, unlock).await?,
        What::AccountKey => api.app.rotate_account_key(&caller, &request).await?,
    };
    let new_shares = (!shares.is_empty()).then(|| shares.into_iter().map(ShownOnce::Share).collect());
    Ok(Json(RotatedVault { vault: api.app.vault_status().await.into(), rewrapped, new_shares }))
}
