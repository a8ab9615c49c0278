//! `keystead key export …`: two people hand material out, wrapped under a public key (CM-063 to CM-066).

use std::{io::Write as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keystead_domain::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::route;
use crate::{
    args::key::{Download, ExportVerb, Prepare},
    client::read,
    command::Context,
    error::CliError,
    output::{Sheet, table::time},
    profile::create_private,
    secret::read_text,
};

pub async fn run(context: &Context, verb: &ExportVerb) -> Result<(), CliError> {
    match verb {
        ExportVerb::Prepare(args) => prepare(context, args).await,
        ExportVerb::Download(args) => download(context, args).await,
    }
}

async fn prepare(context: &Context, args: &Prepare) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body<'a> {
        public_key: &'a str,
    }
    let pem = read_text("public_key", &args.public_key)?;
    // The server refuses it too. But a private key should not even travel.
    if pem.contains("PRIVATE KEY") {
        return Err(Invalid::new("public_key", "is a private key", "Give the public one: openssl rsa -in me.key -pubout -out me.pem").into());
    }
    let client = context.client()?;
    let prepared = client.send(reqwest::Method::POST, &route(&args.one)?.then("export/prepare"), &Body { public_key: &pem }).await?;
    context.output.one::<Prepared>(&prepared)?;
    if !context.output.is_json() {
        context.output.note(&format!("Now another person downloads it: keystead key export download {} --out FILE", args.one.key));
    }
    Ok(())
}

/// The file is made first: the download works once, so nothing may go wrong behind it.
async fn download(context: &Context, args: &Download) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body {
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
    }
    let (client, route) = (context.client()?, route(&args.one)?.then("export/download"));
    let file = create_private(&args.out).map_err(|reason| CliError::writing(&args.out, reason))?;
    let answer = client.send(reqwest::Method::POST, &route, &Body { version: args.of_version }).await;
    let answer = answer.inspect_err(|_| drop(std::fs::remove_file(&args.out)))?;
    let Wrapped { wrapped, .. } = read(&answer)?;
    let bytes = STANDARD.decode(&wrapped).map_err(|_| CliError::Foreign("The wrapped material is not base64.".to_owned()))?;
    save(file, &bytes, &args.out)?;
    context.output.one::<Wrapped>(&told(answer, &args.out))
}

fn save(mut file: std::fs::File, bytes: &[u8], path: &Path) -> Result<(), CliError> {
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|reason| CliError::writing(path, reason))
}

/// The answer with the file in the place of the material.
fn told(mut answer: Value, out: &Path) -> Value {
    if let Some(members) = answer.as_object_mut() {
        members.remove("wrapped");
        members.insert("out".to_owned(), out.display().to_string().into());
    }
    answer
}

/// The key of an export: its id or name, or the key itself.
fn name_of(key: &Value) -> Option<String> {
    key.as_str().or_else(|| key["name"].as_str()).map(str::to_owned)
}

#[derive(Deserialize)]
struct Prepared {
    key: Value,
    #[serde(default)]
    prepared_by: String,
    #[serde(default)]
    prepared_at: String,
    #[serde(default)]
    public_key_fingerprint: String,
}

impl Sheet for Prepared {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("key", name_of(&self.key)),
            ("prepared by", Some(self.prepared_by.clone())),
            ("prepared at", Some(time(&self.prepared_at))),
            ("public key", Some(self.public_key_fingerprint.clone())),
        ]
    }
}

#[derive(Deserialize)]
struct Wrapped {
    key: Value,
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    wrapped: String,
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    public_key_fingerprint: String,
    #[serde(default)]
    out: Option<String>,
}

impl Sheet for Wrapped {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("key", name_of(&self.key)),
            ("version", self.version.map(|version| version.to_string())),
            ("wrapped by", Some(self.algorithm.clone())),
            ("public key", Some(self.public_key_fingerprint.clone())),
            ("written to", self.out.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::{
            global::{Format, Global},
            key::One,
        },
        output::Output,
        secret::Token,
        settings::Environment,
        testing::{Script, Server},
    };

    async fn context(script: Vec<Script>) -> (Context, Server) {
        let server = Server::start(script).await;
        let global = Global { url: Some(server.url.clone()), token: Some(Token::parse("kst_x")), ..Global::default() };
        (Context { global, environment: Environment::default(), output: Output::new(Format::Json) }, server)
    }

    fn args(out: &Path) -> Download {
        Download { one: One { key: "orders".into() }, out: out.to_owned(), of_version: None }
    }

    #[tokio::test]
    async fn the_material_is_written_to_a_private_file_and_not_printed() {
        let dir = tempfile::tempdir().expect("a directory");
        let out = dir.path().join("orders.wrapped");
        let answer = serde_json::json!({"key": "orders", "wrapped": "AP8K", "algorithm": "RSAES_OAEP_SHA_256", "public_key_fingerprint": "f"});
        let (context, server) = context(vec![Script::json(200, &answer)]).await;
        download(&context, &args(&out)).await.expect("is written");
        assert_eq!(std::fs::read(&out).expect("is there"), [0, 255, 10]);
        assert!(server.heads()[0].starts_with("POST /v1/keys/orders/export/download "));
        assert_eq!(told(answer, &out)["wrapped"], Value::Null);
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_refused_before_the_export_is_used_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let out = dir.path().join("orders.wrapped");
        std::fs::write(&out, "precious").expect("a file");
        let (context, server) = context(vec![]).await;
        let error = download(&context, &args(&out)).await.expect_err("is refused");
        assert!(matches!(error, CliError::File { .. }) && server.heads().is_empty());
        assert_eq!(std::fs::read(&out).expect("is there"), b"precious");
    }

    #[tokio::test]
    async fn a_refused_export_leaves_no_empty_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let out = dir.path().join("orders.wrapped");
        let (context, _server) = context(vec![Script::problem(403, "same-person")]).await;
        assert!(download(&context, &args(&out)).await.is_err());
        assert!(!out.exists());
    }

    #[tokio::test]
    async fn a_private_key_does_not_travel() {
        let dir = tempfile::tempdir().expect("a directory");
        let pem = dir.path().join("me.key");
        std::fs::write(&pem, "-----BEGIN PRIVATE KEY-----\n").expect("a file");
        let (context, server) = context(vec![]).await;
        let error = prepare(&context, &Prepare { one: One { key: "orders".into() }, public_key: pem }).await.expect_err("is refused");
        assert!(matches!(error, CliError::Invalid(_)) && server.heads().is_empty());
    }
}
