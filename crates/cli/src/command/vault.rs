//! `keystead vault …`

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keystead_domain::Invalid;
use reqwest::Method;
use serde::{Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Context;
use crate::{
    args::vault::{RootKind, RootSecret, Rotate, Rotated, Unseal, VaultVerb},
    client::{Client, read},
    error::CliError,
    output::vault::Vault,
    route::Route,
    secret::{ask, new_passphrase, read_file, read_text},
};

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: VaultVerb) -> Result<(), CliError> {
    let client = context.client()?;
    let vault = match verb {
        VaultVerb::Status => client.get(&Route::new("v1/vault")).await?,
        VaultVerb::Seal => client.post(&Route::new("v1/vault/seal")).await?,
        VaultVerb::Unseal(args) => unseal(context, &client, &args).await?,
        VaultVerb::Rotate(args) => rotate(&client, &args).await?,
    };
    context.output.one::<Vault>(&vault)
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
fn exposed<S: Serializer>(secret: &Option<Zeroizing<String>>, serializer: S) -> Result<S::Ok, S::Error> {
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
fn share(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.trim().to_owned())
}

fn encoded(path: &std::path::Path) -> Result<Zeroizing<String>, CliError> {
    Ok(Zeroizing::new(STANDARD.encode(read_file("key_file", path)?.as_slice())))
}

#[derive(Serialize)]
struct Rotation {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unlock: Option<Unlock>,
}

/// What shall open the root from now on. It has no `Debug`.
#[derive(Default, Serialize)]
struct Unlock {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    passphrase: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    key_file: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shares: Option<Shares>,
}

#[derive(Serialize)]
struct Shares {
    count: u8,
    threshold: u8,
}

async fn rotate(client: &Client, args: &Rotate) -> Result<Value, CliError> {
    let body = Rotation { what: args.what.as_str(), unlock: unlock(args)? };
    client.send(Method::POST, &Route::new("v1/vault/rotate"), &body).await
}

fn unlock(args: &Rotate) -> Result<Option<Unlock>, CliError> {
    let Some(kind) = args.to else { return Ok(None) };
    if args.what == Rotated::AccountKey {
        return Err(Invalid::new("to", "is for the root only", "Leave --to out: an account key is opened by the root.").into());
    }
    Ok(Some(match kind {
        RootKind::Passphrase => Unlock { passphrase: Some(new_passphrase(args.secret.passphrase_file.as_deref())?), ..Unlock::default() },
        RootKind::KeyFile => Unlock { key_file: args.key_file.as_deref().map(encoded).transpose()?, ..Unlock::default() },
        RootKind::Shares => Unlock { shares: Some(shares(&args.secret)?), ..Unlock::default() },
    }))
}

fn shares(secret: &RootSecret) -> Result<Shares, CliError> {
    check_threshold(secret)?;
    Ok(Shares { count: secret.shares, threshold: secret.threshold })
}

/// No more shares can be needed than there are.
///
/// # Errors
/// [`CliError::Invalid`] naming `threshold`.
pub fn check_threshold(secret: &RootSecret) -> Result<(), CliError> {
    if secret.threshold <= secret.shares {
        return Ok(());
    }
    Err(Invalid::new("threshold", format!("is {}, of {} shares", secret.threshold, secret.shares), "Ask for no more shares than there are.").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun};
    use clap::Parser as _;

    fn rotation(options: &str) -> Result<Value, String> {
        let line = format!("keystead vault rotate {options}");
        match Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?.noun {
            Noun::Vault(VaultVerb::Rotate(args)) => {
                let body = Rotation { what: args.what.as_str(), unlock: unlock(&args).map_err(|error| error.problem().block())? };
                serde_json::to_value(&body).map_err(|error| error.to_string())
            }
            _ => Err("another command".to_owned()),
        }
    }

    #[test]
    fn a_rotation_says_what_and_what_opens_it_then() {
        assert_eq!(rotation("account-key"), Ok(serde_json::json!({"what": "account-key"})));
        assert_eq!(
            rotation("root --to shares --shares 7 --threshold 4"),
            Ok(serde_json::json!({"what": "root", "unlock": {"shares": {"count": 7, "threshold": 4}}}))
        );
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        std::fs::write(&path, "six words are long enough here\n").expect("a file");
        let sent = rotation(&format!("root --to passphrase --passphrase-file {}", path.display()));
        assert_eq!(sent, Ok(serde_json::json!({"what": "root", "unlock": {"passphrase": "six words are long enough here"}})));
        std::fs::write(&path, [0, 255, 10]).expect("a file");
        let sent = rotation(&format!("root --to key-file --key-file {}", path.display()));
        assert_eq!(sent, Ok(serde_json::json!({"what": "root", "unlock": {"key_file": "AP8K"}})));
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_is_sent() {
        assert!(rotation("root --to shares --shares 3 --threshold 4").is_err_and(|error| error.contains("threshold is 4, of 3 shares")));
        assert!(rotation("root --to shares --shares 17").is_err());
        assert!(rotation("root").is_err_and(|error| error.contains("--to")));
        assert!(rotation("account-key --to shares").is_err_and(|error| error.contains("for the root only")));
        assert!(rotation("root --to key-file").is_err_and(|error| error.contains("--key-file")));
    }
}
