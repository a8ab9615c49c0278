//! What an entry of the audit log says, and its one form in bytes: canonical JSON of RFC 8785.

mod cut;
mod jcs;

use serde::Deserialize;
use std::collections::BTreeMap;

/// The longest entry in bytes: C2SP tlog-tiles writes its length as two bytes in an entry bundle.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// The largest number that every JSON reader keeps exactly (RFC 8785 §3.2.2.3, RFC 7493 §2.2).
const MAX_EXACT: i64 = 1 << 53;

/// One decision or one effect: who did what, on what, allowed by which rule, with which outcome.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The entry's id, for example `entry_…`.
    pub id: String,
    /// When it was written, in microseconds since 1970-01-01 UTC; kept within 2^53, which is the year 2255.
    pub at_micros: i64,
    /// The account that it belongs to; empty for what concerns the whole installation.
    pub account: String,
    /// Who did it.
    pub actor: Actor,
    /// What was done, as a dotted verb: `key.renew`.
    pub action: String,
    /// On what, the most important first.
    pub subject: Vec<Subject>,
    /// Which rule, role or approval allowed or refused it.
    pub rule: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The durable operation that it is part of.
    pub operation: Option<String>,
    /// The cloud's own id of the request, to find it in the cloud's log.
    pub cloud_request: Option<String>,
    /// What else is worth knowing. Never material, never a secret.
    pub detail: BTreeMap<String, String>,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// The user's id, or the part of the system.
    pub id: String,
    /// The name at that time; names change, entries do not.
    pub name: String,
}

/// What kind of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A person or an application that proved who it is.
    User,
    /// Keystead itself: the scheduler, recovery, the reconciler.
    System,
    /// Nobody we know.
    Anonymous,
}

impl ActorKind {
    /// The word in the entry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }
}

/// A thing that was acted on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What it is: `key`, `keystore`, `user`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its name at that time.
    pub name: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was decided that it may happen; the effect has an entry of its own.
    Allowed,
    /// It was decided that it may not happen, and nothing did.
    Refused,
    /// It happened.
    Succeeded,
    /// It was tried and did not happen.
    Failed,
}

impl Outcome {
    /// The word in the entry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// Why bytes are not an entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not JSON, or not with exactly the fields of an entry.
    #[error("the bytes are not an audit entry: {0}")]
    NotAnEntry(#[from] serde_json::Error),
    /// The same entry, written in another way. One entry must have one leaf hash.
    #[error("the bytes are an audit entry, but not in its canonical form (RFC 8785)")]
    NotCanonical,
}

impl Entry {
    /// The canonical bytes: RFC 8785 JSON without a newline, at most [`MAX_ENTRY_BYTES`].
    ///
    /// What would not fit is cut, the longest details first, and a mark says how much is gone; a time beyond 2^53 microseconds is written as that limit.
    /// Therefore this cannot fail, and only an entry that fits reads back as the same entry.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.encode();
        if bytes.len() <= MAX_ENTRY_BYTES { bytes } else { cut::to_fit(self) }
    }

    /// Reads canonical bytes, and nothing else: an unknown, missing or repeated field, another order or spacing are refused.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let entry: Self = serde_json::from_slice(bytes)?;
        if entry.encode() == bytes && bytes.len() <= MAX_ENTRY_BYTES { Ok(entry) } else { Err(EntryError::NotCanonical) }
    }

    /// Writes the fields in the order of their names, as RFC 8785 §3.2.3 demands. An absent option is an absent field.
    fn encode(&self) -> Vec<u8> {
        let mut json = jcs::Writer::with_capacity(512);
        json.object(|fields| {
            fields.string("account", &self.account);
            fields.string("action", &self.action);
            fields.object("actor", |actor| named(actor, self.actor.kind.as_str(), &self.actor.id, &self.actor.name));
            fields.integer("at_micros", self.at_micros.clamp(-MAX_EXACT, MAX_EXACT));
            fields.optional("cloud_request", self.cloud_request.as_deref());
            fields.object("detail", |detail| in_utf16_order(&self.detail).iter().for_each(|(name, value)| detail.string(name, value)));
            fields.string("id", &self.id);
            fields.optional("operation", self.operation.as_deref());
            fields.string("outcome", self.outcome.as_str());
            fields.string("rule", &self.rule);
            fields.array("subject", &self.subject, |subject, fields| named(fields, &subject.kind, &subject.id, &subject.name));
        });
        json.into_bytes()
    }
}

/// The three fields that actors and subjects share.
fn named(fields: &mut jcs::Fields<'_>, kind: &str, id: &str, name: &str) {
    fields.string("id", id);
    fields.string("kind", kind);
    fields.string("name", name);
}

