//! Events of AWS KMS out of a queue: CloudTrail's records as EventBridge hands them on, and EventBridge's own of AWS KMS.
//!
//! Whoever may write to the queue can write anything. So nothing here is believed further than that somebody should look, and nothing of it is longer than it may be.
//!
//! Sources: CloudTrail user guide, "CloudTrail record contents"; EventBridge user guide, "AWS service events delivered via AWS CloudTrail"; AWS KMS Developer Guide,
//! "Monitor KMS keys with Amazon EventBridge".

use keystead_cloud::{Call, CloudEvent, CloudKeyId, KeyUse, Told};
use keystead_domain::{Alias, Timestamp};
use serde_json::Value;

/// Longest text that is kept of an event, in bytes: some stand in the keys of rows, which databases bound.
const TEXT_MAX: usize = 512;
/// Longest code of an error.
const CODE_MAX: usize = 128;
/// Longest id of a key.
const KEY_ID_MAX: usize = 64;
/// Keys that one event names at most: a key, an alias' old and new one.
const KEYS_MAX: usize = 8;

/// The calls that use a key: those that `GetKeyLastUsage` remembers (AWS KMS API reference).
const USES: [&str; 12] = [
    "Decrypt",
    "DeriveSharedSecret",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "ReEncrypt",
    "Sign",
    "Verify",
    "VerifyMac",
];

/// With these Keystead tries whether a key can be used: as dry runs, which always end in an error (`AwsCloud::try_to_use`). Every other use in its name is somebody's.
const TRIALS: [&str; 3] = ["Encrypt", "Verify", "VerifyMac"];

/// EventBridge's own events, and what CloudTrail calls the same.
const BY_ITSELF: [(&str, &str); 3] =
    [("KMS Imported Key Material Expiration", "DeleteExpiredKeyMaterial"), ("KMS CMK Deletion", "DeleteKey"), ("KMS CMK Rotation", "RotateKey")];

/// Whose events are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The Region.
    pub region: String,
    /// The account's twelve digits.
    pub account: String,
}

impl Reader {
    /// Reads a message; `own` is who Keystead is, by its ARN in CloudTrail. `None` for what is no event of a key of this place, for changes that were refused, and for
    /// Keystead's own trials of keys.
    pub fn read(&self, body: &str, own: Option<&str>) -> Option<Told> {
        let envelope: Value = serde_json::from_str(body).ok()?;
        let is_ours = text(&envelope, "source") == "aws.kms" && text(&envelope, "account") == self.account && text(&envelope, "region") == self.region;
        if !is_ours {
            return None;
        }
        match text(&envelope, "detail-type") {
            "AWS API Call via CloudTrail" | "AWS Service Event via CloudTrail" => self.of_trail(&envelope, own),
            kind => self.by_itself(kind, &envelope).map(Told::Done),
        }
    }

    fn of_trail(&self, envelope: &Value, own: Option<&str>) -> Option<Told> {
        let detail = envelope.get("detail")?;
        if text(detail, "eventSource") != "kms.amazonaws.com" {
            return None;
        }
        if USES.contains(&text(detail, "eventName")) {
            return self.used(detail, own).map(Told::Used);
        }
        let was_done = text(detail, "errorCode").is_empty() && detail.get("readOnly") != Some(&Value::Bool(true));
        if was_done { self.done(detail, own).map(Told::Done) } else { None }
    }

    fn done(&self, detail: &Value, own: Option<&str>) -> Option<CloudEvent> {
        let identity = member(detail, "userIdentity");
        let who = name_of(identity);
        let asked = member(detail, "requestParameters");
        let alias = [text(asked, "aliasName")].into_iter().chain(arns(detail.get("resources"))).find_map(|name| self.alias(name));
        let event = CloudEvent {
            id: clean(text(detail, "eventID")),
            name: clean(text(detail, "eventName")),
            call: call_of(text(detail, "eventName")),
            at: time(text(detail, "eventTime"))?,
            who: clean(who.unwrap_or_default()),
            from: clean(text(detail, "sourceIPAddress")),
            request: clean(text(detail, "requestID")),
            keys: self.keys(arns(detail.get("resources")).into_iter().chain([
                text(asked, "keyId"),
                text(asked, "targetKeyId"),
                text(member(detail, "serviceEventDetails"), "keyId"),
            ])),
            alias,
            is_own: who.is_some() && who == own,
        };
        (!event.id.is_empty() && !event.name.is_empty()).then_some(event)
    }

