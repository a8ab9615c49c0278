//! Where a request goes: path and query, encoded so that no name can lead elsewhere.

use keystead_domain::Invalid;
use reqwest::Url;

use crate::error::CliError;

/// Path and query below the server's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
}

impl Route {
    /// A path of known words: `Route::new("v1/keys")`.
    pub fn new(path: &'static str) -> Self {
        Self { segments: path.split('/').map(str::to_owned).collect(), query: Vec::new() }
    }

    /// One thing, by the id or name that a person gave.
    ///
    /// # Errors
    /// [`Invalid`] naming `field` for what would change the path instead of standing in it.
    pub fn of(mut self, field: &str, id_or_name: &str) -> Result<Self, CliError> {
        if matches!(id_or_name, "" | "." | "..") || id_or_name.len() > 256 || id_or_name.chars().any(char::is_control) {
            return Err(Invalid::new(field, "is neither an id nor a name", "Give the id or the name that `list` shows.").into());
        }
        self.segments.push(id_or_name.to_owned());
        Ok(self)
    }

    /// A further known word.
    #[must_use]
    pub fn then(mut self, path: &'static str) -> Self {
        self.segments.extend(path.split('/').map(str::to_owned));
        self
    }

    /// A parameter of the query, if there is a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// The whole URL.
    pub fn under(&self, base: &Url) -> Url {
        let mut url = base.clone();
        // An http URL always has a path, so this never fails.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&self.segments);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base() -> Url {
        Url::parse("https://h:1/base/").expect("a URL")
    }

    #[test]
    fn path_and_query_are_joined_below_the_base() {
        let route = Route::new("v1/keys").of("key", "orders").expect("a name").then("renew").with("wait", Some(20)).with("key", None::<u8>);
        assert_eq!(route.under(&base()).as_str(), "https://h:1/base/v1/keys/orders/renew?wait=20");
    }

    #[test]
    fn what_would_change_the_path_is_refused() {
        for bad in ["", ".", "..", "a\nb", &"x".repeat(257)] {
            assert!(Route::new("v1/keys").of("key", bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_elsewhere(name in any::<String>()) {
            if let Ok(route) = Route::new("v1/keys").of("key", &name) {
                let url = route.then("renew").under(&base());
                let segments: Vec<&str> = url.path().split('/').collect();
                prop_assert_eq!(segments.len(), 6, "{}", url);
                prop_assert_eq!((segments[3], segments[5]), ("keys", "renew"));
                prop_assert_eq!((url.query(), url.fragment(), url.host_str()), (None, None, Some("h")));
            }
        }
    }
}
