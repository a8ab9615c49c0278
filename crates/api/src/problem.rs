//! Refusals and failures as problem details (RFC 9457). The only file that knows their status codes: one exhaustive match for what `app` says, one for what only
//! HTTP knows. The two voices of an error part here: the caller is told what to do, the operator finds the rest in the log under the same request id.

use std::any::Any;

use axum::{
    body::Body,
    http::{
        HeaderValue, Response as HttpResponse, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use keystead_app::{
    Error,
    error::{busy_words, wrong_state_words},
    estate::MISTAKES_MAX,
    once::{Deed, Done},
};
use keystead_domain::{Event, Invalid, KeyState};
use serde::Serialize;
use serde_json::json;
use tracing::Span;
use utoipa::ToSchema;

use crate::{caller::Unauthenticated, wire::time::rfc3339};

/// Where a problem's type points: the page of the manual that explains it. The last segment is stable.
const TYPES: &str = "https://keystead.dev/problems/";

/// Why a request was not answered as it was meant.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A use-case refused or failed.
    App(Error),
    /// Nobody that we know is calling.
    Unauthenticated(Unauthenticated),
    /// The body is not declared to be JSON.
    NotJson,
    /// The body is declared to be JSON and is none.
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The body is longer than this many bytes, the most that we take there.
    TooLarge(usize),
    /// The body did not arrive in time.
    TooSlow,
    /// The body broke off.
    Unreadable,
    /// The path cannot be decoded.
    BadPath,
    /// The path leads nowhere.
    NoRoute,
    /// The path is known, the method is not.
    WrongMethod,
    /// Too many try to unseal the vault at once.
    Crowded,
    /// A defect: the handler panicked.
    Panicked(String),
    /// The server is shutting down.
    Stopping,
}

/// Why a request was not answered as it was meant (RFC 9457), with what to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "https://keystead.dev/problems/wrong-state", "title": "The key is in another state", "status": 409,
    "detail": "orders is PENDING_DELETION and cannot be renewed.", "mend": "This works from ACTIVE. See `keystead key show orders`.",
    "instance": "req_5f0c2e6d8f3b4a19a0b7c3d2e1f00918"
}))]
pub(crate) struct Problem {
    /// What kind of problem: a URL whose last segment is stable, for example `…/wrong-state`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status, again.
    pub status: u16,
    /// What happened, as a sentence.
    pub detail: String,
    /// What to do, as a sentence.
    pub mend: String,
    /// The field of the request that it is about, for example `tags.team`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The request's id; the server's log has the same.
    pub instance: String,
    /// The cloud's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_code: Option<String>,
    /// The cloud's id of its request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_request: Option<String>,
    /// Of an estate: every mistake in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// For the operator's log only.
    #[serde(skip)]
    #[schema(ignore)]
    internal: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, slug: &str, title: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            kind: type_of(slug),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            mend: mend.into(),
            field: None,
            instance: String::new(),
            cloud_code: None,
            cloud_request: None,
            mistakes: Vec::new(),
            internal: None,
        }
    }

    fn about(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    fn defect(internal: String) -> Self {
        let mend = "Try again. If it happens again, give the request id to who runs Keystead: the log has it.";
        let problem =
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong inside", "Keystead could not do it, by a fault of its own.", mend);
        Self { internal: Some(internal), ..problem }
    }
}

/// A mistake in an estate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Mistake {
    /// Where, for example `keys[3].aliases[0]`.
    pub field: String,
    /// What is wrong, as half a sentence behind that.
    pub reason: String,
    /// What to do, as a sentence.
    pub mend: String,
}

/// The type of a problem, from its slug.
pub(crate) fn type_of(slug: &str) -> String {
    format!("{TYPES}{slug}")
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::App(error)
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::App(Error::Invalid(invalid))
    }
}

