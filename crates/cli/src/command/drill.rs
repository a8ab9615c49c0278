//! `keystead keystore drill …`

use reqwest::Method;
use serde::Serialize;

use super::{Context, keystore::route, pages};
use crate::{
    args::keystore::{DrillVerb, One},
    error::CliError,
    output::drill::{Drill, DrillPolicy},
};

#[derive(Default, Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<&'a str>,
}

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: DrillVerb) -> Result<(), CliError> {
    match verb {
        DrillVerb::Set(args) => set(context, &args.one, &Body { every: Some(&args.every), within: args.within.as_deref() }).await,
        DrillVerb::Stop(one) => set(context, &one, &Body::default()).await,
        DrillVerb::Show(one) => context.output.one::<DrillPolicy>(&context.client()?.get(&route(&one)?.then("drill")).await?),
        DrillVerb::List(args) => pages::list::<Drill>(context, route(&args.one)?.then("drills"), &args.listing, None, |_| true).await,
    }
}

async fn set(context: &Context, one: &One, body: &Body<'_>) -> Result<(), CliError> {
    let answer = context.client()?.send(Method::PUT, &route(one)?.then("drill"), body).await?;
    context.output.one::<DrillPolicy>(&answer)
}
