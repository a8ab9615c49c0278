//! The shapes of bodies on the page.

use serde_json::Value;

use super::{
    html::{code, escape, link, paragraphs, prose, row, table},
    text,
};

/// What a pointer to a schema begins with.
const SCHEMAS: &str = "#/components/schemas/";

/// Every schema of the document.
pub(super) fn section(document: &Value) -> String {
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    let articles: String = schemas.map(|(name, schema)| article(name, schema)).collect();
    format!("<section id=\"schemas\">\n<h2>schemas</h2>\n{articles}</section>\n")
}

fn article(name: &str, schema: &Value) -> String {
    let name = escape(name);
    let example = match schema.get("example") {
        Some(example) => format!("<details><summary>Example</summary><pre tabindex=\"0\">{}</pre></details>\n", escape(&format!("{example:#}"))),
        None => String::new(),
    };
    let about = paragraphs(text(schema, "description"));
    format!("<article id=\"schema-{name}\">\n<h3>{name}</h3>\n{about}{all}{rows}{example}</article>\n", all = parts(schema), rows = properties(schema))
}

/// A schema that is another one and more.
fn parts(schema: &Value) -> String {
    let part = |part: &Value| if part.get("$ref").is_some() { format!("<p>All of {}, and:</p>\n", kind(part)) } else { properties(part) };
    schema["allOf"].as_array().into_iter().flatten().map(part).collect()
}

fn properties(schema: &Value) -> String {
    let required = |name: &str| schema["required"].as_array().is_some_and(|required| required.iter().any(|given| given == name));
    let one = |(name, property): (&String, &Value)| {
        let standing = if required(name) { "" } else { "optional" };
        row(&code(name), &[&kind(property), standing, &prose(text(property, "description"))])
    };
    let rows: String = schema["properties"].as_object().into_iter().flatten().map(one).collect();
    table("Fields", &["Name", "Type", "", "Meaning"], &rows)
}

/// What a value is, in words, with links to what has a name.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|pointer| pointer.strip_prefix(SCHEMAS)) {
        return link(&format!("#schema-{name}"), name);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(kinds) = schema[choice].as_array() {
            return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(one) => simple(one, schema),
        Value::Array(several) => several.iter().filter_map(Value::as_str).map(|one| simple(one, schema)).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn simple(name: &str, schema: &Value) -> String {
    match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => format!("object of {}", kind(&schema["additionalProperties"])),
        "string" if schema["format"].is_string() => format!("string ({})", escape(text(schema, "format"))),
        other => escape(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_said_in_words() {
        assert_eq!(kind(&json!({ "type": ["string", "null"], "format": "date-time" })), "string (date-time) or null");
        assert_eq!(kind(&json!({ "type": "array", "items": { "$ref": "#/components/schemas/Key" } })), "list of <a href=\"#schema-Key\">Key</a>");
        assert_eq!(kind(&json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Key" }] })), "null or <a href=\"#schema-Key\">Key</a>");
        assert_eq!(kind(&json!({ "type": "object", "additionalProperties": { "type": "string" } })), "object of string");
    }
}
