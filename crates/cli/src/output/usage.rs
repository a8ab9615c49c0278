//! When a key was last used. "Unused" is no word for it: a cloud knows since when it has been looking, and not what was before.

use serde::Deserialize;

use super::table::time;

/// What its cloud knows of a key's last use.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LastUse {
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    not_seen_since: Option<String>,
    #[serde(default)]
    untold: Option<String>,
}

impl LastUse {
    /// As a cell of a table.
    pub fn cell(&self) -> String {
        match (&self.at, &self.not_seen_since) {
            (Some(at), _) => format!("{} {}", time(at), self.operation.as_deref().unwrap_or_default()).trim_end().to_owned(),
            (None, Some(since)) => format!("not seen since {}", time(since)),
            (None, None) => "not known".to_owned(),
        }
    }

    /// Why nothing is known.
    pub fn untold(&self) -> Option<&str> {
        self.untold.as_deref()
    }
}
