//! A change that has begun is seen through, even when its caller hangs up: a handler that is dropped between its intent and its start would leave an operation
//! lying until its lease ends.

use axum::{
    extract::Request,
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument as _;

use crate::problem::Refusal;

/// Runs whatever may change something in a task of its own.
pub(crate) async fn see_through(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        // The runtime is shutting down.
        Err(_) => Refusal::Stopping.into_response(),
    }
}