    /// A use of a key. A session is told beside the role that it is of: a role has a new one each hour, and on each machine (CloudTrail user guide, "CloudTrail userIdentity
    /// element", sessionContext).
    fn used(&self, detail: &Value, own: Option<&str>) -> Option<KeyUse> {
        let identity = member(detail, "userIdentity");
        let name = name_of(identity)?;
        let (operation, refusal) = (text(detail, "eventName"), text(detail, "errorCode"));
        if Some(name) == own && TRIALS.contains(&operation) && !refusal.is_empty() {
            return None;
        }
        let role = text(member(member(identity, "sessionContext"), "sessionIssuer"), "arn");
        let (who, session) = if role.is_empty() { (name, "") } else { (role, name.rsplit('/').next().unwrap_or_default()) };
        let asked = member(detail, "requestParameters");
        let named = ["keyId", "sourceKeyId", "destinationKeyId"].map(|member| text(asked, member));
        let used = KeyUse {
            id: clean(text(detail, "eventID")),
            operation: operation.to_owned(),
            at: time(text(detail, "eventTime"))?,
            who: clean(who),
            session: clean(session),
            from: clean(text(detail, "sourceIPAddress")),
            refusal: refusal.chars().filter(char::is_ascii_graphic).take(CODE_MAX).collect(),
            keys: self.keys(arns(detail.get("resources")).into_iter().chain(named)),
        };
        (!used.id.is_empty() && !used.keys.is_empty()).then_some(used)
    }

    fn by_itself(&self, kind: &str, envelope: &Value) -> Option<CloudEvent> {
        let name = BY_ITSELF.iter().find(|(own, _)| *own == kind).map(|(_, name)| *name)?;
        let named = text(member(envelope, "detail"), "key-id");
        let resources = envelope.get("resources").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let (id, at) = (clean(text(envelope, "id")), time(text(envelope, "time"))?);
        let keys = self.keys(resources.chain([named]));
        let event = CloudEvent {
            id,
            name: name.to_owned(),
            call: None,
            at,
            who: "AWS KMS".to_owned(),
            from: String::new(),
            request: String::new(),
            keys,
            alias: None,
            is_own: false,
        };
        (!event.id.is_empty()).then_some(event)
    }

    /// The keys of this place among names: ids and ARNs.
    fn keys<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<CloudKeyId> {
        let mut keys: Vec<CloudKeyId> = Vec::new();
        for name in names {
            let id = match name.strip_prefix("arn:") {
                Some(_) => self.resource(name).and_then(|resource| resource.strip_prefix("key/")).unwrap_or_default(),
                None => name,
            };
            let is_id = (1..=KEY_ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if is_id && keys.len() < KEYS_MAX && !keys.iter().any(|key| key.0 == id) {
                keys.push(CloudKeyId(id.to_owned()));
            }
        }
        keys
    }

    fn alias(&self, name: &str) -> Option<Alias> {
        let name = if name.starts_with("arn:") { self.resource(name)? } else { name };
        name.strip_prefix("alias/").and_then(|name| Alias::parse(name).ok())
    }

    /// `key/…` or `alias/…` of an ARN of this place.
    fn resource<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, "kms", region, account, resource] = parts[..] else { return None };
        (region == self.region && account == self.account).then_some(resource)
    }
}

/// Which of Keystead's calls an event is about.
fn call_of(name: &str) -> Option<Call> {
    Some(match name {
        "CreateKey" => Call::CreateKey,
        "ImportKeyMaterial" => Call::Import,
        "EnableKey" => Call::Enable,
        "DisableKey" => Call::Disable,
        "DeleteImportedKeyMaterial" => Call::DeleteMaterial,
        "CreateAlias" => Call::CreateAlias,
        "UpdateAlias" => Call::UpdateAlias,
        "DeleteAlias" => Call::DeleteAlias,
        "TagResource" => Call::Tag,
        "UntagResource" => Call::Untag,
        "UpdateKeyDescription" => Call::Describe,
        "ScheduleKeyDeletion" => Call::ScheduleDeletion,
        "CancelKeyDeletion" => Call::CancelDeletion,
        "RotateKeyOnDemand" => Call::Rotate,
        "ReplicateKey" => Call::Replicate,
        "UpdatePrimaryRegion" => Call::Promote,
        _ => return None,
    })
}

/// The session of a role, as CloudTrail names it: without the role's path (IAM reference, "IAM ARNs").
pub fn session_arn(role_arn: &str, session: &str) -> Option<String> {
    let parts: Vec<&str> = role_arn.splitn(6, ':').collect();
    let [_, partition, _, _, account, resource] = parts[..] else { return None };
    let name = resource.rsplit('/').next()?;
    Some(format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}"))
}

