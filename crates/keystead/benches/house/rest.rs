//! Creates over REST, as any client makes them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use crate::{server::Installation, world::KEYSTORE};

/// A client of a server.
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    names: AtomicU64,
}

impl Client {
    pub fn new(installation: &Installation) -> Arc<Self> {
        let url = format!("{}/v1/keys", installation.url());
        Arc::new(Self { http: reqwest::Client::new(), url, token: installation.token.clone(), names: AtomicU64::new(0) })
    }

    /// Creates a key and waits for its end in the same request.
    pub async fn create(&self) {
        let name = format!("rest-{}", self.names.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "name": name, "keystore": KEYSTORE, "aliases": [name], "expires": "90d", "tags": { "team": "pay" } });
        let sent = self.http.post(&self.url).bearer_auth(&self.token).header("Prefer", "wait=30").json(&body).send().await;
        let answer = sent.and_then(reqwest::Response::error_for_status).expect("an operation");
        let started: Value = answer.json().await.expect("JSON");
        assert_eq!(started["operation"]["state"], "SUCCEEDED", "{started}");
    }
}
