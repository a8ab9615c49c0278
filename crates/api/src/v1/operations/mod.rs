//! Operations: an operation, a file.

pub mod list;
pub mod show;
pub mod wake;

use utoipa::IntoParams;

/// Which operation, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichOperation {
    /// The operation's id.
    #[param(example = "op_01997c2044117a3e8b5c6d7e8f901234")]
    operation: String,
}