/// By whom something was done, as CloudTrail names them.
fn name_of(identity: &Value) -> Option<&str> {
    ["arn", "invokedBy", "principalId"].into_iter().map(|member| text(identity, member)).find(|text| !text.is_empty())
}

fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn arns(resources: Option<&Value>) -> Vec<&str> {
    resources.and_then(Value::as_array).into_iter().flatten().map(|resource| text(resource, "ARN")).collect()
}

/// CloudTrail writes the time in UTC to the second.
fn time(text: &str) -> Option<Timestamp> {
    let read = aws_smithy_types::DateTime::from_str(text, aws_smithy_types::date_time::Format::DateTime).ok()?;
    Some(crate::observe::timestamp(read))
}

/// What is shown to people and kept: no control characters, no end of lines, not too long.
fn clean(text: &str) -> String {
    let mut room = TEXT_MAX;
    let fits = |letter: &char| {
        let is_room = room >= letter.len_utf8();
        room = room.saturating_sub(letter.len_utf8());
        is_room
    };
    text.chars().filter(|letter| !letter.is_control()).take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn reader() -> Reader {
        Reader { region: "eu-west-1".into(), account: "123456789012".into() }
    }

    fn trail(detail: Value) -> Value {
        let mut whole = json!({
            "eventSource": "kms.amazonaws.com", "eventID": "e-1", "eventName": "DisableKey", "eventTime": "2026-11-30T09:00:00Z", "requestID": "r-1", "readOnly": false,
            "sourceIPAddress": "203.0.113.7", "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/mallory"},
            "resources": [{"ARN": format!("arn:aws:kms:eu-west-1:123456789012:key/{KEY}"), "type": "AWS::KMS::Key"}]
        });
        for (name, value) in detail.as_object().expect("an object") {
            whole[name] = value.clone();
        }
        json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.kms", "account": "123456789012", "region": "eu-west-1", "id": "b-1",
            "time": "2026-11-30T09:00:01Z", "detail": whole})
    }

    fn own() -> Option<String> {
        session_arn("arn:aws:iam::123456789012:role/path/keystead", "keystead")
    }

    fn told(detail: Value) -> Option<Told> {
        reader().read(&trail(detail).to_string(), own().as_deref())
    }

    fn read(detail: Value) -> Option<CloudEvent> {
        match told(detail) {
            Some(Told::Done(event)) => Some(event),
            Some(Told::Used(used)) => panic!("a use: {used:?}"),
            None => None,
        }
    }

    fn used(detail: Value) -> Option<KeyUse> {
        match told(detail) {
            Some(Told::Used(used)) => Some(used),
            Some(Told::Done(event)) => panic!("a deed: {event:?}"),
            None => None,
        }
    }

    #[test]
    fn a_use_says_who_used_which_key_and_a_session_is_told_beside_its_role_aw_045() {
        let role = json!({"arn": "arn:aws:sts::123456789012:assumed-role/app/i-1", "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::123456789012:role/path/app"}}});
        let by_role = used(json!({"eventName": "Decrypt", "readOnly": true, "userIdentity": role})).expect("a use");
        assert_eq!((by_role.operation.as_str(), by_role.who.as_str(), by_role.session.as_str()), ("Decrypt", "arn:aws:iam::123456789012:role/path/app", "i-1"));
        assert_eq!((by_role.keys, by_role.refusal.as_str(), by_role.from.as_str()), (vec![CloudKeyId(KEY.into())], "", "203.0.113.7"));
        let by_user = used(json!({"eventName": "Sign"})).expect("a use");
        assert_eq!((by_user.who.as_str(), by_user.session.as_str()), ("arn:aws:iam::123456789012:user/mallory", ""));
        let refused = used(json!({"eventName": "Encrypt", "errorCode": "DisabledException", "resources": null, "requestParameters": {"keyId": KEY}}));
        assert_eq!(refused.map(|used| (used.refusal, used.keys)), Some(("DisabledException".to_owned(), vec![CloudKeyId(KEY.into())])));
        let both = json!({"eventName": "ReEncrypt", "requestParameters": {"sourceKeyId": "k-1", "destinationKeyId": "k-2"}, "resources": []});
        assert_eq!(used(both).map(|used| used.keys.len()), Some(2));
    }

    #[test]
    fn keysteads_own_trials_and_uses_of_no_key_are_nothing() {
        let own = json!({"arn": "arn:aws:sts::123456789012:assumed-role/keystead/keystead"});
        for operation in ["Decrypt", "Encrypt"] {
            let stolen = used(json!({"eventName": operation, "userIdentity": own}));
            assert!(stolen.is_some(), "Keystead decrypts nothing, and its trials fail: {operation}");
        }
        let trial = json!({"eventName": "Encrypt", "errorCode": "DryRunOperationException", "userIdentity": own});
        for detail in [trial, json!({"eventName": "Decrypt", "resources": []}), json!({"eventName": "Sign", "userIdentity": {}})] {
            assert_eq!(told(detail.clone()), None, "{detail}");
        }
    }

    #[test]
    fn an_event_says_who_did_what_to_which_key_and_when_cm_018() {
        let event = read(json!({})).expect("an event");
        assert_eq!((event.name.as_str(), event.who.as_str(), event.from.as_str()), ("DisableKey", "arn:aws:iam::123456789012:user/mallory", "203.0.113.7"));
        assert_eq!(event.call, Some(Call::Disable));
        assert_eq!((event.keys, event.at, event.is_own), (vec![CloudKeyId(KEY.into())], Timestamp::from_secs(1_796_029_200), false));
    }

    #[test]
    fn an_alias_is_named_with_the_keys_behind_it() {
        let event = read(json!({"eventName": "UpdateAlias", "requestParameters": {"aliasName": "alias/orders", "targetKeyId": "k-2"}})).expect("an event");
        assert_eq!((event.alias, event.keys), (Alias::parse("orders").ok(), vec![CloudKeyId(KEY.into()), CloudKeyId("k-2".into())]));
    }

    #[test]
    fn keysteads_own_sessions_are_known_by_their_arn() {
        assert!(read(json!({"userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/keystead/keystead"}})).expect("an event").is_own);
        assert!(!read(json!({"userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/keystead/mallory"}})).expect("an event").is_own);
    }

    #[test]
    fn what_the_cloud_does_by_itself_is_an_event_too() {
        let service = json!({"eventType": "AwsServiceEvent", "eventName": "DeleteExpiredKeyMaterial", "resources": [], "serviceEventDetails": {"keyId": KEY},
            "userIdentity": {"invokedBy": "AWS Internal"}});
        let event = read(service).expect("an event");
        assert_eq!((event.who.as_str(), event.keys), ("AWS Internal", vec![CloudKeyId(KEY.into())]));
        let mut own = trail(json!({}));
        (own["detail-type"], own["detail"]) = (json!("KMS Imported Key Material Expiration"), json!({ "key-id": KEY }));
        let told = reader().read(&own.to_string(), None);
        assert!(matches!(told, Some(Told::Done(event)) if event.name == "DeleteExpiredKeyMaterial"));
    }

    #[test]
    fn what_is_no_event_of_a_key_of_this_place_is_nothing() {
        for (name, value) in [("source", "aws.s3"), ("account", "999999999999"), ("region", "us-east-1"), ("detail-type", "AWS Console Sign In via CloudTrail")]
        {
            let mut other = trail(json!({}));
            other[name] = json!(value);
            assert_eq!(reader().read(&other.to_string(), None), None, "{name}");
        }
        for detail in [json!({"errorCode": "AccessDenied"}), json!({"readOnly": true}), json!({"eventID": ""}), json!({"eventTime": "yesterday"})] {
            assert_eq!(read(detail.clone()), None, "{detail}");
        }
        for body in ["", "null", "[]", "{}", "\"aws.kms\"", "{\"source\":"] {
            assert_eq!(reader().read(body, None), None, "{body}");
        }
    }

    #[test]
    fn names_of_other_places_and_rubbish_are_no_keys_and_texts_are_bounded() {
        let names = json!([{"ARN": "arn:aws:kms:us-east-1:123456789012:key/k-1"}, {"ARN": "arn:aws:kms:eu-west-1:1:key/k-1"}, {"ARN": "x".repeat(65)}, {"ARN": "a/b"}, {}]);
        let event = read(json!({"resources": names, "userIdentity": {"arn": format!("line\n{}", "x".repeat(9_000))}})).expect("an event");
        assert_eq!((event.keys, event.who.chars().count()), (Vec::new(), TEXT_MAX));
        assert!(event.who.starts_with("linex"));
        let long = used(json!({"eventName": "Sign", "errorCode": "e\u{1F600}".repeat(900), "userIdentity": {"arn": "\u{1F600}".repeat(900)}})).expect("a use");
        assert!(long.who.len() <= TEXT_MAX && long.who.chars().count() == 128 && long.refusal == "e".repeat(CODE_MAX), "bounded in bytes: {long:?}");
    }
}
