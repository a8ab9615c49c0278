//! `keystead key kill`: out of use everywhere, with the time until each Region refused.

use serde::Serialize;
use serde_json::Value;

use super::{consent, route};
use crate::{
    args::key::{Kill, One},
    client::read,
    command::{Context, change},
    error::CliError,
    output::{
        blast::{AffectedKey, Reach},
        kill::KilledKey,
        operation::Answer,
    },
    wait::follow,
};

#[derive(Serialize)]
struct Body {
    lineage: bool,
}

/// Asks for a kill, waits for it, and prints what was taken out of use.
///
/// # Errors
/// [`CliError`].
pub async fn kill(context: &Context, args: &Kill) -> Result<(), CliError> {
    let client = context.client()?;
    consent::ask(context, &client, &args.one, Reach::All, "killed", args.yes).await?;
    let answer = client.send(reqwest::Method::POST, &route(&args.one)?.then("kill"), &Body { lineage: !args.no_lineage }).await?;
    let warnings = answer["warnings"].as_array().into_iter().flatten().filter_map(|warning| warning.as_str());
    warnings.for_each(|warning| context.output.note(&format!("warning: {warning}")));
    let Answer { operation, .. } = read(&answer)?;
    let Some(operation) = operation.filter(|_| !context.global.no_wait) else {
        return change::settle(context, &client, &answer, change::Shown::Same).await;
    };
    let ended = follow(&client, context.output, context.global.timeout, operation).await?;
    let shown = change::show(&client, &ended.id).await?;
    if context.output.is_json() {
        return context.output.json(&shown);
    }
    let keys = shown["kill"].as_array().cloned().unwrap_or_default();
    context.output.many::<KilledKey>(&keys)?;
    context.output.note(&format!("It comes back as it was by: keystead key restore {}", args.one.key));
    Ok(())
}

/// Shows what depends on a key.
///
/// # Errors
/// [`CliError`].
pub async fn blast_radius(context: &Context, one: &One) -> Result<(), CliError> {
    let shown = context.client()?.get(&route(one)?.then("blast-radius")).await?;
    show_blast_radius(context, &shown, Reach::All)
}

/// Those that a command concerns, and what the table cannot say.
///
/// # Errors
/// [`CliError`].
pub fn show_blast_radius(context: &Context, shown: &Value, reach: Reach) -> Result<(), CliError> {
    let is_concerned = |key: &&Value| read::<AffectedKey>(key).is_ok_and(|key| key.is_in(reach));
    let keys: Vec<Value> = shown["keys"].as_array().into_iter().flatten().filter(is_concerned).cloned().collect();
    context.output.many::<AffectedKey>(&keys)?;
    if !context.output.is_json() {
        let untold = keys.iter().filter_map(|key| read::<AffectedKey>(key).ok()?.untold());
        untold.for_each(|why| context.output.note(&why));
        context.output.note("Whoever names the key by its ARN, under an IAM policy, is not seen here. Grants and policies are as the last sync saw them.");
    }
    Ok(())
}
