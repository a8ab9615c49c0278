//! `keystead vault rotate` and `keystead vault confirm-rotation`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::ProgressBar;
use keystead_domain::Invalid;
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Context,
    rehearsal::{demand_new, keep_transcript},
    vault::{encoded, exposed, share},
};
use crate::{
    args::vault::{ConfirmRotation, RootKind, RootSecret, Rotate, Rotated},
    client::{Client, read},
    error::CliError,
    output::vault::{Prepared, Vault},
    route::Route,
    secret::{ask, new_passphrase, read_text},
};

/// The time between two looks at a rotation.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
    #[serde(skip_serializing_if = "Option::is_none")]
    hsm: Option<String>,
}

#[derive(Serialize)]
struct Shares {
    count: u8,
    threshold: u8,
}

/// Rotates, and waits until everything is sealed anew. New shares are asked back at once where somebody sits in front of it.
///
/// # Errors
/// [`CliError`].
pub async fn rotate(context: &Context, client: &Client, args: &Rotate) -> Result<Value, CliError> {
    demand_new(args.transcript.as_deref())?;
    let body = Rotation { what: args.what.as_str(), unlock: unlock(args)? };
    let answer = client.send(Method::POST, &Route::new("v1/vault/rotate"), &body).await?;
    match read::<Vault>(&answer)?.prepared {
        None if args.what == Rotated::AccountKey => Ok(answer),
        None => follow(context, client, answer).await,
        Some(prepared) if context.output.is_dialogue() => {
            context.output.one::<Vault>(&answer)?;
            ask_back(context, client, &prepared, args).await
        }
        Some(_) => Ok(answer),
    }
}

/// Confirms a rotation whose shares were handed out before.
///
/// # Errors
/// [`CliError`].
pub async fn confirm(context: &Context, client: &Client, args: &ConfirmRotation) -> Result<Value, CliError> {
    demand_new(args.transcript.as_deref())?;
    let answer = show(client, &args.rotation, from_files(&args.share_files)?).await?;
    told(context, client, answer, args.transcript.as_deref()).await
}

/// Keeps the transcript, and follows the rotation; what is answered at its end has the transcript, too.
async fn told(context: &Context, client: &Client, answer: Value, path: Option<&Path>) -> Result<Value, CliError> {
    keep_transcript(&answer, path)?;
    let transcript = answer["transcript"].clone();
    let mut vault = follow(context, client, answer).await?;
    vault["transcript"] = transcript;
    Ok(vault)
}

