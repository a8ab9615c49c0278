//! An estate as a file: TOML or YAML, in the order in which people read it.

use serde_json::{Map, Value};

/// The order of names; what is not here comes behind, by its name.
const ORDER: [&str; 31] = [
    "version",
    "name",
    "keystore",
    "cloud",
    "region",
    "account",
    "role_arn",
    "external_id",
    "warm",
    "spec",
    "usage",
    "origin",
    "multi_region",
    "exportable",
    "description",
    "aliases",
    "tags",
    "state",
    "expires",
    "expiry_policy",
    "deleted",
    "waiting_days",
    "strategy",
    "every",
    "cron",
    "zone",
    "start",
    "window",
    "notice",
    "grace",
    "auto_repair",
];

/// Small tables stand in one line.
const INLINE: [&str; 1] = ["tags"];

/// As TOML.
pub fn toml(estate: &Value) -> String {
    let mut text = String::new();
    if let Value::Object(map) = estate {
        table(&mut text, "", map);
    }
    text
}

fn table(text: &mut String, path: &str, map: &Map<String, Value>) {
    let (below, plain): (Vec<_>, Vec<_>) = ordered(map).into_iter().partition(|(name, value)| stands_below(name, value));
    for (name, value) in plain {
        text.push_str(&format!("{} = {}\n", bare(name), inline(value)));
    }
    for (name, value) in below {
        let path = if path.is_empty() { bare(name) } else { format!("{path}.{}", bare(name)) };
        let items: Vec<&Map<String, Value>> = match value {
            Value::Array(items) => items.iter().filter_map(Value::as_object).collect(),
            other => other.as_object().into_iter().collect(),
        };
        let head = if value.is_array() { format!("[[{path}]]") } else { format!("[{path}]") };
        for item in items {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("{head}\n"));
            table(text, &path, item);
        }
    }
}

fn stands_below(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(_) => !INLINE.contains(&name),
        Value::Array(items) => items.first().is_some_and(Value::is_object),
        _ => false,
    }
}

fn ordered(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut pairs: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
    pairs.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    pairs
}

fn bare(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A text in quotes, by rules that JSON, TOML and YAML share: DEL, which TOML alone wants escaped, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            format!("{{ {} }}", ordered(map).into_iter().map(|(name, value)| format!("{} = {}", bare(name), inline(value))).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// As YAML. Texts stand in quotes, so that none is taken for a number or a truth.
pub fn yaml(estate: &Value) -> String {
    let mut text = String::new();
    if let Value::Object(map) = estate {
        mapping(&mut text, map, 0, false);
    }
    text
}

fn mapping(text: &mut String, map: &Map<String, Value>, depth: usize, mut behind_dash: bool) {
    for (name, value) in ordered(map) {
        let indent = if behind_dash { String::new() } else { "  ".repeat(depth) };
        behind_dash = false;
        text.push_str(&format!("{indent}{}:", bare(name)));
        match value {
            Value::Object(below) if !below.is_empty() => {
                text.push('\n');
                mapping(text, below, depth + 1, false);
            }
            Value::Array(items) if items.first().is_some_and(Value::is_object) => {
                text.push('\n');
                for item in items.iter().filter_map(Value::as_object) {
                    text.push_str(&format!("{}- ", "  ".repeat(depth + 1)));
                    mapping(text, item, depth + 2, true);
                }
            }
            other => text.push_str(&format!(" {}\n", if other.is_array() { flow(other) } else { inline(other) })),
        }
    }
}

fn flow(value: &Value) -> String {
    value.as_array().map_or_else(String::new, |items| format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::super::Reading;
    use super::*;

    fn read(name: &str, text: &str) -> Value {
        let mut reading = Reading::default();
        reading.add(Path::new(name), text);
        reading.done().unwrap_or_else(|error| panic!("{error:?}\n{text}")).estate
    }

    #[test]
    fn what_is_written_is_read_as_it_was_in_both_languages() {
        let estate = json!({
            "version": 1,
            "rotation": { "every": "90d" },
            "keystores": [{ "name": "eu", "cloud": "aws", "account": "012345678901", "warm": true, "drift": { "every": "6h" } }, { "name": "safe", "cloud": "vault" }],
            "keys": [
                { "name": "a", "aliases": [], "tags": { "a b:c": "true", "team": "12" }, "description": "two\nlines \"quoted\" \u{7f}\u{1} ü", "rotation": { "strategy": "none" },
                  "replicas": [{ "keystore": "us", "aliases": ["x", "y"], "tags": {} }, { "keystore": "ap", "deleted": true, "waiting_days": 7 }] },
                { "name": "null", "expires": "never" }
            ]
        });
        assert_eq!(read("a.toml", &toml(&estate)), estate, "{}", toml(&estate));
        assert_eq!(read("a.yaml", &yaml(&estate)), estate, "{}", yaml(&estate));
        assert!(toml(&estate).starts_with("version = 1\n"), "{}", toml(&estate));
        assert_eq!(read("a.toml", &toml(&json!({}))), json!({}));
    }
}
