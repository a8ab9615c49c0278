//! `keystead key …`

mod consent;
mod copy;
mod export;
mod kill;
pub(super) mod new;
mod rehearsal;
mod replica;
mod update;

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keystead_domain::Invalid;
use serde::Serialize;
use serde_json::json;

use super::{
    Context,
    batch::many,
    change::{Shown, settle},
    consent::says_yes,
    pages::{self, is_not_deleted},
    rotation::route_of_key,
};
use crate::{
    args::{
        chosen::Chosen,
        key::{Adopt, History, KeyVerb, List, One, PublicKey, Recreate, Rotate, ScheduleDeletion, ScheduleDeletions, Show},
        rotation::Strategy,
    },
    client::{Client, read},
    error::CliError,
    output::{
        adoption::Adoption, audit::AuditEntry, blast::Reach, key::Key, kill::Kill, link::Link, recreation::Recreation, rehearsal::Rehearsal,
        rotation::Rotation, uses::Uses, wave::Wave,
    },
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
        KeyVerb::PublicKey(args) => public_key(context, &args).await,
        KeyVerb::History(args) => history(context, &args).await,
        KeyVerb::Deactivate(chosen) => deactivate(context, &chosen).await,
        KeyVerb::Activate(chosen) => act(context, &chosen, "activate", Shown::Same).await,
        KeyVerb::Upload(chosen) => act(context, &chosen, "upload", Shown::Same).await,
        KeyVerb::Renew(chosen) => act(context, &chosen, "renew", Shown::Successor).await,
        KeyVerb::Kill(args) => kill::kill(context, &args).await,
        KeyVerb::BlastRadius(one) => kill::blast_radius(context, &one).await,
        KeyVerb::Kills(args) => pages::list::<Kill>(context, route(&args.one)?.then("kills"), &args.listing, None, |_| true).await,
        KeyVerb::Restore(one) => ask(context, &one, "restore", Shown::Same).await,
        KeyVerb::Rotate(args) => rotate(context, &args).await,
        KeyVerb::Copy(args) => copy::copy(context, &args).await,
        KeyVerb::Links(args) => pages::list::<Link>(context, route(&args.one)?.then("links"), &args.listing, None, |_| true).await,
        KeyVerb::Waves(args) => pages::list::<Wave>(context, route(&args.one)?.then("waves"), &args.listing, None, |_| true).await,
        KeyVerb::Revert(one) => ask(context, &one, "revert", Shown::Predecessor).await,
        KeyVerb::Adopt(args) => adopt(context, &args).await,
        KeyVerb::Recreate(args) => recreate(context, &args).await,
        KeyVerb::Forget(one) => ask(context, &one, "forget", Shown::Same).await,
        KeyVerb::Adoption(one) => adoption(context, &one).await,
        KeyVerb::Uses(one) => uses(context, &one).await,
        KeyVerb::RehearseDeletion(args) => rehearsal::begin(context, &args).await,
        KeyVerb::EndRehearsal(one) => ask(context, &one, "end-rehearsal", Shown::Same).await,
        KeyVerb::Rehearsals(args) => pages::list::<Rehearsal>(context, route(&args.one)?.then("rehearsals"), &args.listing, None, |_| true).await,
        KeyVerb::ScheduleDeletion(args) => schedule_deletions(context, &args).await,
        KeyVerb::CancelDeletion(chosen) => act(context, &chosen, "cancel-deletion", Shown::Same).await,
        KeyVerb::Update(args) => update::update(context, &args).await,
        KeyVerb::Replica(verb) => replica::run(context, &verb).await,
        KeyVerb::Family(one) => replica::family(context, &one).await,
        KeyVerb::Export(verb) => export::run(context, &verb).await,
    }
}

/// The route of one key.
fn route(one: &One) -> Result<Route, CliError> {
    Route::new("v1/keys").of("key", &one.key)
}

/// An action on one key, or on many.
async fn act(context: &Context, chosen: &Chosen, verb: &'static str, shown: Shown) -> Result<(), CliError> {
    match chosen.one() {
        Some(key) => ask(context, &One { key: key.to_owned() }, verb, shown).await,
        None => many(context, chosen, verb, json!({})).await,
    }
}

