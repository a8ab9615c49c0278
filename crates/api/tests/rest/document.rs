//! The OpenAPI document: that it is the one in the repository, that it is whole, and what it says of who may call without a token.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::World;

/// An operation of the document.
pub struct Operation {
    pub method: String,
    /// The path with a name that nothing has in the place of its parameter.
    pub path: String,
    pub template: String,
    pub open: bool,
    pub query: Vec<String>,
    /// The example of the body, when it takes one.
    pub body: Option<Value>,
    /// The fields of the body and whether each is required.
    pub schema: Option<Value>,
}

/// A name that no test gives to anything.
pub const NOBODY: &str = "nothing-of-this-name";

/// Every operation of the document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("a path item").clone();
        let path = path.clone();
        item.into_iter().map(move |(method, operation)| operation_of(document, &path, &method, &operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

fn operation_of(document: &Value, template: &str, method: &str, operation: &Value) -> Operation {
    let schema = operation.pointer("/requestBody/content/application~1json/schema").map(|schema| resolve(document, schema).clone());
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let names =
        |place: &str| parameters.iter().filter(|given| given["in"] == place).map(|given| given["name"].as_str().unwrap_or_default().to_owned()).collect();
    let in_path: Vec<String> = names("path");
    Operation {
        method: method.to_uppercase(),
        path: in_path.iter().fold(template.to_owned(), |path, name| path.replace(&format!("{{{name}}}"), NOBODY)),
        template: template.to_owned(),
        open: operation.get("security").is_some(),
        query: names("query"),
        body: schema.as_ref().map(|schema| schema["example"].clone()),
        schema,
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#'));
    pointer.map_or(value, |pointer| document.pointer(pointer).expect("what is referred to is there"))
}

pub async fn document(world: &World) -> Value {
    world.send(crate::world::request("GET", "/openapi.json", None, None)).await.json()
}

#[tokio::test]
async fn the_document_in_the_repository_is_the_one_that_is_served() {
    let world = World::start().await;
    let served = world.send(crate::world::request("GET", "/openapi.json", None, None)).await.text;
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(golden, &served).expect("docs/openapi.json is written");
    }
    let kept = std::fs::read_to_string(golden).unwrap_or_default();
    assert!(served == kept, "docs/openapi.json is another one: look at the difference, and write it with UPDATE_GOLDEN=1");
}

/// The schema of estates in files is that of the API, with its parts in one document (JSON Schema 2020-12, which OpenAPI 3.1 speaks).
#[tokio::test]
async fn the_schema_of_files_in_the_repository_is_the_one_of_the_api() {
    let document = document(&World::start().await).await;
    let derived = format!("{:#}\n", schema_of_files(&document));
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/estate.schema.json");
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(golden, &derived).expect("docs/estate.schema.json is written");
    }
    let kept = std::fs::read_to_string(golden).unwrap_or_default();
    assert!(derived == kept, "docs/estate.schema.json is another one: look at the difference, and write it with UPDATE_GOLDEN=1");
    let schema: Value = serde_json::from_str(&derived).expect("JSON");
    assert_eq!(schema["properties"]["keys"]["items"]["$ref"], "#/$defs/EstateKey");
    assert_eq!(schema["$defs"]["EstateKey"]["additionalProperties"], false, "an unknown field is seen by an editor, too");
}

fn schema_of_files(document: &Value) -> Value {
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let text = serde_json::to_string(&schemas["Estate"]).expect("JSON").replace("#/components/schemas/", "#/$defs/");
    let mut schema: Value = serde_json::from_str(&text).expect("JSON");
    let parts = schemas.iter().filter(|(name, _)| name.starts_with("Estate") && *name != "Estate" && *name != "EstatePlan");
    let parts = serde_json::to_string(&parts.collect::<std::collections::BTreeMap<_, _>>()).expect("JSON").replace("#/components/schemas/", "#/$defs/");
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "An estate of Keystead".into();
    schema["$defs"] = serde_json::from_str(&parts).expect("JSON");
    schema["examples"] = Value::Array(vec![schema["example"].take()]);
    schema.as_object_mut().expect("an object").remove("example");
    schema
}

#[tokio::test]
async fn the_document_says_what_it_is() {
    let document = document(&World::start().await).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Keystead");
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test]
async fn only_these_need_no_token() {
    let document = document(&World::start().await).await;
    let open: BTreeSet<String> = operations(&document).into_iter().filter(|one| one.open).map(|one| format!("{} {}", one.method, one.template)).collect();
    let pinned =
        ["GET /docs", "GET /docs/style.css", "GET /healthz", "GET /metrics", "GET /openapi.json", "GET /readyz", "GET /v1/vault", "POST /v1/vault/unseal"];
    assert_eq!(open, pinned.map(str::to_owned).into());
}

/// The contract's routes, so that none gets lost.
const CONTRACT: &str = "
    GET /healthz, GET /readyz, GET /metrics, GET /openapi.json, GET /docs, GET /docs/style.css, GET /v1/status, GET /v1/me,
    GET /v1/vault, GET /v1/vault/modules, POST /v1/vault/unseal, POST /v1/vault/seal, POST /v1/vault/rotate, POST /v1/vault/rotate/confirm,
    POST /v1/vault/rehearse,
    GET /v1/users, POST /v1/users, POST /v1/users/{user}/token, POST /v1/users/{user}/disable,
    GET /v1/keystores, POST /v1/keystores, GET /v1/keystores/{keystore}, PATCH /v1/keystores/{keystore}, DELETE /v1/keystores/{keystore},
    GET /v1/keystores/{keystore}/policy, POST /v1/keystores/{keystore}/check, POST /v1/keystores/{keystore}/sync,
    GET /v1/drifts, GET /v1/drifts/{drift}, PUT /v1/drifts/{drift}/acceptance, POST /v1/drifts/{drift}/repair, POST /v1/keys/{key}/repair,
    GET /v1/keystores/{keystore}/drift-policy, PUT /v1/keystores/{keystore}/drift-policy,
    GET /v1/keystores/{keystore}/event-queue, PUT /v1/keystores/{keystore}/event-queue,
    GET /v1/keystores/{keystore}/restore, POST /v1/keystores/{keystore}/restore, PUT /v1/keystores/{keystore}/warm,
    GET /v1/keystores/{keystore}/drill, PUT /v1/keystores/{keystore}/drill, GET /v1/keystores/{keystore}/drills,
    POST /v1/keystores/{keystore}/kill,
    GET /v1/keys, POST /v1/keys, GET /v1/keys/{key}, PATCH /v1/keys/{key}, GET /v1/keys/{key}/history,
    POST /v1/keys/{key}/copies, GET /v1/keys/{key}/links, GET /v1/keys/{key}/waves,
    POST /v1/keys/{key}/kill, GET /v1/keys/{key}/kills, GET /v1/keys/{key}/blast-radius,
    POST /v1/keys/{key}/rehearse-deletion, POST /v1/keys/{key}/end-rehearsal, GET /v1/keys/{key}/rehearsals, GET /v1/keys/{key}/uses,
    GET /v1/keys/{key}/adoption, POST /v1/keys/{key}/restore,
    POST /v1/keys/{key}/deactivate, POST /v1/keys/{key}/activate, POST /v1/keys/{key}/upload, POST /v1/keys/{key}/renew, POST /v1/keys/{key}/rotate,
    POST /v1/keys/{key}/revert, POST /v1/keys/{key}/replicas, POST /v1/keys/{key}/promote, GET /v1/keys/{key}/family,
    POST /v1/keys/{key}/revert, POST /v1/keys/{key}/adopt, POST /v1/keys/{key}/forget, GET /v1/keys/{key}/recreate, POST /v1/keys/{key}/recreate,
    POST /v1/keys/{key}/schedule-deletion, POST /v1/keys/{key}/cancel-deletion, POST /v1/keys/{key}/export/prepare, POST /v1/keys/{key}/export/download,
    GET /v1/batches, POST /v1/batches, POST /v1/batches/plan, GET /v1/batches/{batch}, GET /v1/batches/{batch}/items, POST /v1/batches/{batch}/stop,
    GET /v1/estate, POST /v1/estate/plans, GET /v1/estate/applies, POST /v1/estate/applies, GET /v1/estate/applies/{apply},
    GET /v1/estate/applies/{apply}/changes, POST /v1/estate/applies/{apply}/stop,
    GET /v1/ceremonies, POST /v1/ceremonies, GET /v1/ceremonies/{ceremony}, POST /v1/ceremonies/{ceremony}/components, POST /v1/ceremonies/{ceremony}/finish,
    POST /v1/ceremonies/{ceremony}/cancel,
    GET /v1/rotation-policies, GET /v1/rotation-policies/{target}, PUT /v1/rotation-policies/{target}, DELETE /v1/rotation-policies/{target},
    GET /v1/operations, GET /v1/operations/{operation}, POST /v1/operations/{operation}/wake,
    GET /v1/alerts, GET /v1/alerts/{alert}, POST /v1/alerts/test, GET /v1/schedule,
    GET /v1/audit, GET /v1/audit/export, GET /v1/audit/checkpoint, GET /v1/audit/key";

#[tokio::test]
async fn the_document_has_every_route_of_the_contract_and_no_other() {
    let document = document(&World::start().await).await;
    let there: BTreeSet<String> = operations(&document).into_iter().map(|one| format!("{} {}", one.method, one.template)).collect();
    let wanted: BTreeSet<String> = CONTRACT.split(',').map(|route| route.trim().to_owned()).collect();
    assert_eq!(there, wanted);
}

/// A route that is added beside the table would be in no document, and in none of these tests.
#[test]
fn routes_are_added_in_the_table_only() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for file in files(source.as_ref()) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_table = file.ends_with("v1/mod.rs");
        assert!(!text.contains(".route(") && (is_table || !text.contains("routes!(")), "{}", file.display());
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn everything_in_the_document_is_explained_and_every_body_has_an_example() {
    let document = document(&World::start().await).await;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{name}");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{name}: {parameter}");
            }
        }
    }
    for operation in operations(&document) {
        assert!(operation.body.is_none_or(|body| body.is_object()), "{} {}", operation.method, operation.template);
    }
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            // What may be null as a whole is a choice, and its words stand with the other half.
            let halves = property["oneOf"].as_array().into_iter().flatten();
            assert!(halves.chain([property]).any(|half| half["description"].is_string()), "{name}.{field}");
        }
    }
}

#[tokio::test]
async fn nothing_in_the_document_refers_to_what_is_not_there() {
    fn walk(document: &Value, value: &Value) {
        if value.get("$ref").is_some() {
            resolve(document, value);
        }
        match value {
            Value::Object(object) => object.values().for_each(|value| walk(document, value)),
            Value::Array(list) => list.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    let document = document(&World::start().await).await;
    walk(&document, &document);
}
