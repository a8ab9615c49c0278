//! Where the server is and who asks: a flag counts before the environment, the environment before the profile.

use std::{path::PathBuf, time::Duration};

use keystead_domain::Invalid;
use reqwest::Url;

use crate::{
    args::global::Global,
    error::CliError,
    profile::Profile,
    secret::{Token, read_text},
};

/// What the environment says. Read once in `main`, so that everything behind it can be tested with another.
#[derive(Default)]
pub struct Environment {
    /// `KEYSTEAD_URL`.
    pub url: Option<String>,
    /// `KEYSTEAD_TOKEN`.
    pub token: Option<String>,
    /// `KEYSTEAD_PROFILE`.
    pub profile: Option<PathBuf>,
    /// `KEYSTEAD_SANDBOX_URL`.
    pub sandbox_url: Option<String>,
    /// `KEYSTEAD_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// Of this process. An empty variable is one that is not set.
    pub fn of_process() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            url: text("KEYSTEAD_URL"),
            token: text("KEYSTEAD_TOKEN"),
            profile: path("KEYSTEAD_PROFILE"),
            sandbox_url: text("KEYSTEAD_SANDBOX_URL"),
            ca_file: path("KEYSTEAD_CA_FILE"),
            home: path("HOME"),
        }
    }
}

/// How to reach a server.
pub struct Connection {
    /// Where it is.
    pub url: Url,
    /// By which token; none for what needs none.
    pub token: Option<Token>,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

impl Connection {
    /// To the server.
    ///
    /// # Errors
    /// [`CliError`] when no server is named, or a value cannot be.
    pub fn resolve(global: &Global, environment: &Environment) -> Result<Self, CliError> {
        let profile = find_profile(global, environment)?;
        let url = global.url.clone().or_else(|| environment.url.clone()).or_else(|| profile.url.clone()).ok_or(CliError::NoServer)?;
        Ok(Self {
            url: parse_url("url", &url)?,
            token: token(global, environment, &profile)?,
            ca_file: global.ca_file.clone().or_else(|| environment.ca_file.clone()).or_else(|| profile.ca_file.clone()),
            timeout: global.timeout,
        })
    }

