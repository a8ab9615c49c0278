//! `keystead demo`, `init`, `serve` and `doctor`: what they ask for, and what they say.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use keystead_domain::Invalid;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    Context,
    root_rotation::{check_threshold, from_files, refuse_backup},
    vault::share,
};
use crate::{
    args::{
        local::{Demo, Doctor, DoctorOf, Init, Module as ModuleArgs, RestoreRoot, Serve},
        vault::RootKind,
    },
    client::Client,
    error::CliError,
    local::{self, Check, DemoReady, Hsm, InitReport, ModuleReport, Root},
    output::{
        Row,
        table::{section, sheet},
    },
    profile::{FILE_NAME, Profile},
    route::Route,
    secret::{Token, ask, new_passphrase, read_text},
    settings::Connection,
};

/// How long a look for a running demo may take.
const LOOK: Duration = Duration::from_secs(2);

/// `keystead serve`
///
/// # Errors
/// [`CliError`].
pub async fn serve(args: Serve) -> Result<(), CliError> {
    local::serve(&args.config).await
}

/// `keystead demo`
///
/// # Errors
/// [`CliError`].
pub async fn demo(context: &Context, args: Demo) -> Result<(), CliError> {
    let path = args.dir.join(FILE_NAME);
    refuse_taken_directory(&path).await?;
    let mut written = None;
    let ended = local::demo(args.listen, args.dir, |ready| match announce(context, &path, &ready) {
        Ok(profile) => written = Some(profile),
        Err(error) => context.output.problem(&error.problem()),
    })
    .await;
    // Its tokens are worth nothing once the demo has ended. But another demo may have put its own there.
    if written.is_some_and(|profile| is_still(&profile, &path)) {
        let _already_gone = std::fs::remove_file(&path);
    }
    ended
}

/// A profile that a person wrote is not overwritten, and a demo that runs is not pulled from under its users: starting anew would delete its database.
async fn refuse_taken_directory(path: &Path) -> Result<(), CliError> {
    if !path.exists() {
        return Ok(());
    }
    let (profile, mend) = (Profile::read(path)?, "Run the demo in another directory, or name one with --dir.");
    if !profile.demo {
        return Err(Invalid::new("dir", format!("has a profile that no demo wrote: {}", path.display()), mend).into());
    }
    match profile.url {
        Some(url) if answers(&url).await => Err(Invalid::new("dir", format!("is that of a demo that runs, at {url}"), mend).into()),
        _ => Ok(()),
    }
}

/// Whether anybody is there, whatever they say.
async fn answers(url: &str) -> bool {
    let Ok(url) = url.parse() else { return false };
    let Ok(client) = Client::new(Connection { url, token: None, ca_file: None, timeout: LOOK }) else { return false };
    !matches!(client.get_text(&Route::new("healthz")).await, Err(CliError::Unreachable { .. }))
}

/// Whether the file is the one that was written.
fn is_still(profile: &Profile, path: &Path) -> bool {
    let token = |profile: &Profile| profile.token.as_ref().map(|token| token.expose().to_owned());
    Profile::read(path).is_ok_and(|found| found.demo && token(&found) == token(profile))
}

fn announce(context: &Context, path: &Path, ready: &DemoReady) -> Result<Profile, CliError> {
    let profile = demo_profile(ready)?;
    profile.write(path)?;
    let names: Vec<&str> = ready.users.iter().map(|(name, _)| name.as_str()).collect();
    let told = json!({"url": ready.url, "sandbox_url": ready.sandbox_url, "profile": path.display().to_string(), "users": names});
    context.output.text(&welcome(ready, path), &told)?;
    Ok(profile)
}

fn demo_profile(ready: &DemoReady) -> Result<Profile, CliError> {
    let users = ready.users.iter().map(|(name, token)| Ok((name.clone(), Token::parse(token)?))).collect::<Result<_, Invalid>>()?;
    Ok(Profile {
        url: Some(ready.url.clone()),
        token: Some(Token::parse(&ready.token)?),
        ca_file: None,
        sandbox_url: Some(ready.sandbox_url.clone()),
        users,
        demo: true,
    })
}

fn welcome(ready: &DemoReady, path: &Path) -> String {
    let (url, sandbox_url, path) = (&ready.url, &ready.sandbox_url, path.display());
    format!(
        "The demo runs: server, simulated AWS and sample keys. Nothing here protects real data. Stop it with Ctrl-C.

  server         {url}
  API            {url}/docs
  simulated AWS  {sandbox_url}
  profile        {path}

In another terminal in the profile's directory:
  keystead key list
  keystead key renew invoices
  keystead key create orders --keystore demo-eu --alias orders --expires 90d
  keystead sandbox advance 8d
  keystead audit list --limit 10
"
    )
}

/// `keystead init`
///
/// # Errors
/// [`CliError`].
pub async fn init(context: &Context, args: Init) -> Result<(), CliError> {
    let root = root(&args)?;
    let report = local::init(args.config, root, args.user).await?;
    context.output.text(&installed(&report), &installed_json(&report))
}

