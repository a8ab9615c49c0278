//! Rotation policies: an operation, a file.

pub mod clear;
pub mod list;
pub mod set;
pub mod show;

use utoipa::IntoParams;

/// Whose policy, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichPolicy {
    /// `key:NAME`, `keystore:NAME` (a name or an id) or `default`.
    #[param(example = "keystore:frankfurt")]
    target: String,
}