/// RFC 8785 §3.2.3 sorts names by UTF-16 code units, which differs from Rust's order for characters beyond U+FFFF.
fn in_utf16_order(detail: &BTreeMap<String, String>) -> Vec<(&String, &String)> {
    let mut pairs: Vec<_> = detail.iter().collect();
    pairs.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    pairs
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An entry that says little.
    pub(crate) fn sample() -> Entry {
        Entry {
            id: "entry_1".into(),
            at_micros: 1_700_000_000_000_000,
            account: "acct_1".into(),
            actor: Actor { kind: ActorKind::User, id: "user_1".into(), name: "ana".into() },
            action: "key.renew".into(),
            subject: vec![Subject { kind: "key".into(), id: "key_1".into(), name: "orders".into() }],
            rule: "role:owner".into(),
            outcome: Outcome::Allowed,
            operation: Some("op_1".into()),
            cloud_request: None,
            detail: BTreeMap::new(),
        }
    }

    #[test]
    fn the_canonical_form_is_the_one_in_the_manual() {
        let mut entry = sample();
        entry.detail = BTreeMap::from([("reason".to_owned(), "expiry\n\"soon\"".to_owned())]);
        let expected = concat!(
            r#"{"account":"acct_1","action":"key.renew","actor":{"id":"user_1","kind":"user","name":"ana"},"at_micros":1700000000000000,"#,
            r#""detail":{"reason":"expiry\n\"soon\""},"id":"entry_1","operation":"op_1","outcome":"allowed","rule":"role:owner","#,
            r#""subject":[{"id":"key_1","kind":"key","name":"orders"}]}"#
        );
        assert_eq!(String::from_utf8(entry.to_bytes()).expect("JSON is UTF-8"), expected);
    }

    #[test]
    fn the_sample_of_rfc_8785_section_3_2_3_keeps_its_order() {
        let names = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let detail = names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        let sorted: Vec<_> = in_utf16_order(&detail).into_iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(sorted, ["\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"]);
    }

    #[test]
    fn anything_but_the_canonical_form_is_refused() {
        let good = String::from_utf8(sample().to_bytes()).expect("JSON is UTF-8");
        for (from, to) in [
            (r#"{"account""#, r#"{ "account""#),
            (r#""acct_1","action":"key.renew""#, r#""acct_1","action":"key.renew","also":"x""#),
            (r#""operation":"op_1","#, r#""operation":null,"#),
            (r#""name":"ana""#, r#""name":"\u0061na""#),
            (r#""detail":{}"#, r#""detail":{"a":"1","a":"1"}"#),
            (r#""account":"acct_1","action":"key.renew""#, r#""action":"key.renew","account":"acct_1""#),
            ("1700000000000000", "1700000000000000.0"),
            ("1700000000000000", "9007199254740993"),
            (r#""allowed""#, r#""permitted""#),
            (r#""detail":{},"#, ""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "the case {from} changes something");
            assert!(Entry::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Entry::from_bytes(b"").is_err());
        assert!(Entry::from_bytes(format!("{good}\n").as_bytes()).is_err());
    }

    /// An independent reading of RFC 8785: sort every object of a parsed value by UTF-16 and print it with serde_json's escapes.
    fn canonical(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Object(map) => {
                let mut pairs: Vec<_> = map.iter().collect();
                pairs.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
                let inner: Vec<_> = pairs.iter().map(|(n, v)| format!("{}:{}", serde_json::json!(n), canonical(v))).collect();
                format!("{{{}}}", inner.join(","))
            }
            serde_json::Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
            other => other.to_string(),
        }
    }

    proptest! {
        #[test]
        fn every_entry_is_canonical_and_reads_back(
            words in prop::collection::vec(any::<String>(), 10),
            detail in prop::collection::btree_map(any::<String>(), any::<String>(), 0..6),
            subjects in 0usize..4,
            at_micros in -MAX_EXACT..=MAX_EXACT,
        ) {
            let [id, account, actor, name, action, rule, subject, operation, request, kind] = <[String; 10]>::try_from(words).expect("ten words");
            let entry = Entry {
                id, at_micros, account, action, rule, detail,
                actor: Actor { kind: ActorKind::System, id: actor, name: name.clone() },
                subject: vec![Subject { kind, id: subject, name }; subjects],
                outcome: Outcome::Failed,
                operation: Some(operation), cloud_request: Some(request),
            };
            let bytes = entry.to_bytes();
            let value: serde_json::Value = serde_json::from_slice(&bytes).expect("the bytes are JSON");
            prop_assert_eq!(canonical(&value).into_bytes(), bytes.clone());
            prop_assert_eq!(Entry::from_bytes(&bytes).expect("canonical bytes are read"), entry);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_what_is_read_is_canonical(noise in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), byte: u8) {
            let mut bent = sample().to_bytes();
            *at.get_mut(&mut bent) = byte;
            for bytes in [noise, bent] {
                if let Ok(entry) = Entry::from_bytes(&bytes) {
                    prop_assert_eq!(entry.to_bytes(), bytes);
                }
            }
        }
    }
}
