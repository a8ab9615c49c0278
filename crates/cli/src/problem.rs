//! Problem details (RFC 9457), as the server sends them and as the command line makes them itself: one form for everything that goes wrong.

use serde::{Deserialize, Serialize};

use crate::output::table::{clean, clean_line};

/// What the types of Keystead's problems begin with; what follows is the stable slug.
const TYPES: &str = "https://keystead.dev/problems/";

/// A problem. Members that this client does not know are kept for `--output json`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Problem {
    /// A URI that ends in the stable slug, or in an operation the slug alone.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, in general.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What happened, this time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
    /// Which input it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The cloud's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_code: Option<String>,
    /// The cloud's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_request: Option<String>,
    /// The operation that failed or still runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What else the server said.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A problem that the command line found itself.
    pub fn own(slug: &str, title: impl Into<String>, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { kind: format!("{TYPES}{slug}"), title: title.into(), detail: detail.into(), mend: mend.into(), ..Self::default() }
    }

    /// The stable last part of the type.
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or("")
    }

    /// One block of text for people. What came from outside cannot steer their terminal.
    pub fn block(&self) -> String {
        let headline = if self.title.is_empty() { self.detail.as_str() } else { self.title.as_str() };
        let mut block = format!("error: {}\n", clean_line(if headline.is_empty() { "something went wrong" } else { headline }));
        if !self.title.is_empty() && !self.detail.is_empty() {
            block.push_str(&indented(&self.detail));
        }
        for (name, value) in self.facts() {
            block.push_str(&format!("  {name:<10}{}\n", clean_line(&value)));
        }
        block
    }

    /// Names and values of what stands below the text.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let cloud = match (&self.cloud_code, &self.cloud_request) {
            (Some(code), Some(request)) => Some(format!("{code}, request {request}")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        };
        let mend = Some(self.mend.clone()).filter(|mend| !mend.is_empty());
        let facts =
            [("field", self.field.clone()), ("mend", mend), ("cloud", cloud), ("operation", self.operation.clone()), ("request", self.instance.clone())];
        facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn indented(text: &str) -> String {
    clean(text).lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = r#"{"type":"https://keystead.dev/problems/wrong-state","title":"The key cannot be renewed","status":409,
        "detail":"orders is INACTIVE.","mend":"Activate it first: keystead key activate orders","field":"key","instance":"req_1","accepted":["ACTIVE"]}"#;

    #[test]
    fn a_problem_becomes_one_block() {
        let problem: Problem = serde_json::from_str(SENT).expect("a problem");
        let block = "error: The key cannot be renewed\n  orders is INACTIVE.\n  field     key\n  mend      Activate it first: keystead key activate orders\n  request   req_1\n";
        assert_eq!(problem.block(), block);
        assert_eq!(problem.slug(), "wrong-state");
    }

    #[test]
    fn what_the_client_does_not_know_is_kept_for_scripts() {
        let problem: Problem = serde_json::from_str(SENT).expect("a problem");
        let sent: serde_json::Value = serde_json::from_str(SENT).expect("json");
        assert_eq!(serde_json::to_value(problem).expect("json"), sent);
    }

    #[test]
    fn the_clouds_code_and_request_stand_on_one_line() {
        let problem =
            Problem { cloud_code: Some("AccessDenied".into()), cloud_request: Some("7b".into()), ..Problem::own("cloud-access-denied", "", "Refused.", "") };
        assert_eq!(problem.block(), "error: Refused.\n  cloud     AccessDenied, request 7b\n");
    }

    #[test]
    fn a_message_from_outside_cannot_steer_the_terminal() {
        let problem = Problem::own("x", "a\u{1b}[2Jb\nc", "d\u{7}\ne", "");
        assert_eq!(problem.block(), "error: a?[2Jb?c\n  d?\n  e\n");
    }
}
