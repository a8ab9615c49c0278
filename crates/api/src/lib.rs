//! REST under `/v1`, its OpenAPI document and a page to read it, health, readiness and metrics.
//!
//! *Invariants*: this room knows HTTP, `app` does not. Here a request is read strictly (an unknown field is refused by name), its caller is named, and a use-case
//! of [`keystead_app::App`] is called; nothing is decided here. One operation stands in one file, and `v1/mod.rs` is the table of them all. Only `problem.rs` knows
//! the status codes of refusals. A secret in a body is a type without `Debug` and `Clone` that is wiped when it goes; no body is logged, and no body is hashed
//! with material in it. A change that has begun goes on when its caller hangs up.
//!
//! *Invariants of absence*: no SQL, no cloud, no cookie, no session. Neither the console nor the XKS listener is known here.

mod answer;
mod api;
mod caller;
mod change;
mod docs;
mod extract;
mod headers;
mod metrics;
mod observe;
mod openapi;
mod problem;
mod query;
mod secret;
mod service;
mod through;
mod v1;
mod wipe;
mod wire;

use api::Api;
use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use keystead_app::App;
use problem::Refusal;
use tower_http::catch_panic::CatchPanicLayer;

/// What the server tells the API about itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Version of the program, for example `0.1.0`.
    pub version: String,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// Who Keystead is at the cloud before it assumes a role, when that is known: an ARN.
    pub cloud_identity: Option<String>,
}

impl Default for Settings {
    /// This crate's version, SQLite, and no word on the cloud.
    fn default() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), database: "sqlite", cloud_identity: None }
    }
}

/// Everything the API answers, as one service. A path that it does not know is answered with a problem, so give it to
/// [`Router::fallback_service`] when other routers stand beside it.
///
/// ```no_run
/// # fn serve(app: keystead_app::App) -> axum::Router {
/// keystead_api::router(app, keystead_api::Settings { database: "postgres", ..keystead_api::Settings::default() })
/// # }
/// ```
pub fn router(app: App, settings: Settings) -> Router {
    let (routes, document) = v1::routes().split_for_parts();
    let api = Api::new(app, settings, &openapi::finished(document));
    routes
        .fallback(async || Refusal::NoRoute)
        .method_not_allowed_fallback(async || Refusal::WrongMethod)
        .layer(from_fn(through::see_through))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn(headers::secure))
        .layer(from_fn(wipe::end_connection))
        .layer(from_fn_with_state(api.clone(), observe::observe))
        .with_state(api)
}
