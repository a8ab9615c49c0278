//! The event trail, in the form of CloudTrail (cloud-byok.md, section 2.14): one entry for every authenticated call and for what the cloud does by
//! itself. Material, tokens, plaintexts and ciphertexts never enter it.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::call::{Call, Service};
use super::errors::lower_first;
use super::regions::Place;
use super::sqs::Queues;
use crate::calendar::{rfc3339, trail_date};
use crate::clock::{Micros, SECOND};

/// Entries that are kept; older ones are forgotten, so that a long demo does not grow without bound.
const ENTRIES_KEPT: usize = 100_000;

/// Members that carry secrets or bulk.
const LEFT_OUT: &[&str] = &["ImportToken", "EncryptedKeyMaterial", "Plaintext", "CiphertextBlob", "Message", "Mac", "Signature"];

/// One entry.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Number of the entry, from 1 without gaps; not part of CloudTrail's form.
    pub(crate) seq: u64,
    pub(crate) event_version: &'static str,
    pub(crate) user_identity: Value,
    pub(crate) event_time: String,
    /// The same moment in microseconds; not part of CloudTrail's form.
    pub(crate) event_time_micros: Micros,
    pub(crate) event_source: &'static str,
    pub(crate) event_name: String,
    pub(crate) aws_region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_parameters: Option<Value>,
    #[serde(rename = "sourceIPAddress")]
    pub(crate) source_ip_address: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(rename = "eventID")]
    pub(crate) event_id: String,
    pub(crate) read_only: bool,
    pub(crate) event_type: &'static str,
    pub(crate) resources: Vec<Value>,
    pub(crate) recipient_account_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_event_details: Option<Value>,
}

/// The trail.
#[derive(Default)]
pub(crate) struct Trail {
    entries: VecDeque<Event>,
    last: u64,
    /// Where events go on to.
    pub(crate) queues: Queues,
    /// How many calls of each operation there were, forgotten entries included.
    calls: BTreeMap<&'static str, u64>,
}

impl Trail {
    fn push(&mut self, seen_at: Micros, make: impl FnOnce(u64) -> Event) {
        self.last += 1;
        if self.entries.len() == ENTRIES_KEPT {
            self.entries.pop_front();
        }
        let event = make(self.last);
        self.queues.deliver(&event, seen_at);
        self.entries.push_back(event);
    }

    /// Number of the newest entry; 0 when there is none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Entries with a number greater than `since`.
    pub(crate) fn since(&self, since: u64) -> Vec<Event> {
        let from = self.entries.partition_point(|event| event.seq <= since);
        self.entries.range(from..).cloned().collect()
    }

    /// How many calls of each operation there were.
    pub(crate) const fn calls(&self) -> &BTreeMap<&'static str, u64> {
        &self.calls
    }

    /// Records a call. `error` is code and message. Calls to a queue are only counted: to CloudTrail they are data, and would feed the queue with itself.
    pub(crate) fn record_call(&mut self, call: &Call, touched: &[String], error: Option<(String, String)>, now: Micros, seen_at: Micros) {
        *self.calls.entry(call.operation.name).or_default() += 1;
        if call.operation.service == Service::Sqs {
            return;
        }
        let (error_code, error_message) = error.unzip();
        self.push(seen_at, |seq| Event {
            seq,
            event_version: "1.09",
            user_identity: identity(call),
            event_time: rfc3339(now),
            event_time_micros: now,
            event_source: match call.operation.service {
                Service::Kms => "kms.amazonaws.com",
                Service::Sqs => "sqs.amazonaws.com",
                Service::Sts => "sts.amazonaws.com",
            },
            event_name: call.operation.name.to_owned(),
            aws_region: call.place.region.clone(),
            request_parameters: Some(parameters(call.request.members())),
            source_ip_address: "127.0.0.1",
            error_code,
            error_message,
            request_id: Some(call.request_id.clone()),
            event_id: call.event_id.clone(),
            read_only: call.operation.read_only,
            event_type: "AwsApiCall",
            resources: touched.iter().map(|arn| resource(arn, &call.place.account)).collect(),
            recipient_account_id: call.place.account.clone(),
            service_event_details: None,
        });
    }

    /// Records what the cloud did by itself to a key.
    pub(crate) fn record_service(&mut self, name: &str, place: &Place, key_id: &str, event_id: String, at: Micros, seen_at: Micros) {
        self.push(seen_at, |seq| Event {
            seq,
            event_version: "1.09",
            user_identity: json!({"accountId": place.account, "invokedBy": "AWS Internal"}),
            event_time: rfc3339(at),
            event_time_micros: at,
            event_source: "kms.amazonaws.com",
            event_name: name.to_owned(),
            aws_region: place.region.clone(),
            request_parameters: None,
            source_ip_address: "AWS Internal",
            error_code: None,
            error_message: None,
            request_id: None,
            event_id,
            read_only: false,
            event_type: "AwsServiceEvent",
            resources: vec![resource(&place.key_arn(key_id), &place.account)],
            recipient_account_id: place.account.clone(),
            service_event_details: Some(json!({"keyId": key_id})),
        });
    }
}

