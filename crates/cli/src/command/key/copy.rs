//! `keystead key copy`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{new::tags, route};
use crate::{
    args::key::Copy,
    command::{Context, change::settle_many},
    error::CliError,
};

/// The request: what is absent is as it is with the source.
#[derive(Serialize)]
struct Body<'a> {
    to: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_policy: Option<&'static str>,
}

pub async fn copy(context: &Context, args: &Copy) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.send(reqwest::Method::POST, &route(&args.one)?.then("copies"), &body(args)?).await?;
    settle_many(context, &client, &answer).await
}

fn body(args: &Copy) -> Result<Body<'_>, CliError> {
    Ok(Body {
        to: &args.to,
        name: args.name.as_deref(),
        aliases: &args.aliases,
        description: args.description.as_deref(),
        tags: if args.tags.is_empty() { None } else { Some(tags(&args.tags)?) },
        expires: args.expires.as_deref(),
        expiry_policy: args.expiry_policy.map(|policy| policy.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun, key::KeyVerb};
    use clap::Parser as _;
    use serde_json::json;

    fn sent(options: &str) -> serde_json::Value {
        let line = format!("keystead key copy orders {options}");
        let Ok(Noun::Key(verb)) = Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) else { panic!("{line}") };
        let KeyVerb::Copy(args) = *verb else { panic!("{line}") };
        serde_json::to_value(body(&args).expect("a body")).expect("json")
    }

    #[test]
    fn what_is_not_said_is_the_sources() {
        assert_eq!(sent("--to a --to b"), json!({"to": ["a", "b"]}));
        assert_eq!(
            sent("--to a --name n --alias alias/o --description d --tag team=pay --expires 9d --expiry-policy extend"),
            json!({"to": ["a"], "name": "n", "aliases": ["o"], "description": "d", "tags": {"team": "pay"}, "expires": "9d", "expiry_policy": "extend"})
        );
        assert!(Cli::try_parse_from("keystead key copy orders".split(' ')).is_err(), "a keystore must be named");
    }
}
