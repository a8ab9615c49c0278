//! `GET /metrics`.

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use keystead_app::Error;

use crate::{api::Api, problem::Refusal};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Read the metrics
///
/// Requests and their latency by matched path, operations by kind and state and those in hand, alerts still to be delivered and those given up, keystores and keys by health, what is left of the clouds' quotas, whether the vault is sealed, and hardware modules with their sessions and what waits for them; in the OpenMetrics text that Prometheus reads.
/// Names of keys or people do not occur in it.
#[utoipa::path(get, path = "/metrics", tag = "service", security(()), responses((status = 200, description = "OpenMetrics text.", body = String, content_type = "application/openmetrics-text")))]
pub(crate) async fn metrics(State(api): State<Api>) -> Result<Response, Refusal> {
    api.metrics.count_operations(&api.app.engine().parts().store, api.app.engine().now()).await;
    api.metrics.count_health(&api.app).await;
    let text = api.metrics.text(api.app.engine().in_hand(), api.app.is_sealed(), &api.app.modules());
    let text = text.map_err(|_| Error::Internal("the metrics could not be written".to_owned()))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
