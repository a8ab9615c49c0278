//! Request bodies and paths: read strictly, and refused by name. What a body holds is never repeated to anybody.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{
        HeaderMap,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use keystead_domain::Invalid;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::error::Category;

use crate::{api::Api, problem::Refusal, wipe::SecretSeen};

/// The longest body that is read, in bytes, unless it can be longer by its kind.
pub(crate) const BODY_LEN_MAX: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How much of a name from outside is repeated, in characters.
const REPEATED_MAX: usize = 64;

/// What a body can be.
pub(crate) trait Input: DeserializeOwned + Serialize + Send {
    /// Whether no body at all means the same as `{}`.
    const MAY_BE_ABSENT: bool = false;
    /// The longest that is read, in bytes.
    const LEN_MAX: usize = BODY_LEN_MAX;

    /// Whether this body holds a secret; one that could not be read (`None`) may. See [`crate::wipe`].
    fn holds_secret(_: Option<&Self>) -> bool {
        false
    }
}

/// The body of a request that says everything by its path: none, or `{}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl Input for Nothing {
    const MAY_BE_ABSENT: bool = true;
}

/// The body as `T`.
pub(crate) struct Body<T>(pub T);

impl<T: Input> FromRequest<Api> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Refusal> {
        let (headers, seen) = (request.headers().clone(), SecretSeen::of(&request));
        let body = take::<T>(request, &headers).await;
        if T::holds_secret(body.as_ref().ok()) {
            seen.note();
        }
        body.map(Self)
    }
}

async fn take<T: Input>(request: Request, headers: &HeaderMap) -> Result<T, Refusal> {
    let bytes = read(request, T::LEN_MAX).await?;
    if bytes.is_empty() && T::MAY_BE_ABSENT {
        return parse(b"{}");
    }
    if !is_json(headers) {
        return Err(Refusal::NotJson);
    }
    parse(&bytes)
}

/// Reads the body into memory. The server's allocator wipes what it frees, these buffers too.
async fn read(request: Request, len_max: usize) -> Result<Bytes, Refusal> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > len_max as u64) {
        return Err(Refusal::TooLarge(len_max));
    }
    let limited = Limited::new(request.into_body(), len_max);
    let collected = tokio::time::timeout(BODY_TIME, limited.collect()).await.map_err(|_| Refusal::TooSlow)?;
    let too_large =
        |error: Box<dyn std::error::Error + Send + Sync>| if error.is::<LengthLimitError>() { Refusal::TooLarge(len_max) } else { Refusal::Unreadable };
    Ok(collected.map_err(too_large)?.to_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // serde would take a list for an object, field by field.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| explain(".", &error))?;
        return Err(Invalid::new("body", "is not an object", "Give a JSON object: {…}.").into());
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| explain(&error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| explain(".", &error))?;
    Ok(value)
}

fn explain(path: &str, error: &serde_json::Error) -> Refusal {
    match error.classify() {
        Category::Data => refused(path, &error.to_string()).into(),
        Category::Syntax | Category::Eof | Category::Io => Refusal::Malformed { line: error.line(), column: error.column() },
    }
}

/// Makes field, reason and mend of serde's message. Of the message only what stands in our own types is repeated: names behind *missing field*, and what was
/// *expected*. What was found instead is the caller's, and may be a secret.
pub(crate) fn refused(path: &str, message: &str) -> Invalid {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    if message.starts_with("unknown field") {
        let known: Vec<&str> = expected.unwrap_or_default().split('`').skip(1).step_by(2).collect();
        let mend = if known.is_empty() {
            "Leave it out: nothing is asked for here.".to_owned()
        } else {
            format!("Leave it out, or give one of: {}.", known.join(", "))
        };
        return Invalid::new(field(path, None), "is not known here", mend);
    }
    for (beginning, reason, mend) in [("missing field `", "is missing", "Give it."), ("duplicate field `", "is given twice", "Give it once.")] {
        if let Some(rest) = message.strip_prefix(beginning) {
            return Invalid::new(field(path, rest.split('`').next()), reason, mend);
        }
    }
    let mend = expected.map_or_else(|| "See /docs for what it takes.".to_owned(), |expected| format!("Give {}.", printable(expected)));
    Invalid::new(field(path, None), "is of the wrong kind", mend)
}

