//! A connection over which a secret came ends with the answer. The HTTP library reads into a buffer that lives as long as its connection, and keeps there what it
//! has read long ago; when the connection ends the buffer is freed, and the server's allocator wipes it. Found by the search of the process's memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::Request,
    http::{HeaderValue, Method, Version, header::CONNECTION},
    middleware::Next,
    response::Response,
};

/// Goes with a request inwards, and brings out whether its body held a secret.
#[derive(Clone, Default)]
pub(crate) struct SecretSeen(Arc<AtomicBool>);

impl SecretSeen {
    /// The one that goes with this request.
    pub fn of(request: &Request) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Notes that the request's body held a secret.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends the connection behind a request with a secret, and behind a refused change: nobody may have looked what its body held. HTTP/2 (RFC 9113, section 8.2.2)
/// has no such header.
pub(crate) async fn end_connection(mut request: Request, next: Next) -> Response {
    let seen = SecretSeen::default();
    request.extensions_mut().insert(seen.clone());
    let is_first = request.version() <= Version::HTTP_11;
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = next.run(request).await;
    let status = response.status();
    let is_refused = is_change && (status.is_client_error() || status.is_server_error());
    if is_first && (seen.0.load(Ordering::Relaxed) || is_refused) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, http::StatusCode, middleware::from_fn, routing::post};
    use tower::ServiceExt as _;

    use super::*;

    async fn connection_after(method: &str, path: &str, version: Version) -> Option<String> {
        let routes = Router::new()
            .route("/secret", post(async |request: Request| SecretSeen::of(&request).note()))
            .route("/plain", post(async || "done").get(async || StatusCode::NOT_FOUND))
            .route("/refused", post(async || StatusCode::UNAUTHORIZED))
            .layer(from_fn(end_connection));
        let request = Request::builder().method(method).uri(path).version(version).body(Body::empty()).expect("a request");
        let response = routes.oneshot(request).await.expect("an answer");
        response.headers().get(CONNECTION).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    #[tokio::test]
    async fn a_connection_ends_behind_a_secret_and_behind_a_refused_change() {
        for (method, path, ends) in [("POST", "/secret", true), ("POST", "/refused", true), ("POST", "/plain", false), ("GET", "/plain", false)] {
            assert_eq!(connection_after(method, path, Version::HTTP_11).await, ends.then(|| "close".to_owned()), "{method} {path}");
        }
        assert_eq!(connection_after("POST", "/secret", Version::HTTP_2).await, None, "HTTP/2 has no such header");
    }
}
