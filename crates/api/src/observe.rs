//! Looks at every request from outside: names it, times it, counts it, and finishes a refusal with the request's name.
//!
//! A span and a log line hold method, matched path, status, request id and latency. Never a body, a header, a query or the path itself: names are data, too.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument as _, Span, field::Empty};

use crate::{api::Api, problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What stands for a path that is none of ours, and for a method that is none of HTTP's: labels must stay few.
const OTHER: &str = "other";

/// Serves a request under observation.
pub(crate) async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let id = format!("req_{}", hex::encode(api.random::<16>()));
    let method = known(request.method());
    let path = request.extensions().get::<MatchedPath>().map_or_else(|| OTHER.to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", method, path, request_id = id, status = Empty, latency_ms = Empty);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let latency = begun.elapsed();
    response = problem::finish(response, &id, &span);
    tell(&span, response.status().as_u16(), latency.as_secs_f64() * 1000.0);
    api.metrics.served(method, &path, response.status().as_u16(), latency);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn tell(span: &Span, status: u16, latency_ms: f64) {
    span.record("status", status).record("latency_ms", latency_ms);
    tracing::info!(parent: span, "served");
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}
