//! Bad input over REST: each is answered with a problem of a stable type that names the field and the mend, and leaves everything as it was: rows, operations,
//! the cloud. On SQLite and on PostgreSQL.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use futures::future::join_all;
use keystead_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::{
    matrix::public_key,
    world::{Engine, World},
};

/// An answer that is a problem.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    /// The stable end of its type.
    pub slug: String,
    pub field: Option<String>,
    pub detail: String,
}

/// Asks with a token and headers; any answer.
pub async fn answer(world: &World, token: &str, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> (u16, String, Value) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = world.http.request(method, format!("{}{path}", world.url)).bearer_auth(token).header("Prefer", "wait=20");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.expect("an answer");
    let kind = answer.headers().get("content-type").map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default();
    let (status, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
    (status, kind, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Reads a problem, and checks that it is whole (RFC 9457).
pub fn told((status, kind, body): (u16, String, Value)) -> Told {
    assert_eq!(kind, "application/problem+json", "{status} {body}");
    assert_eq!(body["status"], json!(status), "{body}");
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    for member in ["title", "detail", "mend"] {
        assert!(text(member).len() > 5, "{member} is missing: {body}");
    }
    assert!(text("instance").starts_with("req_"), "{body}");
    let slug = text("type").strip_prefix("https://keystead.dev/problems/").expect("a stable type").to_owned();
    Told { status, slug, field: body["field"].as_str().map(str::to_owned), detail: text("detail") }
}

/// Asks as ann for something that is refused.
pub async fn refused(world: &World, method: &str, path: &str, body: Option<Value>) -> Told {
    told(answer(world, &world.tokens[0], method, path, body, &[]).await)
}

/// Everything that a refusal must leave as it was.
#[derive(Debug, PartialEq)]
pub struct Everything(Vec<Value>);

pub async fn everything(world: &World) -> Everything {
    let mut all = vec![json!(world.cloud_keys().await)];
    for list in ["keys", "keystores", "users", "operations"] {
        let (status, page) = world.rest(0, "GET", &format!("/v1/{list}?limit=1000"), None).await;
        assert_eq!((status, &page["next_cursor"]), (200, &Value::Null), "{page}");
        all.push(page["items"].clone());
    }
    Everything(all)
}

/// Runs openssl with this input, and answers what it writes.
pub fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let child = Command::new("openssl").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the openssl command: apt-get install openssl");
    child.stdin.take().expect("a pipe").write_all(input).expect("is read");
    let done = child.wait_with_output().expect("ends");
    assert!(done.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// The same as text.
pub fn openssl_text(args: &[&str], input: &[u8]) -> String {
    String::from_utf8(openssl(args, input)).expect("text")
}

fn rsa(bits: u32) -> String {
    openssl_text(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")], &[])
}

fn public_half(private: &str) -> String {
    openssl_text(&["pkey", "-pubout"], private.as_bytes())
}

/// One bad request: method, path, body, and the field that is named.
type Bad = (&'static str, String, Value, &'static str);

/// A body for a new key with these members changed.
fn new_key(change: Value) -> Value {
    let mut body = json!({"name": "fresh", "keystore": "payments-eu"});
    body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    body
}

fn material(format: &str, data: &str) -> Value {
    new_key(json!({"material": {"format": format, "data": data}}))
}

/// Fields that nobody knows, in every body that there is.
fn unknown_fields(key: &str) -> Vec<Bad> {
    let keys = |verb: &str| format!("/v1/keys/{key}/{verb}");
    let mut bad: Vec<Bad> = vec![
        ("POST", "/v1/keys".into(), new_key(json!({"colour": "red"})), "colour"),
        ("POST", "/v1/keys".into(), new_key(json!({"material": {"format": "hex", "data": "00", "colour": 1}})), "material.colour"),
        ("PATCH", format!("/v1/keys/{key}"), json!({"descripton": "x"}), "descripton"),
        ("POST", keys("schedule-deletion"), json!({"days": 7, "force": true}), "force"),
        ("POST", keys("copies"), json!({"to": ["payments-eu"], "alias": "orders"}), "alias"),
        ("POST", keys("export/prepare"), json!({"public_key": public_key(), "for": "bob"}), "for"),
        ("POST", "/v1/keystores".into(), json!({"name": "x", "cloud": "aws", "region": "eu-west-1", "account": "123456789012", "zone": 1}), "zone"),
        ("POST", "/v1/users".into(), json!({"name": "eve", "admin": true}), "admin"),
        ("POST", "/v1/vault/rotate".into(), json!({"what": "root", "how": 1}), "how"),
        ("POST", "/v1/vault/rotate".into(), json!({"what": "root", "unlock": {"shares": {"count": 3, "threshold": 2, "x": 1}}}), "unlock.shares.x"),
        ("POST", "/v1/vault/rotate/confirm".into(), json!({"rotation": "x", "shares": [], "x": 1}), "x"),
        ("POST", "/v1/vault/unseal".into(), json!({"password": "x"}), "password"),
    ];
    for verb in ["deactivate", "activate", "upload", "renew", "revert", "cancel-deletion", "export/download"] {
        bad.push(("POST", keys(verb), json!({"really": true}), "really"));
    }
    for path in ["/v1/keystores/payments-eu/check", "/v1/users/bob/token", "/v1/users/bob/disable", "/v1/vault/seal"] {
        bad.push(("POST", path.into(), json!({"really": true}), "really"));
    }
    bad.push(("DELETE", "/v1/keystores/payments-eu".into(), json!({"really": true}), "really"));
    bad
}

/// Material of wrong size, wrong encoding, or no use.
fn bad_material(key: &str) -> Vec<Bad> {
    let base64 = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let bytes: Vec<u8> = (1..=33).collect();
    let mut bad = Vec::new();
    for length in [0, 16, 31, 33] {
        bad.push((material("raw", &base64(&bytes[..length])), "material"));
        bad.push((material("base64", &base64(&bytes[..length])), "material"));
        bad.push((material("hex", &hex::encode(&bytes[..length])), "material"));
    }
    for weak in [0u8, 0xff, b'a'] {
        bad.push((material("raw", &base64(&[weak; 32])), "material"));
    }
    bad.push((material("base64", "not*base64"), "material.data"));
    bad.push((material("hex", "0x0102"), "material.data"));
    bad.push((material("hex", "012"), "material.data"));
    bad.push((material("pem", "AAAA"), "material.format"));
    bad.push((material("wrapped", &base64(&bytes[..32])), "material.unwrap_with"));
    let wrapped = |length: usize, with: &str| new_key(json!({"material": {"format": "wrapped", "data": base64(&bytes[..length]), "unwrap_with": with}}));
    bad.push((wrapped(32, "nobody"), "material.unwrap_with"));
    bad.push((wrapped(0, key), "material"));
    bad.push((wrapped(33, key), "material"));
    bad.push((wrapped(32, key), "material"));
    bad.into_iter().map(|(body, field)| ("POST", "/v1/keys".to_owned(), body, field)).collect()
}

/// What people paste where a public key is asked for.
fn bad_public_keys(key: &str) -> Vec<Bad> {
    let private = rsa(2048);
    let certificate = openssl_text(&["req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=ann", "-days", "1"], private.as_bytes());
    let elliptic = openssl_text(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &[]);
    let pasted = [
        public_half(&rsa(1024)),
        private.clone(),
        format!("{}{private}", public_half(&private)),
        certificate,
        public_half(&elliptic),
        "garbage".to_owned(),
        String::new(),
        public_half(&private).replace("-----END PUBLIC KEY-----", ""),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned(),
    ];
    pasted.into_iter().map(|pem| ("POST", format!("/v1/keys/{key}/export/prepare"), json!({"public_key": pem}), "public_key")).collect()
}

/// Values that cannot be, one by one.
fn bad_values(key: &str) -> Vec<Bad> {
    let mut bad: Vec<Bad> = Vec::new();
    for (change, field) in [
        (json!({"aliases": ["alias/aws/s3"]}), "aliases"),
        (json!({"aliases": ["aws/s3"]}), "aliases"),
        (json!({"aliases": ["with space"]}), "aliases"),
        (json!({"expires": "2020-01-01T00:00:00Z"}), "expires"),
        (json!({"expires": "366d"}), "expires"),
        (json!({"expires": "0d"}), "expires"),
        (json!({"expires": "soon"}), "expires"),
        (json!({"expiry_policy": "forget"}), "expiry_policy"),
        (json!({"description": "x".repeat(8193)}), "description"),
        (json!({"tags": {"aws:x": "y"}}), "tags.aws:x"),
        (json!({"tags": {"keystead:key": "y"}}), "tags.keystead:key"),
        (json!({"tags": {"team": 1}}), "tags.team"),
        (json!({"name": "key_1"}), "name"),
        (json!({"name": "a b"}), "name"),
    ] {
        bad.push(("POST", "/v1/keys".into(), new_key(change.clone()), field));
        bad.push(("PATCH", format!("/v1/keys/{key}"), change, field));
    }
    bad.push(("POST", "/v1/keys".into(), new_key(json!({"spec": "AES_128"})), "spec"));
    bad.push(("POST", "/v1/keys".into(), json!({"keystore": "payments-eu"}), "name"));
    bad.push(("PATCH", format!("/v1/keys/{key}"), json!({"name": null}), "name"));
    for days in [json!(6), json!(31), json!(0), json!(-7), json!("7"), json!(7.5)] {
        bad.push(("POST", format!("/v1/keys/{key}/schedule-deletion"), json!({"days": days}), "days"));
    }
    bad.push(("POST", format!("/v1/keys/{key}/schedule-deletion"), json!({}), "days"));
    for (change, field) in [
        (json!({"cloud": "gcp"}), "cloud"),
        (json!({"region": "eu-nowhere"}), "region"),
        (json!({"account": "12345678901"}), "account"),
        (json!({"role_arn": "arn:aws:iam::999999999999:role/keystead"}), "role_arn"),
        (json!({"role_arn": "arn:aws-cn:iam::123456789012:role/keystead"}), "role_arn"),
        (json!({"external_id": "x"}), "external_id"),
        (json!({"name": "op_1"}), "name"),
    ] {
        let mut body = json!({"name": "fresh", "cloud": "aws", "region": "eu-west-1", "account": "123456789012"});
        body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        bad.push(("POST", "/v1/keystores".into(), body, field));
    }
    bad.push(("POST", "/v1/users".into(), json!({"name": ""}), "name"));
    bad.push(("POST", "/v1/vault/rotate/confirm".into(), json!({"rotation": "rotation_1", "shares": ["x"]}), "shares"));
    bad.push(("POST", "/v1/vault/rotate/confirm".into(), json!({"rotation": "rotation_1", "shares": []}), "rotation"));
    for (unlock, field) in
        [(json!({"passphrase": "short"}), "unlock"), (json!({"key_file": "AAAA"}), "unlock"), (json!({"shares": {"count": 2, "threshold": 3}}), "unlock")]
    {
        bad.push(("POST", "/v1/vault/rotate".into(), json!({"what": "root", "unlock": unlock}), field));
    }
    bad
}

async fn every_bad_input(engine: Engine) {
    let world = World::new(engine).await;
    let key = world.create("orders").await;
    let before = everything(&world).await;
    let lists = [unknown_fields("orders"), bad_material("orders"), bad_public_keys(key.id.as_str()), bad_values("orders")];
    let mut count = 0;
    for (method, path, body, field) in lists.into_iter().flatten() {
        let shown = format!("{method} {path} {body}");
        let problem = refused(&world, method, &path, Some(body)).await;
        assert_eq!((problem.status, problem.slug.as_str()), (422, "invalid-input"), "{shown}: {problem:?}");
        let named = problem.field.unwrap_or_default();
        // The vault names what it refuses by the member of the body, or by its part.
        assert!(named == field || named.starts_with(&format!("{field}.")) || (field == "unlock" && !named.is_empty()), "{shown}: the field is {named}");
        count += 1;
    }
    assert_eq!(everything(&world).await, before, "nothing has changed");
    println!("bad input on {engine:?}: {count} requests refused, nothing changed");
    assert!(count > 100, "{count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_input_names_its_field_and_changes_nothing_on_sqlite() {
    every_bad_input(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_input_names_its_field_and_changes_nothing_on_postgresql() {
    every_bad_input(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_refused_before_anything_is_looked_at() {
    let world = World::new(Engine::Sqlite).await;
    let before = everything(&world).await;
    let post = |body: String, kind: &str| {
        let request = world.http.post(format!("{}/v1/keys", world.url)).bearer_auth(&world.tokens[0]).header("content-type", kind).body(body);
        async { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(post("{\"name\":".into(), "application/json").await, 400);
    assert_eq!(post("{}".into(), "text/plain").await, 415);
    assert_eq!(post(format!("\"{}\"", "x".repeat(300_000)), "application/json").await, 413);
    assert_eq!(post("[]".into(), "application/json").await, 422);
    for (path, field) in [
        ("/v1/keys?colour=red", "colour"),
        ("/v1/keys?limit=0", "limit"),
        ("/v1/keys?limit=1001", "limit"),
        ("/v1/keys?cursor=a%27b", "cursor"),
        ("/v1/keys?state=GONE", "state"),
    ] {
        let problem = refused(&world, "GET", path, None).await;
        assert_eq!((problem.status, problem.field.as_deref()), (422, Some(field)), "{path}: {problem:?}");
    }
    for token in ["", "kst_nobody", &world.tokens[0][..20]] {
        assert_eq!(told(answer(&world, token, "GET", "/v1/keys", None, &[]).await).slug, "unauthenticated");
    }
    let key = told(answer(&world, &world.tokens[0], "POST", "/v1/keys", Some(new_key(json!({}))), &[("Idempotency-Key", "\t")]).await);
    assert_eq!((key.status, key.field.as_deref()), (422, Some("Idempotency-Key")));
    assert_eq!(everything(&world).await, before);
}

/// What is in use is in use: names of keys, keystores and users, aliases.
async fn what_is_taken(engine: Engine) {
    let world = World::new(engine).await;
    world.create("orders").await;
    world.create("bills").await;
    let before = everything(&world).await;
    let keystore = json!({"name": "payments-eu", "cloud": "aws", "region": "eu-west-1", "account": "123456789012"});
    for (method, path, body, slug, field) in [
        ("POST", "/v1/keys", new_key(json!({"name": "orders"})), "name-taken", "name"),
        ("POST", "/v1/keys", new_key(json!({"aliases": ["orders"]})), "alias-taken", "aliases"),
        ("POST", "/v1/keys", new_key(json!({"aliases": ["alias/orders"]})), "alias-taken", "aliases"),
        ("PATCH", "/v1/keys/bills", json!({"name": "orders"}), "name-taken", "name"),
        ("PATCH", "/v1/keys/bills", json!({"aliases": ["orders"]}), "alias-taken", "aliases"),
        ("POST", "/v1/keystores", keystore, "name-taken", "name"),
        ("POST", "/v1/users", json!({"name": "bob"}), "name-taken", "name"),
    ] {
        let shown = format!("{method} {path} {body}");
        let problem = refused(&world, method, path, Some(body)).await;
        assert_eq!((problem.status, problem.slug.as_str(), problem.field.as_deref()), (409, slug, Some(field)), "{shown}: {problem:?}");
    }
    let problem = refused(&world, "DELETE", "/v1/keystores/payments-eu", None).await;
    assert_eq!((problem.status, problem.slug.as_str()), (409, "keystore-not-empty"), "CM-038");
    assert!(problem.detail.contains("orders") && problem.detail.contains("bills"), "CM-038: the user is told why: {}", problem.detail);
    assert_eq!(everything(&world).await, before, "nothing has changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_is_refused_by_field_on_sqlite_cm_038() {
    what_is_taken(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_is_refused_by_field_on_postgresql_cm_038() {
    what_is_taken(Engine::Postgres).await;
}

/// Dual control: prepared by one, downloaded by another, once.
async fn dual_control(engine: Engine) {
    let world = World::new(engine).await;
    world.create("orders").await;
    let download = async |person: usize| answer(&world, &world.tokens[person], "POST", "/v1/keys/orders/export/download", None, &[]).await;
    assert_eq!(told(download(1).await).slug, "export-not-prepared");
    let (status, body) = world.rest(0, "POST", "/v1/keys/orders/export/prepare", Some(json!({"public_key": public_key()}))).await;
    assert_eq!(status, 200, "{body}");
    let same = told(download(0).await);
    assert_eq!((same.status, same.slug.as_str()), (403, "same-person"), "CM-065");
    let both = join_all([download(1), download(1), download(1)]).await;
    assert_eq!(both.iter().filter(|(status, ..)| *status == 200).count(), 1, "CM-066: a preparation serves once, however many ask at the same moment");
    assert_eq!(told(download(1).await).slug, "export-not-prepared", "CM-066");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_needs_two_people_and_serves_once_on_sqlite_cm_065_cm_066() {
    dual_control(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_needs_two_people_and_serves_once_on_postgresql_cm_065_cm_066() {
    dual_control(Engine::Postgres).await;
}

/// The same idempotency key: one operation, also when the requests meet; with another body it is refused.
async fn idempotency(engine: Engine) {
    let world = World::new(engine).await;
    let ask = async |body: Value| answer(&world, &world.tokens[0], "POST", "/v1/keys", Some(body), &[("Idempotency-Key", "one")]).await;
    let answers = join_all((0..6).map(|_| ask(new_key(json!({"aliases": ["fresh"]}))))).await;
    let ids: Vec<&Value> = answers.iter().map(|(status, _, body)| if *status == 200 { &body["operation"]["id"] } else { body }).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "one operation: {ids:?}");
    let (_, _, again) = ask(new_key(json!({"aliases": ["fresh"]}))).await;
    assert_eq!(&again["operation"]["id"], ids[0]);
    let before = everything(&world).await;
    let other = told(ask(new_key(json!({"name": "other"}))).await);
    assert_eq!((other.status, other.slug.as_str(), other.field.as_deref()), (422, "idempotency-mismatch", Some("Idempotency-Key")));
    let elsewhere = told(answer(&world, &world.tokens[0], "POST", "/v1/keys/fresh/deactivate", None, &[("Idempotency-Key", "one")]).await);
    assert_eq!(elsewhere.slug, "idempotency-mismatch");
    assert_eq!(everything(&world).await, before);
    assert_eq!(world.cloud_keys().await.len(), 1, "nothing was made twice");
    let verb = async || answer(&world, &world.tokens[0], "POST", "/v1/keys/fresh/deactivate", None, &[("Idempotency-Key", "two")]).await;
    let answers = join_all((0..6).map(|_| verb())).await;
    assert!(answers.iter().all(|(status, _, body)| *status == 200 && body["operation"]["id"] == answers[0].2["operation"]["id"]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_gives_the_same_operation_on_sqlite() {
    idempotency(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_gives_the_same_operation_on_postgresql() {
    idempotency(Engine::Postgres).await;
}

/// The same idempotency key where no operation is begun: done once, also when the requests meet, and the secret of the answer is given once.
async fn idempotency_without_an_operation(engine: Engine) {
    let world = World::new(engine).await;
    world.create("orders").await;
    let prepare = Some(json!({"public_key": public_key()}));
    assert_eq!(world.rest(0, "POST", "/v1/keys/orders/export/prepare", prepare).await.0, 200);
    for (person, path, body, secret) in [
        (0, "/v1/users", Some(json!({"name": "carol"})), "token"),
        (0, "/v1/users/carol/token", None, "token"),
        (1, "/v1/keys/orders/export/download", None, "wrapped"),
    ] {
        let ask = async || answer(&world, &world.tokens[person], "POST", path, body.clone(), &[("Idempotency-Key", path)]).await;
        let answers = join_all((0..6).map(|_| ask())).await;
        assert_eq!(answers.iter().filter(|(status, ..)| *status < 300).count(), 1, "{path}: {answers:?}");
        let again = answers.into_iter().filter(|(status, ..)| *status >= 300).chain([ask().await]);
        for (status, kind, body) in again {
            assert!(body.get(secret).is_none(), "{body}");
            assert_eq!((status, told((status, kind, body)).slug.as_str()), (409, "already-done"), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_does_nothing_twice_without_an_operation_on_sqlite() {
    idempotency_without_an_operation(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_does_nothing_twice_without_an_operation_on_postgresql() {
    idempotency_without_an_operation(Engine::Postgres).await;
}

/// Two requests for one key at the same moment: one wins, the other is told who.
async fn a_race(engine: Engine) {
    let world = World::new(engine).await;
    world.create("orders").await;
    world.sandbox.add_faults([Fault { operation: "*".into(), skip: 0, count: 1, effect: Effect::Delay { millis: 500 } }]);
    let ask = async |verb: &str| world.rest(0, "POST", &format!("/v1/keys/orders/{verb}"), None).await;
    let answers = [tokio::join!(ask("deactivate"), ask("renew"))];
    let [(one, other)] = answers;
    let (won, lost) = if one.0 == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.0, &won.1["operation"]["state"]), (200, &json!("SUCCEEDED")), "{won:?}");
    assert_eq!(lost.0, 409, "{lost:?}");
    assert!(lost.1["type"].as_str().is_some_and(|kind| kind.ends_with("/busy")), "{lost:?}");
    assert!(lost.1["detail"].as_str().is_some_and(|text| text.contains(won.1["operation"]["id"].as_str().expect("an id"))), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_requests_for_one_key_one_wins_on_sqlite() {
    a_race(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_requests_for_one_key_one_wins_on_postgresql() {
    a_race(Engine::Postgres).await;
}