/// The keepers show their shares, until enough of them are right or it is too late.
async fn ask_back(context: &Context, client: &Client, prepared: &Prepared, args: &Rotate) -> Result<Value, CliError> {
    loop {
        let files = &args.confirm_files;
        let shares = if files.is_empty() { typed(prepared.shares_needed)? } else { written(files)? };
        match show(client, &prepared.rotation, shares).await {
            Ok(answer) => return told(context, client, answer, args.transcript.as_deref()).await,
            Err(CliError::Refused(problem)) if problem.field.as_deref() == Some("shares") => context.output.problem(&problem),
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn typed(needed: u64) -> Result<Vec<Zeroizing<String>>, CliError> {
    let prompt = |number| format!("Share {number} of {needed}, as its keeper has it: ");
    (1..=needed).map(|number| ask("shares", &prompt(number), "`keystead vault confirm-rotation`").map(|text| share(&text))).collect()
}

fn written(files: &[PathBuf]) -> Result<Vec<Zeroizing<String>>, CliError> {
    ask("shares", "Press Enter when the files to confirm with are written: ", "`keystead vault confirm-rotation`")?;
    from_files(files)
}

pub(super) fn from_files(files: &[PathBuf]) -> Result<Vec<Zeroizing<String>>, CliError> {
    files.iter().map(|path| read_text("shares", path).map(|text| share(&text))).collect()
}

/// What confirms a rotation. It has no `Debug`.
#[derive(Serialize)]
struct Confirmation<'a> {
    rotation: &'a str,
    shares: Vec<&'a str>,
}

async fn show(client: &Client, rotation: &str, shares: Vec<Zeroizing<String>>) -> Result<Value, CliError> {
    let body = Confirmation { rotation, shares: shares.iter().map(|share| share.as_str()).collect() };
    client.send(Method::POST, &Route::new("v1/vault/rotate/confirm"), &body).await
}

/// Waits until everything is sealed anew under the new root. It goes on by itself: neither the end of the wait nor a server that is away ends it.
async fn follow(context: &Context, client: &Client, mut vault: Value) -> Result<Value, CliError> {
    if context.global.no_wait {
        return Ok(vault);
    }
    let deadline = Instant::now() + context.global.timeout;
    let bar = context.output.is_watched().then(ProgressBar::new_spinner);
    while let Some(rotation) = read::<Vault>(&vault)?.rotation {
        if Instant::now() >= deadline {
            return Err(CliError::StillRotating { after: context.global.timeout });
        }
        bar.iter().for_each(|bar| bar.set_message(format!("sealing anew: {}", rotation.words())));
        bar.iter().for_each(ProgressBar::tick);
        tokio::time::sleep(LOOK_EVERY).await;
        match client.get(&Route::new("v1/vault")).await {
            Ok(seen) => vault = seen,
            Err(CliError::Unreachable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    bar.iter().for_each(ProgressBar::finish_and_clear);
    Ok(vault)
}

fn unlock(args: &Rotate) -> Result<Option<Unlock>, CliError> {
    let Some(kind) = args.to else { return Ok(None) };
    if args.what == Rotated::AccountKey {
        return Err(Invalid::new("to", "is for the root only", "Leave --to out: an account key is opened by the root.").into());
    }
    if args.hsm.is_some() && kind != RootKind::Hsm {
        return Err(Invalid::new("hsm", "is for a root in a hardware module only", "Leave it out, or give --to hsm.").into());
    }
    if kind != RootKind::Hsm {
        refuse_backup(&args.secret)?;
    }
    Ok(Some(match kind {
        RootKind::Passphrase => Unlock { passphrase: Some(new_passphrase(args.secret.passphrase_file.as_deref())?), ..Unlock::default() },
        RootKind::KeyFile => Unlock { key_file: args.key_file.as_deref().map(encoded).transpose()?, ..Unlock::default() },
        RootKind::Shares => Unlock { shares: Some(shares(&args.secret)?), ..Unlock::default() },
        RootKind::Hsm => {
            let shares = args.secret.backup.then(|| shares(&args.secret)).transpose()?;
            Unlock { hsm: Some(args.hsm.clone().unwrap_or_default()), shares, ..Unlock::default() }
        }
    }))
}

fn shares(secret: &RootSecret) -> Result<Shares, CliError> {
    check_threshold(secret)?;
    Ok(Shares { count: secret.shares, threshold: secret.threshold })
}

/// Only a root in a module has a copy: nobody shall believe that there is one.
///
/// # Errors
/// [`CliError::Invalid`] naming `backup`.
pub fn refuse_backup(secret: &RootSecret) -> Result<(), CliError> {
    if !secret.backup {
        return Ok(());
    }
    Err(Invalid::new("backup", "is for a root in a hardware module only", "Leave it out: what opens the vault is the copy that is kept. Or give a module.")
        .into())
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
    use crate::{
        args::{Cli, Noun, global::Global, vault::VaultVerb},
        output::Output,
        settings::Environment,
        testing::{Script, Server, connection},
    };
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
        assert_eq!(rotation("root --to hsm"), Ok(serde_json::json!({"what": "root", "unlock": {"hsm": ""}})));
        assert_eq!(
            rotation("root --to hsm --hsm second --backup --shares 7 --threshold 4"),
            Ok(serde_json::json!({"what": "root", "unlock": {"hsm": "second", "shares": {"count": 7, "threshold": 4}}}))
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
        assert!(rotation("root --to shares --hsm second").is_err_and(|error| error.contains("--to hsm")));
        assert!(rotation("root --to shares --backup").is_err_and(|error| error.contains("hardware module only")));
        assert!(rotation("root --to hsm --backup --shares 3 --threshold 4").is_err_and(|error| error.contains("threshold is 4")));
        assert!(rotation("root").is_err_and(|error| error.contains("--to")));
        assert!(rotation("account-key --to shares").is_err_and(|error| error.contains("for the root only")));
        assert!(rotation("root --to key-file").is_err_and(|error| error.contains("--key-file")));
    }

    fn vault(rotation: &Value) -> Value {
        serde_json::json!({"sealed": false, "kind": "shares", "root_generation": 2, "rotation": rotation})
    }

    /// Confirms at a server that follows the script; what came of it, and what was asked.
    async fn confirmed(script: Vec<Script>, global: Global) -> (Result<Value, CliError>, Vec<String>) {
        let server = Server::start(script).await;
        let context = Context { output: Output::new(global.output), global, environment: Environment::default() };
        let client = Client::new(connection(&server.url, Duration::from_secs(10))).expect("a client");
        let args = ConfirmRotation { rotation: "rotation_1".into(), share_files: Vec::new(), transcript: None };
        let ended = confirm(&context, &client, &args).await;
        (ended, server.heads())
    }

    #[tokio::test]
    async fn it_waits_until_everything_is_sealed_anew_also_when_the_server_is_away() {
        let running = serde_json::json!({"done": 1, "total": 5});
        let script =
            vec![Script::json(200, &vault(&running)), Script::json(200, &vault(&running)), Script::Cut, Script::Cut, Script::json(200, &vault(&Value::Null))];
        let (ended, heads) = confirmed(script, Global::default()).await;
        assert_eq!(ended.expect("it is done")["rotation"], Value::Null);
        assert!(heads[0].starts_with("POST /v1/vault/rotate/confirm ") && heads[1..].iter().all(|head| head.starts_with("GET /v1/vault ")), "{heads:?}");
    }

    #[tokio::test]
    async fn the_wait_ends_and_says_that_the_rotation_goes_on() {
        let script = (0..9).map(|_| Script::json(200, &vault(&serde_json::json!({"done": null, "total": null})))).collect();
        let (ended, _) = confirmed(script, Global { timeout: Duration::from_millis(700), ..Global::default() }).await;
        let error = ended.expect_err("it goes on");
        assert!(matches!(error, CliError::StillRotating { .. }) && error.problem().mend.contains("keystead vault status"));
    }

    #[tokio::test]
    async fn who_does_not_want_to_wait_gets_the_first_answer() {
        let running = serde_json::json!({"done": 1, "total": 5});
        let (ended, heads) = confirmed(vec![Script::json(200, &vault(&running))], Global { no_wait: true, ..Global::default() }).await;
        assert_eq!((ended.expect("it is begun")["rotation"].clone(), heads.len()), (running, 1));
    }
}
