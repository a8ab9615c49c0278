//! `keystead key …`

mod export;
mod new;
mod update;

use keystead_domain::Invalid;
use serde::Serialize;

use super::{
    Context,
    change::{Shown, settle},
    pages::{self, is_not_deleted},
    rotation::route_of_key,
};
use crate::{
    args::key::{Adopt, History, KeyVerb, List, One, Rotate, ScheduleDeletion, Show},
    client::{Client, read},
    error::CliError,
    output::{audit::AuditEntry, key::Key, rotation::Rotation},
    route::Route,
};

/// Entries of a history when nobody says how many.
const HISTORY_DEFAULT: u32 = 100;

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: KeyVerb) -> Result<(), CliError> {
    match verb {
        KeyVerb::Create(args) => new::create(context, &args.new).await,
        KeyVerb::Import(args) => new::import(context, &args).await,
        KeyVerb::List(args) => list(context, &args).await,
        KeyVerb::Show(args) => show(context, &args).await,
        KeyVerb::PublicKey(one) => public_key(context, &one).await,
        KeyVerb::History(args) => history(context, &args).await,
        KeyVerb::Deactivate(one) => ask(context, &one, "deactivate", Shown::Same).await,
        KeyVerb::Activate(one) => ask(context, &one, "activate", Shown::Same).await,
        KeyVerb::Upload(one) => ask(context, &one, "upload", Shown::Same).await,
        KeyVerb::Renew(one) => ask(context, &one, "renew", Shown::Successor).await,
        KeyVerb::Rotate(args) => rotate(context, &args).await,
        KeyVerb::Revert(one) => ask(context, &one, "revert", Shown::Predecessor).await,
        KeyVerb::Adopt(args) => adopt(context, &args).await,
        KeyVerb::Forget(one) => ask(context, &one, "forget", Shown::Same).await,
        KeyVerb::ScheduleDeletion(args) => schedule_deletion(context, &args).await,
        KeyVerb::CancelDeletion(one) => ask(context, &one, "cancel-deletion", Shown::Same).await,
        KeyVerb::Update(args) => update::update(context, &args).await,
        KeyVerb::Export(verb) => export::run(context, &verb).await,
    }
}

/// The route of one key.
fn route(one: &One) -> Result<Route, CliError> {
    Route::new("v1/keys").of("key", &one.key)
}

async fn ask(context: &Context, one: &One, verb: &'static str, shown: Shown) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.post(&route(one)?.then(verb)).await?;
    settle(context, &client, &answer, shown).await
}

/// Says first what the rotation will not do: behind it, it is too late to ask the key's users.
async fn rotate(context: &Context, args: &Rotate) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body {
        in_place: bool,
    }
    let client = context.client()?;
    if !args.in_place {
        warn(context, &client, &args.one).await?;
    }
    let answer = client.send(reqwest::Method::POST, &route(&args.one)?.then("rotate"), &Body { in_place: args.in_place }).await?;
    settle(context, &client, &answer, Shown::Successor).await
}

/// What an alias that moves will not do for the key's users.
async fn warn(context: &Context, client: &Client, one: &One) -> Result<(), CliError> {
    let rotation: Rotation = read(&client.get(&route_of_key(&one.key)?).await?)?;
    rotation.warnings.iter().for_each(|warning| context.output.note(&format!("warning: {warning}")));
    Ok(())
}

async fn adopt(context: &Context, args: &Adopt) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<&'a str>,
    }
    let client = context.client()?;
    warn(context, &client, &args.one).await?;
    let answer = client.send(reqwest::Method::POST, &route(&args.one)?.then("adopt"), &Body { expires: args.expires.as_deref() }).await?;
    settle(context, &client, &answer, Shown::Successor).await
}

async fn schedule_deletion(context: &Context, args: &ScheduleDeletion) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body {
        days: u8,
    }
    let client = context.client()?;
    let answer = client.send(reqwest::Method::POST, &route(&args.one)?.then("schedule-deletion"), &Body { days: args.days }).await?;
    settle(context, &client, &answer, Shown::Same).await
}

async fn list(context: &Context, args: &List) -> Result<(), CliError> {
    let route = Route::new("v1/keys").with("keystore", args.keystore.as_ref()).with("state", args.state.as_ref()).with("name", args.name.as_ref());
    let route = route.with("custody", args.custody.as_ref());
    // Who asks for a state gets it, DELETED as well.
    pages::list::<Key>(context, route, &args.listing, None, |key| args.state.is_some() || is_not_deleted(key)).await
}

async fn show(context: &Context, args: &Show) -> Result<(), CliError> {
    let shown = context.client()?.get(&route(&args.one)?).await?;
    if !args.policy {
        return context.output.one::<Key>(&shown);
    }
    let key: Key = read(&shown)?;
    let policy = key.policy().ok_or_else(|| {
        let mend = "Sync its keystore first: `keystead keystore sync KEYSTORE`; the role needs kms:GetKeyPolicy.";
        CliError::from(Invalid::new("key", format!("{} has no policy that a sync has seen", args.one.key), mend))
    })?;
    context.output.text(policy, &serde_json::json!({ "id": key.id, "policy": policy }))
}

/// The newest version's, as it is: PEM is what the tools read.
async fn public_key(context: &Context, one: &One) -> Result<(), CliError> {
    let shown = context.client()?.get(&route(one)?).await?;
    let key: Key = read(&shown)?;
    let pem = key.public_key().ok_or_else(|| {
        let mend = "Name a key pair: `keystead key show` says the kind of a key.";
        CliError::from(Invalid::new("key", format!("{} is a symmetric key and has no public half", one.key), mend))
    })?;
    context.output.text(pem, &serde_json::json!({ "id": key.id, "public_key": pem }))
}

async fn history(context: &Context, args: &History) -> Result<(), CliError> {
    pages::list::<AuditEntry>(context, route(&args.one)?.then("history"), &args.listing, Some(HISTORY_DEFAULT), |_| true).await
}