    /// To the control plane of the simulated cloud, which knows no tokens.
    ///
    /// # Errors
    /// [`CliError`] when none is named, or a value cannot be.
    pub fn to_sandbox(endpoint: Option<&str>, global: &Global, environment: &Environment) -> Result<Self, CliError> {
        let named = endpoint.map(str::to_owned).or_else(|| environment.sandbox_url.clone());
        let url = match named {
            Some(url) => url,
            None => find_profile(global, environment)?.sandbox_url.ok_or_else(no_sandbox)?,
        };
        Ok(Self { url: parse_url("endpoint", &url)?, token: None, ca_file: None, timeout: global.timeout })
    }
}

fn find_profile(global: &Global, environment: &Environment) -> Result<Profile, CliError> {
    let named = global.profile.as_deref().or(environment.profile.as_deref());
    Ok(Profile::find(named, environment.home.as_deref())?.unwrap_or_default())
}

/// The flags exclude each other; any of them counts before the environment.
fn token(global: &Global, environment: &Environment, profile: &Profile) -> Result<Option<Token>, CliError> {
    if let Some(token) = &global.token {
        return Ok(Some(token.clone()?));
    }
    if let Some(path) = &global.token_file {
        return Ok(Some(Token::parse(&read_text("token", path)?)?));
    }
    if let Some(name) = &global.as_user {
        return profile.users.get(name).cloned().map(Some).ok_or_else(|| unknown_user(name, profile));
    }
    match &environment.token {
        Some(text) => Ok(Some(Token::parse(text)?)),
        None => Ok(profile.token.clone()),
    }
}

fn unknown_user(name: &str, profile: &Profile) -> CliError {
    let known: Vec<&str> = profile.users.keys().map(String::as_str).collect();
    let mend = if known.is_empty() { "Add it to the table [users] of the profile.".to_owned() } else { format!("The profile knows: {}.", known.join(", ")) };
    Invalid::new("as", format!("names {name}, whom the profile does not know"), mend).into()
}

fn no_sandbox() -> CliError {
    let mend = "Give --endpoint or KEYSTEAD_SANDBOX_URL, or work in the directory in which `keystead demo` runs.";
    Invalid::new("endpoint", "is not known: which simulated cloud?", mend).into()
}

fn parse_url(field: &str, text: &str) -> Result<Url, CliError> {
    let refuse = |reason: &str| Invalid::new(field, reason, "Give it like https://keystead.example.com or http://127.0.0.1:8080.");
    let url = Url::parse(text).map_err(|_| refuse("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse("is not an http or https URL").into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("has more than scheme, host, port and path").into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROFILE: &str = "url = \"http://profile:1/base/\"\ntoken = \"kst_profile\"\nsandbox_url = \"http://sandbox:2\"\nca_file = \"profile.pem\"\n[users]\nann = \"kst_ann\"\n";

    /// A directory with a profile in it, and the path of that profile.
    fn profile() -> (tempfile::TempDir, Option<PathBuf>) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("p.toml");
        std::fs::write(&path, PROFILE).expect("a file");
        (dir, Some(path))
    }

    fn spoken(connection: &Connection) -> (&str, &str) {
        (connection.url.as_str(), connection.token.as_ref().map_or("", Token::expose))
    }

    #[test]
    fn a_flag_counts_before_the_environment_and_the_environment_before_the_profile() {
        let (_dir, path) = profile();
        let mut global = Global::default();
        let mut environment = Environment { profile: path, ..Environment::default() };
        let resolved = Connection::resolve(&global, &environment).expect("resolves");
        assert_eq!(spoken(&resolved), ("http://profile:1/base/", "kst_profile"));
        assert_eq!(resolved.ca_file, Some("profile.pem".into()));

        environment.url = Some("http://env".into());
        environment.token = Some("kst_env".into());
        environment.ca_file = Some("env.pem".into());
        let resolved = Connection::resolve(&global, &environment).expect("resolves");
        assert_eq!(spoken(&resolved), ("http://env/", "kst_env"));
        assert_eq!(resolved.ca_file, Some("env.pem".into()));

        global.url = Some("http://flag".into());
        global.token = Some(Token::parse("kst_flag"));
        global.ca_file = Some("flag.pem".into());
        let resolved = Connection::resolve(&global, &environment).expect("resolves");
        assert_eq!(spoken(&resolved), ("http://flag/", "kst_flag"));
        assert_eq!(resolved.ca_file, Some("flag.pem".into()));
    }

    #[test]
    fn a_named_user_and_a_token_file_count_before_the_environment_too() {
        let (dir, path) = profile();
        let environment = Environment { profile: path, token: Some("kst_env".into()), ..Environment::default() };
        let global = Global { as_user: Some("ann".into()), ..Global::default() };
        assert_eq!(spoken(&Connection::resolve(&global, &environment).expect("resolves")).1, "kst_ann");
        let file = dir.path().join("token");
        std::fs::write(&file, "kst_file\n").expect("a file");
        let global = Global { token_file: Some(file), ..Global::default() };
        assert_eq!(spoken(&Connection::resolve(&global, &environment).expect("resolves")).1, "kst_file");
    }

    #[test]
    fn an_unknown_user_is_answered_with_those_that_are_known() {
        let (_dir, path) = profile();
        let environment = Environment { profile: path, ..Environment::default() };
        let global = Global { as_user: Some("bob".into()), ..Global::default() };
        let problem = Connection::resolve(&global, &environment).err().expect("is refused").problem();
        assert_eq!(problem.mend, "The profile knows: ann.");
    }

    #[test]
    fn without_any_server_the_way_to_one_is_told() {
        let error = Connection::resolve(&Global::default(), &Environment::default()).err().expect("is refused");
        assert!(matches!(error, CliError::NoServer));
        assert!(error.problem().mend.contains("keystead demo"));
    }

    #[test]
    fn the_sandbox_is_found_by_flag_environment_and_profile() {
        let (_dir, path) = profile();
        let global = Global { profile: path, ..Global::default() };
        let mut environment = Environment::default();
        let found =
            |endpoint: Option<&str>, environment: &Environment| Connection::to_sandbox(endpoint, &global, environment).map(|to| to.url.to_string()).ok();
        assert_eq!(found(None, &environment).as_deref(), Some("http://sandbox:2/"));
        environment.sandbox_url = Some("http://env:3".into());
        assert_eq!(found(None, &environment).as_deref(), Some("http://env:3/"));
        assert_eq!(found(Some("http://flag:4"), &environment).as_deref(), Some("http://flag:4/"));
    }

    #[test]
    fn only_plain_web_urls_are_taken() {
        for bad in ["", "keystead", "ftp://x", "http://", "http://user:pw@x", "http://x?a=b", "http://x#f", "file:///etc"] {
            assert!(parse_url("url", bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_url_makes_it_panic(text in any::<String>()) {
            let _ = parse_url("url", &text);
        }
    }
}
