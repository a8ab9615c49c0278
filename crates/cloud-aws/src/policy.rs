//! The two IAM documents that a customer sets up: who may take the role, and what the role may do (CM-069 to CM-073). Both are made from the list of actions.
//!
//! Source of condition keys and resource types: Service Authorization Reference, "Actions, resources, and condition keys for AWS Key Management Service";
//! AWS KMS Developer Guide, "Policy conditions". The keys' own policies must let IAM decide, as the default key policy does: ours are made with that one.

use serde_json::{Value, json};

use crate::{
    actions::{Action, FORBIDDEN, IMPOSSIBLE_KEY, NATIVE, NEEDED, Scope},
    own,
    regions::Region,
};

/// What the role's permissions reach.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// A Region of the keystore's partition.
    pub region: &'a Region,
    /// Whether only this Region, or every Region of the account: several keystores may share a role (CM-049).
    pub only_this_region: bool,
    /// The twelve digits of the account.
    pub account: &'a str,
    /// What aliases begin with behind `alias/`; empty for all of the account.
    pub alias_prefix: &'a str,
    /// Whether keys whose material is the cloud's shall be managed too, and not only be looked at (FT-017, FT-018).
    pub native: bool,
    /// The queue that tells what is done to the keys, by its ARN (CM-018).
    pub queue: Option<&'a str>,
}

/// The role's trust policy: only our identity may take it, and only with the external id that we made for this keystore, so that nobody can make us take it
/// on their behalf (IAM User Guide, "The confused deputy problem").
pub fn trust_policy(our_identity_arn: &str, external_id: &str) -> String {
    pretty(&json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "OnlyThisKeystead",
            "Effect": "Allow",
            "Principal": { "AWS": our_identity_arn },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": external_id } }
        }]
    }))
}

