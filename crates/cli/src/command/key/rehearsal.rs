//! `keystead key rehearse-deletion`

use serde::Serialize;

use super::{consent, route};
use crate::{
    args::key::RehearseDeletion,
    command::{
        Context,
        change::{Shown, settle},
    },
    error::CliError,
    output::blast::Reach,
};

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "for")]
    span: &'a str,
}

/// Shows who depends on the key, asks, disables it, and says what happens by itself.
///
/// # Errors
/// [`CliError`].
pub async fn begin(context: &Context, args: &RehearseDeletion) -> Result<(), CliError> {
    let client = context.client()?;
    let participle = format!("disabled for {}", args.span);
    consent::ask(context, &client, &args.one, Reach::Alone, &participle, args.yes).await?;
    let answer = client.send(reqwest::Method::POST, &route(&args.one)?.then("rehearse-deletion"), &Body { span: &args.span }).await?;
    settle(context, &client, &answer, Shown::Same).await?;
    if !context.output.is_json() {
        let key = &args.one.key;
        context.output.note(&format!(
            "It is enabled again by itself in {}; at once by: keystead key end-rehearsal {key}. What became of it: keystead key rehearsals {key}",
            args.span
        ));
    }
    Ok(())
}