/// What a use-case said.
fn of_app(error: Error) -> Problem {
    use StatusCode as S;
    match error {
        Error::Invalid(Invalid { field, reason, mend }) => {
            Problem::new(S::UNPROCESSABLE_ENTITY, "invalid-input", "A value cannot be", format!("{field} {reason}."), mend).about(field)
        }
        Error::NotFound { what, name } if name.is_empty() => not_found(format!("There is no such {what}."), what),
        Error::NotFound { what, name } => not_found(format!("There is no {what} {name}."), what),
        Error::Taken { field, value } => {
            let (kind, what) = match field {
                "aliases" if value.contains(", ") => ("alias-taken", format!("One of {value}")),
                "aliases" => ("alias-taken", format!("The alias {value}")),
                _ => ("name-taken", format!("The {field} {value}")),
            };
            Problem::new(S::CONFLICT, kind, "The name is in use", format!("{what} is in use."), "Choose another one.").about(field)
        }
        Error::WrongState { key, state, event } => wrong_state(&key, state, event),
        Error::Busy { name, operation } => {
            let (detail, mend) = busy_words(&name, &operation);
            Problem::new(S::CONFLICT, "busy", "Another operation is running", detail, mend)
        }
        Error::IdempotencyMismatch => {
            let detail = "This idempotency key was used for another request.";
            Problem::new(S::UNPROCESSABLE_ENTITY, "idempotency-mismatch", "The idempotency key is used", detail, "Give a fresh key for a new request.")
                .about("Idempotency-Key")
        }
        Error::AlreadyDone(done) => already_done(&done),
        Error::SamePerson => {
            let detail = "Two people are needed for this, and the other one is you, too.";
            Problem::new(S::FORBIDDEN, "same-person", "Two people are needed", detail, "Ask another user to do it.")
        }
        Error::NotPrepared { key } => {
            let mend = format!("Have another user prepare it with their public key: `keystead key export prepare {key}`. A preparation serves once.");
            Problem::new(S::CONFLICT, "export-not-prepared", "The export is not prepared", format!("No export of {key} is prepared."), mend)
        }
        Error::PreparationChanged { key } => {
            let detail = format!("The export of {key} is not as it was prepared: somebody changed it in the database. Nothing was handed out.");
            let mend = format!("Find out who can write to the database. Then have the export prepared again: `keystead key export prepare {key}`.");
            Problem::new(S::CONFLICT, "export-not-authentic", "The preparation was changed", detail, mend)
        }
        Error::PreparerInactive { key } => {
            let mend = format!("Have an active user prepare it again: `keystead key export prepare {key}`.");
            let detail = format!("Who prepared the export of {key} is no longer active.");
            Problem::new(S::CONFLICT, "export-preparer-inactive", "The preparer is not active", detail, mend)
        }
        Error::KeystoreNotEmpty { keystore, count, names } => not_empty(&keystore, count, &names),
        Error::CeremonyStands { how, mend } => {
            Problem::new(S::CONFLICT, "ceremony-not-waiting", "The ceremony does not wait for this", format!("The ceremony {how}."), mend)
        }
        Error::Mistakes(mistakes) => of_mistakes(mistakes),
        Error::PlanStale { moved } => {
            let what =
                if moved.is_empty() { "What it would do is something else now".to_owned() } else { format!("These have changed since: {}", moved.join(", ")) };
            let detail = format!("The plan was made for another state of things. {what}. Nothing was done.");
            Problem::new(S::CONFLICT, "plan-stale", "The plan is stale", detail, "Plan again, look at it, and apply that plan.")
        }
        Error::ApplyRuns { apply } => {
            let mend = format!("Wait for it: `keystead estate show {apply}`. Or stop it: `keystead estate stop {apply}`. Then plan again.");
            Problem::new(S::CONFLICT, "apply-runs", "Another plan is being done", format!("The apply {apply} is not at its end."), mend)
        }
        Error::MovedOn => {
            let detail = "Somebody changed the same thing at the same moment. Nothing was done.";
            Problem::new(S::CONFLICT, "moved-on", "It has changed meanwhile", detail, "Look at it again, and repeat the request if it is still wanted.")
        }
        Error::Sealed => {
            let detail = "The vault is sealed, and this needs it open.";
            Problem::new(
                S::SERVICE_UNAVAILABLE,
                "vault-sealed",
                "The vault is sealed",
                detail,
                "Unseal it: `keystead vault unseal`. Where a hardware module holds the root, the server's log says what keeps it sealed.",
            )
        }
        Error::RootChanged => {
            // The same type as that of every sealed vault: a script that unseals does so here, too, if it has the new secret.
            let detail = "The root of the vault was changed on another node, and this one does not know the new root.";
            Problem::new(
                S::SERVICE_UNAVAILABLE,
                "vault-sealed",
                "The vault is sealed",
                detail,
                "Unseal this node with the new secret: `keystead vault unseal`.",
            )
        }
        Error::Problem(problem) => of_others(problem),
        Error::Internal(what) => Problem::defect(what),
    }
}

