//! Whom a key's policy allows something, by name.

use std::collections::BTreeSet;

use serde_json::Value;

/// The principals of every statement that allows something, in the policy's own words; `*` is everybody, and everybody but some. What cannot be read is nothing.
///
/// Conditions and denials are not weighed: this says who may depend on the key, and not who can use it.
pub fn principals(policy: &str) -> BTreeSet<String> {
    read_principals(policy).unwrap_or_default()
}

/// The same; `None` for what cannot be read.
pub(super) fn read_principals(policy: &str) -> Option<BTreeSet<String>> {
    let document: Value = serde_json::from_str(policy).ok()?;
    let statements = one_or_many(&document["Statement"]);
    let allowing = statements.into_iter().filter(|statement| statement["Effect"] != "Deny");
    Some(allowing.flat_map(whom).collect())
}

fn whom(statement: &Value) -> Vec<String> {
    if statement["NotPrincipal"].is_null() { named(&statement["Principal"]) } else { vec!["*".to_owned()] }
}

/// A name, a list of names, or such by their kind: `{"AWS": […]}`.
fn named(principal: &Value) -> Vec<String> {
    let values = match principal {
        Value::Object(kinds) => kinds.values().flat_map(one_or_many).collect(),
        other => one_or_many(other),
    };
    values.into_iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_principal_is_read_and_denials_are_left_out_aw_045() {
        let policy = r#"{"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*"},
            {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:role/app"], "Service": "s3.amazonaws.com"}, "Action": "kms:Decrypt"},
            {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/left"}, "Action": "kms:*"}
        ]}"#;
        let expected = ["arn:aws:iam::123456789012:role/app", "arn:aws:iam::123456789012:root", "s3.amazonaws.com"];
        assert_eq!(principals(policy).into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(principals(r#"{"Statement": {"Effect": "Allow", "Principal": "*"}}"#).into_iter().collect::<Vec<_>>(), ["*"]);
        assert_eq!(principals(r#"{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "a"}}}"#).into_iter().collect::<Vec<_>>(), ["*"]);
        assert_eq!((principals("no JSON"), read_principals("no JSON")), (BTreeSet::new(), None));
    }
}
