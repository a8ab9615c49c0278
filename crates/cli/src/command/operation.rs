//! `keystead operation …` and `keystead status`.

use super::{Context, change, pages};
use crate::{
    args::operation::{One, OperationVerb},
    client::read,
    error::CliError,
    output::{operation::Operation, vault::Status},
    route::Route,
    wait::follow,
};

/// Operations of a list when nobody says how many.
const LIST_DEFAULT: u32 = 100;

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: OperationVerb) -> Result<(), CliError> {
    match verb {
        OperationVerb::List(args) => {
            let route = Route::new("v1/operations").with("key", args.key.as_ref());
            pages::list::<Operation>(context, route, &args.listing, Some(LIST_DEFAULT), |_| true).await
        }
        OperationVerb::Show(one) => show(context, &one).await,
        OperationVerb::Wait(one) => wait(context, &one).await,
        OperationVerb::Wake(one) => wake(context, &one).await,
    }
}

async fn show(context: &Context, one: &One) -> Result<(), CliError> {
    let operation = change::show(&context.client()?, &one.operation).await?;
    context.output.one::<Operation>(&operation)
}

async fn wait(context: &Context, one: &One) -> Result<(), CliError> {
    let client = context.client()?;
    let now: Operation = read(&change::show(&client, &one.operation).await?)?;
    let ended = follow(&client, context.output, context.global.timeout, now).await?;
    context.output.one::<Operation>(&change::show(&client, &ended.id).await?)
}

async fn wake(context: &Context, one: &One) -> Result<(), CliError> {
    let client = context.client()?;
    client.post(&Route::new("v1/operations").of("operation", &one.operation)?.then("wake")).await?;
    context.output.one::<Operation>(&change::show(&client, &one.operation).await?)
}

/// `keystead status`
///
/// # Errors
/// [`CliError`].
pub async fn status(context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let mut status = client.get(&Route::new("v1/status")).await?;
    if let Some(members) = status.as_object_mut() {
        members.insert("url".to_owned(), client.base().as_str().into());
    }
    context.output.one::<Status>(&status)
}
