//! One operation on the page.

use serde_json::Value;

use super::{
    Entry, call,
    html::{code, element, escape, paragraphs, prose, row, table},
    resolve, schema, text,
};

/// Method, path, words, parameters, body, answers, and the call to copy.
pub(super) fn article(entry: &Entry<'_>, document: &Value) -> String {
    let (id, operation) = (escape(entry.id()), entry.operation);
    let open = if operation.get("security").is_some() { "<p class=\"open\">Needs no token.</p>\n" } else { "" };
    format!(
        "<article id=\"{id}\" aria-labelledby=\"{id}-name\">\n<h3 id=\"{id}-name\">{summary}</h3>\n<p class=\"line\"><span class=\"method\">{method}</span> {path}</p>\n\
         {about}{open}{parameters}{body}{answers}<pre tabindex=\"0\" aria-label=\"Example call\">{call}</pre>\n</article>\n",
        summary = escape(text(operation, "summary")),
        method = entry.method.to_uppercase(),
        path = code(entry.path),
        about = paragraphs(text(operation, "description")),
        parameters = parameters(operation),
        body = body(operation),
        answers = answers(operation, document),
        call = escape(&call::curl(entry, document)),
    )
}

fn parameters(operation: &Value) -> String {
    let one = |parameter: &Value| {
        let kind = schema::kind(&parameter["schema"]);
        row(&code(text(parameter, "name")), &[&escape(text(parameter, "in")), &kind, &prose(text(parameter, "description"))])
    };
    let rows: String = operation["parameters"].as_array().into_iter().flatten().map(one).collect();
    table("Parameters", &["Name", "In", "Type", "Meaning"], &rows)
}

fn body(operation: &Value) -> String {
    match operation.pointer("/requestBody/content/application~1json/schema") {
        Some(body) => element("p", &format!("Body: {}", schema::kind(body))) + "\n",
        None => String::new(),
    }
}

fn answers(operation: &Value, document: &Value) -> String {
    let one = |(status, response): (&String, &Value)| {
        let response = resolve(document, response);
        let content = response["content"].as_object().and_then(|content| content.iter().next());
        let kind = content.map(|(media, content)| if media.ends_with("json") { schema::kind(&content["schema"]) } else { code(media) });
        row(&escape(status), &[&kind.unwrap_or_default(), &prose(text(response, "description"))])
    };
    let rows: String = operation["responses"].as_object().into_iter().flatten().map(one).collect();
    table("Answers", &["Status", "Body", "Meaning"], &rows)
}
