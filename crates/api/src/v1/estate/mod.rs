//! Estates in files: an operation, a file.

pub mod begin;
pub mod changes;
pub mod export;
pub mod list;
pub mod plan;
pub mod show;
pub mod stop;

use utoipa::IntoParams;

/// The longest estate that is read, in bytes: 100,000 keys with room for words.
pub(crate) const ESTATE_LEN_MAX: usize = 64 * 1024 * 1024;

/// Which apply, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichApply {
    /// The apply's id.
    #[param(example = "apply_01997c1f9a5b7d0e8f4a6b2c1d3e5fc1")]
    apply: String,
}
