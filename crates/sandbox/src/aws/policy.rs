//! Key policies: their form, and the safety check against locking oneself out. They are kept and shown but grant and deny nothing here.

use serde_json::{Map, Value};

use super::errors::{AwsError, Code};
use super::iam::Caller;
use super::regions::Place;

/// Longest policy in bytes (cloud-byok.md, section 2.8; not adjustable).
const POLICY_BYTES_MAX: usize = 32_768;

/// The policy that a key gets when none is given: the account decides by IAM.
pub(crate) fn default_policy(place: &Place) -> String {
    format!(
        "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \"Sid\" : \"Enable IAM User Permissions\",\n    \
         \"Effect\" : \"Allow\",\n    \"Principal\" : {{\n      \"AWS\" : \"arn:{}:iam::{}:root\"\n    }},\n    \"Action\" : \"kms:*\",\n    \
         \"Resource\" : \"*\"\n  }} ]\n}}",
        place.partition().name(),
        place.account
    )
}

/// Refuses a policy that is malformed or, unless `bypass`, after which the caller could not change it any more.
pub(crate) fn check(policy: &str, caller: &Caller, bypass: bool) -> Result<(), AwsError> {
    if policy.len() > POLICY_BYTES_MAX {
        return Err(AwsError::new(Code::LimitExceeded, format!("The key policy is longer than {POLICY_BYTES_MAX} bytes.")));
    }
    let statements = statements(policy)?;
    if bypass || statements.iter().any(|statement| lets_change_policy(statement, caller)) {
        return Ok(());
    }
    Err(malformed("The new key policy will not allow you to update the key policy in the future."))
}

fn malformed(message: &str) -> AwsError {
    AwsError::new(Code::MalformedPolicyDocument, message)
}

fn statements(policy: &str) -> Result<Vec<Map<String, Value>>, AwsError> {
    let syntax = || malformed("Policy contains a syntax error.");
    let Ok(Value::Object(document)) = serde_json::from_str(policy) else { return Err(syntax()) };
    if document.keys().any(|member| !matches!(member.as_str(), "Version" | "Id" | "Statement")) {
        return Err(syntax());
    }
    if document.get("Version").is_some_and(|version| !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))) {
        return Err(malformed("Policy version is not valid."));
    }
    let list = match document.get("Statement") {
        Some(Value::Array(list)) if !list.is_empty() => list.clone(),
        Some(single @ Value::Object(_)) => vec![single.clone()],
        _ => return Err(malformed("Policy has no statement.")),
    };
    list.into_iter().map(|statement| well_formed(statement).ok_or_else(|| malformed("Policy contains a statement with an error."))).collect()
}

fn well_formed(statement: Value) -> Option<Map<String, Value>> {
    const MEMBERS: [&str; 9] = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let Value::Object(members) = statement else { return None };
    let one_of = |names: [&str; 2]| names.into_iter().filter(|name| members.contains_key(*name)).count() == 1;
    let complete = one_of(["Principal", "NotPrincipal"]) && one_of(["Action", "NotAction"]) && one_of(["Resource", "NotResource"]);
    let known = members.keys().all(|member| MEMBERS.contains(&member.as_str()));
    let effect = matches!(members.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"));
    (complete && known && effect).then_some(members)
}

fn lets_change_policy(statement: &Map<String, Value>, caller: &Caller) -> bool {
    let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    let actions = texts(statement.get("Action"));
    let action = actions.iter().any(|action| matches!(action.to_ascii_lowercase().as_str(), "*" | "kms:*" | "kms:put*" | "kms:putkeypolicy"));
    let root = format!("arn:{}:iam::{}:root", caller.partition.name(), caller.account);
    let names = ["*", &root, &caller.account, &caller.arn, caller.role.as_deref().unwrap_or_default()];
    allows && action && principals(statement.get("Principal")).iter().any(|principal| names.contains(principal))
}

fn principals(principal: Option<&Value>) -> Vec<&str> {
    match principal {
        Some(Value::Object(kinds)) => texts(kinds.get("AWS")),
        other => texts(other),
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::iam::Iam;
    use crate::config::UserSeed;

    fn caller() -> Caller {
        let mut iam = Iam::default();
        iam.put_user(UserSeed::new("ann", "111122223333", "AKIA", "s")).expect("a valid user");
        iam.credentials("AKIA").expect("just put").caller
    }

    fn place() -> Place {
        Place { account: "111122223333".to_owned(), region: "eu-west-1".to_owned() }
    }

    #[test]
    fn the_default_policy_passes_its_own_check() {
        assert_eq!(check(&default_policy(&place()), &caller(), false), Ok(()));
    }

    #[test]
    fn malformed_policies_are_refused() {
        let good = default_policy(&place());
        let broken = [
            "no json".to_owned(),
            "{}".to_owned(),
            r#"{"Statement":[]}"#.to_owned(),
            good.replace("2012-10-17", "2020-01-01"),
            good.replace("Allow", "Permit"),
            good.replace("Principal", "Principle"),
            good.replace("\"Action\"", "\"Actions\""),
        ];
        for policy in broken {
            assert_eq!(check(&policy, &caller(), true).expect_err(&policy).code, Code::MalformedPolicyDocument, "{policy}");
        }
    }

    #[test]
    fn locking_oneself_out_needs_the_bypass() {
        let foreign = default_policy(&place()).replace("111122223333", "999999999999");
        assert_eq!(check(&foreign, &caller(), false).expect_err("a lock-out").code, Code::MalformedPolicyDocument);
        assert_eq!(check(&foreign, &caller(), true), Ok(()));
    }
}
