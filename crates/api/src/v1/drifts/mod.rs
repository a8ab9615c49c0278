//! Drift: an operation, a file.

pub mod accept;
pub mod events;
pub mod list;
pub mod policy;
pub mod repair;
pub mod repair_key;
pub mod show;

use utoipa::IntoParams;

/// Which difference, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichDrift {
    /// The difference's id.
    #[param(example = "drift_01997c2044117a3e8b5c6d7e8f901234")]
    drift: String,
}
