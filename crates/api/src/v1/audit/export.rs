//! `GET /v1/audit/export` (CM-005).

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::stream::poll_fn;

use crate::{api::Api, caller::Caller, problem::Refusal};

/// Export the audit log
///
/// The whole log as one text file with its signed checkpoints, up to now. `keystead audit verify` checks it without a server: an edited, reordered, deleted or
/// forked entry is named, and a file that broke off does not verify.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit",
    responses((status = 200, description = "A file of the format keystead-audit-1.", body = String, content_type = "text/plain")))]
pub(crate) async fn export_audit(State(api): State<Api>, Caller(caller): Caller) -> Result<Response, Refusal> {
    let mut chunks = api.app.export_audit(&caller).await?;
    let stream = poll_fn(move |context| chunks.poll_recv(context).map(|chunk| chunk.map(Ok::<_, Infallible>)));
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"keystead-audit.txt\"")];
    Ok((headers, Body::from_stream(stream)).into_response())
}
