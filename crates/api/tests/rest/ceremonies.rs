//! Ceremonies over REST: a key in components, each entered by another person (FX-015). The person is who holds the token; a body cannot name another.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use keystead_domain::time::DAY;
use serde_json::{Value, json};

use crate::{
    imports::{cmac, material},
    world::{Answer, World, request},
};

/// Three components whose XOR is [`material`].
fn components() -> [String; 3] {
    let (one, two): (Vec<u8>, Vec<u8>) = ((0..32).map(|at: u8| at.wrapping_mul(3) ^ 0x11).collect(), (0..32).map(|at: u8| at.wrapping_mul(5) ^ 0x77).collect());
    let three: Vec<u8> = material().iter().zip(one.iter().zip(&two)).map(|(whole, (a, b))| whole ^ a ^ b).collect();
    [one, two, three].map(hex::encode)
}

/// People with tokens: ann, ben, and cho, whom ann makes.
struct Hall {
    world: World,
    cho: String,
}

impl Hall {
    async fn new() -> Self {
        let world = World::start().await.with_keystore().await;
        assert_eq!(world.ann("POST", "/v1/keystores", Some(json!({ "name": "own", "cloud": "vault" }))).await.status, StatusCode::CREATED);
        let made = world.ann("POST", "/v1/users", Some(json!({ "name": "cho" }))).await.json();
        Self { cho: made["token"].as_str().expect("a token").to_owned(), world }
    }

    fn token(&self, person: &str) -> &str {
        match person {
            "ann" => self.world.ann.expose(),
            "ben" => self.world.ben.expose(),
            _ => &self.cho,
        }
    }

    async fn call(&self, person: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.world.send(request(method, path, Some(self.token(person)), body)).await
    }

    async fn begin(&self, name: &str, count: u32, change: impl Fn(&mut Value)) -> String {
        let mut body = json!({ "key": { "name": name, "keystore": "own" }, "components": count });
        change(&mut body);
        let begun = self.call("ann", "POST", "/v1/ceremonies", Some(body)).await;
        assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
        let id = begun.json()["id"].as_str().expect("an id").to_owned();
        assert_eq!(begun.header("location"), format!("/v1/ceremonies/{id}"));
        id
    }

    async fn enter(&self, person: &str, id: &str, body: Value) -> Answer {
        self.world.send(waiting(request("POST", &format!("/v1/ceremonies/{id}/components"), Some(self.token(person)), Some(body)))).await
    }

