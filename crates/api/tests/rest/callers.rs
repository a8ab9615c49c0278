//! Every route × everybody: nobody, somebody unknown, somebody locked out, somebody.

use axum::{body::Body, http::StatusCode};

use crate::{
    document::{Operation, document, operations},
    world::{Answer, World, request},
};

async fn call(world: &World, operation: &Operation, authorization: Option<&str>) -> Answer {
    let mut request = request(&operation.method, &operation.path, None, operation.body.clone());
    if let Some(authorization) = authorization {
        request.headers_mut().insert("authorization", authorization.parse().expect("a header"));
    }
    world.send(request).await
}

#[tokio::test]
async fn who_is_not_known_gets_the_same_answer_everywhere() {
    let world = World::start().await;
    for operation in operations(&document(&world).await).iter().filter(|one| !one.open) {
        let name = format!("{} {}", operation.method, operation.template);
        for (authorization, challenge) in [
            (None, "Bearer realm=\"keystead\""),
            (Some("Basic YW5uOmFubg=="), "Bearer realm=\"keystead\""),
            (Some("Bearer kst_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "Bearer realm=\"keystead\", error=\"invalid_token\""),
        ] {
            let answer = call(&world, operation, authorization).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} {answer:?}");
            assert_eq!(answer.problem(), ("unauthenticated".to_owned(), None), "{name}");
            assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
        }
    }
}

/// Nobody learns what is wrong with a request before they have shown a token.
#[tokio::test]
async fn who_is_not_known_does_not_learn_what_is_wrong_with_a_request() {
    let world = World::start().await;
    for path in ["/v1/keys?limit=0", "/v1/keys?nonsense=1", "/v1/keys/%FF"] {
        assert_eq!(world.send(request("GET", path, None, None)).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let mut broken = request("POST", "/v1/keys", None, None);
    *broken.body_mut() = Body::from("{ broken");
    assert_eq!(world.send(broken).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_is_known_gets_in_everywhere_and_no_route_fails() {
    let world = World::start().await;
    let ann = format!("Bearer {}", world.ann.expose());
    let mut all = operations(&document(&world).await);
    // Sealing comes last: behind it much is refused.
    all.sort_by_key(|one| one.template == "/v1/vault/seal");
    for operation in &all {
        let answer = call(&world, operation, Some(&ann)).await;
        let name = format!("{} {}: {answer:?}", operation.method, operation.template);
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        assert!(answer.status.as_u16() < 500, "{name}");
        if operation.template.contains('{') && operation.template != "/v1/keys/{key}/export/prepare" {
            assert_eq!(answer.problem().0, "not-found", "{name}");
        }
    }
}

#[tokio::test]
async fn who_is_locked_out_is_not_known_any_more_and_nobody_locks_themselves_out() {
    let world = World::start().await;
    assert_eq!(world.ben("GET", "/v1/me", None).await.json()["name"], "ben");
    assert_eq!(world.ann("POST", "/v1/users/ben/disable", None).await.json()["state"], "DISABLED");
    assert_eq!(world.ben("GET", "/v1/me", None).await.status, StatusCode::UNAUTHORIZED);
    let own = world.ann("POST", "/v1/users/ann/disable", None).await;
    assert_eq!((own.status, own.problem().0.as_str()), (StatusCode::FORBIDDEN, "same-person"));
}

#[tokio::test]
async fn a_token_is_shown_once_and_the_old_one_is_useless() {
    let world = World::start().await;
    let made = world.ann("POST", "/v1/users", Some(serde_json::json!({ "name": "cid" }))).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let first = made.json()["token"].as_str().expect("a token").to_owned();
    let of = |token: String| request("GET", "/v1/me", Some(&token), None);
    assert_eq!(world.send(of(first.clone())).await.json()["name"], "cid");
    let second = world.ann("POST", "/v1/users/cid/token", None).await.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(world.send(of(first)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.send(of(second)).await.json()["name"], "cid");
    let all = world.ann("GET", "/v1/users", None).await;
    assert!(!all.text.contains("kst_") && all.json()["items"].as_array().map(Vec::len) == Some(3));
}
