//! `keystead vault rehearse`, and the transcripts of roots.

use std::path::Path;

use keystead_domain::Invalid;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Context,
    root_rotation::{from_files, typed},
};
use crate::{
    args::vault::Rehearse,
    client::{Client, read},
    error::CliError,
    output::{Sheet, vault::Vault},
    profile::write_private,
    route::Route,
};

/// Shares on their way. It has no `Debug`.
#[derive(Serialize)]
struct Shares<'a> {
    shares: Vec<&'a str>,
}

/// What the server says of them.
#[derive(Deserialize)]
struct Rehearsal {
    shares_needed: u64,
    shares_shown: Vec<u64>,
    #[serde(default)]
    transcript: String,
}

impl Sheet for Rehearsal {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let shown: Vec<String> = self.shares_shown.iter().map(u64::to_string).collect();
        vec![("right", Some(shown.join(", "))), ("needed", Some(self.shares_needed.to_string())), ("changed", Some("nothing".to_owned()))]
    }

    fn below(&self) -> String {
        format!("\n{}", self.transcript)
    }
}

/// Proves shares.
///
/// # Errors
/// [`CliError`].
pub async fn rehearse(context: &Context, client: &Client, args: &Rehearse) -> Result<(), CliError> {
    demand_new(args.transcript.as_deref())?;
    let shares = match args.share_files.as_slice() {
        [] => typed(needed(client).await?)?,
        files => from_files(files)?,
    };
    let body = Shares { shares: shares.iter().map(|share| share.as_str()).collect() };
    let answer: Value = client.send(Method::POST, &Route::new("v1/vault/rehearse"), &body).await?;
    keep_transcript(&answer, args.transcript.as_deref())?;
    context.output.one::<Rehearsal>(&answer)
}

/// How many shares are to be asked for: none where there are none, and the server says so.
async fn needed(client: &Client) -> Result<u64, CliError> {
    let vault: Vault = read(&client.get(&Route::new("v1/vault")).await?)?;
    Ok(vault.keepers_needed().unwrap_or(0))
}

/// The file of a transcript must be new. That is seen before anything is asked of the server: behind it, the one copy of the transcript would be lost.
pub(super) fn demand_new(path: Option<&Path>) -> Result<(), CliError> {
    match path {
        Some(path) if path.exists() => Err(Invalid::new("transcript", "is a file that is there already", "Give the name of a new file.").into()),
        _ => Ok(()),
    }
}

/// Writes the transcript that an answer holds into a file of its own.
pub(super) fn keep_transcript(answer: &Value, path: Option<&Path>) -> Result<(), CliError> {
    match (answer["transcript"].as_str(), path) {
        (Some(transcript), Some(path)) => write_private(path, transcript.as_bytes()).map_err(|reason| CliError::writing(path, reason)),
        _ => Ok(()),
    }
}
