//! The OpenAPI document as one page for people: made once from the document itself, so that it cannot say anything else. No script, nothing from elsewhere.

mod call;
mod html;
mod operation;
mod schema;

use html::{element, escape, link, paragraphs};
use serde_json::Value;

/// The page's style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");

/// The methods of a path item, in the order in which they are shown.
const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];

/// An operation of the document.
pub(crate) struct Entry<'a> {
    method: &'static str,
    path: &'a str,
    operation: &'a Value,
}

impl Entry<'_> {
    fn id(&self) -> &str {
        text(self.operation, "operationId")
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|name| name == tag))
    }
}

/// Makes the page.
pub(crate) fn page(document: &Value) -> String {
    let entries = entries(document);
    let tags: Vec<&Value> = document["tags"].as_array().into_iter().flatten().collect();
    let contents: String = tags.iter().map(|tag| contents_of(text(tag, "name"), &entries)).collect();
    let sections: String = tags.iter().map(|tag| section_of(tag, &entries, document)).collect();
    let title = format!("{} API", text(&document["info"], "title"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"docs/style.css\">\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the operations</a>\n\
         <header>\n<h1>{title} <small>{version}</small></h1>\n{about}<p>{json}</p>\n</header>\n<nav aria-label=\"Operations\">\n{contents}</nav>\n\
         <main id=\"main\">\n{sections}{schemas}</main>\n</body>\n</html>\n",
        title = escape(&title),
        version = escape(text(&document["info"], "version")),
        about = paragraphs(text(&document["info"], "description")),
        json = link("openapi.json", "The same as an OpenAPI document"),
        schemas = schema::section(document),
    )
}

fn entries(document: &Value) -> Vec<Entry<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| METHODS.iter().filter_map(move |method| item.get(method).map(|operation| Entry { method, path, operation }))).collect()
}

fn contents_of(tag: &str, entries: &[Entry<'_>]) -> String {
    let item = |entry: &Entry<'_>| element("li", &link(&format!("#{}", entry.id()), text(entry.operation, "summary")));
    let items: String = entries.iter().filter(|entry| entry.has_tag(tag)).map(item).collect();
    format!("<h2><a href=\"#{tag}\">{tag}</a></h2>\n<ul>{items}</ul>\n", tag = escape(tag))
}

fn section_of(tag: &Value, entries: &[Entry<'_>], document: &Value) -> String {
    let name = text(tag, "name");
    let articles: String = entries.iter().filter(|entry| entry.has_tag(name)).map(|entry| operation::article(entry, document)).collect();
    format!("<section id=\"{id}\">\n<h2>{id}</h2>\n{about}{articles}</section>\n", id = escape(name), about = paragraphs(text(tag, "description")))
}

/// A text of the document; empty where there is none.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// What a `$ref` points at, or the value itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_in_the_document_cannot_become_markup() {
        let document = json!({
            "info": { "title": "<b>", "version": "1", "description": "a & b\n\n<script>" },
            "tags": [{ "name": "t" }],
            "paths": { "/v1/<x>": { "get": { "operationId": "x", "tags": ["t"], "summary": "S<i>", "responses": {} } } }
        });
        let page = page(&document);
        for markup in ["<b>", "<script", "<x>", "<i>"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("<p>a &amp; b</p>") && page.contains("S&lt;i&gt;"));
    }
}
