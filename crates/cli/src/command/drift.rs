//! `keystead drift …`

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use super::{
    Context,
    change::{Shown, settle},
    pages,
};
use crate::{
    args::{
        drift::{Accept, DriftVerb, Events, List, One, Policy, Repair},
        listing::Listing,
    },
    error::CliError,
    output::drift::{Drift, DriftPolicy, EventQueue, PlannedDrift},
    route::Route,
};

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: DriftVerb) -> Result<(), CliError> {
    match verb {
        DriftVerb::List(args) => list(context, &args).await,
        DriftVerb::Show(one) => context.output.one::<Drift>(&context.client()?.get(&route(&one.drift)?).await?),
        DriftVerb::Accept(args) => accept(context, &args).await,
        DriftVerb::Repair(args) => repair(context, &args).await,
        DriftVerb::Policy(args) => policy(context, &args).await,
        DriftVerb::Events(args) => events(context, &args).await,
    }
}

fn route(drift: &str) -> Result<Route, CliError> {
    Route::new("v1/drifts").of("drift", drift)
}

fn listed(args: &List) -> Route {
    Route::new("v1/drifts")
        .with("keystore", args.keystore.as_ref())
        .with("key", args.key.as_ref())
        .with("class", args.class.map(|class| class.as_str()))
        .with("state", Some(args.state.as_str()))
}

async fn list(context: &Context, args: &List) -> Result<(), CliError> {
    if args.plan {
        return pages::list::<PlannedDrift>(context, listed(args), &args.listing, None, |_| true).await;
    }
    pages::list::<Drift>(context, listed(args), &args.listing, None, |_| true).await
}

async fn accept(context: &Context, args: &Accept) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body<'a> {
        reason: &'a str,
    }
    let One { drift } = &args.one;
    let answer = context.client()?.send(Method::PUT, &route(drift)?.then("acceptance"), &Body { reason: &args.reason }).await?;
    context.output.one::<Drift>(&answer)
}

async fn repair(context: &Context, args: &Repair) -> Result<(), CliError> {
    let client = context.client()?;
    let answer: Value = match (&args.drift, &args.key) {
        (Some(drift), _) if args.plan => return context.output.one::<Drift>(&client.get(&route(drift)?).await?),
        (Some(drift), _) => client.post(&route(drift)?.then("repair")).await?,
        (None, Some(key)) if args.plan => {
            let route = Route::new("v1/drifts").with("key", Some(key));
            return pages::list::<PlannedDrift>(context, route, &Listing::default(), None, |_| true).await;
        }
        (None, Some(key)) => client.post(&Route::new("v1/keys").of("key", key)?.then("repair")).await?,
        (None, None) => return Err(CliError::Foreign("Neither a difference nor a key was named.".to_owned())),
    };
    settle(context, &client, &answer, Shown::Same).await
}

/// A policy as it is sent.
#[derive(Serialize)]
struct PolicyBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_repair: Option<&'static str>,
}

async fn policy(context: &Context, args: &Policy) -> Result<(), CliError> {
    let client = context.client()?;
    let route = Route::new("v1/keystores").of("keystore", &args.keystore)?.then("drift-policy");
    let answer = if args.every.is_none() && !args.never {
        client.get(&route).await?
    } else {
        let body = PolicyBody { every: args.every.as_deref(), auto_repair: args.auto_repair.map(|auto| auto.as_str()) };
        client.send(Method::PUT, &route, &body).await?
    };
    context.output.one::<DriftPolicy>(&answer)
}

async fn events(context: &Context, args: &Events) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        queue: Option<&'a str>,
    }
    let client = context.client()?;
    let route = Route::new("v1/keystores").of("keystore", &args.keystore)?.then("event-queue");
    let answer = if args.queue.is_none() && !args.none {
        client.get(&route).await?
    } else {
        client.send(Method::PUT, &route, &Body { queue: args.queue.as_deref() }).await?
    };
    context.output.one::<EventQueue>(&answer)
}