/// All mistakes of an estate; the first one is told as that of any other request.
fn of_mistakes(mut mistakes: Vec<Invalid>) -> Problem {
    let count = mistakes.len();
    if count > MISTAKES_MAX {
        mistakes.truncate(MISTAKES_MAX);
        mistakes.push(Invalid::new("estate", "has more mistakes than are told at once", "Mend these, and plan again."));
    }
    let first = mistakes.first().cloned().unwrap_or_else(|| Invalid::new("estate", "has mistakes", "See /docs for what it takes."));
    let more = if count > 1 { format!(" And {} more.", count - 1) } else { String::new() };
    let detail = format!("{} {}.{more}", first.field, first.reason);
    let mistakes = mistakes.into_iter().map(|Invalid { field, reason, mend }| Mistake { field, reason, mend }).collect();
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "estate-mistakes", "The estate has mistakes", detail, first.mend).about(first.field);
    Problem { mistakes, ..problem }
}

/// What was done, and how whoever lost the answer goes on.
fn already_done(done: &Done) -> Problem {
    let (what, mend) = match (done.deed, &done.subject) {
        (Deed::CreateUser, user) => {
            (format!("the user {user} was made"), format!("If their token was lost, give them a new one: `keystead user token {user}`."))
        }
        (Deed::ReplaceToken, user) => (format!("the user {user} got a new token"), "If it was lost, ask for another one with a fresh key.".to_owned()),
        (Deed::DownloadExport, key) => {
            let mend = format!("If the file was lost, have another user prepare it again: `keystead key export prepare {key}`.");
            (format!("the export of {key} was downloaded"), mend)
        }
        (Deed::RotateRoot, generation) => {
            let mend = "The vault opens by the secret of that request. If it was lost, rotate again with a fresh key while the vault is open.";
            (format!("the root of the vault was rotated to generation {generation}"), mend.to_owned())
        }
        (Deed::BeginCeremony | Deed::EnterComponent | Deed::CancelCeremony, ceremony) => {
            (format!("the ceremony {ceremony} was changed"), format!("See how it stands: `keystead ceremony show {ceremony}`."))
        }
        (Deed::BeginBatch | Deed::StopBatch, batch) => {
            (format!("the batch {batch} was begun or stopped"), format!("See how it stands: `keystead batch show {batch}`."))
        }
        (Deed::BeginApply | Deed::StopApply, apply) => {
            (format!("the apply {apply} was begun or stopped"), format!("See how it stands: `keystead estate show {apply}`."))
        }
        (Deed::RotateAccountKey, generation) => (format!("the account key was rotated to generation {generation}"), "Nothing is left to do.".to_owned()),
    };
    let detail = format!("With this idempotency key {what} at {}. It was not done again, and the answer of then is not kept.", rfc3339(done.at));
    Problem::new(StatusCode::CONFLICT, "already-done", "It is done already", detail, mend)
}

fn wrong_state(key: &str, state: KeyState, event: Event) -> Problem {
    let (detail, mend) = wrong_state_words(key, state, event);
    Problem::new(StatusCode::CONFLICT, "wrong-state", "The key is in another state", detail, mend)
}

fn not_empty(keystore: &str, count: i64, names: &[String]) -> Problem {
    let more = if count > names.len() as i64 { ", …" } else { "" };
    let detail = format!("{keystore} has keys that are not DELETED ({count}): {}{more}.", names.join(", "));
    Problem::new(
        StatusCode::CONFLICT,
        "keystore-not-empty",
        "The keystore has keys",
        detail,
        "Schedule their deletion, and wait until their waiting period has ended.",
    )
}

fn not_found(detail: String, what: &str) -> Problem {
    // Applies are listed by the command of estates.
    let what = if what == "apply" { "estate" } else { what };
    Problem::new(StatusCode::NOT_FOUND, "not-found", "It is not there", detail, format!("`keystead {what} list` shows what there is."))
}

