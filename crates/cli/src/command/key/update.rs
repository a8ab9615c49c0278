//! `keystead key update`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{new::tags, route};
use crate::{
    args::key::Update,
    command::{
        Context,
        change::{Shown, settle},
    },
    error::CliError,
};

/// The change: what is absent stays, what is null goes.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aliases: Option<&'a [String]>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    add_aliases: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    remove_aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
}

pub async fn update(context: &Context, args: &Update) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.send(reqwest::Method::PATCH, &route(&args.one)?, &body(args)?).await?;
    settle(context, &client, &answer, Shown::Same).await
}

fn body(args: &Update) -> Result<Body<'_>, CliError> {
    Ok(Body {
        name: args.name.as_deref(),
        aliases: (args.no_alias || !args.aliases.is_empty()).then_some(args.aliases.as_slice()),
        add_aliases: &args.add_aliases,
        remove_aliases: &args.remove_aliases,
        description: args.description.as_deref(),
        tags: if args.no_tags || !args.tags.is_empty() { Some(tags(&args.tags)?) } else { None },
        expires: if args.no_expiry { Some(None) } else { args.expires.as_deref().map(Some) },
        expiry_policy: args.expiry_policy.map(|policy| policy.as_str()),
        exportable: args.not_exportable.then_some(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun, key::KeyVerb};
    use clap::Parser as _;
    use serde_json::json;

    fn sent(options: &str) -> serde_json::Value {
        let line = format!("keystead key update orders {options}");
        let Ok(Noun::Key(verb)) = Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) else { panic!("{line}") };
        let KeyVerb::Update(args) = *verb else { panic!("{line}") };
        serde_json::to_value(body(&args).expect("a body")).expect("json")
    }

    #[test]
    fn what_stays_is_absent_and_what_goes_is_null() {
        assert_eq!(sent("--description x"), json!({"description": "x"}));
        assert_eq!(sent("--add-alias a,alias/b --remove-alias c"), json!({"add_aliases": ["a", "b"], "remove_aliases": ["c"]}));
        assert_eq!(sent("--not-exportable"), json!({"exportable": false}));
        assert_eq!(sent("--no-alias --no-expiry --no-tags"), json!({"aliases": [], "expires": null, "tags": {}}));
        assert_eq!(
            sent("--alias a --expires 9d --tag b=c --name n --expiry-policy alert"),
            json!({"aliases": ["a"], "expires": "9d", "tags": {"b": "c"}, "name": "n", "expiry_policy": "alert"})
        );
    }
}
