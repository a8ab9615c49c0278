//! The OpenAPI document: its head, and what every operation has in common.

use serde_json::json;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    answer::{ManyAnswer, OperationAnswer},
    problem::Problem,
};

/// Name of the security scheme, and of the response without one.
const BEARER: &str = "bearer";
const UNAUTHENTICATED: &str = "Unauthenticated";
const PROBLEM: &str = "Problem";

/// The head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keystead",
        description = "Keys that you own, in clouds that use them.\n\nEvery refusal is a problem (RFC 9457): `type` ends in a stable word, `mend` says what to do. \
            Everything that is listed is listed by cursor. What changes a key runs as an operation: 202 with the operation, or, with `Prefer: wait=N`, its end. \
            An `Idempotency-Key` makes a repeated request answer the same operation; where there is none, the route says what it does. Unknown fields of a body and unknown parameters of a list are refused by name.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact()
    ),
    tags(
        (name = "keys", description = "Keys, and everything in their life."),
        (name = "batches", description = "One action on many keys, with a dry run."),
        (name = "estate", description = "Keystores, keys and policies in files: what would change, and changing it."),
        (name = "ceremonies", description = "Keys that come in components, each entered by another person."),
        (name = "keystores", description = "Places where keys live."),
        (name = "rotation", description = "Policies by which keys get successors."),
        (name = "operations", description = "Durable changes in several steps."),
        (name = "drift", description = "In what the clouds' keys differ from what is wanted, and what is done about it."),
        (name = "alerts", description = "What somebody is told, and what will happen by itself."),
        (name = "audit", description = "Every decision and every effect, in a log that anyone can verify."),
        (name = "vault", description = "Where material is kept, and how it is opened."),
        (name = "users", description = "People and their tokens."),
        (name = "service", description = "The process itself.")
    ),
    components(schemas(OperationAnswer, ManyAnswer, Problem)),
    security(("bearer" = [])),
    modifiers(&Head)
)]
struct Head;

impl Modify for Head {
    fn modify(&self, document: &mut Document) {
        document.info.contact = None;
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A user's token: `Authorization: Bearer kst_…`")).build();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        components.responses.insert(UNAUTHENTICATED.to_owned(), problem("No token, or one that nobody has.", unauthenticated()).into());
        components.responses.insert(PROBLEM.to_owned(), problem("A refusal or a failure.", None).into());
    }
}

fn unauthenticated() -> Option<serde_json::Value> {
    Some(json!({
        "type": "https://keystead.dev/problems/unauthenticated", "title": "Nobody is calling", "status": 401,
        "detail": "The request carries no Authorization header.",
        "mend": "Send `Authorization: Bearer kst_…` with your token; another user can give you a new one.",
        "instance": "req_5f0c2e6d8f3b4a19a0b7c3d2e1f00918"
    }))
}

fn problem(description: &str, example: Option<serde_json::Value>) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(PROBLEM))).example(example).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}

/// The document before there are routes.
pub(crate) fn blank() -> Document {
    Head::openapi()
}

/// The document with what every operation has in common: how it is refused.
pub(crate) fn finished(mut document: Document) -> Document {
    document.paths.paths.values_mut().flat_map(operations).for_each(describe_refusals);
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.put, &mut item.delete].into_iter().flatten()
}

fn describe_refusals(operation: &mut Operation) {
    let refer = |name: &str| RefOr::Ref(Ref::from_response_name(name));
    if operation.security.is_none() {
        operation.responses.responses.insert("401".to_owned(), refer(UNAUTHENTICATED));
    }
    operation.responses.responses.insert("default".to_owned(), refer(PROBLEM));
}