fn root(args: &Init) -> Result<Root, CliError> {
    if let Some(module) = named_module(&args.module) {
        check_threshold(&args.secret)?;
        let backup = args.secret.backup.then_some((args.secret.threshold, args.secret.shares));
        let pin = pin_of(&module)?;
        return Ok(Root::Module { module, pin, backup });
    }
    refuse_backup(&args.secret)?;
    Ok(match args.root {
        RootKind::Hsm => {
            let mend = "Give --hsm-module and --hsm-token.";
            return Err(Invalid::new("hsm_module", "is needed: the root shall lie in a hardware module", mend).into());
        }
        RootKind::Passphrase => Root::Passphrase(new_passphrase(args.secret.passphrase_file.as_deref())?),
        RootKind::KeyFile => Root::KeyFile(args.key_file.clone().unwrap_or_else(|| beside(&args.config))),
        RootKind::Shares => {
            check_threshold(&args.secret)?;
            Root::Shares { count: args.secret.shares, threshold: args.secret.threshold }
        }
    })
}

/// `keystead restore-root`
///
/// # Errors
/// [`CliError`].
pub async fn restore_root(context: &Context, args: RestoreRoot) -> Result<(), CliError> {
    let shares = if args.share_files.is_empty() { typed_until_empty()? } else { from_files(&args.share_files)? };
    let report = local::restore_root(args.config, args.hsm, &shares).await?;
    let sheet = sheet(vec![
        ("root", Some(report.root.clone())),
        ("root generation", Some(report.generation.to_string())),
        ("restored in", Some(report.module.clone())),
    ]);
    context.output.text(&sheet, &json!({"root": report.root, "root_generation": report.generation, "hsm": report.module}))
}

/// Share after share, until an empty line: how many it takes stands in the shares themselves.
fn typed_until_empty() -> Result<Vec<Zeroizing<String>>, CliError> {
    let mut shares = Vec::new();
    loop {
        let text = ask("share", &format!("Share {}, or Enter when all are given: ", shares.len() + 1), "--share-file")?;
        if text.trim().is_empty() {
            return Ok(shares);
        }
        shares.push(share(&text));
    }
}

/// The module that the arguments name.
fn named_module(args: &ModuleArgs) -> Option<Hsm> {
    let (module, token) = args.hsm_module.clone().zip(args.hsm_token.clone())?;
    Some(Hsm::new(module, token, args.hsm_pin_file.clone()))
}

/// The PIN from its file, or else from the person in front of it.
fn pin_of(module: &Hsm) -> Result<Zeroizing<String>, CliError> {
    match &module.pin_file {
        Some(path) => read_text("hsm_pin_file", path),
        None => ask("hsm_pin", "PIN of the hardware module's token: ", "--hsm-pin-file"),
    }
}

/// The key file's place when nobody says.
fn beside(config: &Path) -> PathBuf {
    config.with_file_name("keystead-root.key")
}

fn installed(report: &InitReport) -> String {
    let config = report.config_path.display().to_string();
    let head = sheet(vec![
        ("configuration", Some(config.clone())),
        ("key file", report.key_file.as_ref().map(|path| path.display().to_string())),
        ("user", Some(report.user.clone())),
        ("token", Some(report.token.clone())),
    ]);
    let rows = report.shares.iter().enumerate().map(|(index, share)| vec![(index + 1).to_string(), share.clone()]);
    let shares = section("Shares: give each to another person", &["number", "share"], rows.collect());
    format!("{head}{shares}\nToken and shares are shown this once. Next: keystead serve --config {config}\n")
}

fn installed_json(report: &InitReport) -> Value {
    json!({"user": report.user, "token": report.token, "shares": report.shares, "config": report.config_path, "key_file": report.key_file})
}

/// `keystead doctor`
///
/// # Errors
/// [`CliError::NotHealthy`].
pub async fn doctor(context: &Context, args: Doctor) -> Result<(), CliError> {
    if args.what == Some(DoctorOf::Hsm) {
        return doctor_of_module(context, &args);
    }
    let checks = local::doctor(&args.config).await;
    let told: Vec<Value> = checks.iter().map(check_json).collect();
    if context.output.is_json() {
        context.output.json(&json!({"healthy": checks.iter().all(|check| check.ok), "checks": told}))?;
    } else {
        context.output.many::<CheckRow>(&told)?;
    }
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        failed => Err(CliError::NotHealthy { failed }),
    }
}

fn doctor_of_module(context: &Context, args: &Doctor) -> Result<(), CliError> {
    let module = match named_module(&args.module) {
        Some(module) => module,
        None => local::configured_module(&args.config)?,
    };
    let report = local::examine(&module, &pin_of(&module)?)?;
    context.output.text(&module_sheet(&report), &module_json(&report))
}

fn module_sheet(report: &ModuleReport) -> String {
    let speed = |per_second: Option<f64>| per_second.map_or_else(|| "cannot".to_owned(), |per_second| format!("{per_second:.0} a second"));
    let speeds = report.speeds.iter().map(|of| vec![of.what.to_owned(), speed(of.per_second)]).collect();
    let head = sheet(vec![("module", Some(report.description.clone()))]);
    // Sentences, which a table would make wider than any terminal.
    let found: String = report.findings.iter().map(|of| format!("\n{}: {}\n  {}\n", of.what, of.found, of.so)).collect();
    format!("{head}{found}{}", section("How fast, in one session", &["what", "speed"], speeds))
}

