//! `keystead alert …` and `keystead schedule`.

use std::time::Duration;

use serde_json::Value;

use super::{Context, pages};
use crate::{
    args::alert::{AlertVerb, Schedule},
    client::{Client, read},
    error::CliError,
    output::alert::{Alert, Coming},
    route::Route,
};

/// Alerts of a list when nobody says how many.
const LIST_DEFAULT: u32 = 100;
/// How long a test waits for the channels, and how often it looks.
const TEST_LOOKS: u32 = 60;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: AlertVerb) -> Result<(), CliError> {
    match verb {
        AlertVerb::List(listing) => pages::list::<Alert>(context, Route::new("v1/alerts"), &listing, Some(LIST_DEFAULT), |_| true).await,
        AlertVerb::Show(one) => context.output.one::<Alert>(&show(&context.client()?, &one.alert).await?),
        AlertVerb::Test => test(context).await,
    }
}

async fn show(client: &Client, alert: &str) -> Result<Value, CliError> {
    client.get(&Route::new("v1/alerts").of("alert", alert)?).await
}

/// Waits until each channel has said something; what is then still pending is told as it is.
async fn test(context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let mut seen = client.post(&Route::new("v1/alerts").then("test")).await?;
    for _ in 0..TEST_LOOKS {
        let alert: Alert = read(&seen)?;
        if alert.was_tried() {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        seen = show(&client, alert.id()).await?;
    }
    context.output.one::<Alert>(&seen)
}

/// `keystead schedule`
///
/// # Errors
/// [`CliError`].
pub async fn schedule(context: &Context, args: &Schedule) -> Result<(), CliError> {
    let route = Route::new("v1/schedule").with("days", Some(args.days));
    pages::list::<Coming>(context, route, &args.listing, None, |_| true).await
}
