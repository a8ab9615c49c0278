//! The last use of a key, as it passes over the wire.

use keystead_operations::usage::UseKnown;
use serde::Serialize;
use utoipa::ToSchema;

use super::time::rfc3339;

/// What the cloud knows of a key's last use. Of the members one of `at`, `not_seen_since` and `untold` is there.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct LastUse {
    /// When the key was last used with success.
    #[schema(required, format = DateTime)]
    at: Option<String>,
    /// By which operation, in the cloud's word.
    #[schema(required)]
    operation: Option<String>,
    /// The cloud has not seen it in use since then. What was before, it does not know.
    #[schema(required, format = DateTime)]
    not_seen_since: Option<String>,
    /// Why nothing is known.
    #[schema(required)]
    untold: Option<String>,
}

impl LastUse {
    /// As it is known.
    pub fn of(known: UseKnown) -> Self {
        match known {
            UseKnown::Seen(used) => Self { at: Some(rfc3339(used.at)), operation: Some(used.operation), ..Self::default() },
            UseKnown::NotSince(since) => Self { not_seen_since: Some(rfc3339(since)), ..Self::default() },
            UseKnown::Untold(why) => Self { untold: Some(why), ..Self::default() },
        }
    }
}
