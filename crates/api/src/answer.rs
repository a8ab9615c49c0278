//! What a request that may start an operation is answered with: 202 while the operation runs, 200 when it has ended or nothing had to be done.

use std::{collections::BTreeMap, time::Instant};

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use keystead_app::{Error, Started};
use keystead_identity::Principal;
use keystead_store::{keys::KeyRow, operations::OperationRow};
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{
        HeaderBuilder, Object, Ref, RefOr, Type,
        content::ContentBuilder,
        response::{Response as Described, ResponseBuilder},
    },
};

use crate::{
    api::Api,
    change::Wait,
    problem::Refusal,
    wire::{key::Key, operation::Operation},
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// State of an operation that has not ended.
const RUNNING: &str = "RUNNING";
/// The operations behind which a name means another key.
const SUCCESSIONS: [&str; 2] = ["renew-key", "recreate-key"];

/// What became of a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "operation": crate::wire::operation::example(), "key": crate::wire::key::example(), "no_op": false }))]
pub(crate) struct OperationAnswer {
    /// The operation; null when nothing had to be done.
    #[schema(required)]
    operation: Option<Operation>,
    /// The key: as it was when the operation began, or as it is once the operation has ended. Behind a renewal it is the successor.
    #[schema(required)]
    key: Option<Key>,
    /// Whether it was already so.
    no_op: bool,
    /// What the change does not do for the key's users; only of a rotation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'static str>,
}

impl OperationAnswer {
    /// Whether its operation has not ended.
    pub fn is_running(&self) -> bool {
        self.operation.as_ref().is_some_and(|operation| operation.state == RUNNING)
    }
}

/// The answer with its headers.
#[derive(Debug)]
pub(crate) struct Answered {
    body: OperationAnswer,
    waited: Option<Wait>,
}

impl Answered {
    /// The same with warnings.
    #[must_use]
    pub fn warning(mut self, warnings: Vec<&'static str>) -> Self {
        self.body.warnings = warnings;
        self
    }
}

/// Waits if that was asked for, and says how operation and key then are.
///
/// # Errors
/// What the store says.
pub(crate) async fn answer(api: &Api, caller: &Principal, started: Started, wait: Option<Wait>) -> Result<Answered, Refusal> {
    let Started { operation, key } = started;
    let Some(begun) = operation else {
        return Ok(Answered { body: OperationAnswer { operation: None, key: key.map(Key::of), no_op: true, warnings: Vec::new() }, waited: None });
    };
    let operation = match wait {
        Some(wait) => api.app.wait_operation(caller, begun.id.as_str(), wait.duration()).await?,
        None => begun,
    };
    let key = if operation.state == RUNNING { key } else { key_behind(api, caller, &operation, key).await? };
    let (sync, restore) = match operation.key_id {
        None => (api.app.sync_of(&operation.id).await?, api.app.restore_of(&operation.id).await?),
        Some(_) => (None, None),
    };
    let killed = api.app.killed_by(&operation).await?;
    Ok(Answered {
        body: OperationAnswer {
            operation: Some(Operation::of(operation).with_sync(sync).with_restore(restore).with_kill(killed)),
            key: key.map(Key::of),
            no_op: false,
            warnings: Vec::new(),
        },
        waited: wait,
    })
}

/// The key as an ended operation left it; none when the operation took its making back.
async fn key_behind(api: &Api, caller: &Principal, operation: &OperationRow, key: Option<KeyRow>) -> Result<Option<KeyRow>, Refusal> {
    let Some(key) = key else { return Ok(None) };
    let renewed = SUCCESSIONS.contains(&operation.kind.as_str()) && operation.state == "SUCCEEDED";
    let wanted = if renewed { key.name.as_str() } else { key.id.as_str() };
    match api.app.show_key(caller, wanted).await {
        Ok((key, _)) => Ok(Some(key)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let running = self.body.is_running();
        let location = self.body.operation.as_ref().map(|operation| format!("/v1/operations/{}", operation.id));
        let applied = self.waited.map(|wait| format!("wait={}", wait.0));
        let mut response = (if running { StatusCode::ACCEPTED } else { StatusCode::OK }, Json(self.body)).into_response();
        for (name, value) in [(LOCATION, location), (PREFERENCE_APPLIED, applied)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// What became of a request that starts several operations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "started": [{ "operation": crate::wire::operation::example(), "key": crate::wire::key::example(), "no_op": false }] }))]
pub(crate) struct ManyAnswer {
    /// One answer an operation, in the order in which they were asked for.
    started: Vec<OperationAnswer>,
}

/// The answer with its headers.
#[derive(Debug)]
pub(crate) struct AnsweredMany {
    body: ManyAnswer,
    waited: Option<Wait>,
}

/// The same for several operations: the wait that was asked for is that of all together.
///
/// # Errors
/// What the store says.
pub(crate) async fn answer_many(api: &Api, caller: &Principal, started: Vec<Started>, wait: Option<Wait>) -> Result<AnsweredMany, Refusal> {
    let answers = answer_each(api, caller, started, wait).await?;
    Ok(AnsweredMany { body: ManyAnswer { started: answers }, waited: wait })
}

/// One answer an operation.
///
/// # Errors
/// What the store says.
pub(crate) async fn answer_each(api: &Api, caller: &Principal, started: Vec<Started>, wait: Option<Wait>) -> Result<Vec<OperationAnswer>, Refusal> {
    let begun = Instant::now();
    let mut answers = Vec::new();
    for one in started {
        let left = wait.map(|Wait(seconds)| Wait(seconds.saturating_sub(u32::try_from(begun.elapsed().as_secs()).unwrap_or(u32::MAX))));
        answers.push(answer(api, caller, one, left).await?.body);
    }
    Ok(answers)
}

impl IntoResponse for AnsweredMany {
    fn into_response(self) -> Response {
        let running = self.body.started.iter().any(OperationAnswer::is_running);
        let mut response = (if running { StatusCode::ACCEPTED } else { StatusCode::OK }, Json(self.body)).into_response();
        if let Some(value) = self.waited.and_then(|wait| HeaderValue::from_str(&format!("wait={}", wait.0)).ok()) {
            response.headers_mut().insert(PREFERENCE_APPLIED, value);
        }
        response
    }
}

/// Something that was made, with its place: 201.
pub(crate) struct Made<T> {
    /// The thing.
    pub body: T,
    /// Where it is shown; a thing without a page of its own has none.
    pub at: Option<String>,
}

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        if let Some(value) = self.at.and_then(|at| HeaderValue::from_str(&at).ok()) {
            response.headers_mut().insert(LOCATION, value);
        }
        response
    }
}

/// The two answers, described: `schema` is the body's name.
fn described(schema: &str, has_place: bool) -> BTreeMap<String, RefOr<Described>> {
    let header = |text: &str| HeaderBuilder::new().schema(Some(Object::with_type(Type::String))).description(Some(text)).build();
    let one = |text: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        let mut response = ResponseBuilder::new().description(text).content("application/json", content);
        if has_place {
            response = response.header("Location", header("The operation."));
        }
        response.header("Preference-Applied", header("The wait that was granted.")).build()
    };
    let ended = one("The operation has ended, well or not: its state says so. Or nothing had to be done.");
    let runs = one("The intent is durable and the operation runs.");
    BTreeMap::from([("200".to_owned(), ended.into()), ("202".to_owned(), runs.into())])
}

impl IntoResponses for OperationAnswer {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described("OperationAnswer", true)
    }
}

impl IntoResponses for ManyAnswer {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        described("ManyAnswer", false)
    }
}