    async fn entered(&self, person: &str, id: &str, component: &str) -> Value {
        let answer = self.enter(person, id, json!({ "component": component })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    async fn stands(&self, id: &str) -> (String, usize) {
        let shown = self.call("ben", "GET", &format!("/v1/ceremonies/{id}"), None).await.json();
        (shown["state"].as_str().unwrap_or_default().to_owned(), shown["entered"].as_array().map_or(0, Vec::len))
    }

    /// Action, rule and outcome of every entry about ceremonies, the oldest first.
    async fn told(&self) -> Vec<[String; 3]> {
        let page = self.call("ann", "GET", "/v1/audit?limit=1000", None).await.json();
        let entries = page["items"].as_array().cloned().unwrap_or_default().into_iter().rev();
        let word = |entry: &Value, name: &str| entry["entry"][name].as_str().unwrap_or_default().to_owned();
        entries
            .filter(|entry| word(entry, "action").starts_with("ceremony."))
            .map(|entry| ["action", "rule", "outcome"].map(|name| word(&entry, name)))
            .collect()
    }

    /// How many sealed components lie in the database.
    fn sealed(&self) -> i64 {
        let side = rusqlite::Connection::open(self.world.directory.path().join("keystead.db")).expect("the database");
        side.query_row("SELECT COUNT(*) FROM ceremony_components WHERE sealed IS NOT NULL", (), |row| row.get(0)).expect("a number")
    }
}

fn waiting(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("prefer", "wait=60".parse().expect("a value"));
    request
}

fn problem(answer: &Answer) -> (String, Option<String>) {
    assert!(answer.status.is_client_error(), "{answer:?}");
    answer.problem()
}

fn named(slug: &str, field: Option<&str>) -> (String, Option<String>) {
    (slug.to_owned(), field.map(str::to_owned))
}

#[tokio::test]
async fn the_component_of_who_was_locked_out_counts_no_more() {
    let hall = Hall::new().await;
    let [one, two, three] = components();
    let id = hall.begin("split", 3, |_| {}).await;
    hall.entered("cho", &id, &one).await;
    hall.entered("ben", &id, &two).await;
    assert_eq!(hall.call("ann", "POST", "/v1/users/cho/disable", None).await.status, StatusCode::OK);
    let refused = hall.enter("ann", &id, json!({ "component": three })).await;
    assert_eq!(problem(&refused).0, "ceremony-not-waiting", "{refused:?}");
    assert!(refused.text.contains("cho entered, who is not active"), "{refused:?}");
    assert_eq!((hall.stands(&id).await, hall.sealed()), (("WAITING".to_owned(), 2), 2), "nothing was entered by that");
}

#[tokio::test]
async fn three_people_make_a_key_of_which_none_knows_anything_fx_015() {
    let hall = Hall::new().await;
    let [one, two, three] = components();
    let plain = json!({ "name": "plain", "keystore": "own", "material": { "format": "hex", "data": hex::encode(material()) } });
    hall.world.done("POST", "/v1/keys", Some(plain)).await;
    let id = hall.begin("card-root", 3, |body| body["check_value"] = json!(cmac(&material()))).await;
    let first = hall.entered("ann", &id, &one).await;
    assert_eq!((&first["state"], &first["entered"][0]["entered_by_name"]), (&json!("WAITING"), &json!("ann")), "who began may enter one");
    hall.entered("ben", &id, &two).await;
    assert_eq!(hall.sealed(), 2);
    let made = hall.entered("cho", &id, &three.to_uppercase()).await;
    assert_eq!((&made["state"], hall.sealed()), (&json!("MADE"), 0), "{made}");
    let shown = async |key: &str| hall.call("ann", "GET", &format!("/v1/keys/{key}"), None).await.json();
    let (root, plain) = (shown("card-root").await, shown("plain").await);
    assert_eq!((&root["id"], &root["state"], &root["origin"]), (&made["key"], &json!("ACTIVE"), &json!("imported")));
    assert_eq!(root["versions"][0]["fingerprint"], plain["versions"][0]["fingerprint"], "it is the XOR");
    let source = root["versions"][0]["birth"]["source"].as_str().unwrap_or_default().to_owned();
    assert!(source.starts_with("imported by 3 components, entered by ann (user_") && source.contains("cho (user_"), "{source}");
    let enter = ["ceremony.enter", "member-of-account", "succeeded"];
    assert_eq!(hall.told().await, [["ceremony.begin", "member-of-account", "succeeded"], enter, enter, enter]);
    let audit = hall.call("ann", "GET", "/v1/audit?limit=1000", None).await.text;
    assert!(audit.contains("3 of 3") && components().iter().all(|component| !audit.contains(component)) && !audit.contains(&cmac(&material())));
}

#[tokio::test]
async fn nobody_enters_two_components_whatever_the_body_says() {
    let hall = Hall::new().await;
    let [one, two, _] = components();
    let id = hall.begin("root", 3, |_| {}).await;
    hall.entered("ann", &id, &one).await;
    assert_eq!(problem(&hall.enter("ann", &id, json!({ "component": two })).await), named("same-person", None));
    for name in ["entered_by", "person", "user", "number"] {
        let mut body = json!({ "component": two });
        body[name] = json!("ben");
        assert_eq!(problem(&hall.enter("ann", &id, body).await), named("invalid-input", Some(name)), "no body names a person");
    }
    assert_eq!(hall.stands(&id).await, ("WAITING".to_owned(), 1));
    assert_eq!(hall.told().await.last(), Some(&["ceremony.enter", "split-knowledge", "refused"].map(str::to_owned)));
    hall.entered("ben", &id, &two).await;
    assert_eq!(problem(&hall.enter("ben", &id, json!({ "component": components()[2] })).await), named("same-person", None), "nor at the last one");
    assert_eq!(hall.call("ann", "GET", "/v1/keys/root", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_one_person_many_times_at_once_one_component_is_kept() {
    let hall = Hall::new().await;
    let id = hall.begin("root", 3, |_| {}).await;
    let [one, two, three] = components();
    let asked = [&one, &two, &three, &one].map(|component| hall.enter("ann", &id, json!({ "component": component })));
    let statuses: Vec<_> = futures::future::join_all(asked).await.into_iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!((hall.stands(&id).await, hall.sealed()), (("WAITING".to_owned(), 1), 1));
}

#[tokio::test]
async fn what_is_no_component_is_refused_by_field_and_can_be_entered_again() {
    let hall = Hall::new().await;
    let [one, two, _] = components();
    let id = hall.begin("root", 2, |body| body["check_value"] = json!("0102030405")).await;
    for (body, field) in [
        (json!({ "component": "00ff" }), "component"),
        (json!({ "component": "nohex" }), "component"),
        (json!({ "component": "00".repeat(32) }), "component"),
        (json!({ "component": one, "check_value": "0102030405" }), "check_value"),
        (json!({ "component": one, "check_value": "hmac:010203" }), "check_value"),
        (json!({}), "component"),
    ] {
        assert_eq!(problem(&hall.enter("ann", &id, body.clone()).await), named("invalid-input", Some(field)), "{body}");
    }
    let right = cmac(&hex::decode(&one).expect("hexadecimal"));
    assert_eq!(hall.enter("ann", &id, json!({ "component": one, "check_value": right })).await.status, StatusCode::OK, "its own check value");
    let whole = hall.enter("ben", &id, json!({ "component": two })).await;
    assert_eq!(problem(&whole), named("invalid-input", Some("component")));
    assert!(whole.text.contains("makes, with the other components, another key"), "{}", whole.text);
    assert_eq!(problem(&hall.enter("ben", &id, json!({ "component": one })).await), named("invalid-input", Some("component")), "the same twice");
    assert_eq!(hall.stands(&id).await, ("WAITING".to_owned(), 1), "the last can be entered again");
    assert_eq!(hall.told().await.last(), Some(&["ceremony.enter", "component-is-sound", "refused"].map(str::to_owned)));
}

#[tokio::test]
async fn what_cannot_come_in_components_does_not_begin() {
    let hall = Hall::new().await;
    let body = |key: Value, components: u32| json!({ "key": key, "components": components });
    let key = |change: Value| {
        let mut key = json!({ "name": "root", "keystore": "own" });
        change.as_object().into_iter().flatten().for_each(|(name, value)| key[name] = value.clone());
        key
    };
    let mut with_value = body(key(json!({})), 2);
    with_value["check_value"] = json!("kcv-zero:00");
    for (body, field) in [
        (body(key(json!({})), 1), "components"),
        (body(key(json!({})), 9), "components"),
        (body(key(json!({ "spec": "EC_P256" })), 2), "spec"),
        (body(key(json!({ "spec": "RSA_2048", "usage": "sign" })), 2), "spec"),
        (body(key(json!({ "usage": "sign" })), 2), "usage"),
        (body(key(json!({ "material": { "format": "hex", "data": "00" } })), 2), "key.material"),
        (body(key(json!({ "aliases": ["root"] })), 2), "aliases"),
        (with_value, "check_value"),
    ] {
        assert_eq!(problem(&hall.call("ann", "POST", "/v1/ceremonies", Some(body.clone())).await), named("invalid-input", Some(field)), "{body}");
    }
    let lost = body(key(json!({ "keystore": "nowhere" })), 2);
    assert_eq!(problem(&hall.call("ann", "POST", "/v1/ceremonies", Some(lost)).await).0, "not-found");
    assert_eq!(hall.call("ann", "GET", "/v1/ceremonies", None).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_ceremony_that_was_cancelled_keeps_nothing_and_takes_nothing() {
    let hall = Hall::new().await;
    let [one, two, _] = components();
    let id = hall.begin("root", 2, |_| {}).await;
    let path = |verb: &str| format!("/v1/ceremonies/{id}/{verb}");
    hall.entered("ann", &id, &one).await;
    assert_eq!(problem(&hall.call("ben", "POST", &path("finish"), None).await), named("ceremony-not-waiting", None), "one is missing");
    let cancelled = hall.call("ben", "POST", &path("cancel"), None).await;
    assert_eq!((cancelled.json()["state"].clone(), hall.sealed()), (json!("CANCELLED"), 0));
    for answer in [
        hall.enter("ben", &id, json!({ "component": two })).await,
        hall.call("ben", "POST", &path("finish"), None).await,
        hall.call("ben", "POST", &path("cancel"), None).await,
    ] {
        assert_eq!(problem(&answer), named("ceremony-not-waiting", None));
    }
    let told = hall.told().await;
    let verbs = ["ceremony.enter", "ceremony.finish", "ceremony.cancel"];
    assert!(told.contains(&["ceremony.finish", "all-components", "refused"].map(str::to_owned)));
    assert!(told.contains(&["ceremony.cancel", "member-of-account", "succeeded"].map(str::to_owned)));
    assert_eq!(told[told.len() - 3..], verbs.map(|verb| [verb, "ceremony-waits", "refused"].map(str::to_owned)));
}

#[tokio::test]
async fn what_waited_for_three_days_is_refused_and_then_wiped() {
    let hall = Hall::new().await;
    let [one, two, _] = components();
    let id = hall.begin("root", 2, |_| {}).await;
    hall.entered("ann", &id, &one).await;
    hall.world.sandbox.clock().advance(3 * DAY.unsigned_abs());
    assert_eq!(problem(&hall.enter("ben", &id, json!({ "component": two })).await), named("ceremony-not-waiting", None), "before anybody looked");
    assert_eq!(hall.sealed(), 1);
    let schedule = tokio::spawn(hall.world.app.engine().clone().run_schedule());
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if hall.sealed() == 0 {
            break;
        }
    }
    schedule.abort();
    assert_eq!((hall.stands(&id).await.0, hall.sealed()), ("EXPIRED".to_owned(), 0));
    assert_eq!(hall.told().await.last(), Some(&["ceremony.expire", "components-wait-three-days", "succeeded"].map(str::to_owned)));
}

#[tokio::test]
async fn an_idempotency_key_enters_begins_and_cancels_once() {
    let hall = Hall::new().await;
    let keyed = |person: &str, key: &str, path: &str, body: Option<Value>| {
        let mut request = waiting(request("POST", path, Some(hall.token(person)), body));
        request.headers_mut().insert("idempotency-key", key.parse().expect("a value"));
        hall.world.send(request)
    };
    let [one, _, _] = components();
    let body = json!({ "key": { "name": "root", "keystore": "own" }, "components": 2 });
    let begun = keyed("ann", "k", "/v1/ceremonies", Some(body.clone())).await.json();
    assert_eq!(keyed("ann", "k", "/v1/ceremonies", Some(body)).await.json()["id"], begun["id"]);
    let path = format!("/v1/ceremonies/{}/components", begun["id"].as_str().expect("an id"));
    for _ in 0..2 {
        let entered = keyed("ann", "k-1", &path, Some(json!({ "component": one }))).await;
        assert_eq!((entered.status, entered.json()["entered"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)));
    }
    assert_eq!(problem(&keyed("ann", "k-1", &path, Some(json!({ "component": one, "check_value": "0102" }))).await).0, "idempotency-mismatch");
    for _ in 0..2 {
        let last = keyed("ben", "k-2", &path, Some(json!({ "component": components()[1] }))).await;
        assert_eq!((last.status, last.json()["state"].clone()), (StatusCode::OK, json!("MADE")), "{last:?}");
    }
    let operations = hall.call("ann", "GET", "/v1/operations", None).await.json();
    assert_eq!(operations["items"].as_array().map(Vec::len), Some(1), "one key");
}

#[tokio::test]
async fn what_the_cloud_refuses_waits_again_with_all_its_components_and_can_be_finished() {
    let hall = Hall::new().await;
    let id = hall.begin("root", 2, |body| body["key"]["keystore"] = json!("eu")).await;
    let [one, two, _] = components();
    hall.entered("ann", &id, &one).await;
    let refused = keystead_sandbox::Effect::Error { code: "LimitExceededException".into(), status: 400, message: "no more".into() };
    hall.world.sandbox.add_faults([keystead_sandbox::Fault { operation: "CreateKey".into(), skip: 0, count: 1, effect: refused }]);
    let taken_back = hall.entered("ben", &id, &two).await;
    assert_eq!((&taken_back["state"], &taken_back["key"], hall.sealed()), (&json!("WAITING"), &Value::Null, 2), "{taken_back}");
    let finished = hall.world.send(waiting(request("POST", &format!("/v1/ceremonies/{id}/finish"), Some(hall.token("cho")), None))).await.json();
    assert_eq!((&finished["state"], hall.sealed()), (&json!("MADE"), 0), "{finished}");
    assert_eq!(hall.call("ann", "GET", "/v1/keys/root", None).await.json()["state"], json!("ACTIVE"));
}

#[tokio::test]
async fn whoever_changes_the_terms_in_the_database_makes_the_components_useless() {
    let hall = Hall::new().await;
    let [one, two, three] = components();
    let changes = [
        "UPDATE ceremonies SET components = 2",
        "UPDATE ceremonies SET key_order = REPLACE(key_order, '\"exportable\":false', '\"exportable\":true')",
        "UPDATE ceremonies SET expires_at = expires_at + 1",
        "UPDATE ceremonies SET check_value = NULL",
        "UPDATE ceremony_components SET entered_by = 'user_01997c1d11223344556677889900aabb' WHERE number = 1",
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let name = format!("root-{at}");
        let id = hall.begin(&name, 3, |body| (body["key"]["exportable"], body["check_value"]) = (json!(false), json!(cmac(&material())))).await;
        hall.entered("ann", &id, &one).await;
        if at > 0 {
            hall.entered("ben", &id, &two).await;
        }
        let side = rusqlite::Connection::open(hall.world.directory.path().join("keystead.db")).expect("the database");
        side.execute_batch(&format!("{change};")).expect("somebody writes");
        drop(side);
        let answer = hall.enter("cho", &id, json!({ "component": three })).await;
        assert_eq!((answer.status.as_u16(), answer.problem().0.as_str()), (500, "vault-failure"), "{change}: {answer:?}");
        assert_eq!(hall.call("ann", "GET", &format!("/v1/keys/{name}"), None).await.status, StatusCode::NOT_FOUND, "{change}");
        hall.call("ann", "POST", &format!("/v1/ceremonies/{id}/cancel"), None).await;
    }
}