fn field(path: &str, name: Option<&str>) -> String {
    match (path, name) {
        ("." | "", name) => printable(name.unwrap_or("body")),
        (path, None) => printable(path),
        (path, Some(name)) => printable(&format!("{path}.{name}")),
    }
}

/// A text from outside, shortened, and without what could break a line.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(REPEATED_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// For fields that must not be null when they are given: `null` is not the same as leaving it out.
pub(crate) fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// For lists of objects: serde would take a list for an object here, too, field by field.
pub(crate) fn objects<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Vec::<Object<T>>::deserialize(deserializer).map(|objects| objects.into_iter().map(|Object(object)| object).collect())
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnlyObjects(std::marker::PhantomData))
    }
}

/// Takes an object, and nothing else.
struct OnlyObjects<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyObjects<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// The one name in a path, an id or a name as people gave it.
pub(crate) struct Named(pub String);

impl FromRequestParts<Api> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        path.map(|Path(name)| Self(name)).map_err(|_| Refusal::BadPath)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is read counts")]
    struct Outer {
        name: String,
        days: Option<u8>,
        inner: Option<Inner>,
        tags: Option<BTreeMap<String, String>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is read counts")]
    struct Inner {
        data: String,
    }

    fn invalid(json: &str) -> Invalid {
        match parse::<Outer>(json.as_bytes()) {
            Err(Refusal::App(keystead_app::Error::Invalid(invalid))) => invalid,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn every_way_to_be_wrong_names_the_field() {
        for (json, field) in [
            (r#"{"nme":"a"}"#, "nme"),
            (r#"{"name":"a","inner":{"data":"x","extra":1}}"#, "inner.extra"),
            (r#"{}"#, "name"),
            (r#"{"name":"a","inner":{}}"#, "inner.data"),
            (r#"{"name":"a","name":"b"}"#, "name"),
            (r#"{"name":1}"#, "name"),
            (r#"{"name":"a","days":-1}"#, "days"),
            (r#"{"name":"a","days":256}"#, "days"),
            (r#"{"name":"a","tags":{"team":1}}"#, "tags.team"),
            (r#"["a",null,null,null]"#, "body"),
            (r#""x""#, "body"),
        ] {
            assert_eq!(invalid(json).field, field, "{json}");
        }
    }

    #[test]
    fn what_the_field_takes_is_told() {
        assert_eq!(invalid(r#"{"name":1}"#).mend, "Give a string.");
        assert!(invalid(r#"{"nme":1}"#).mend.ends_with("one of: name, days, inner, tags."));
    }

    #[test]
    fn broken_json_is_told_by_its_place() {
        let refusal = parse::<Outer>(b"{\n  \"name\": secret }");
        assert!(matches!(refusal, Err(Refusal::Malformed { line: 2, column: 11 })), "{refusal:?}");
        assert!(matches!(parse::<Outer>(b"{\"name\":\"a\"} x"), Err(Refusal::Malformed { .. })));
        assert!(matches!(parse::<Outer>(b""), Err(Refusal::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn no_value_is_ever_repeated(value in "[a-zA-Z,` ]{0,20}") {
            let secret = format!("S3CRET{value}, expected S3CRET");
            for body in [serde_json::json!({"name": "a", "days": secret}), serde_json::json!({"name": "a", "inner": secret}), serde_json::json!(secret)] {
                let told = format!("{:?}", invalid(&body.to_string()));
                prop_assert!(!told.contains("S3CRET"), "{}", told);
            }
        }

        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse::<Outer>(&body);
        }
    }
}
