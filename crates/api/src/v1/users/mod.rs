//! Users: an operation, a file.

pub mod create;
pub mod disable;
pub mod list;
pub mod me;
pub mod replace_token;

use utoipa::IntoParams;

/// Which user, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichUser {
    /// The user's id or name.
    #[param(example = "ben")]
    user: String,
}
