//! `keystead plan`, `apply`, `export` and `estate …`: files are read, the server plans, somebody says yes, and the plan is done, or nothing.

use std::time::Duration;

use keystead_domain::Invalid;
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::{Context, consent::says_yes, pages};
use crate::{
    args::estate::{Apply as ApplyArgs, Changes, EstateVerb, Export, ExportVerb, Language, One, Plan as PlanArgs},
    client::{Client, read},
    error::CliError,
    estate::{Files, plan_file::PlanFile, write},
    output::{
        estate::{Apply, Change, EstatePlan},
        print,
    },
    route::Route,
    wait::{Bar, is_passing},
};

/// The time between two questions how far an apply is.
const PAUSE: Duration = Duration::from_millis(300);
/// Applies of a list when nobody says how many.
const LIST_DEFAULT: u32 = 100;
/// The JSON schema of files; a test of the API holds it against what the API takes.
const SCHEMA: &str = include_str!("../../../../docs/estate.schema.json");

/// `keystead estate …`
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: EstateVerb) -> Result<(), CliError> {
    match verb {
        EstateVerb::Schema => print(SCHEMA),
        EstateVerb::List(listing) => pages::list::<Apply>(context, Route::new("v1/estate/applies"), &listing, Some(LIST_DEFAULT), |_| true).await,
        EstateVerb::Show(one) => context.output.one::<Apply>(&context.client()?.get(&route(&one)?).await?),
        EstateVerb::Changes(args) => changes(context, &args).await,
        EstateVerb::Wait(one) => {
            let client = context.client()?;
            let now = client.get(&route(&one)?).await?;
            follow(context, &client, now).await
        }
        EstateVerb::Stop(one) => {
            let stopped = context.client()?.post(&route(&one)?.then("stop")).await?;
            context.output.one::<Apply>(&stopped)
        }
    }
}

fn route(one: &One) -> Result<Route, CliError> {
    Route::new("v1/estate/applies").of("apply", &one.apply)
}

async fn changes(context: &Context, args: &Changes) -> Result<(), CliError> {
    let route = route(&args.one)?.then("changes").with("state", args.only.as_ref());
    pages::list::<Change>(context, route, &args.listing, None, |_| true).await
}

/// `keystead plan`
///
/// # Errors
/// [`CliError::Mistakes`] with file and line of each.
pub async fn plan(context: &Context, args: PlanArgs) -> Result<(), CliError> {
    let files = Files::read(&args.files)?;
    let planned = context.client()?.send(Method::POST, &Route::new("v1/estate/plans"), &files.estate).await;
    let planned = planned.map_err(|error| files.places.told(error))?;
    context.output.one::<EstatePlan>(&planned)?;
    let plan: EstatePlan = read(&planned)?;
    if let Some(out) = &args.out {
        PlanFile::new(files.estate, planned, files.places).write(out)?;
        if !context.output.is_json() && !plan.changes.is_empty() {
            context.output.note(&format!("The plan is kept. Do it, and nothing else: keystead apply {}", out.display()));
        }
    }
    Ok(())
}

/// `keystead apply`: what is shown, counted and asked about is what the server says now, whatever the file says.
///
/// # Errors
/// [`CliError`]; [`CliError::ApplyFailed`] when a change was refused or failed.
pub async fn apply(context: &Context, args: ApplyArgs) -> Result<(), CliError> {
    let file = PlanFile::read(&args.plan)?;
    let client = context.client()?;
    let planned = client.send(Method::POST, &Route::new("v1/estate/plans"), &file.estate).await;
    let planned = planned.map_err(|error| file.places().told(error))?;
    file.demand_current(&planned)?;
    let plan: EstatePlan = read(&planned)?;
    if plan.changes.is_empty() {
        if context.output.is_json() {
            return context.output.json(&planned);
        }
        context.output.note("The plan changes nothing, and nothing was begun.");
        return Ok(());
    }
    if !context.output.is_json() {
        context.output.one::<EstatePlan>(&planned)?;
    }
    if !args.yes && plan.dangerous > 0 {
        demand_consent(context, &plan)?;
    }
    let begun = client.send(Method::POST, &Route::new("v1/estate/applies"), &file.order(&planned)).await;
    let begun = begun.map_err(|error| file.places().told(error))?;
    if context.global.no_wait {
        context.output.one::<Apply>(&begun)?;
        if !context.output.is_json() {
            context.output.note(&format!("The apply has begun. Wait for it: keystead estate wait {}", read::<Apply>(&begun)?.id));
        }
        return Ok(());
    }
    follow(context, &client, begun).await
}

