//! What operators and tools ask of the process itself. None of it needs a token: probes have none, and nothing here is anybody's.

pub mod docs;
pub mod healthz;
pub mod metrics;
pub mod openapi;
pub mod readyz;
