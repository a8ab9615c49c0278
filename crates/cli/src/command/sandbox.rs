//! `keystead sandbox …`: the control plane of the simulated cloud, over HTTP like everything else.

use keystead_domain::Invalid;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Context;
use crate::{
    args::sandbox::{Endpoint, Fault, FaultVerb, Sandbox, SandboxVerb, Seed},
    client::{Client, read},
    error::CliError,
    local,
    output::{Row, table::time},
    route::Route,
    settings::Connection,
};

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, args: Sandbox) -> Result<(), CliError> {
    let Some(verb) = args.verb else { return local::sandbox(context.output, args.listen, args.user).await };
    if args.listen.is_some() || args.user.is_some() {
        return Err(Invalid::new(
            "listen",
            "says how a simulated cloud starts, and this one runs",
            "Leave --listen and --user out; --endpoint says which one is meant.",
        )
        .into());
    }
    match verb {
        SandboxVerb::Advance(args) => {
            let clock = client(context, &args.at)?.send(Method::POST, &Route::new("_sandbox/advance"), &json!({"micros": args.micros})).await?;
            let now = clock["now"].as_str().map(time).unwrap_or_default();
            context.output.text(&format!("It is now {now} in the simulated cloud.\n"), &clock)
        }
        SandboxVerb::Faults(verb) => faults(context, &verb).await,
        SandboxVerb::Events(args) => {
            let route = Route::new("_sandbox/events").with("since", Some(args.since));
            let answer = client(context, &args.at)?.get(&route).await?;
            many::<EventRow>(context, &answer, "events")
        }
        SandboxVerb::State(at) => {
            let answer = client(context, &at)?.get(&Route::new("_sandbox/state")).await?;
            many::<KeyRow>(context, &answer, "keys")
        }
        SandboxVerb::Seed(Seed { stem, count, account, region, at }) => {
            let order = json!({ "stem": stem, "count": count, "account": account, "region": region });
            let made = client(context, &at)?.send(Method::POST, &Route::new("_sandbox/keys"), &order).await?;
            context.output.text(&format!("{count} keys are there now.\n"), &made)
        }
    }
}

fn client(context: &Context, at: &Endpoint) -> Result<Client, CliError> {
    Client::new(Connection::to_sandbox(at.endpoint.as_deref(), &context.global, &context.environment)?)
}

async fn faults(context: &Context, verb: &FaultVerb) -> Result<(), CliError> {
    let route = Route::new("_sandbox/faults");
    let answer = match verb {
        FaultVerb::Add(fault) => client(context, &fault.at)?.send(Method::POST, &route, &json!({"faults": [Body::of(fault)]})).await?,
        FaultVerb::List(at) => client(context, at)?.get(&route).await?,
        FaultVerb::Clear(at) => client(context, at)?.delete(&route).await?,
    };
    many::<FaultRow>(context, &answer, "faults")
}

/// A table of one member of the answer; scripts get the whole answer.
fn many<T: Row>(context: &Context, answer: &Value, member: &str) -> Result<(), CliError> {
    if context.output.is_json() {
        return context.output.json(answer);
    }
    let items: Vec<Value> = read(answer.get(member).unwrap_or(&Value::Null))?;
    context.output.many::<T>(&items)
}

#[derive(Serialize)]
struct Body<'a> {
    operation: &'a str,
    fault: &'static str,
    skip: u32,
    count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    millis: Option<u64>,
}

impl<'a> Body<'a> {
    fn of(fault: &'a Fault) -> Self {
        let Fault { operation, fault, skip, count, code, status, message, calls, millis, at: _ } = fault;
        let (code, message) = (code.as_deref(), message.as_deref());
        Self { operation, fault: fault.as_str(), skip: *skip, count: *count, code, status: *status, message, calls: *calls, millis: *millis }
    }
}

#[derive(Deserialize)]
struct FaultRow {
    operation: String,
    fault: String,
    #[serde(default)]
    skip: u64,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    code: Option<String>,
}

impl Row for FaultRow {
    const HEADER: &'static [&'static str] = &["operation", "fault", "code", "skip", "count"];

    fn cells(&self) -> Vec<String> {
        let count = if self.count == 0 { "every".to_owned() } else { self.count.to_string() };
        vec![self.operation.clone(), self.fault.clone(), self.code.clone().unwrap_or_default(), self.skip.to_string(), count]
    }
}

/// An entry of the trail, in CloudTrail's names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventRow {
    seq: u64,
    event_time: String,
    event_name: String,
    aws_region: String,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    resources: Vec<Value>,
}

impl Row for EventRow {
    const HEADER: &'static [&'static str] = &["seq", "at", "event", "region", "resource", "error"];

    fn cells(&self) -> Vec<String> {
        let arn = self.resources.iter().find_map(|resource| resource.get("ARN").or_else(|| resource.get("arn"))?.as_str());
        let (resource, error) = (arn.unwrap_or_default().to_owned(), self.error_code.clone().unwrap_or_default());
        vec![self.seq.to_string(), time(&self.event_time), self.event_name.clone(), self.aws_region.clone(), resource, error]
    }
}

#[derive(Deserialize)]
struct KeyRow {
    id: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    region: String,
    state: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    has_material: bool,
}

impl Row for KeyRow {
    const HEADER: &'static [&'static str] = &["id", "account", "region", "state", "material", "aliases"];

    fn cells(&self) -> Vec<String> {
        let material = if self.has_material { "there" } else { "none" };
        vec![self.id.clone(), self.account.clone(), self.region.clone(), self.state.clone(), material.to_owned(), self.aliases.join(", ")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun};
    use clap::Parser as _;

    fn fault(options: &str) -> Result<Value, String> {
        let line = format!("keystead sandbox faults add {options}");
        match Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?.noun {
            Noun::Sandbox(Sandbox { verb: Some(SandboxVerb::Faults(FaultVerb::Add(fault))), .. }) => {
                serde_json::to_value(Body::of(&fault)).map_err(|error| error.to_string())
            }
            _ => Err("another command".to_owned()),
        }
    }

    /// What is sent is what the sandbox itself reads.
    #[test]
    fn every_fault_is_understood_by_the_sandbox() {
        for options in [
            "--operation CreateKey --fault lost",
            "--operation * --fault error --code AccessDeniedException --status 400 --message no --count 0",
            "--operation ImportKeyMaterial --fault late --calls 2",
            "--operation ImportKeyMaterial --fault late --millis 20",
            "--operation UpdateAlias --fault delay --millis 3000 --skip 1",
            "--operation UpdateAlias --fault duplicate",
            "--operation UpdateAlias --fault drop",
            "--operation UpdateAlias --fault http500",
        ] {
            let sent = fault(options).unwrap_or_else(|error| panic!("{options}: {error}"));
            let read: Result<keystead_sandbox::Fault, _> = serde_json::from_value(sent.clone());
            let back = read.and_then(serde_json::to_value).unwrap_or_else(|error| panic!("{options}: {error}"));
            assert_eq!((&back["fault"], &back["operation"], &back["count"]), (&sent["fault"], &sent["operation"], &sent["count"]), "{options}");
        }
    }

    #[test]
    fn a_fault_without_what_it_needs_is_refused() {
        assert!(fault("--operation CreateKey --fault error").is_err_and(|error| error.contains("--code")));
        assert!(fault("--operation CreateKey --fault delay").is_err_and(|error| error.contains("--millis")));
    }
}