/// Somebody in front of a terminal says yes to what is dangerous.
fn demand_consent(context: &Context, plan: &EstatePlan) -> Result<(), CliError> {
    let refuse = |reason: &str| Err(Invalid::new("yes", reason, "Look at the dangers in the plan. Then repeat it with --yes.").into());
    if !context.output.is_dialogue() {
        return refuse("is needed for a plan with dangers where nobody can be asked; nothing was begun");
    }
    if says_yes(context, &format!("Changes that are dangerous to somebody: {}.", plan.dangerous))? { Ok(()) } else { refuse("was not said; nothing was begun") }
}

/// Waits until an apply has ended, and prints it. The apply is durable: neither the end of the wait nor a restart of the server ends it.
async fn follow(context: &Context, client: &Client, mut shown: Value) -> Result<(), CliError> {
    let deadline = Instant::now() + context.global.timeout;
    let bar = Bar::new(context.output.is_watched());
    let apply = loop {
        let apply: Apply = read(&shown)?;
        if apply.finished_at.is_some() {
            break apply;
        }
        bar.count("apply", apply.counts.ended(), apply.changes);
        if Instant::now() >= deadline {
            return Err(CliError::ApplyRuns { after: context.global.timeout, apply: apply.id, left: apply.changes - apply.counts.ended() });
        }
        tokio::time::sleep(PAUSE).await;
        match client.get(&Route::new("v1/estate/applies").of("apply", &apply.id)?).await {
            Ok(now) => shown = now,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    };
    drop(bar);
    context.output.one::<Apply>(&shown)?;
    let left = apply.counts.failed + apply.counts.skipped;
    if left > 0 { Err(CliError::ApplyFailed { apply: apply.id, failed: apply.counts.failed, skipped: apply.counts.skipped }) } else { Ok(()) }
}

/// `keystead export …`
///
/// # Errors
/// [`CliError`].
pub async fn export(context: &Context, verb: ExportVerb) -> Result<(), CliError> {
    let ExportVerb::Estate(Export { format, keystore }) = verb;
    let estate = context.client()?.get(&Route::new("v1/estate").with("keystore", keystore.as_ref())).await?;
    let text = match format {
        Language::Toml => write::toml(&estate),
        Language::Yaml => write::yaml(&estate),
    };
    context.output.text(&text, &estate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("../../../../docs/manual/estates.md");

    /// Every name of a value is one of the schema, however deep it lies.
    fn fits(schema: &Value, part: &Value, value: &Value, path: &str) {
        let part = part["$ref"].as_str().and_then(|name| schema.pointer(name.trim_start_matches('#'))).unwrap_or(part);
        match value {
            Value::Object(map) if part["additionalProperties"] == false => map.iter().for_each(|(name, value)| {
                let below = &part["properties"][name];
                assert!(below.is_object(), "{path}.{name} is not in the schema");
                fits(schema, below["allOf"].get(0).or(below["oneOf"].get(0)).unwrap_or(below), value, &format!("{path}.{name}"));
            }),
            Value::Array(items) => items.iter().for_each(|item| fits(schema, &part["items"], item, path)),
            _ => {}
        }
    }

    #[test]
    fn the_example_of_the_manual_is_an_estate_by_the_schema() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("estate.toml");
        let example = MANUAL.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        std::fs::write(&path, example).expect("is written");
        let files = Files::read(&[path]).expect("an estate");
        let schema: Value = serde_json::from_str(SCHEMA).expect("a schema");
        assert_eq!(files.estate["keys"].as_array().map(Vec::len), Some(2));
        fits(&schema, &schema, &files.estate, "estate");
        let strange = serde_json::json!({ "keys": [{ "rotation": { "evry": "9d" } }] });
        assert!(std::panic::catch_unwind(|| fits(&schema, &schema, &strange, "estate")).is_err(), "the comparison is not blind");
    }
}
