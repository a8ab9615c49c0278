//! `keystead batch …`, and every action that is asked of many keys: first the plan, then a question, then the batch, and how far it is.

use std::time::Duration;

use keystead_domain::Invalid;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Context, consent::says_yes, pages};
use crate::{
    args::{
        batch::{BatchVerb, Items, One, Update},
        chosen::Chosen,
    },
    client::{Client, read},
    error::CliError,
    output::batch::{Batch, Item, Plan},
    route::Route,
    wait::{Bar, is_passing},
};

/// The time between two questions how far a batch is.
const PAUSE: Duration = Duration::from_millis(300);
/// Batches of a list when nobody says how many.
const LIST_DEFAULT: u32 = 100;

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: BatchVerb) -> Result<(), CliError> {
    match verb {
        BatchVerb::Update(args) => many(context, &args.chosen, "update", json!({ "update": change(&args) })).await,
        BatchVerb::List(listing) => pages::list::<Batch>(context, Route::new("v1/batches"), &listing, Some(LIST_DEFAULT), |_| true).await,
        BatchVerb::Show(one) => context.output.one::<Batch>(&context.client()?.get(&route(&one)?).await?),
        BatchVerb::Items(args) => items(context, &args).await,
        BatchVerb::Wait(one) => {
            let client = context.client()?;
            let now = client.get(&route(&one)?).await?;
            follow(context, &client, now).await
        }
        BatchVerb::Stop(one) => {
            let stopped = context.client()?.post(&route(&one)?.then("stop")).await?;
            context.output.one::<Batch>(&stopped)
        }
    }
}

fn route(one: &One) -> Result<Route, CliError> {
    Route::new("v1/batches").of("batch", &one.batch)
}

async fn items(context: &Context, args: &Items) -> Result<(), CliError> {
    pages::list::<Item>(context, route(&args.one)?.then("items").with("state", args.only.as_ref()), &args.listing, None, |_| true).await
}

/// Asks for an action on many keys. `more` is what the action needs beside them.
///
/// # Errors
/// [`CliError`]; [`CliError::BatchFailed`] when a key was refused or failed.
pub async fn many(context: &Context, chosen: &Chosen, action: &str, more: Value) -> Result<(), CliError> {
    let client = context.client()?;
    let mut order = json!({ "action": action, "selector": selector(chosen) });
    if let (Some(order), Value::Object(more)) = (order.as_object_mut(), more) {
        order.extend(more);
    }
    let planned = client.send(reqwest::Method::POST, &Route::new("v1/batches/plan"), &order).await?;
    let plan: Plan = read(&planned)?;
    let is_all = chosen.consent.dry_run || plan.changes == 0;
    if is_all || !context.output.is_json() {
        context.output.one::<Plan>(&planned)?;
    }
    if is_all {
        if plan.changes == 0 && !context.output.is_json() {
            context.output.note("Nothing would change, and nothing was begun.");
        }
        return Ok(());
    }
    if !chosen.consent.yes {
        demand_consent(context, &plan)?;
    }
    order["expect_keys"] = plan.keys.into();
    if let Some(digest) = plan.digest {
        order["expect_digest"] = digest.into();
    }
    let begun = client.send(reqwest::Method::POST, &Route::new("v1/batches"), &order).await?;
    if context.global.no_wait {
        context.output.one::<Batch>(&begun)?;
        if !context.output.is_json() {
            context.output.note(&format!("The batch has begun. Wait for it: keystead batch wait {}", read::<Batch>(&begun)?.id));
        }
        return Ok(());
    }
    follow(context, &client, begun).await
}

/// Somebody in front of a terminal says yes.
fn demand_consent(context: &Context, plan: &Plan) -> Result<(), CliError> {
    let refuse = |reason: &str| Err(Invalid::new("yes", reason, "Look at it with --dry-run. Then repeat it with --yes.").into());
    if !context.output.is_dialogue() {
        return refuse("is needed for an action on many keys where nobody can be asked");
    }
    if says_yes(context, &format!("Keys that would change: {}.", plan.changes))? { Ok(()) } else { refuse("was not said; nothing was begun") }
}