/// What cloud, vault or database said, in words that were made for users.
fn of_others(problem: keystead_operations::Problem) -> Problem {
    let (status, title) = match problem.kind.as_str() {
        "vault-sealed" => (StatusCode::SERVICE_UNAVAILABLE, "The vault is sealed"),
        "outcome-unknown" => (StatusCode::SERVICE_UNAVAILABLE, "Nobody knows whether it was stored"),
        "store-unavailable" | "disk-full" => (StatusCode::SERVICE_UNAVAILABLE, "The database is not ready"),
        "cloud-throttled" => (StatusCode::SERVICE_UNAVAILABLE, "The cloud asks for patience"),
        "moved-on" => (StatusCode::CONFLICT, "It is moving"),
        "vault-failure" => (StatusCode::INTERNAL_SERVER_ERROR, "The vault refused"),
        "hsm-away" => (StatusCode::SERVICE_UNAVAILABLE, "The hardware module does not answer"),
        "hsm-cannot" => (StatusCode::UNPROCESSABLE_ENTITY, "The hardware module cannot do that"),
        "hsm-refused" => (StatusCode::INTERNAL_SERVER_ERROR, "The hardware module refused"),
        _ => (StatusCode::BAD_GATEWAY, "The cloud refused"),
    };
    let told = Problem::new(status, &problem.kind, title, problem.detail, problem.mend);
    Problem { cloud_code: problem.cloud_code, cloud_request: problem.cloud_request, ..told }
}

/// What only HTTP knows.
fn of_http(refusal: Refusal) -> Problem {
    use StatusCode as S;
    match refusal {
        Refusal::App(error) => of_app(error),
        Refusal::Unauthenticated(why) => {
            let detail = match why {
                Unauthenticated::NoHeader => "The request carries no Authorization header.",
                Unauthenticated::OtherScheme => "The Authorization header is not one `Bearer TOKEN`.",
                Unauthenticated::UnknownToken => "The token belongs to no active user.",
            };
            let mend = "Send `Authorization: Bearer kst_…` with your token; another user can give you a new one.";
            Problem::new(S::UNAUTHORIZED, "unauthenticated", "Nobody is calling", detail, mend)
        }
        Refusal::NotJson => {
            let detail = "The body is not declared to be JSON.";
            Problem::new(S::UNSUPPORTED_MEDIA_TYPE, "not-json", "JSON is expected", detail, "Send `Content-Type: application/json`.")
        }
        Refusal::Malformed { line, column } => {
            let detail = format!("The body is not JSON: it breaks off or goes wrong at line {line}, column {column}.");
            Problem::new(S::BAD_REQUEST, "malformed-json", "The JSON is broken", detail, "Mend it there; a JSON checker helps.")
        }
        Refusal::TooLarge(len_max) => {
            let detail = format!("The body is longer than {len_max} bytes.");
            Problem::new(S::PAYLOAD_TOO_LARGE, "too-large", "The body is too long", detail, "Nothing that Keystead takes is that long: look what was sent.")
        }
        Refusal::TooSlow => {
            Problem::new(S::REQUEST_TIMEOUT, "too-slow", "The body did not arrive", "The body did not arrive in time.", "Try again on a quicker line.")
        }
        Refusal::Unreadable => Problem::new(S::BAD_REQUEST, "unreadable-body", "The body broke off", "The body could not be read to its end.", "Try again."),
        Refusal::BadPath => {
            Problem::new(S::BAD_REQUEST, "invalid-path", "The path cannot be read", "The path is not percent-encoded UTF-8.", "Encode names in the path.")
        }
        Refusal::NoRoute => Problem::new(S::NOT_FOUND, "no-such-route", "The path leads nowhere", "The API has no such path.", "See /docs for all of them."),
        Refusal::WrongMethod => {
            let detail = "The path is known, but not with this method.";
            Problem::new(S::METHOD_NOT_ALLOWED, "wrong-method", "Another method is needed", detail, "The Allow header says which; see /docs.")
        }
        Refusal::Crowded => {
            let detail = "Others are unsealing the vault at this moment.";
            Problem::new(S::TOO_MANY_REQUESTS, "too-many-attempts", "One at a time", detail, "Try again in a second.")
        }
        Refusal::Panicked(what) => Problem::defect(what),
        Refusal::Stopping => {
            Problem::new(S::SERVICE_UNAVAILABLE, "stopping", "Keystead is shutting down", "Keystead is shutting down.", "Try again when it is back.")
        }
    }
}

/// A refusal travels as a bare status with its problem beside it, and gets its body where the request's id is known: [`finish`].
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let challenge = match &self {
            Self::Unauthenticated(Unauthenticated::UnknownToken) => Some("Bearer realm=\"keystead\", error=\"invalid_token\""),
            Self::Unauthenticated(_) => Some("Bearer realm=\"keystead\""),
            _ => None,
        };
        let problem = of_http(self);
        let mut response = HttpResponse::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(challenge) = challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(problem);
        response
    }
}