fn identity(call: &Call) -> Value {
    let caller = &call.caller;
    let kind = if caller.role.is_some() { "AssumedRole" } else { "IAMUser" };
    let mut identity = json!({"type": kind, "principalId": caller.user_id, "arn": caller.arn, "accountId": caller.account, "accessKeyId": caller.access_key});
    if let Some(role) = &caller.role {
        identity["sessionContext"] = json!({"sessionIssuer": {"type": "Role", "arn": role, "accountId": caller.account, "userName": role.rsplit('/').next()}});
    }
    identity
}

fn resource(arn: &str, account: &str) -> Value {
    let kind = if arn.contains(":alias/") { "AWS::KMS::Alias" } else { "AWS::KMS::Key" };
    json!({"accountId": account, "type": kind, "ARN": arn})
}

/// Members as CloudTrail shows them: names begin small, secrets are left out, times are text.
fn parameters(members: &Map<String, Value>) -> Value {
    let shown = members.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
    Value::Object(shown.map(|(name, value)| (lower_first(name), parameter(name, value))).collect())
}

fn parameter(name: &str, value: &Value) -> Value {
    match value {
        Value::Number(seconds) if name == "ValidTo" => Value::String(trail_date((seconds.as_f64().unwrap_or_default() * SECOND as f64) as Micros)),
        // The keys of an encryption context are the caller's own words and stay as they are.
        Value::Object(_) if name.ends_with("EncryptionContext") => value.clone(),
        Value::Object(members) => parameters(members),
        Value::Array(items) => Value::Array(items.iter().map(|item| parameter("", item)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_read_like_cloudtrail_and_tell_no_secrets() {
        let members = json!({
            "KeyId": "k", "EncryptedKeyMaterial": "c2VjcmV0", "ImportToken": "dG9rZW4=", "ValidTo": 1_609_531_200.0,
            "Tags": [{"TagKey": "A", "TagValue": "B"}], "EncryptionContext": {"Purpose": "Test"}, "Plaintext": "c2VjcmV0"
        });
        let shown = parameters(members.as_object().expect("an object"));
        assert_eq!(
            shown,
            json!({"keyId": "k", "validTo": "Jan 1, 2021 8:00:00 PM", "tags": [{"tagKey": "A", "tagValue": "B"}], "encryptionContext": {"Purpose": "Test"}})
        );
    }

    #[test]
    fn since_returns_what_came_after_and_old_entries_are_forgotten() {
        let (mut trail, place) = (Trail::default(), Place { account: "1".to_owned(), region: "eu-west-1".to_owned() });
        for _ in 0..ENTRIES_KEPT + 2 {
            trail.record_service("DeleteKey", &place, "k", String::new(), 0, 0);
        }
        assert_eq!(trail.last(), ENTRIES_KEPT as u64 + 2);
        assert_eq!(trail.since(0).first().map(|event| event.seq), Some(3));
        assert_eq!(trail.since(trail.last() - 1).len(), 1);
    }
}
