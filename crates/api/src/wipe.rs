//! A connection over which a secret came ends with the answer. The HTTP library reads into a buffer that lives as long as its connection, and keeps there what it
//! has read long ago; when the connection ends the buffer is freed, and the server's allocator wipes it. Found by the search of the process's memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::Request,
    http::{Extensions, HeaderValue, Method, Version, header::CONNECTION},
    middleware::Next,
    response::Response,
};

/// Goes with a request inwards, and brings out whether its body held a secret.
#[derive(Clone, Default)]
pub(crate) struct SecretSeen(Arc<AtomicBool>);

impl SecretSeen {
    /// Notes in a request's extensions that its body held a secret.
    pub fn note(extensions: &Extensions) {
        if let Some(seen) = extensions.get::<Self>() {
            seen.0.store(true, Ordering::Relaxed);
        }
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
