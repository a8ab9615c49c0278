//! `keystead ceremony …`: a key in components, each entered by another person (FX-015). A component is asked for, or read from a file; it is never an argument.

use std::path::Path;

use keystead_domain::{CeremonyId, Invalid};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Context, key::new, pages};
use crate::{
    args::ceremony::{Begin, CeremonyVerb, Enter, One},
    client::{Client, read},
    error::CliError,
    output::{ceremony::Ceremony, operation::Operation},
    route::Route,
    secret::{ask, read_text},
    wait::follow,
};

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: CeremonyVerb) -> Result<(), CliError> {
    match verb {
        CeremonyVerb::Begin(args) => begin(context, &args).await,
        CeremonyVerb::Enter(args) => enter(context, &args).await,
        CeremonyVerb::Show(one) => show(context, &one).await,
        CeremonyVerb::List(listing) => pages::list::<Ceremony>(context, Route::new("v1/ceremonies"), &listing, None, |_| true).await,
        CeremonyVerb::Finish(one) => finish(context, &one).await,
        CeremonyVerb::Cancel(one) => cancel(context, &one).await,
    }
}

#[derive(Serialize)]
struct BeginBody<'a> {
    key: new::Body<'a>,
    components: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_value: Option<&'a str>,
}

#[derive(Serialize)]
struct EnterBody<'a> {
    component: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_value: Option<&'a str>,
}

fn route(one: &One) -> Result<Route, CliError> {
    if CeremonyId::parse(&one.ceremony).is_err() {
        let mend = "Give its id, as `keystead ceremony list` shows it: names may come twice.";
        return Err(Invalid::new("ceremony", format!("is no id of a ceremony: {}", one.ceremony), mend).into());
    }
    Route::new("v1/ceremonies").of("ceremony", &one.ceremony)
}

async fn begin(context: &Context, args: &Begin) -> Result<(), CliError> {
    let mut key = new::body(&args.new, None)?;
    key.keep = args.no_copy.then_some(false);
    let body = BeginBody { key, components: args.components, check_value: args.check_value.as_deref() };
    let begun = context.client()?.send(Method::POST, &Route::new("v1/ceremonies"), &body).await?;
    context.output.one::<Ceremony>(&begun)?;
    if !context.output.is_json() {
        let ceremony: Ceremony = read(&begun)?;
        context.output.note(&format!("Now {} people enter a component each: keystead ceremony enter {}", args.components, ceremony.id));
    }
    Ok(())
}

/// The component is read before anything travels, and wiped when it has.
async fn enter(context: &Context, args: &Enter) -> Result<(), CliError> {
    let route = route(&args.one)?.then("components");
    let component = component(args.file.as_deref(), args.check_value.is_none())?;
    let body = EnterBody { component: component.trim(), check_value: args.check_value.as_deref() };
    let client = context.client()?;
    let answer = client.send(Method::POST, &route, &body).await?;
    settle(context, &client, answer).await
}

fn component(file: Option<&Path>, twice: bool) -> Result<Zeroizing<String>, CliError> {
    if let Some(path) = file {
        return read_text("component", path);
    }
    let typed = ask("component", "Your component, in hexadecimal: ", "--file")?;
    if twice && without_space(&ask("component", "The same again: ", "--file")?) != without_space(&typed) {
        return Err(Invalid::new("component", "was not the same twice", "Try again.").into());
    }
    Ok(typed)
}

/// Forms print digits in groups.
fn without_space(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect())
}

async fn show(context: &Context, one: &One) -> Result<(), CliError> {
    let shown = context.client()?.get(&route(one)?).await?;
    context.output.one::<Ceremony>(&shown)
}

async fn finish(context: &Context, one: &One) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.post(&route(one)?.then("finish")).await?;
    settle(context, &client, answer).await
}

async fn cancel(context: &Context, one: &One) -> Result<(), CliError> {
    let cancelled = context.client()?.post(&route(one)?.then("cancel")).await?;
    context.output.one::<Ceremony>(&cancelled)
}

/// Waits for the operation that makes the key, if all components are there, and shows how the ceremony stands.
async fn settle(context: &Context, client: &Client, answer: Value) -> Result<(), CliError> {
    let ceremony: Ceremony = read(&answer)?;
    let Some(operation) = ceremony.operation.as_deref().filter(|_| ceremony.is_making() && !context.global.no_wait) else {
        return context.output.one::<Ceremony>(&answer);
    };
    let operation: Operation = read(&client.get(&Route::new("v1/operations").of("operation", operation)?).await?)?;
    follow(client, context.output, context.global.timeout, operation).await?;
    let made = client.get(&Route::new("v1/ceremonies").of("ceremony", &ceremony.id)?).await?;
    context.output.one::<Ceremony>(&made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun};
    use clap::Parser as _;

    fn parse(line: &str) -> CeremonyVerb {
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) {
            Ok(Noun::Ceremony(verb)) => verb,
            Ok(_) => panic!("{line} is of another noun"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_said_is_sent() {
        let CeremonyVerb::Begin(args) = parse("keystead ceremony begin root --keystore eu --components 3 --check-value kcv-zero:0a0b0c --tag team=pay") else {
            panic!("begin")
        };
        let body = BeginBody { key: new::body(&args.new, None).expect("a body"), components: args.components, check_value: args.check_value.as_deref() };
        let expected = serde_json::json!({ "key": { "name": "root", "keystore": "eu", "spec": "AES_256", "tags": { "team": "pay" } }, "components": 3,
            "check_value": "kcv-zero:0a0b0c" });
        assert_eq!(serde_json::to_value(body).expect("json"), expected);
    }

    #[test]
    fn one_component_is_no_split_and_none_is_an_argument() {
        for line in [
            "keystead ceremony begin root --keystore eu --components 1",
            "keystead ceremony begin root --keystore eu --components 9",
            "keystead ceremony begin root --keystore eu",
            "keystead ceremony enter ceremony_1 0011",
            "keystead ceremony enter ceremony_1 --component 0011",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn a_name_is_no_ceremony() {
        assert!(matches!(route(&One { ceremony: "card-root".into() }), Err(CliError::Invalid(invalid)) if invalid.field == "ceremony"));
    }

    #[test]
    fn groups_and_letters_case_do_not_matter() {
        assert_eq!(*without_space("AB cd\t01"), *without_space("abcd01"));
    }
}
