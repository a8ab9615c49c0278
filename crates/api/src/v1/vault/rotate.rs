//! `POST /v1/vault/rotate`.

use axum::{Json, extract::State};
use keystead_app::rotation::{NewRoot, Prepared, Rotation};
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
    wire::{time::rfc3339, vault::Vault},
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

/// What a root shall open by: one of the first three, or `hsm`, with or without `shares`.
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
    /// Fresh shares; the answer holds them, this once. The root is new only when enough of them are shown again. Beside `hsm` they restore a copy of the root.
    #[serde(default)]
    shares: Option<ShareNumbers>,
    /// The name of a hardware module of the server's configuration, in which the root is made; empty for the first.
    #[serde(default)]
    #[schema(example = "second")]
    hsm: Option<String>,
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
    "sealed": false, "kind": "passphrase", "shares_needed": null, "shares_have": null, "backup": null, "root_generation": 1, "root_changed": false, "rotation": null,
    "prepared": {
        "rotation": "rotation_0b1d6c2f9a8e4735", "confirm_by": "2026-11-22T04:15:00.000000Z", "shares_needed": 2,
        "new_shares": ["keystead-share-…", "keystead-share-…", "keystead-share-…"]
    }
}))]
pub(crate) struct RotatedVault {
    #[serde(flatten)]
    vault: Vault,
    /// How many key versions were sealed anew, when the account key is new. With a new root that goes on behind the answer: see `rotation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rewrapped: Option<u64>,
    /// A new root that opens by shares, and waits for them. Nothing has changed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    prepared: Option<PreparedRoot>,
}

/// A new root that waits for its shares.
#[derive(Serialize, ToSchema)]
pub(crate) struct PreparedRoot {
    /// Names it, for `POST /v1/vault/rotate/confirm`.
    rotation: String,
    /// Until when it waits.
    confirm_by: String,
    /// How many of the shares have to be shown.
    shares_needed: u8,
    /// All of the shares: hand each to its keeper, they are not shown again.
    #[schema(value_type = Vec<String>, read_only)]
    new_shares: Vec<ShownOnce>,
}

impl From<Prepared> for PreparedRoot {
    fn from(Prepared { rotation, confirm_by, threshold, shares }: Prepared) -> Self {
        let new_shares = shares.into_iter().map(ShownOnce::Share).collect();
        Self { rotation, confirm_by: rfc3339(confirm_by), shares_needed: threshold, new_shares }
    }
}

enum What {
    Root(NewRoot),
    AccountKey,
}

impl RotateVault {
    fn read(self) -> Result<What, Invalid> {
        match (self.what.as_str(), self.unlock) {
            ("root", Some(unlock)) => unlock.read().map(What::Root),
            ("account-key", None) => Ok(What::AccountKey),
            ("root", None) => Err(Invalid::new("unlock", "is missing", "Say what the new root shall open by: passphrase, key_file, shares or hsm.")),
            ("account-key", Some(_)) => Err(Invalid::new("unlock", "is for the root only", "Leave it out.")),
            _ => Err(Invalid::new("what", "is not a key of the vault", "Give root or account-key.")),
        }
    }
}

impl GivenUnlock {
    fn read(self) -> Result<NewRoot, Invalid> {
        let secret = match (self.passphrase, self.key_file, self.shares, self.hsm) {
            (Some(passphrase), None, None, None) => NewUnlock::Passphrase { passphrase: passphrase.into_bytes(), cost: PassphraseCost::default() },
            (None, Some(file), None, None) => NewUnlock::KeyFile(file.decode_base64("unlock.key_file")?),
            (None, None, Some(ShareNumbers { count, threshold }), None) => NewUnlock::Shares { threshold, count },
            (None, None, shares, Some(name)) => {
                let backup = shares.map(|numbers| (numbers.threshold, numbers.count));
                return Ok(NewRoot::Module { name: Some(name).filter(|name| !name.is_empty()), backup });
            }
            _ => {
                return Err(Invalid::new(
                    "unlock",
                    "must have one secret",
                    "Give passphrase, key_file, shares or hsm, and only one of them; hsm may have shares beside it.",
                ));
            }
        };
        Ok(NewRoot::Secret(secret))
    }
}

/// Rotate a key of the vault
///
/// Makes a new root key or account key; everything is sealed anew under it while the house goes on, and a crash in between leaves every row openable.
///
/// `account-key`: the answer comes when all of it is done.
///
/// `root` by a passphrase or a key file: the answer comes when the new root is stored. The rest goes on by itself (`rotation` in `GET /v1/vault`). Every other node on
/// the same PostgreSQL seals itself (`root_changed` in `GET /v1/vault` and `GET /v1/status`): unseal each with the new secret. A key that was being made at that moment
/// may be refused with 409 `moved-on`: repeat it.
///
/// `root` by `hsm`: the root is made in a hardware module that the server's configuration names, and every key goes over into it, or from the module before into this one; the
/// material is never plain outside of both. A module that would not take all kinds of key that the vault holds is refused before anything is made. A root that lies in a
/// module goes to a module only. Other nodes that know the module open themselves by it. Beside `shares` a copy of the root is made, as below.
///
/// `root` by shares: the answer holds the shares (`prepared`), and **nothing has changed yet**. Show enough of them to `POST /v1/vault/rotate/confirm` within 15 minutes,
/// at the same node; only then the root is new. Shares that are not confirmed count for nothing, and another rotation of the root forgets them.
///
/// The same request again with the same `Idempotency-Key` makes no other key: for `account-key` it goes on with what the first left undone and answers like it; for `root`
/// by a passphrase or a key file it is answered with 409 `already-done`, because nothing is kept of a secret by which a repeated request could be told from another one.
/// For `root` by shares it makes other shares, and those before count for nothing.
#[utoipa::path(post, path = "/v1/vault/rotate", tag = "vault", params(IdempotencyHeader), request_body = RotateVault,
    responses((status = 200, description = "It is done, or waits for its shares.", body = RotatedVault)))]
pub(crate) async fn rotate_vault(State(api): State<Api>, Caller(caller): Caller, change: Change<RotateVault>) -> Result<Json<RotatedVault>, Refusal> {
    let request = change.request(&caller);
    let (rewrapped, prepared) = match change.body.read()? {
        What::AccountKey => (Some(api.app.rotate_account_key(&caller, &request).await?), None),
        What::Root(unlock) => match api.app.rotate_root(&caller, &request, unlock).await? {
            Rotation::Begun => (None, None),
            Rotation::Prepared(prepared) => (None, Some(prepared.into())),
        },
    };
    Ok(Json(RotatedVault { vault: api.app.vault_status().await.into(), rewrapped, prepared }))
}
