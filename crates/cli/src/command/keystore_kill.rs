//! `keystead keystore kill`: first what it would do and how long it would take, then a person's word, then the kills.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, Write as _},
};

use keystead_domain::Invalid;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Context, change, keystore::route};
use crate::{
    args::keystore::Kill,
    client::{Client, read},
    error::CliError,
    output::{
        kill::{KilledKey, Planned},
        operation::Answer,
    },
    wait::follow,
};

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<&'a str, &'a str>,
    all: bool,
    lineage: bool,
    dry_run: bool,
}

impl<'a> Body<'a> {
    fn of(args: &'a Kill, dry_run: bool) -> Self {
        let tags = args.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self { tags, all: args.all, lineage: !args.no_lineage, dry_run }
    }
}

/// Shows, asks, kills, waits, and prints what was taken out of use.
///
/// # Errors
/// [`CliError`]; the first kill that failed, once the others are told.
pub async fn kill(context: &Context, args: &Kill) -> Result<(), CliError> {
    let client = context.client()?;
    let path = route(&args.one)?.then("kill");
    let shown = client.send(Method::POST, &path, &Body::of(args, true)).await?;
    if args.dry_run {
        return context.output.one::<Planned>(&shown);
    }
    if !args.yes {
        if !context.output.is_dialogue() {
            return Err(Invalid::new("yes", "is missing, and nobody can be asked", "Look with --dry-run what it does, then give --yes.").into());
        }
        context.output.one::<Planned>(&shown)?;
        confirm(&args.one.keystore)?;
    }
    let answer = client.send(Method::POST, &path, &Body::of(args, false)).await?;
    for left in answer["left"].as_array().into_iter().flatten() {
        let (name, operation) = (left["name"].as_str().unwrap_or_default(), left["operation"].as_str().unwrap_or_default());
        context.output.note(&format!("warning: {name} is not killed: {operation} has it in hand. Repeat the command when that has ended."));
    }
    settle(context, &client, &answer).await
}

async fn settle(context: &Context, client: &Client, answer: &Value) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Begun {
        started: Vec<Answer>,
    }
    let (mut keys, mut failed) = (Vec::new(), None);
    for Answer { operation, .. } in read::<Begun>(answer)?.started {
        let Some(operation) = operation.filter(|_| !context.global.no_wait) else { continue };
        match follow(client, context.output, context.global.timeout, operation).await {
            Ok(ended) => keys.extend(change::show(client, &ended.id).await?["kill"].as_array().cloned().unwrap_or_default()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if context.global.no_wait {
        return context.output.text("The kills have begun. See them: keystead operation list\n", answer);
    }
    context.output.many::<KilledKey>(&keys)?;
    failed.map_or(Ok(()), Err)
}

/// Asks for the keystore's name: a yes is typed too easily.
fn confirm(keystore: &str) -> Result<(), CliError> {
    let mut line = String::new();
    let mut prompt = io::stderr().lock();
    let asked = write!(prompt, "Type the keystore as you named it to kill these keys: ").and_then(|()| prompt.flush());
    asked.and_then(|()| io::stdin().lock().read_line(&mut line)).map_err(CliError::Output)?;
    if line.trim() == keystore {
        return Ok(());
    }
    Err(Invalid::new("yes", "was not given: another name was typed, and nothing is killed", "Repeat the command if it is still wanted.").into())
}
