//! What comes with a request that changes something: its body, an idempotency key, and how long its caller would like to wait.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::{FromRequest, Request},
    http::HeaderMap,
};
use keystead_domain::{Invalid, UserId};
use keystead_identity::Principal;
use keystead_store::operations::Idempotency;
use serde::Serialize;
use utoipa::{
    IntoParams,
    openapi::{
        Object, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use crate::{
    api::Api,
    extract::{Body, Input},
    problem::Refusal,
};

/// The longest wait that is granted, in seconds.
pub(crate) const WAIT_SECS_MAX: u32 = 60;
/// The longest idempotency key, in characters.
const IDEMPOTENCY_KEY_LEN_MAX: usize = 255;
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const PREFER: &str = "prefer";

/// A wait that was asked for and is granted, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub u32);

impl Wait {
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

/// A change as it is asked for.
pub(crate) struct Change<T> {
    /// What.
    pub body: T,
    /// How long the caller waits for its end.
    pub wait: Option<Wait>,
    idempotency: Option<Key>,
}

struct Key {
    key: String,
    request_hash: String,
}

impl<T> Change<T> {
    /// What the use-case is told. A key belongs to the person who gave it: another person's key is another key.
    pub fn request(&self, caller: &Principal) -> keystead_app::Request {
        keystead_app::Request { idempotency: self.idempotency.as_ref().map(|given| given.of(&caller.user)), item: None }
    }
}

impl Key {
    fn of(&self, user: &UserId) -> Idempotency {
        Idempotency { key: format!("{user}:{}", self.key), request_hash: self.request_hash.clone() }
    }
}

impl<T: Input> FromRequest<Api> for Change<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let key = idempotency_key(request.headers())?;
        let wait = preferred_wait(request.headers());
        let target = format!("{} {}", request.method(), request.uri().path());
        let Body(body) = Body::<T>::from_request(request, api).await?;
        let idempotency = key.map(|key| Key { key, request_hash: request_hash(&target, &body) });
        Ok(Self { body, wait, idempotency })
    }
}

/// SHA-256 over method, path and the body as we understood it. Secrets stand in it as their length: see [`crate::secret::length_only`].
fn request_hash(target: &str, body: &impl Serialize) -> String {
    let mut text = format!("{target}\n").into_bytes();
    text.extend(serde_json::to_vec(body).unwrap_or_default());
    hex::encode(digest(&SHA256, &text))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Invalid> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(header) = given.next() else { return Ok(None) };
    let text = header.to_str().ok().filter(|text| (1..=IDEMPOTENCY_KEY_LEN_MAX).contains(&text.len()));
    match text.filter(|text| given.next().is_none() && text.bytes().all(|b| (b' '..=b'~').contains(&b))) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Invalid::new("Idempotency-Key", "is not a key", "Give one key of 1 to 255 printable ASCII characters, for example a UUID.")),
    }
}

/// `wait` of the Prefer header (RFC 7240, section 4.3). A preference that cannot be met is not an error: the longest wait is granted, and told in the answer.
fn preferred_wait(headers: &HeaderMap) -> Option<Wait> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';'])).filter_map(|preference| preference.split_once('='));
    let (_, seconds) = preferences.find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))?;
    let seconds: u32 = seconds.trim().trim_matches('"').parse().ok()?;
    Some(Wait(seconds.min(WAIT_SECS_MAX)))
}

/// The headers in the OpenAPI document.
pub(crate) struct ChangeHeaders;

impl IntoParams for ChangeHeaders {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let same = "The same key with the same request answers the same operation; with another request it is refused. 1 to 255 printable ASCII characters.";
        let wait = "`wait=N`: answer when the operation has ended, at most N seconds from now (60 at most).";
        vec![header("Idempotency-Key", same, "8e03978e-40d5-43e8-bc93-6894a57f9324"), header("Prefer", wait, "wait=30")]
    }
}

/// The header in the OpenAPI document, for a change that is no operation: what a repeated request is answered with stands in the words of the route.
pub(crate) struct IdempotencyHeader;

impl IntoParams for IdempotencyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let once = "The same key with the same request does nothing twice; with another request it is refused. 1 to 255 printable ASCII characters.";
        vec![header("Idempotency-Key", once, "8e03978e-40d5-43e8-bc93-6894a57f9324")]
    }
}

fn header(name: &str, description: &str, example: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(Object::with_type(Type::String)))
        .example(Some(example.into()))
        .build()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::{
        extract::Nothing,
        secret::{SecretString, length_only},
    };

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        headers
    }

    #[test]
    fn an_idempotency_key_is_printable_and_given_once() {
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
        assert_eq!(idempotency_key(&headers(IDEMPOTENCY_KEY, &["a b~"])), Ok(Some("a b~".to_owned())));
        for bad in [&[""][..], &["ü"], &["a", "a"], &[&"x".repeat(256)]] {
            assert_eq!(idempotency_key(&headers(IDEMPOTENCY_KEY, bad)).expect_err("refused").field, "Idempotency-Key");
        }
    }

    #[test]
    fn a_wait_is_found_among_other_preferences_and_kept_within_a_minute() {
        let of = |values: &[&str]| preferred_wait(&headers(PREFER, values)).map(|wait| wait.0);
        assert_eq!(of(&["respond-async, wait=10"]), Some(10));
        assert_eq!(of(&["handling=lenient", "Wait=100"]), Some(60));
        assert_eq!(of(&["wait=soon"]), None);
        assert_eq!(of(&["respond-async"]), None);
    }

    #[derive(Serialize)]
    struct WithSecret {
        name: &'static str,
        #[serde(serialize_with = "length_only")]
        data: SecretString,
    }

    fn hash_of(name: &'static str, data: &str) -> String {
        request_hash("POST /v1/keys", &WithSecret { name, data: serde_json::from_value(data.into()).expect("a string") })
    }

    #[test]
    fn the_hash_depends_on_target_and_body_and_never_on_material() {
        assert_ne!(request_hash("POST /a", &Nothing {}), request_hash("POST /b", &Nothing {}));
        assert_ne!(hash_of("a", "AAAA"), hash_of("b", "AAAA"));
        assert_ne!(hash_of("a", "AAAA"), hash_of("a", "AAAAA"));
        assert_eq!(hash_of("a", "AAAA"), hash_of("a", "BBBB"));
    }
}
