//! Output for scripts: what the server said, unchanged, indented by two spaces.

use serde_json::Value;

/// Several lines.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// One line.
pub fn line(value: &Value) -> String {
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_json_and_end_their_line() {
        let value = serde_json::json!({"a": [1, "\u{1b}"]});
        for text in [pretty(&value), line(&value)] {
            assert!(text.ends_with('\n') && !text.contains('\u{1b}'), "{text:?}");
            assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value.clone()));
        }
        assert_eq!(line(&value).lines().count(), 1);
    }
}
