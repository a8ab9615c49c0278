//! `GET /docs` and its style sheet.

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{Html, IntoResponse, Response},
};

use crate::{api::Api, docs::STYLE};

/// Read the API's documentation
///
/// The OpenAPI document as one page, with a call to copy for every operation. It loads nothing from elsewhere and runs no script.
#[utoipa::path(get, path = "/docs", tag = "service", security(()), responses((status = 200, description = "The page.", body = String, content_type = "text/html")))]
pub(crate) async fn docs_page(State(api): State<Api>) -> Html<String> {
    Html(api.pages.docs.clone())
}

/// Load the style sheet of the documentation
#[utoipa::path(get, path = "/docs/style.css", tag = "service", security(()), responses((status = 200, description = "The style sheet.", body = String, content_type = "text/css")))]
pub(crate) async fn docs_style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}
