//! `GET /openapi.json`.

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};

use crate::api::Api;

/// Read the OpenAPI document
///
/// OpenAPI 3.1, made from the code that serves the requests.
#[utoipa::path(get, path = "/openapi.json", tag = "service", security(()), responses((status = 200, description = "The document.", body = Object, content_type = "application/json")))]
pub(crate) async fn openapi_document(State(api): State<Api>) -> Response {
    ([(CONTENT_TYPE, "application/json")], api.pages.openapi.clone()).into_response()
}
