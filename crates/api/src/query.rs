//! Query strings: read as strictly as bodies. A parameter that nobody knows is refused by name, not ignored.

use axum::{
    extract::{FromRequestParts, Query as Pairs},
    http::request::Parts,
};
use keystead_domain::Invalid;
use keystead_store::page::Page;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    api::Api,
    extract::{printable, refused},
    problem::Refusal,
};

/// The query string as `T`, whose fields are all optional strings.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Refusal> {
        let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Pairs(pairs) = pairs.map_err(|_| Invalid::new("query", "cannot be read", "Write NAME=VALUE&NAME=VALUE, percent-encoded."))?;
        Ok(Self(read(pairs)?))
    }
}

fn read<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, Invalid> {
    let mut object = Map::new();
    for (name, value) in pairs {
        if object.insert(name.clone(), Value::String(value)).is_some() {
            return Err(Invalid::new(printable(&name), "is given twice", "Give each parameter once."));
        }
    }
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| refused(&error.path().to_string(), &error.inner().to_string()))
}

/// Which page is asked for.
///
/// # Errors
/// [`Invalid`] naming `limit` or `cursor`.
pub(crate) fn page(limit: Option<&str>, cursor: Option<&str>) -> Result<Page, Invalid> {
    let limit = limit.map(|text| number("limit", text)).transpose()?;
    Page::parse(cursor, limit)
}

/// Reads a whole number.
///
/// # Errors
/// [`Invalid`] naming `field`.
pub(crate) fn number(field: &str, text: &str) -> Result<u32, Invalid> {
    text.parse().map_err(|_| Invalid::new(field, "is not a number", "Give a whole number, for example 10."))
}

/// Reads a truth.
///
/// # Errors
/// [`Invalid`] naming `field`.
pub(crate) fn truth(field: &str, text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new(field, "is neither true nor false", "Give true or false."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Some2 {
        limit: Option<String>,
        cursor: Option<String>,
    }

    fn of(pairs: &[(&str, &str)]) -> Result<Some2, Invalid> {
        read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_not_given_is_none() {
        assert_eq!(of(&[("limit", "5")]), Ok(Some2 { limit: Some("5".into()), cursor: None }));
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_by_name() {
        assert_eq!(of(&[("limt", "5")]).expect_err("unknown").field, "limt");
        assert_eq!(of(&[("limit", "5"), ("limit", "6")]).expect_err("twice").field, "limit");
    }

    #[test]
    fn a_limit_is_a_number() {
        assert_eq!(page(Some("many"), None).expect_err("no number").field, "limit");
        assert_eq!(page(Some("-1"), None).expect_err("no number").field, "limit");
        assert_eq!(page(Some("0"), None).expect_err("too few").field, "limit");
        assert_eq!(page(None, Some("a'b")).expect_err("no cursor").field, "cursor");
    }
}