fn module_json(report: &ModuleReport) -> Value {
    let findings = report.findings.iter().map(|of| json!({"what": of.what, "whole": of.is_whole, "found": of.found, "so": of.so})).collect::<Vec<_>>();
    let speeds = report.speeds.iter().map(|of| json!({"what": of.what, "per_second": of.per_second})).collect::<Vec<_>>();
    json!({"module": report.description, "findings": findings, "speeds": speeds})
}

fn check_json(check: &Check) -> Value {
    json!({"name": check.name, "ok": check.ok, "detail": check.detail, "mend": check.mend})
}

#[derive(Deserialize)]
struct CheckRow {
    name: String,
    ok: bool,
    detail: String,
    mend: Option<String>,
}

impl Row for CheckRow {
    const HEADER: &'static [&'static str] = &["check", "", "detail", "mend"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), if self.ok { "ok" } else { "FAILED" }.to_owned(), self.detail.clone(), self.mend.clone().unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        local::{Finding, Speed},
        testing::{Script, Server},
    };

    async fn taken(profile: &str) -> bool {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE_NAME);
        std::fs::write(&path, profile).expect("a file");
        matches!(refuse_taken_directory(&path).await, Err(CliError::Invalid(invalid)) if invalid.field == "dir")
    }

    #[tokio::test]
    async fn a_profile_that_a_person_wrote_is_not_overwritten() {
        assert!(taken("url = \"https://production\"\n").await);
        let dir = tempfile::tempdir().expect("a directory");
        assert!(refuse_taken_directory(&dir.path().join(FILE_NAME)).await.is_ok(), "there is none");
    }

    #[tokio::test]
    async fn a_demo_that_runs_is_left_alone_and_one_that_ended_is_replaced() {
        let server = Server::start(vec![Script::of(200, "text/plain", "ok")]).await;
        assert!(taken(&format!("url = \"{}\"\ndemo = true\n", server.url)).await);
        assert!(!taken("url = \"http://127.0.0.1:1\"\ndemo = true\n").await);
    }

    #[test]
    fn the_profile_of_another_demo_is_not_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE_NAME);
        let profile = |token: &str| Profile { token: Token::parse(token).ok(), demo: true, ..Profile::default() };
        profile("kst_ours").write(&path).expect("is written");
        assert!(is_still(&profile("kst_ours"), &path));
        profile("kst_theirs").write(&path).expect("is written");
        assert!(!is_still(&profile("kst_ours"), &path));
    }

    #[test]
    fn the_demo_says_where_everything_is_and_prints_no_token() {
        let ready = DemoReady {
            url: "http://h".into(),
            sandbox_url: "http://s".into(),
            token: "kst_a".into(),
            users: vec![("ann".into(), "kst_a".into()), ("bob".into(), "kst_b".into())],
        };
        let text = welcome(&ready, Path::new("./keystead-profile.toml"));
        assert!(text.contains("http://h/docs") && text.contains("http://s") && !text.contains("kst_"), "{text}");
        let profile = demo_profile(&ready).expect("a profile");
        assert_eq!((profile.users["bob"].expose(), profile.demo), ("kst_b", true));
    }

    #[test]
    fn a_new_installation_shows_token_and_shares_once() {
        let report =
            InitReport { user: "ann".into(), token: "kst_a".into(), shares: vec!["s1".into(), "s2".into()], config_path: "k.toml".into(), key_file: None };
        let expected = "\
configuration  k.toml
user           ann
token          kst_a

Shares: give each to another person
NUMBER  SHARE
1       s1
2       s2

Token and shares are shown this once. Next: keystead serve --config k.toml
";
        assert_eq!(installed(&report), expected);
        assert_eq!(installed_json(&report)["shares"], json!(["s1", "s2"]));
    }

    #[test]
    fn what_a_module_can_is_told_in_sentences_and_its_speed_in_a_table() {
        let finding = Finding { what: "padding", is_whole: false, found: "zeros".into(), so: "Clouds refuse that.".into() };
        let speeds = vec![Speed { what: "make AES_256", per_second: Some(12.4) }, Speed { what: "wrap", per_second: None }];
        let report = ModuleReport { description: "a token".into(), findings: vec![finding], speeds };
        let expected = "\
module  a token

padding: zeros
  Clouds refuse that.

How fast, in one session
WHAT          SPEED
make AES_256  12 a second
wrap          cannot
";
        assert_eq!(module_sheet(&report), expected);
        assert_eq!(module_json(&report)["findings"][0]["whole"], json!(false));
    }

    #[test]
    fn the_key_file_stands_beside_the_configuration() {
        assert_eq!(beside(Path::new("/etc/keystead/keystead.toml")), Path::new("/etc/keystead/keystead-root.key"));
        assert_eq!(beside(Path::new("keystead.toml")), Path::new("keystead-root.key"));
    }
}
