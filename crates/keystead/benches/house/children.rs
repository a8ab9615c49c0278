//! Processes of their own: the simulated cloud, and whatever has its memory measured. A child is this binary again, with another first argument.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use keystead_sandbox::{Config, KeyPool, RoleSeed, RsaSize, Sandbox, UserSeed};
use serde_json::Value;

use crate::{fill::CloudKey, verify, world};

const SANDBOX: &str = "--sandbox";

/// Plays a child's part when the arguments ask for one.
pub fn play(arguments: &[String]) -> bool {
    match arguments {
        [part] if part == SANDBOX => sandbox(),
        [part, file] if part == verify::VERIFY => verify::verify_in_child(file),
        [part, file] if part == verify::HASH => verify::hash_in_child(file),
        _ => return false,
    }
    true
}

/// A command that starts this binary again.
pub fn again() -> Command {
    Command::new(std::env::current_exe().expect("this binary has a path"))
}

/// Serves a simulated AWS until standard input ends, which it does with the parent, however that ends.
fn sandbox() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an async runtime");
    let pool = KeyPool::new();
    pool.warm(&[RsaSize::Rsa4096]);
    let users = vec![UserSeed::new("keystead", "111122223333", world::ACCESS_KEY, world::SECRET_KEY)];
    let roles = vec![RoleSeed::new(world::ROLE, &[world::IDENTITY], Some(world::EXTERNAL_ID))];
    let sandbox = runtime.block_on(Sandbox::start(Config { users, roles, pool, ..Config::default() })).expect("a sandbox");
    println!("{}", sandbox.endpoint());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// A simulated AWS in a process of its own.
pub struct Cloud {
    child: Child,
    /// Its address.
    pub endpoint: String,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cloud {
    pub fn start() -> Self {
        let mut child = again().arg(SANDBOX).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
        let mut endpoint = String::new();
        let said = child.stdout.take().expect("a pipe");
        BufReader::new(said).read_line(&mut endpoint).expect("the child says its address");
        Self { child, endpoint: endpoint.trim_end().to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Changes its settings.
    pub async fn configure(&self, settings: &Value) {
        let sent = reqwest::Client::new().post(format!("{}/_sandbox/config", self.endpoint)).json(settings).send().await;
        sent.and_then(reqwest::Response::error_for_status).expect("the sandbox takes its settings");
    }

    /// Makes keys with material of its own.
    pub async fn seed(&self, order: &Value) {
        let sent = reqwest::Client::new().post(format!("{}/_sandbox/keys", self.endpoint)).json(order).send().await;
        sent.and_then(reqwest::Response::error_for_status).expect("the sandbox makes keys");
    }

    /// The keys that it has.
    pub async fn keys(&self) -> Arc<[CloudKey]> {
        let got = reqwest::get(format!("{}/_sandbox/state", self.endpoint)).await.expect("the sandbox answers");
        let body: Value = got.json().await.expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let read = |key: &Value| CloudKey { id: text(&key["id"]), arn: text(&key["arn"]), alias: text(&key["aliases"][0]).replace("alias/", "") };
        body["keys"].as_array().expect("keys").iter().map(read).collect()
    }

    /// How many calls of each operation it has had.
    pub async fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        let got = reqwest::get(format!("{}/_sandbox/calls", self.endpoint)).await.expect("the sandbox answers");
        let body: Value = got.json().await.expect("JSON");
        serde_json::from_value(body["calls"].clone()).expect("counts")
    }

    /// How many calls it answered with this error code.
    pub async fn count_errors(&self, code: &str) -> usize {
        let got = reqwest::get(format!("{}/_sandbox/events", self.endpoint)).await.expect("the sandbox answers");
        let body: Value = got.json().await.expect("JSON");
        let events = body["events"].as_array().expect("events");
        events.iter().filter(|event| event["errorCode"] == code).count()
    }
}
