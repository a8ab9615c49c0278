//! `keystead rotation …`

use reqwest::Method;
use serde::Serialize;

use super::{Context, pages};
use crate::{
    args::rotation::{RotationVerb, Set, Target},
    error::CliError,
    output::rotation::{Policy, Rotation},
    route::Route,
};

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: RotationVerb) -> Result<(), CliError> {
    match verb {
        RotationVerb::Set(args) => set(context, &args).await,
        RotationVerb::Show(args) => context.output.one::<Rotation>(&context.client()?.get(&route(&args.target)?).await?),
        RotationVerb::Clear(args) => context.output.one::<Rotation>(&context.client()?.delete(&route(&args.target)?).await?),
        RotationVerb::List(listing) => pages::list::<Policy>(context, Route::new("v1/rotation-policies"), &listing, None, |_| true).await,
    }
}

/// The route of a key's rotation.
///
/// # Errors
/// [`CliError`] for what is neither an id nor a name.
pub fn route_of_key(key: &str) -> Result<Route, CliError> {
    Route::new("v1/rotation-policies").of("key", &format!("key:{key}"))
}

fn route(target: &Target) -> Result<Route, CliError> {
    match (&target.key, &target.keystore) {
        (Some(key), _) => route_of_key(key),
        (None, Some(keystore)) => Route::new("v1/rotation-policies").of("keystore", &format!("keystore:{keystore}")),
        (None, None) => Ok(Route::new("v1/rotation-policies").then("default")),
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grace: Option<&'a str>,
}

fn body(args: &Set) -> Body<'_> {
    Body {
        strategy: if args.none { Some("none") } else { args.strategy.map(|strategy| strategy.as_str()) },
        every: args.every.as_deref(),
        cron: args.cron.as_deref(),
        zone: args.zone.as_deref(),
        start: args.start.as_deref(),
        window: args.window.as_deref(),
        notice: args.notice.as_deref(),
        grace: args.grace.as_deref(),
    }
}

async fn set(context: &Context, args: &Set) -> Result<(), CliError> {
    let rotation = context.client()?.send(Method::PUT, &route(&args.target)?, &body(args)).await?;
    context.output.one::<Rotation>(&rotation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun};
    use clap::Parser as _;
    use serde_json::json;

    fn sent(options: &str) -> serde_json::Value {
        let line = format!("keystead rotation set --key orders {options}");
        let Ok(Noun::Rotation(RotationVerb::Set(args))) = Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) else { panic!("{line}") };
        serde_json::to_value(body(&args)).expect("json")
    }

    #[test]
    fn what_was_not_said_is_absent() {
        assert_eq!(sent("--every 90d"), json!({"every": "90d"}));
        assert_eq!(sent("--none"), json!({"strategy": "none"}));
        assert_eq!(
            sent("--cron @monthly --zone Europe/Berlin --window 02:00-04:00 --notice 7d --grace keep --strategy new-key --start 9d"),
            json!({"cron": "@monthly", "zone": "Europe/Berlin", "window": "02:00-04:00", "notice": "7d", "grace": "keep", "strategy": "new-key", "start": "9d"})
        );
    }
}