async fn deactivate(context: &Context, chosen: &Chosen) -> Result<(), CliError> {
    if let Some(key) = chosen.one() {
        consent::ask(context, &context.client()?, &One { key: key.to_owned() }, Reach::Family, "deactivated", chosen.consent.yes).await?;
    }
    act(context, chosen, "deactivate", Shown::Same).await
}

async fn schedule_deletions(context: &Context, args: &ScheduleDeletions) -> Result<(), CliError> {
    match args.chosen.one() {
        Some(key) => {
            let one = One { key: key.to_owned() };
            consent::ask(context, &context.client()?, &one, Reach::Alone, "scheduled for deletion", args.chosen.consent.yes).await?;
            schedule_deletion(context, &ScheduleDeletion { one, days: args.days }).await
        }
        None => many(context, &args.chosen, "schedule-deletion", json!({ "days": args.days })).await,
    }
}

async fn ask(context: &Context, one: &One, verb: &'static str, shown: Shown) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.post(&route(one)?.then(verb)).await?;
    settle(context, &client, &answer, shown).await
}

/// A rotation as it is sent.
#[derive(Serialize)]
struct RotateBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all_copies: Option<bool>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    copies: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    wave: Option<u32>,
}

impl<'a> RotateBody<'a> {
    fn of(args: &'a Rotate) -> Self {
        let (all_copies, copies) = match args.copies.as_slice() {
            [one] if one == "all" => (Some(true), [].as_slice()),
            [one] if one == "none" => (None, [].as_slice()),
            names => (None, names),
        };
        Self { strategy: args.strategy.map(Strategy::as_str), all_copies, copies, wave: args.wave }
    }
}

/// Says first what the rotation will not do: behind it, it is too late to ask the key's users.
async fn rotate(context: &Context, args: &Rotate) -> Result<(), CliError> {
    let Some(key) = args.chosen.one() else {
        check_for_many(args)?;
        return many(context, &args.chosen, "rotate", json!({})).await;
    };
    let client = context.client()?;
    let warn = |warning: &str| context.output.note(&format!("warning: {warning}"));
    let body = RotateBody::of(args);
    let told = read::<Rotation>(&client.get(&route_of_key(key)?.with("strategy", body.strategy)).await?)?.warnings;
    told.iter().for_each(|warning| warn(warning));
    let answer = client.send(reqwest::Method::POST, &Route::new("v1/keys").of("key", key)?.then("rotate"), &body).await?;
    let warnings = answer["warnings"].as_array().into_iter().flatten().filter_map(|warning| warning.as_str());
    warnings.filter(|warning| !told.iter().any(|before| before == warning)).for_each(warn);
    settle(context, &client, &answer, Shown::Successor).await?;
    if !context.output.is_json() && (body.all_copies.is_some() || !body.copies.is_empty()) {
        context.output.note(&format!("Copies of it, if there are any, follow in waves. See how far they are: keystead key waves {key}"));
    }
    Ok(())
}

/// Many keys are rotated each as its policy says.
fn check_for_many(args: &Rotate) -> Result<(), Invalid> {
    let is_plain = args.strategy.is_none() && args.wave.is_none() && args.copies == ["none"];
    if is_plain {
        return Ok(());
    }
    let mend = "Leave --strategy, --copies and --wave out, or rotate the key alone.";
    Err(Invalid::new("strategy", "cannot be said of many keys: each is rotated as its policy says, and its copies stay", mend))
}

/// What an alias that moves will not do for the key's users.
async fn warn(context: &Context, client: &Client, one: &One) -> Result<(), CliError> {
    let rotation: Rotation = read(&client.get(&route_of_key(&one.key)?).await?)?;
    rotation.warnings.iter().for_each(|warning| context.output.note(&format!("warning: {warning}")));
    Ok(())
}

async fn adoption(context: &Context, one: &One) -> Result<(), CliError> {
    let shown = context.client()?.get(&route(one)?.then("adoption")).await?;
    context.output.one::<Adoption>(&shown)?;
    if !context.output.is_json() {
        context.output.note("A predecessor is used for as long as what it encrypted is read. One that was not seen may be needed all the same.");
    }
    Ok(())
}

