//! `keystead vault …`

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keystead_domain::Invalid;
use reqwest::Method;
use serde::{Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Context, rehearsal, root_rotation};
use crate::{
    args::vault::{Unseal, VaultVerb},
    client::{Client, read},
    error::CliError,
    output::vault::Vault,
    route::Route,
    secret::{ask, read_file, read_text},
};

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: VaultVerb) -> Result<(), CliError> {
    let client = context.client()?;
    let vault = match verb {
        VaultVerb::Status => status(&client).await?,
        VaultVerb::Seal => client.post(&Route::new("v1/vault/seal")).await?,
        VaultVerb::Unseal(args) => unseal(context, &client, &args).await?,
        VaultVerb::Rotate(args) => root_rotation::rotate(context, &client, &args).await?,
        VaultVerb::ConfirmRotation(args) => root_rotation::confirm(context, &client, &args).await?,
        VaultVerb::Rehearse(args) => return rehearsal::rehearse(context, &client, &args).await,
    };
    context.output.one::<Vault>(&vault)
}

/// How it stands. The hardware modules are told to whoever shows a token; the rest to anybody.
async fn status(client: &Client) -> Result<Value, CliError> {
    let mut vault = client.get(&Route::new("v1/vault")).await?;
    if vault["kind"] == "hsm"
        && let Ok(told) = client.get(&Route::new("v1/vault/modules")).await
    {
        vault["modules"] = told["modules"].clone();
    }
    Ok(vault)
}

/// What opens a vault: one of the three. It has no `Debug`.
#[derive(Default, Serialize)]
struct Secret {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    passphrase: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    share: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    key_file: Option<Zeroizing<String>>,
}

/// A secret has no `Serialize` of its own: here, on its way to the vault, is the one place where it is written.
pub(super) fn exposed<S: Serializer>(secret: &Option<Zeroizing<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|secret| secret.as_str()).serialize(serializer)
}

async fn give(client: &Client, secret: Secret) -> Result<Value, CliError> {
    client.send(Method::POST, &Route::new("v1/vault/unseal"), &secret).await
}

async fn unseal(context: &Context, client: &Client, args: &Unseal) -> Result<Value, CliError> {
    if let Some(path) = &args.passphrase_file {
        return give(client, Secret { passphrase: Some(read_text("passphrase", path)?), ..Secret::default() }).await;
    }
    if let Some(path) = &args.key_file {
        return give(client, Secret { key_file: Some(encoded(path)?), ..Secret::default() }).await;
    }
    if args.share_files.is_empty() {
        return unseal_by_asking(context, client).await;
    }
    let mut vault = Value::Null;
    for path in &args.share_files {
        vault = give(client, Secret { share: Some(share(&read_text("share", path)?)), ..Secret::default() }).await?;
    }
    Ok(vault)
}

/// Asks the server what opens it, and then the person in front of it.
async fn unseal_by_asking(context: &Context, client: &Client) -> Result<Value, CliError> {
    let now = client.get(&Route::new("v1/vault")).await?;
    let vault: Vault = read(&now)?;
    match vault.kind.as_str() {
        _ if !vault.sealed => Ok(now),
        "shares" => unseal_by_shares(context, client, vault).await,
        "passphrase" => {
            let passphrase = ask("passphrase", "Passphrase of the vault: ", "--passphrase-file")?;
            give(client, Secret { passphrase: Some(passphrase), ..Secret::default() }).await
        }
        "hsm" => {
            let mend = "The server reads its PIN when it starts, from the file that [hsm] names: restart the server.";
            Err(Invalid::new("secret", "cannot be given here: the root lies in a hardware module", mend).into())
        }
        _ => Err(Invalid::new("key_file", "is needed: this vault opens by a key file", "Give it with --key-file.").into()),
    }
}

/// Share after share, until there are enough.
async fn unseal_by_shares(context: &Context, client: &Client, mut vault: Vault) -> Result<Value, CliError> {
    loop {
        let prompt = format!("Share {} of {}: ", vault.shares_have.unwrap_or(0) + 1, vault.shares_needed.unwrap_or(0));
        let text = ask("share", &prompt, "--share-file")?;
        match give(client, Secret { share: Some(share(&text)), ..Secret::default() }).await {
            Ok(answer) => {
                vault = read(&answer)?;
                if !vault.sealed {
                    return Ok(answer);
                }
            }
            // A mistyped share spoils nothing: it can be typed again.
            Err(CliError::Refused(problem)) if problem.status == Some(422) => context.output.problem(&problem),
            Err(error) => return Err(error),
        }
    }
}

/// A share as it was printed; spaces around it are none of it.
pub(super) fn share(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.trim().to_owned())
}

pub(super) fn encoded(path: &std::path::Path) -> Result<Zeroizing<String>, CliError> {
    Ok(Zeroizing::new(STANDARD.encode(read_file("key_file", path)?.as_slice())))
}
