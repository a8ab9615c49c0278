//! Health, readiness, metrics, the page, and the headers of every answer.

use axum::http::StatusCode;
use serde_json::json;

use crate::{
    document::{document, operations},
    world::{World, request},
};

#[tokio::test]
async fn a_sealed_vault_is_alive_and_not_ready() {
    let world = World::start().await;
    let get = |path: &'static str| world.send(request("GET", path, None, None));
    assert_eq!(get("/readyz").await.json()["status"], "ready");
    assert_eq!(world.ann("POST", "/v1/vault/seal", None).await.json()["sealed"], true);
    assert_eq!(get("/healthz").await.json()["status"], "ok");
    let answer = get("/readyz").await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "vault-sealed"));
    assert!(get("/metrics").await.text.contains("keystead_vault_sealed 1\n"));
}

#[tokio::test]
async fn metrics_count_by_matched_path_and_name_nobody() {
    let world = World::start().await;
    world.ann("GET", "/v1/keys/a-secret-name", None).await;
    world.ann("GET", "/nowhere/a-secret-name", None).await;
    let answer = world.send(request("GET", "/metrics", None, None)).await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.text.contains("keystead_http_requests_total{method=\"GET\",path=\"/v1/keys/{key}\",status=\"404\"} 1\n"), "{}", answer.text);
    assert!(answer.text.contains("path=\"other\",status=\"404\"} 1\n"), "{}", answer.text);
    assert!(answer.text.contains("keystead_http_request_duration_seconds_count{method=\"GET\",path=\"/v1/keys/{key}\"} 1\n"), "{}", answer.text);
    for name in [
        "keystead_operations_in_hand 0",
        "keystead_vault_sealed 0",
        "keystead_hsm_modules 0",
        "keystead_hsm_modules_up 0",
        "keystead_hsm_sessions 0",
        "keystead_hsm_waiting 0",
        "keystead_build_info{version=\"",
    ] {
        assert!(answer.text.contains(name), "{name}: {}", answer.text);
    }
    assert!(!answer.text.contains("a-secret-name"));
}

#[tokio::test]
async fn operations_are_counted_by_kind_and_state_and_not_for_everybody_who_asks() {
    let world = World::start().await.with_keystore().await;
    let key = |name: &str| Some(json!({ "name": name, "keystore": "eu" }));
    world.done("POST", "/v1/keys", key("orders")).await;
    let metrics = async || world.send(request("GET", "/metrics", None, None)).await.text;
    let first = metrics().await;
    for (state, count) in [("RUNNING", 0), ("SUCCEEDED", 1), ("FAILED", 0)] {
        let line = format!("keystead_operations{{kind=\"create-key\",state=\"{state}\"}} {count}\n");
        assert!(first.contains(&line), "{line}: {first}");
    }
    world.done("POST", "/v1/keys", key("bills")).await;
    assert!(metrics().await.contains("state=\"SUCCEEDED\"} 1\n"), "a count is good for five seconds: nobody can make Keystead count all day");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_its_own_id() {
    let world = World::start().await;
    let mut ids = std::collections::BTreeSet::new();
    let all = operations(&document(&world).await);
    let paths: Vec<(String, String)> = all.into_iter().map(|one| (one.method, one.path)).chain([("GET".into(), "/nowhere".into())]).collect();
    for (method, path) in &paths {
        let answer = world.ann(method, path, None).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        let kept = path.starts_with("/docs") || path == "/openapi.json";
        assert_eq!(answer.header("cache-control"), if kept { "no-cache" } else { "no-store" }, "{path}");
        assert!(answer.header("x-request-id").starts_with("req_") && ids.insert(answer.header("x-request-id").to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_and_loads_nothing_from_elsewhere() {
    let world = World::start().await;
    let page = world.send(request("GET", "/docs", None, None)).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for operation in operations(&document(&world).await) {
        assert!(page.text.contains(&format!("</span> <code>{}</code>", operation.template)), "{}", operation.template);
    }
    for outside in ["<script", "src=", "href=\"http", "@import", "style=\"", " on"] {
        let found = page.text.match_indices(outside).map(|(at, _)| &page.text[at..(at + 40).min(page.text.len())]);
        let found: Vec<&str> =
            found.filter(|text| outside != " on" || text.split('=').next().is_some_and(|name| name.trim().chars().all(char::is_alphabetic))).collect();
        assert!(found.is_empty(), "{outside}: {found:?}");
    }
    let style = world.send(request("GET", "/docs/style.css", None, None)).await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(!style.text.contains("url(") && !style.text.contains("@import"));
}

/// Every `#place` that the page links to is there once.
#[tokio::test]
async fn the_pages_links_lead_somewhere() {
    let world = World::start().await;
    let page = world.send(request("GET", "/docs", None, None)).await.text;
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(page.matches(&format!(" id=\"{link}\"")).count(), 1, "{link}");
    }
}

#[tokio::test]
async fn the_status_says_how_keystead_stands() {
    let world = World::start().await;
    let status = world.ann("GET", "/v1/status", None).await.json();
    assert_eq!((&status["version"], &status["database"], &status["sealed"]), (&env!("CARGO_PKG_VERSION").into(), &"sqlite".into(), &false.into()));
    assert!(status["time"].as_str().is_some_and(|time| time.ends_with('Z')) && status.get("cloud_identity").is_none());
}