/// The role's permissions: the least that our calls need.
pub fn permission_policy(reach: &Reach<'_>) -> String {
    let mut statements = vec![
        create(reach),
        create_replicas(),
        tag_at_creation(reach),
        find(),
        look(reach),
        manage(reach),
        change_material(reach),
        delete(reach),
        keep(reach),
        aliases(reach),
        families(reach),
        probe(reach),
        never_use(),
        only_strong_wrapping(),
    ];
    if reach.native {
        statements.extend([manage_native(reach), delete_native(reach)]);
    }
    statements.extend(reach.queue.map(hear));
    pretty(&json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// On request: what was done to the keys, out of a queue. DeleteMessageBatch asks for DeleteMessage.
fn hear(queue: &str) -> Value {
    allow("HearWhatIsDoneToKeys", &["sqs:ReceiveMessage", "sqs:DeleteMessage"], &json!(queue), None)
}

/// Only keys whose material comes from outside, marked as ours, in one Region each, and never locked away from the account's administrators.
fn create(reach: &Reach<'_>) -> Value {
    let mut equals = json!({ "kms:KeyOrigin": "EXTERNAL", "aws:RequestTag/managed-by": own::MANAGED_BY.1 });
    if reach.only_this_region {
        // CreateKey knows no resource but `*`, so the Region must be a condition.
        equals["aws:RequestedRegion"] = json!(reach.region.name);
    }
    let condition = json!({ "StringEquals": equals, "Bool": { "kms:BypassPolicyLockoutSafetyCheck": "false" } });
    allow("CreateKeysForImportOnly", &[Action::CreateKey.as_str()], &json!("*"), Some(condition))
}

/// ReplicateKey asks for CreateKey in the replica's Region, of the role that asks for the replica. Of the tags in the request it is not documented that they count
/// there, so only what every replica of ours is stands here, and where AWS tells the part of the key and the lockout check, they count: no other kind of key may come in
/// by this door.
fn create_replicas() -> Value {
    let condition = json!({
        "StringEquals": imported(),
        "Bool": { "kms:MultiRegion": "true" },
        "StringEqualsIfExists": { "kms:MultiRegionKeyType": "REPLICA" },
        "BoolIfExists": { "kms:BypassPolicyLockoutSafetyCheck": "false" },
    });
    allow("CreateReplicas", &[Action::CreateKey.as_str()], &json!("*"), Some(condition))
}

/// Tags in the same call as CreateKey and ReplicateKey are permitted apart. Whether the key's origin counts there is not documented; the tag in the request does.
fn tag_at_creation(reach: &Reach<'_>) -> Value {
    let condition = json!({ "StringEquals": { "aws:RequestTag/managed-by": own::MANAGED_BY.1 } });
    allow("TagAtCreation", &[Action::TagResource.as_str()], &json!([keys(reach), families_arn(reach)]), Some(condition))
}

/// Replicas, and the hand-over of the primary's part, concern keys of two Regions: it is granted in all of them, on multi-Region keys of ours only.
fn families(reach: &Reach<'_>) -> Value {
    let actions: Vec<&str> = NEEDED.iter().filter(|action| action.scope() == Scope::Family).map(|action| action.as_str()).collect();
    allow("FamiliesOfRegions", &actions, &json!(families_arn(reach)), Some(json!({ "StringEquals": imported_and_own() })))
}

fn find() -> Value {
    allow("FindKeys", &[Action::ListKeys.as_str(), Action::ListAliases.as_str()], &json!("*"), None)
}

/// Every key, whoever made it, and only to look: what a sync shows.
fn look(reach: &Reach<'_>) -> Value {
    let actions: Vec<&str> = NEEDED.iter().filter(|action| action.scope() == Scope::AnyKey).map(|action| action.as_str()).collect();
    allow("LookAtEveryKey", &actions, &keys(reach), None)
}

/// On request: what does not destroy a key, on every key.
fn manage_native(reach: &Reach<'_>) -> Value {
    let actions: Vec<&str> = NATIVE.iter().map(|action| action.as_str()).collect();
    allow("ManageNativeKeys", &actions, &keys(reach), None)
}

/// On request: the countdown, never shorter than a week.
fn delete_native(reach: &Reach<'_>) -> Value {
    let condition = json!({ "NumericGreaterThanEquals": { "kms:ScheduleKeyDeletionPendingWindowInDays": "7" } });
    allow("DeleteNativeKeysAfterAWeek", &[Action::ScheduleKeyDeletion.as_str()], &keys(reach), Some(condition))
}

/// By origin and not by tag: see [`Scope::ImportedKey`].
fn manage(reach: &Reach<'_>) -> Value {
    let actions: Vec<&str> = NEEDED.iter().filter(|action| matches!(action.scope(), Scope::ImportedKey | Scope::Alias)).map(|action| action.as_str()).collect();
    allow("ManageImportedKeys", &actions, &keys(reach), Some(json!({ "StringEquals": imported() })))
}

/// What cannot be undone at a key's material: it is removed, and one of the 25 rotations of its life is used.
fn change_material(reach: &Reach<'_>) -> Value {
    let actions = [Action::DeleteImportedKeyMaterial.as_str(), Action::RotateKeyOnDemand.as_str()];
    allow("MaterialOfOwnKeys", &actions, &keys(reach), Some(json!({ "StringEquals": imported_and_own() })))
}

/// Apart from cancelling: the window is a key of ScheduleKeyDeletion only, and a condition on a key that is absent is not met.
fn delete(reach: &Reach<'_>) -> Value {
    let condition = json!({ "StringEquals": imported_and_own(), "NumericGreaterThanEquals": { "kms:ScheduleKeyDeletionPendingWindowInDays": "7" } });
    allow("DeleteOwnKeysAfterAWeek", &[Action::ScheduleKeyDeletion.as_str()], &keys(reach), Some(condition))
}

fn keep(reach: &Reach<'_>) -> Value {
    allow("KeepOwnKeys", &[Action::CancelKeyDeletion.as_str()], &keys(reach), Some(json!({ "StringEquals": imported_and_own() })))
}

/// An alias needs permission on both sides; `manage` has the keys' side.
fn aliases(reach: &Reach<'_>) -> Value {
    let actions: Vec<&str> = NEEDED.iter().filter(|action| action.scope() == Scope::Alias).map(|action| action.as_str()).collect();
    allow("Aliases", &actions, &json!(arn(reach, &format!("alias/{}*", reach.alias_prefix))), None)
}

/// A key that does not exist has no origin and no tags, so the conditions above deny every call on it. The probe tells "denied" from "no such key", and
/// therefore needs this one key without conditions. Nothing can be done with a key that cannot exist.
fn probe(reach: &Reach<'_>) -> Value {
    let actions: Vec<&str> = NEEDED.iter().filter(|action| action.scope() != Scope::Account).map(|action| action.as_str()).collect();
    allow("ProbeOnAKeyThatCannotExist", &actions, &json!(impossible_key(reach)), None)
}

/// Whatever else the role may be given: it cannot use a key, nor let others use it.
fn never_use() -> Value {
    json!({ "Sid": "NeverUseKeys", "Effect": "Deny", "Action": FORBIDDEN, "Resource": "*" })
}

/// Material leaves us only under the strongest key and hash on offer.
fn only_strong_wrapping() -> Value {
    json!({
        "Sid": "StrongWrappingOnly",
        "Effect": "Deny",
        "Action": Action::GetParametersForImport.as_str(),
        "Resource": "*",
        "Condition": { "StringNotEquals": { "kms:WrappingKeySpec": "RSA_4096" } }
    })
}

fn imported() -> Value {
    json!({ "kms:KeyOrigin": "EXTERNAL" })
}

fn imported_and_own() -> Value {
    json!({ "kms:KeyOrigin": "EXTERNAL", "aws:ResourceTag/managed-by": own::MANAGED_BY.1 })
}

fn allow(sid: &str, actions: &[&str], resource: &Value, condition: Option<Value>) -> Value {
    let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    statement
}

fn keys(reach: &Reach<'_>) -> Value {
    json!(arn(reach, "key/*"))
}

/// Multi-Region keys of every Region: their ids begin with `mrk-` (AWS KMS Developer Guide, "Multi-Region keys in AWS KMS").
fn families_arn(reach: &Reach<'_>) -> String {
    format!("arn:{}:kms:*:{}:key/mrk-*", reach.region.partition.name, reach.account)
}

fn impossible_key(reach: &Reach<'_>) -> String {
    arn(reach, &format!("key/{IMPOSSIBLE_KEY}"))
}

fn arn(reach: &Reach<'_>, resource: &str) -> String {
    let region = if reach.only_this_region { &reach.region.name } else { "*" };
    format!("arn:{}:kms:{region}:{}:{resource}", reach.region.partition.name, reach.account)
}

fn pretty(document: &Value) -> String {
    format!("{document:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regions::check_region;

    /// Characters of a managed policy, white space not counted (IAM User Guide, "IAM and AWS STS quotas").
    const MANAGED_POLICY_MAX: usize = 6144;

    fn statements(region: &str, alias_prefix: &str) -> Vec<Value> {
        statements_for(region, alias_prefix, false)
    }

    fn statements_for(region: &str, alias_prefix: &str, native: bool) -> Vec<Value> {
        let region = check_region(region).expect("a Region");
        let text = permission_policy(&Reach { region: &region, only_this_region: true, account: "123456789012", alias_prefix, native, queue: None });
        assert!(text.chars().filter(|c| !c.is_whitespace()).count() <= MANAGED_POLICY_MAX);
        let document: Value = serde_json::from_str(&text).expect("JSON");
        document["Statement"].as_array().expect("a list").clone()
    }

    fn has(statement: &Value, effect: &str, action: &str) -> bool {
        statement["Effect"] == effect && statement["Action"].as_array().is_some_and(|actions| actions.iter().any(|name| name == action))
    }

    #[test]
    fn every_needed_action_is_granted_and_no_other_cm_070() {
        let statements = statements("eu-west-1", "");
        for action in NEEDED {
            assert!(statements.iter().any(|statement| has(statement, "Allow", action.as_str())), "{}", action.as_str());
        }
        for granted in statements.iter().filter(|s| s["Effect"] == "Allow").flat_map(|s| s["Action"].as_array().cloned().unwrap_or_default()) {
            assert!(NEEDED.iter().any(|action| granted == action.as_str()), "{granted}");
        }
    }

    #[test]
    fn using_a_key_is_denied_whatever_else_is_granted_cm_072() {
        let deny = statements("eu-west-1", "").into_iter().find(|s| s["Sid"] == "NeverUseKeys").expect("the denial");
        for action in ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:Sign", "kms:GenerateMac"] {
            assert!(has(&deny, "Deny", action), "{action}");
        }
    }

    #[test]
    fn the_window_stands_only_where_aws_knows_it() {
        for statement in statements("eu-west-1", "") {
            let has_window = statement.to_string().contains("PendingWindowInDays");
            assert_eq!(has_window, statement["Sid"] == "DeleteOwnKeysAfterAWeek", "{statement}");
        }
        let native = statements_for("eu-west-1", "", true).into_iter().find(|s| s["Sid"] == "DeleteNativeKeysAfterAWeek").expect("was asked for");
        assert!(native.to_string().contains("PendingWindowInDays"));
    }

    #[test]
    fn importing_does_not_wait_for_a_tag_and_what_cannot_be_undone_does() {
        for statement in statements("eu-west-1", "").iter().filter(|s| s["Sid"] != "ProbeOnAKeyThatCannotExist") {
            let by_tag = statement.to_string().contains("aws:ResourceTag");
            let ours_only = NEEDED.iter().filter(|action| matches!(action.scope(), Scope::OwnKey | Scope::Family));
            assert_eq!(by_tag, ours_only.clone().any(|action| has(statement, "Allow", action.as_str())), "{statement}");
            assert_eq!(ours_only.count(), 6, "remove, rotate, schedule, cancel, replicate, promote");
        }
    }

    /// A replica may be made, and nothing else by the same door; never one that is locked away from the account's administrators.
    #[test]
    fn no_other_key_comes_in_as_a_replica() {
        let replicas = statements("eu-west-1", "").into_iter().find(|s| s["Sid"] == "CreateReplicas").expect("the statement");
        assert_eq!(replicas["Condition"]["StringEqualsIfExists"]["kms:MultiRegionKeyType"], "REPLICA");
        assert_eq!(replicas["Condition"]["BoolIfExists"]["kms:BypassPolicyLockoutSafetyCheck"], "false");
    }

    /// What concerns two Regions is granted on multi-Region keys only, and never what destroys.
    #[test]
    fn families_of_regions_reach_beyond_the_region_and_nothing_else_does_ft_047() {
        for statement in statements("eu-west-1", "").iter().filter(|s| s["Effect"] == "Allow") {
            let is_wide = statement["Resource"].to_string().contains("kms:*:");
            assert_eq!(is_wide, statement["Sid"] == "FamiliesOfRegions" || statement["Sid"] == "TagAtCreation", "{statement}");
            assert!(!is_wide || statement["Resource"].to_string().contains("key/mrk-*"), "{statement}");
        }
    }

    #[test]
    fn keys_of_others_are_only_looked_at_until_more_is_asked_for_ft_017() {
        let looks: Vec<&str> = NEEDED.iter().filter(|action| action.scope() == Scope::AnyKey).map(|action| action.as_str()).collect();
        let reaches_all = |statement: &&Value| {
            statement["Effect"] == "Allow"
                && statement["Resource"].as_str().is_some_and(|on| on.ends_with("key/*"))
                && !statement.to_string().contains("EXTERNAL")
        };
        let granted = |native: bool| -> Vec<String> {
            let statements = statements_for("us-gov-west-1", "", native);
            let open = statements.iter().filter(reaches_all).filter(|s| s["Sid"] != "TagAtCreation");
            open.flat_map(|s| s["Action"].as_array().cloned().unwrap_or_default()).filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        assert_eq!(granted(false), looks);
        let more: Vec<&str> = NATIVE.iter().map(|action| action.as_str()).chain(["kms:ScheduleKeyDeletion"]).collect();
        assert_eq!(granted(true)[looks.len()..], more);
        assert!(!more.contains(&"kms:DeleteImportedKeyMaterial"), "nobody's material is removed");
    }

    #[test]
    fn names_follow_the_partition() {
        let text = Value::Array(statements("us-gov-west-1", "keystead/")).to_string();
        assert!(text.contains("arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/keystead/*") && !text.contains("arn:aws:"));
    }

    #[test]
    fn only_our_identity_with_the_external_id_may_take_the_role_cm_071() {
        let document: Value = serde_json::from_str(&trust_policy("arn:aws:iam::999999999999:role/keystead", "x-1")).expect("JSON");
        assert_eq!(document["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::999999999999:role/keystead");
        assert_eq!(document["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"], "x-1");
    }
}