/// Waits until a batch has ended, and prints it. The batch is durable: neither the end of the wait nor a restart of the server ends it.
async fn follow(context: &Context, client: &Client, mut shown: Value) -> Result<(), CliError> {
    let deadline = Instant::now() + context.global.timeout;
    let bar = Bar::new(context.output.is_watched());
    let batch = loop {
        let batch: Batch = read(&shown)?;
        if batch.finished_at.is_some() {
            break batch;
        }
        bar.count(&batch.action, batch.counts.ended(), batch.keys);
        if Instant::now() >= deadline {
            return Err(CliError::BatchRuns { after: context.global.timeout, batch: batch.id, left: batch.keys - batch.counts.ended() });
        }
        tokio::time::sleep(PAUSE).await;
        match client.get(&Route::new("v1/batches").of("batch", &batch.id)?).await {
            Ok(now) => shown = now,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    };
    drop(bar);
    context.output.one::<Batch>(&shown)?;
    if batch.counts.failed > 0 { Err(CliError::BatchFailed { batch: batch.id, failed: batch.counts.failed }) } else { Ok(()) }
}

/// The selector as it is sent: what says nothing is left out.
fn selector(chosen: &Chosen) -> Value {
    let specs: Vec<&str> = chosen.specs.iter().map(|spec| spec.as_str()).collect();
    let list = |of: &[String]| (!of.is_empty()).then(|| json!(of));
    let fields = [
        ("all", chosen.all.then_some(true.into())),
        ("keys", list(&chosen.keys)),
        ("keystores", list(&chosen.keystores)),
        ("tags", list(&chosen.tags)),
        ("states", list(&chosen.states)),
        ("specs", (!specs.is_empty()).then(|| json!(specs))),
        ("custodies", list(&chosen.custodies)),
        ("older_than", chosen.older_than.as_deref().map(Into::into)),
        ("newer_than", chosen.newer_than.as_deref().map(Into::into)),
        ("text", chosen.text.as_deref().map(Into::into)),
        ("without_material", chosen.without_material.then_some(true.into())),
        ("first", list(&chosen.order.first)),
    ];
    object(fields)
}

/// What shall change, as it is sent: what stays is absent, and an expiry that goes is null.
fn change(args: &Update) -> Value {
    let set: Map<String, Value> = args.set_tags.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let expires = if args.no_expiry { Some(Value::Null) } else { args.expires.as_deref().map(Into::into) };
    object([
        ("set_tags", (!set.is_empty()).then_some(Value::Object(set))),
        ("remove_tags", (!args.remove_tags.is_empty()).then(|| json!(args.remove_tags))),
        ("expires", expires),
        ("expiry_policy", args.expiry_policy.map(|policy| policy.as_str().into())),
    ])
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    Value::Object(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun, key::KeyVerb};
    use clap::Parser as _;

    fn chosen(options: &str) -> Chosen {
        let line = format!("keystead key deactivate {options}");
        let Ok(Noun::Key(verb)) = Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) else { panic!("{line}") };
        let KeyVerb::Deactivate(chosen) = *verb else { panic!("{line}") };
        chosen
    }

    #[test]
    fn one_key_is_no_batch_unless_somebody_looks_first() {
        assert_eq!(chosen("orders").one(), Some("orders"));
        assert_eq!(chosen("orders --yes").one(), Some("orders"));
        for many in ["orders --dry-run", "orders bills", "orders --tag env=test", "--all", "--keystore eu"] {
            assert_eq!(chosen(many).one(), None, "{many}");
        }
        for refused in ["keystead key deactivate", "keystead key deactivate --dry-run", "keystead key deactivate orders --all"] {
            assert!(Cli::try_parse_from(refused.split(' ')).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_says_nothing_is_not_sent() {
        assert_eq!(selector(&chosen("--all")), json!({ "all": true }));
        let sent = selector(&chosen(
            "--tag env=test --tag team --state active --spec aes-256 --older-than 90d --text pay --keystore eu --without-material --first tier=1",
        ));
        let expected = json!({ "tags": ["env=test", "team"], "states": ["ACTIVE"], "specs": ["AES_256"], "older_than": "90d", "text": "pay", "keystores": ["eu"],
            "without_material": true, "first": ["tier=1"] });
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_change_of_many_keeps_what_it_does_not_name() {
        let sent = |options: &str| {
            let line = format!("keystead batch update --all {options}");
            let Ok(Noun::Batch(BatchVerb::Update(args))) = Cli::try_parse_from(line.split(' ')).map(|cli| cli.noun) else { panic!("{line}") };
            change(&args)
        };
        assert_eq!(sent("--set-tag a=b --remove-tag c"), json!({ "set_tags": { "a": "b" }, "remove_tags": ["c"] }));
        assert_eq!(sent("--no-expiry --expiry-policy alert"), json!({ "expires": null, "expiry_policy": "alert" }));
        assert!(Cli::try_parse_from("keystead batch update --all".split(' ')).is_err());
    }
}