async fn uses(context: &Context, one: &One) -> Result<(), CliError> {
    let shown = context.client()?.get(&route(one)?.then("uses")).await?;
    context.output.one::<Uses>(&shown)?;
    if !context.output.is_json() {
        context.output.note(read::<Uses>(&shown)?.note());
    }
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

async fn recreate(context: &Context, args: &Recreate) -> Result<(), CliError> {
    if args.dry_run {
        let plan = context.client()?.get(&route(&args.one)?.then("recreate")).await?;
        return context.output.one::<Recreation>(&plan);
    }
    let client = context.client()?;
    let route = route(&args.one)?.then("recreate");
    let shown = client.get(&route).await?;
    let plan = read::<Recreation>(&shown)?;
    if !args.yes && context.output.is_dialogue() {
        context.output.one::<Recreation>(&shown)?;
        confirm_recreation(context, &args.one.key)?;
    }
    plan.told().for_each(|line| context.output.note(&format!("warning: {line}")));
    let answer = client.post(&route).await?;
    settle(context, &client, &answer, Shown::Successor).await
}

/// Asks once what cannot come back has been shown.
fn confirm_recreation(context: &Context, key: &str) -> Result<(), CliError> {
    if says_yes(context, &format!("{key} would be made anew, under another ARN."))? {
        return Ok(());
    }
    Err(Invalid::new("yes", "was not given, and nothing is made", "Repeat the command if it is still wanted.").into())
}

async fn list(context: &Context, args: &List) -> Result<(), CliError> {
    let route = Route::new("v1/keys").with("keystore", args.keystore.as_ref()).with("state", args.state.as_ref()).with("name", args.name.as_ref());
    let route = route.with("custody", args.custody.as_ref()).with("health", args.health.as_ref());
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
async fn public_key(context: &Context, args: &PublicKey) -> Result<(), CliError> {
    let one = &args.one;
    let shown = context.client()?.get(&route(one)?).await?;
    let key: Key = read(&shown)?;
    let pem = key.public_key().ok_or_else(|| {
        let mend = "Name a key pair: `keystead key show` says the kind of a key.";
        CliError::from(Invalid::new("key", format!("{} is a symmetric key and has no public half", one.key), mend))
    })?;
    let shown = serde_json::json!({ "id": key.id, "public_key": pem });
    let Some(path) = &args.der else { return context.output.text(pem, &shown) };
    // Nothing is written over. A public half needs no private file.
    let written = der_of(pem).and_then(|der| std::fs::File::create_new(path)?.write_all(&der));
    written.map_err(|reason| CliError::writing(path, reason))?;
    if context.output.is_json() {
        return context.output.json(&shown);
    }
    context.output.note(&format!("Written to {}.", path.display()));
    Ok(())
}

/// What stands between the first and the last line of PEM.
fn der_of(pem: &str) -> std::io::Result<Vec<u8>> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).map_err(|_| std::io::Error::other("the public half that the server answered is no PEM"))
}

async fn history(context: &Context, args: &History) -> Result<(), CliError> {
    pages::list::<AuditEntry>(context, route(&args.one)?.then("history"), &args.listing, Some(HISTORY_DEFAULT), |_| true).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun};
    use clap::Parser as _;

    fn sent(options: &str) -> serde_json::Value {
        let line = format!("keystead key rotate orders{options}");
        let Ok(Noun::Key(verb)) = Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) else { panic!("{line}") };
        let KeyVerb::Rotate(args) = *verb else { panic!("{line}") };
        serde_json::to_value(RotateBody::of(&args)).expect("json")
    }

    #[test]
    fn copies_are_all_none_or_named_ft_074() {
        assert_eq!(sent(""), json!({}));
        assert_eq!(sent(" --copies none --strategy in-place"), json!({"strategy": "in-place"}));
        assert_eq!(sent(" --copies all --wave 20"), json!({"all_copies": true, "wave": 20}));
        assert_eq!(sent(" --copies a,b"), json!({"copies": ["a", "b"]}));
    }
}
