//! The call to copy: what a person types to ask for an operation.

use serde_json::Value;

use super::{Entry, resolve};

/// The call by `curl`, with the document's own examples.
pub(super) fn curl(entry: &Entry<'_>, document: &Value) -> String {
    let mut lines = vec![format!("curl {}\"$KEYSTEAD{}\"", method(entry.method), path(entry))];
    if entry.operation.get("security").is_none() {
        lines.push("-H \"Authorization: Bearer $KEYSTEAD_TOKEN\"".to_owned());
    }
    if let Some(body) = body(entry, document) {
        lines.push("-H 'Content-Type: application/json'".to_owned());
        lines.push(format!("-d '{}'", body.to_string().replace('\'', "'\\''")));
    }
    lines.join(" \\\n  ")
}

fn method(method: &str) -> String {
    if method == "get" { String::new() } else { format!("-X {} ", method.to_uppercase()) }
}

/// The path with each parameter's example in its place.
fn path(entry: &Entry<'_>) -> String {
    let parameters = entry.operation["parameters"].as_array().into_iter().flatten();
    parameters.filter(|parameter| parameter["in"] == "path").fold(entry.path.to_owned(), |path, parameter| {
        let name = parameter["name"].as_str().unwrap_or_default();
        let example = parameter["example"].as_str().unwrap_or(name);
        path.replace(&format!("{{{name}}}"), example)
    })
}

/// The example of the request's schema.
pub(super) fn body<'a>(entry: &'a Entry<'_>, document: &'a Value) -> Option<&'a Value> {
    resolve(document, entry.operation.pointer("/requestBody/content/application~1json/schema")?).get("example")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_call_is_what_the_document_says() {
        let document = json!({ "components": { "schemas": { "D": { "example": { "days": "it's" } } } } });
        let operation = json!({
            "parameters": [{ "in": "path", "name": "key", "example": "orders" }],
            "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/D" } } } }
        });
        let entry = Entry { method: "post", path: "/v1/keys/{key}/x", operation: &operation };
        let call = curl(&entry, &document);
        assert!(call.starts_with("curl -X POST \"$KEYSTEAD/v1/keys/orders/x\" \\\n  -H \"Authorization"), "{call}");
        assert!(call.ends_with(r#"-d '{"days":"it'\''s"}'"#), "{call}");
    }
}
