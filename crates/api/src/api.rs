//! What every handler has in hand.

use std::sync::Arc;

use keystead_app::App;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;

use crate::{Settings, docs, metrics::Metrics};

/// The application, and what belongs to its HTTP face alone.
#[derive(Clone)]
pub(crate) struct Api {
    pub app: App,
    pub settings: Arc<Settings>,
    pub metrics: Arc<Metrics>,
    pub pages: Arc<Pages>,
    /// One unsealing at a time: each may take 64 MiB and half a second, and nobody has shown a token for it.
    pub unsealing: Arc<Semaphore>,
}

/// Texts that stay the same while the process lives.
pub(crate) struct Pages {
    /// The OpenAPI document, JSON.
    pub openapi: String,
    /// The same for people, HTML.
    pub docs: String,
}

impl Api {
    pub fn new(app: App, settings: Settings, document: &OpenApi) -> Self {
        let value = serde_json::to_value(document).unwrap_or_default();
        let pages = Pages { openapi: format!("{value:#}\n"), docs: docs::page(&value) };
        let metrics = Metrics::new(&settings);
        Self { app, settings: Arc::new(settings), metrics: Arc::new(metrics), pages: Arc::new(pages), unsealing: Arc::new(Semaphore::new(1)) }
    }

    /// Random bytes, for request ids.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.app.engine().parts().random.fill(&mut bytes);
        bytes
    }
}
