//! Batches: an operation, a file.

pub mod begin;
pub mod items;
pub mod list;
pub mod order;
pub mod plan;
pub mod show;
pub mod stop;

use utoipa::IntoParams;

/// Which batch, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichBatch {
    /// The batch's id.
    #[param(example = "batch_01997c1f9a5b7d0e8f4a6b2c1d3e5fb1")]
    batch: String,
}