/// Writes the problem, if the answer is one, with the request's id; failures of ours go to the log.
pub(crate) fn finish(mut response: Response, request_id: &str, span: &Span) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let problem = Problem { instance: request_id.to_owned(), ..problem };
    if problem.status >= 500 {
        let internal = problem.internal.as_deref().unwrap_or_default();
        tracing::error!(parent: span, problem = problem.kind, detail = problem.detail, internal, "request failed");
    }
    let body = json!(problem).to_string();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    *response.body_mut() = Body::from(body);
    response
}

/// The answer to a request whose handler panicked.
pub(crate) fn of_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Refusal::Panicked(format!("panic: {}", text.unwrap_or("without words"))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_mistakes_are_told_and_that_there_are_more() {
        let mistakes = |count| (0..count).map(|at| Invalid::new(format!("keys[{at}].name"), "is bad", "Mend it.")).collect::<Vec<_>>();
        assert_eq!(of_mistakes(mistakes(MISTAKES_MAX)).mistakes.len(), MISTAKES_MAX);
        let many = of_mistakes(mistakes(MISTAKES_MAX + 7));
        assert_eq!((many.mistakes.len(), many.mistakes[MISTAKES_MAX].field.as_str()), (MISTAKES_MAX + 1, "estate"));
    }

    #[test]
    fn what_went_wrong_inside_stays_inside() {
        let problem = of_app(Error::Internal("row 7 of table keys".into()));
        assert_eq!(problem.status, 500);
        assert!(!json!(problem).to_string().contains("row 7"));
        assert_eq!(problem.internal.as_deref(), Some("row 7 of table keys"));
    }

    #[test]
    fn a_refusal_of_the_table_says_from_where_it_works_cm_068() {
        let problem = of_app(Error::WrongState { key: "orders".into(), state: KeyState::Inactive, event: Event::Renew });
        assert_eq!((problem.status, problem.kind.as_str()), (409, "https://keystead.dev/problems/wrong-state"));
        assert_eq!(problem.detail, "orders is INACTIVE and cannot be renewed.");
        assert!(problem.mend.starts_with("This works from ACTIVE."));
    }

    #[test]
    fn a_keystore_that_cannot_go_names_the_keys_that_hold_it_cm_038() {
        let problem = of_app(Error::KeystoreNotEmpty { keystore: "eu".into(), count: 3, names: vec!["a".into(), "b".into()] });
        assert_eq!(problem.detail, "eu has keys that are not DELETED (3): a, b, ….");
    }

    #[test]
    fn the_clouds_own_words_are_passed_on() {
        let theirs = keystead_operations::Problem {
            cloud_code: Some("AccessDenied".into()),
            cloud_request: Some("r-1".into()),
            ..keystead_operations::Problem::new("role-not-assumable", "AssumeRole was refused.", "Compare.")
        };
        let problem = of_app(Error::Problem(theirs));
        assert_eq!((problem.status, problem.cloud_code.as_deref(), problem.cloud_request.as_deref()), (502, Some("AccessDenied"), Some("r-1")));
    }

    #[test]
    fn a_commit_whose_answer_is_lost_is_told_as_unknown() {
        let problem = of_app(keystead_store::StoreError::OutcomeUnknown("connection closed".into()).into());
        assert_eq!((problem.status, problem.kind.as_str()), (503, "https://keystead.dev/problems/outcome-unknown"));
        assert_eq!(problem.detail, "The database's answer was lost: what was asked may or may not have been stored.");
        assert!(problem.mend.contains("same Idempotency-Key"));
        let known = of_app(keystead_store::StoreError::Unavailable("connection refused".into()).into());
        assert!(known.detail.ends_with("Nothing was changed."), "{}", known.detail);
    }

    #[test]
    fn the_three_ways_not_to_be_known_look_alike_but_for_one_sentence() {
        let of = |why| json!(of_http(Refusal::Unauthenticated(why))).as_object().cloned().expect("an object");
        let mut shapes = [Unauthenticated::NoHeader, Unauthenticated::OtherScheme, Unauthenticated::UnknownToken].map(of);
        shapes.iter_mut().for_each(|shape| drop(shape.remove("detail")));
        assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
