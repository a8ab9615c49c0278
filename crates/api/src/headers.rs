//! Headers that every answer carries, whatever became of the request (OWASP REST Security Cheat Sheet, "Security Headers").

use axum::{
    extract::Request,
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS},
    },
    middleware::Next,
    response::Response,
};

const SAME_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Answers are data: a browser that shows one shall load and run nothing.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// The page of the API loads its own style sheet and nothing else.
const OWN_STYLE: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");

/// Adds the headers.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let is_page = request.uri().path() == "/docs";
    // The document and its page are the same for everybody; everything else is somebody's.
    let may_be_kept = is_page || matches!(request.uri().path(), "/docs/style.css" | "/openapi.json");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(SAME_ORIGIN, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, if is_page { OWN_STYLE } else { NOTHING });
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(if may_be_kept { "no-cache" } else { "no-store" }));
    response
}
