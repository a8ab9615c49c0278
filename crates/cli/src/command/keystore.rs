//! `keystead keystore …`

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Context,
    change::{Shown, settle},
    drill, keystore_kill,
    pages::{self, is_not_deleted},
};
use crate::{
    args::keystore::{Cloud, Create, KeystoreVerb, One, Policy, PolicyPart, Restore, Switch, Update, Warm},
    client::read,
    error::CliError,
    output::{
        json,
        keystore::{Findings, Keystore},
        restore::Outlook,
        table::clean,
    },
    route::Route,
};

/// Does what was typed.
///
/// # Errors
/// [`CliError`].
pub async fn run(context: &Context, verb: KeystoreVerb) -> Result<(), CliError> {
    match verb {
        KeystoreVerb::Create(args) => create(context, &args).await,
        KeystoreVerb::List(listing) => pages::list::<Keystore>(context, Route::new("v1/keystores"), &listing, None, is_not_deleted).await,
        KeystoreVerb::Show(one) => show(context, &one).await,
        KeystoreVerb::Update(args) => update(context, &args).await,
        KeystoreVerb::Policy(args) => policy(context, &args).await,
        KeystoreVerb::Check(one) => check(context, &one).await,
        KeystoreVerb::Sync(one) => sync(context, &one).await,
        KeystoreVerb::Restore(args) => restore(context, &args).await,
        KeystoreVerb::Warm(args) => warm(context, &args).await,
        KeystoreVerb::Kill(args) => keystore_kill::kill(context, &args).await,
        KeystoreVerb::Drill(verb) => drill::run(context, verb).await,
        KeystoreVerb::Delete(one) => delete(context, &one).await,
    }
}

pub(super) fn route(one: &One) -> Result<Route, CliError> {
    Route::new("v1/keystores").of("keystore", &one.keystore)
}

async fn create(context: &Context, args: &Create) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body<'a> {
        name: &'a str,
        cloud: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        region: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        role_arn: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        external_id: Option<&'a str>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        alert_channels: &'a [String],
    }
    let Create { name, cloud, region, account, role_arn, external_id, alert_channels } = args;
    let (region, account) = (region.as_deref(), account.as_deref());
    let body = Body { name, cloud: cloud.as_str(), region, account, role_arn: role_arn.as_deref(), external_id: external_id.as_deref(), alert_channels };
    let keystore = context.client()?.send(Method::POST, &Route::new("v1/keystores"), &body).await?;
    context.output.one::<Keystore>(&keystore)?;
    if !context.output.is_json() && *cloud != Cloud::Vault {
        context.output.note(&format!("Next: `keystead keystore policy {name}` prints what to set in the cloud, `keystead keystore check {name}` tries it."));
    }
    Ok(())
}

async fn show(context: &Context, one: &One) -> Result<(), CliError> {
    let keystore = context.client()?.get(&route(one)?).await?;
    context.output.one::<Keystore>(&keystore)
}

async fn update(context: &Context, args: &Update) -> Result<(), CliError> {
    let keystore = context.client()?.send(Method::PATCH, &route(&args.one)?, &changed(args)).await?;
    context.output.one::<Keystore>(&keystore)
}

/// The change: null means every channel.
fn changed(args: &Update) -> Value {
    let channels = (!args.all_alert_channels).then_some(&args.alert_channels);
    json!({ "alert_channels": channels })
}

async fn delete(context: &Context, one: &One) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.delete(&route(one)?).await?;
    settle(context, &client, &answer, Shown::Same).await
}

async fn sync(context: &Context, one: &One) -> Result<(), CliError> {
    let client = context.client()?;
    let answer = client.post(&route(one)?.then("sync")).await?;
    settle(context, &client, &answer, Shown::Same).await
}

async fn restore(context: &Context, args: &Restore) -> Result<(), CliError> {
    let client = context.client()?;
    let route = route(&args.one)?.then("restore");
    if args.dry_run {
        let outlook = client.get(&route).await?;
        return context.output.one::<Outlook>(&outlook);
    }
    let answer = client.post(&route).await?;
    settle(context, &client, &answer, Shown::Same).await
}

async fn warm(context: &Context, args: &Warm) -> Result<(), CliError> {
    let body = json!({ "on": args.switch == Switch::On });
    let outlook = context.client()?.send(Method::PUT, &route(&args.one)?.then("warm"), &body).await?;
    context.output.one::<Outlook>(&outlook)
}

async fn check(context: &Context, one: &One) -> Result<(), CliError> {
    let found = context.client()?.post(&route(one)?.then("check")).await?;
    context.output.one::<Findings>(&found)?;
    let findings: Findings = read(&found)?;
    if findings.sufficient { Ok(()) } else { Err(CliError::NotSufficient { keystore: one.keystore.clone() }) }
}

#[derive(Deserialize)]
struct Policies {
    trust_policy: Value,
    permission_policy: Value,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    steps: Vec<String>,
}

async fn policy(context: &Context, args: &Policy) -> Result<(), CliError> {
    let answer = context.client()?.get(&route(&args.one)?.then("policy").with("native", args.native.then_some(true))).await?;
    let policies: Policies = read(&answer)?;
    match args.only {
        Some(PolicyPart::Trust) => context.output.json(&policies.trust_policy),
        Some(PolicyPart::Permission) => context.output.json(&policies.permission_policy),
        None => context.output.text(&policies.told(), &answer),
    }
}

impl Policies {
    /// The steps, then both policies, ready to be copied.
    fn told(&self) -> String {
        let steps: String = self.steps.iter().enumerate().map(|(index, step)| format!("{}. {}\n", index + 1, clean(step))).collect();
        let external_id = self.external_id.as_ref().map(|id| format!("\nExternal id: {}\n", clean(id))).unwrap_or_default();
        let (trust, permission) = (json::pretty(&self.trust_policy), json::pretty(&self.permission_policy));
        format!("{steps}{external_id}\nTrust policy of the role:\n{trust}\nPermission policy of the role:\n{permission}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Noun};
    use clap::Parser as _;

    #[test]
    fn channels_are_named_or_all_of_them_meant_and_one_of_the_two_is_said_fx_043() {
        let typed = |options: &str| {
            let line = format!("keystead keystore update payments-eu {options}");
            match Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.noun) {
                Ok(Noun::Keystore(KeystoreVerb::Update(args))) => Some(changed(&args)),
                _ => None,
            }
        };
        assert_eq!(typed("--alert-channels mail:ops@example.com,pager"), Some(json!({ "alert_channels": ["mail:ops@example.com", "pager"] })));
        assert_eq!(typed("--alert-channels a --alert-channels b"), Some(json!({ "alert_channels": ["a", "b"] })));
        assert_eq!(typed("--all-alert-channels"), Some(json!({ "alert_channels": null })));
        assert_eq!((typed(""), typed("--all-alert-channels --alert-channels a")), (None, None));
    }

    #[test]
    fn the_policies_are_told_after_the_steps() {
        let policies: Policies = serde_json::from_value(
            serde_json::json!({"trust_policy": {"a": 1}, "permission_policy": {"b": 2}, "external_id": "x", "steps": ["Make a role.", "Attach both."]}),
        )
        .expect("policies");
        let expected = "\
1. Make a role.
2. Attach both.

External id: x

Trust policy of the role:
{
  \"a\": 1
}

Permission policy of the role:
{
  \"b\": 2
}
";
        assert_eq!(policies.told(), expected);
    }
}
