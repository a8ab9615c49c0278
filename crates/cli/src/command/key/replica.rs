//! `keystead key replica …` and `keystead key family`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{new::tags, route, schedule_deletion};
use crate::{
    args::key::{AddReplica, One, ReplicaVerb},
    command::{
        Context,
        change::{Shown, settle},
    },
    error::CliError,
    output::key::Member,
};

/// The request: what is absent is the primary's.
#[derive(Serialize)]
struct Body<'a> {
    keystore: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aliases: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
}

/// Does what was typed.
pub async fn run(context: &Context, verb: &ReplicaVerb) -> Result<(), CliError> {
    match verb {
        ReplicaVerb::Add(args) => add(context, args).await,
        ReplicaVerb::Remove(args) => schedule_deletion(context, args).await,
        ReplicaVerb::Promote(one) => super::ask(context, one, "promote", Shown::Same).await,
    }
}

async fn add(context: &Context, args: &AddReplica) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.send(reqwest::Method::POST, &route(&args.one)?.then("replicas"), &body(args)?).await?;
    settle(context, &client, &answer, Shown::Same).await
}

fn body(args: &AddReplica) -> Result<Body<'_>, CliError> {
    Ok(Body {
        keystore: &args.keystore,
        name: args.name.as_deref(),
        aliases: (args.no_alias || !args.aliases.is_empty()).then_some(args.aliases.as_slice()),
        description: args.description.as_deref(),
        tags: if args.tags.is_empty() { None } else { Some(tags(&args.tags)?) },
    })
}

/// The primary, then its replicas, a line each.
pub async fn family(context: &Context, one: &One) -> Result<(), CliError> {
    let shown = context.client()?.get(&route(one)?.then("family")).await?;
    if context.output.is_json() {
        return context.output.json(&shown);
    }
    let replicas = shown["replicas"].as_array().cloned().unwrap_or_default();
    let members: Vec<Value> = std::iter::once(shown["primary"].clone()).chain(replicas).collect();
    context.output.many::<Member>(&members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun, key::KeyVerb};
    use clap::Parser as _;

    fn sent(line: &str) -> Value {
        let noun = Cli::try_parse_from(format!("keystead key replica add {line}").split(' ')).map(|cli| cli.noun);
        let Ok(Noun::Key(verb)) = noun else { panic!("{line} is of another noun") };
        let KeyVerb::Replica(ReplicaVerb::Add(args)) = *verb else { panic!("{line} is another verb") };
        serde_json::to_value(body(&args).expect("a body")).expect("json")
    }

    #[test]
    fn what_is_not_said_is_the_primarys_ft_047() {
        assert_eq!(sent("orders --to us"), serde_json::json!({"keystore": "us"}));
        let whole = "orders --to us --name orders-us --no-alias --tag team=pay --description d";
        let expected = serde_json::json!({"keystore": "us", "name": "orders-us", "aliases": [], "tags": {"team": "pay"}, "description": "d"});
        assert_eq!(sent(whole), expected);
    }
}
