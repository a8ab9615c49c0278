//! Every way to ask wrongly: the refusal has the right status, names the field, and repeats nothing.

use axum::{body::Body, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    document::{document, operations},
    world::{World, request},
};

/// Bodies with a field more than the document knows, wherever an object stands in them.
fn with_a_stranger(body: &Value) -> Vec<(Value, String)> {
    let mut variants = Vec::new();
    let mut outer = body.clone();
    outer["stranger"] = json!(1);
    variants.push((outer, "stranger".to_owned()));
    for (name, value) in body.as_object().into_iter().flatten() {
        // Tags are a map: there is no unknown field in it.
        if value.is_object() && name != "tags" {
            for (inner, field) in with_a_stranger(value) {
                let mut outer = body.clone();
                outer[name] = inner;
                variants.push((outer, format!("{name}.{field}")));
            }
        }
    }
    variants
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_name_in_every_body() {
    let world = World::start().await;
    for operation in operations(&document(&world).await).iter().filter(|one| one.method != "GET") {
        for (body, field) in with_a_stranger(&operation.body.clone().unwrap_or(json!({}))) {
            let answer = world.ann(&operation.method, &operation.path, Some(body)).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{} {} {answer:?}", operation.method, operation.template);
            assert_eq!(answer.problem(), ("invalid-input".to_owned(), Some(field)), "{} {}", operation.method, operation.template);
        }
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_refused_by_name_in_every_field() {
    let world = World::start().await;
    let mut fields = 0;
    for operation in operations(&document(&world).await) {
        let Some((body, schema)) = operation.body.zip(operation.schema) else { continue };
        for name in schema["properties"].as_object().expect("fields").keys() {
            let mut wrong = body.clone();
            wrong[name] = json!([["S3CRET"]]);
            let answer = world.ann(&operation.method, &operation.path, Some(wrong)).await;
            assert_eq!(answer.problem().0, "invalid-input", "{} {} {name}: {answer:?}", operation.method, operation.template);
            let field = answer.problem().1.unwrap_or_default();
            assert!(field == *name || field.starts_with(&format!("{name}[")) || field.starts_with(&format!("{name}.")), "{name}: {field}");
            assert!(!answer.text.contains("S3CRET"));
            fields += 1;
        }
    }
    assert!(fields > 20, "{fields}");
}

#[tokio::test]
async fn a_missing_field_is_refused_by_name() {
    let world = World::start().await;
    for operation in operations(&document(&world).await) {
        let Some((body, schema)) = operation.body.zip(operation.schema) else { continue };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let mut less = body.clone();
            less.as_object_mut().map(|object| object.remove(name));
            let answer = world.ann(&operation.method, &operation.path, Some(less)).await;
            assert_eq!(answer.problem(), ("invalid-input".to_owned(), Some(name.to_owned())), "{} {}", operation.method, operation.template);
        }
    }
}

async fn raw(world: &World, kind: Option<&str>, body: impl Into<Body>) -> (u16, String) {
    let mut request = request("POST", "/v1/keys", Some(world.ann.expose()), None);
    if let Some(kind) = kind {
        request.headers_mut().insert("content-type", kind.parse().expect("a type"));
    }
    *request.body_mut() = body.into();
    let answer = world.send(request).await;
    (answer.status.as_u16(), answer.problem().0)
}

#[tokio::test]
async fn a_body_that_is_not_json_is_told_so() {
    let world = World::start().await;
    let json = Some("application/json; charset=utf-8");
    assert_eq!(raw(&world, None, "{}").await, (415, "not-json".into()));
    assert_eq!(raw(&world, Some("text/plain"), "{}").await, (415, "not-json".into()));
    assert_eq!(raw(&world, json, "").await, (400, "malformed-json".into()));
    assert_eq!(raw(&world, json, "{\"name\": S3CRET}").await, (400, "malformed-json".into()));
    assert_eq!(raw(&world, json, b"{\"name\":\"\xff\"}".to_vec()).await, (400, "malformed-json".into()));
    assert_eq!(raw(&world, json, "[]").await, (422, "invalid-input".into()));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read_to_its_end() {
    let world = World::start().await;
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(256 * 1024));
    assert_eq!(raw(&world, Some("application/json"), long.clone()).await, (413, "too-large".into()));
    // Without a declared length, in pieces that never end.
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 4096]));
    assert_eq!(raw(&world, Some("application/json"), Body::from_stream(endless)).await, (413, "too-large".into()));
    let mut declared = request("POST", "/v1/keys", Some(world.ann.expose()), Some(json!({})));
    declared.headers_mut().insert("content-length", "300000".parse().expect("a number"));
    assert_eq!(world.send(declared).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn every_list_checks_its_query() {
    let world = World::start().await;
    for operation in operations(&document(&world).await).iter().filter(|one| one.query.iter().any(|name| name == "cursor")) {
        // The key must be there for its history to be asked for: the query is read before that.
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=ten", "limit"),
            ("cursor=", "cursor"),
            ("cursor=a'b", "cursor"),
            ("stranger=1", "stranger"),
            ("limit=1&limit=2", "limit"),
        ] {
            let answer = world.ann("GET", &format!("{}?{query}", operation.path), None).await;
            assert_eq!(answer.problem(), ("invalid-input".to_owned(), Some(field.to_owned())), "{} ?{query}", operation.template);
        }
    }
    assert_eq!(world.ann("GET", "/v1/keys?state=SLEEPING", None).await.problem().1.as_deref(), Some("state"));
    assert_eq!(world.ann("GET", "/v1/operations/op_1?wait=61", None).await.problem().1.as_deref(), Some("wait"));
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_problems_too() {
    let world = World::start().await;
    for path in ["/", "/v1", "/v2/keys", "/v1/keys/a/b/c", "/v1/keys/"] {
        let answer = world.ann("GET", path, None).await;
        assert_eq!((answer.status.as_u16(), answer.problem().0.as_str()), (404, "no-such-route"), "{path}");
    }
    let answer = world.ann("PUT", "/v1/keys", None).await;
    assert_eq!((answer.status.as_u16(), answer.problem().0.as_str()), (405, "wrong-method"));
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    let answer = world.ann("GET", "/v1/keys/%FF", None).await;
    assert_eq!((answer.status.as_u16(), answer.problem().0.as_str()), (400, "invalid-path"));
}

#[tokio::test]
async fn a_defect_becomes_a_problem_that_tells_nothing() {
    let world = World::start().await;
    let body = json!({ "name": "x", "cloud": "panic", "region": "eu-west-1", "account": "111122223333" });
    let answer = world.ann("POST", "/v1/keystores", Some(body)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().0.as_str()), (500, "internal"));
    assert!(!answer.text.contains("inner secrets") && !answer.text.contains("panic"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn what_the_domain_refuses_names_the_field_too() {
    let world = World::start().await.with_keystore().await;
    let key = |change: Value| {
        let mut body = json!({ "name": "orders", "keystore": "eu" });
        change.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    for (body, field) in [
        (key(json!({ "name": "a b" })), "name"),
        (key(json!({ "aliases": ["aws/x"] })), "aliases"),
        (key(json!({ "spec": "DES" })), "spec"),
        (key(json!({ "expires": "366d" })), "expires"),
        (key(json!({ "expires": "yesterday" })), "expires"),
        (key(json!({ "expiry_policy": "hope" })), "expiry_policy"),
        (key(json!({ "tags": { "aws:x": "1" } })), "tags.aws:x"),
        (key(json!({ "description": "x".repeat(8193) })), "description"),
        (key(json!({ "material": { "format": "hex", "data": "00" } })), "material"),
        (key(json!({ "material": { "format": "pem", "data": "x" } })), "material.format"),
        (key(json!({ "material": { "format": "raw", "data": "-" } })), "material.data"),
        (key(json!({ "material": { "format": "wrapped", "data": "AA==", "unwrap_with": "none" } })), "material.unwrap_with"),
    ] {
        let answer = world.ann("POST", "/v1/keys", Some(body)).await;
        assert_eq!(answer.problem(), ("invalid-input".to_owned(), Some(field.to_owned())), "{answer:?}");
    }
    for (body, field) in [
        (json!({ "name": "x", "cloud": "gcp", "region": "eu-west-1", "account": "111122223333" }), "cloud"),
        (json!({ "name": "x", "cloud": "aws", "region": "moon-1", "account": "111122223333" }), "region"),
        (json!({ "name": "x", "cloud": "aws", "region": "eu-west-1", "account": "1" }), "account"),
        (json!({ "name": "x", "cloud": "aws", "region": "eu-west-1", "account": "111122223333", "role_arn": "arn:aws:iam::999999999999:role/x" }), "role_arn"),
    ] {
        let answer = world.ann("POST", "/v1/keystores", Some(body)).await;
        assert_eq!(answer.problem(), ("invalid-input".to_owned(), Some(field.to_owned())), "{answer:?}");
    }
}
