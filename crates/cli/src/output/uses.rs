//! Who used a key, or tried to.

use serde::Deserialize;

use super::{
    Sheet,
    table::{section, time},
};

/// What was heard of who used a key.
#[derive(Debug, Clone, Deserialize)]
pub struct Uses {
    name: String,
    key: String,
    #[serde(default)]
    listening_since: Option<String>,
    #[serde(default)]
    heard_at: Option<String>,
    users: Vec<UserOfKey>,
}

/// Who used a key by some operation, or was refused.
#[derive(Debug, Clone, Deserialize)]
pub struct UserOfKey {
    who: String,
    #[serde(default)]
    session: Option<String>,
    from: String,
    operation: String,
    #[serde(default)]
    refusal: Option<String>,
    first_at: String,
    last_at: String,
    heard: i64,
}

impl UserOfKey {
    /// The columns of [`Self::cells`].
    pub const HEADER: [&'static str; 8] = ["who", "operation", "last", "first", "heard", "refused", "session", "from"];

    /// The cells of its line.
    pub fn cells(&self) -> Vec<String> {
        let Self { who, session, from, operation, refusal, first_at, last_at, heard } = self.clone();
        vec![who, operation, time(&last_at), time(&first_at), heard.to_string(), refusal.unwrap_or_default(), session.unwrap_or_default(), from]
    }
}

impl Uses {
    /// What is to be said beside them.
    pub fn note(&self) -> &'static str {
        match (&self.listening_since, self.users.is_empty()) {
            (None, _) => "Nothing is heard of this keystore's keys: no queue is listened to. `keystead drift events` sets one.",
            (Some(_), true) => "No use was heard of. That does not say that there was none: the queue's rule must hand on read-only events, too.",
            (Some(_), false) => "This is what the queue told. Who is not here may have used the key all the same.",
        }
    }
}

impl Sheet for Uses {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("name", Some(self.name.clone())),
            ("id", Some(self.key.clone())),
            ("listening since", Some(self.listening_since.as_deref().map_or_else(|| "no queue is listened to".to_owned(), time))),
            ("last heard", self.heard_at.as_deref().map(time)),
        ]
    }

    fn below(&self) -> String {
        section("users", &UserOfKey::HEADER, self.users.iter().map(UserOfKey::cells).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::sheet;

    fn uses(listening_since: Option<&str>, users: serde_json::Value) -> Uses {
        let json = serde_json::json!({"name": "orders", "key": "key_1", "listening_since": listening_since, "heard_at": listening_since, "users": users});
        serde_json::from_value(json).expect("uses")
    }

    #[test]
    fn who_used_a_key_is_shown_with_what_was_refused_aw_045() {
        let users = serde_json::json!([{"who": "arn:aws:iam::1:role/app", "session": "i-1", "from": "203.0.113.7", "operation": "Decrypt", "refusal": "DisabledException",
            "first_at": "2026-11-30T08:00:00Z", "last_at": "2026-11-30T09:00:00Z", "heard": 12}]);
        let uses = uses(Some("2026-11-30T07:00:00Z"), users);
        let expected = "\
name             orders
id               key_1
listening since  2026-11-30 07:00Z
last heard       2026-11-30 07:00Z

users
WHO                      OPERATION  LAST               FIRST              HEARD  REFUSED            SESSION  FROM
arn:aws:iam::1:role/app  Decrypt    2026-11-30 09:00Z  2026-11-30 08:00Z  12     DisabledException  i-1      203.0.113.7
";
        assert_eq!(format!("{}{}", sheet(uses.fields()), uses.below()), expected);
        assert!(uses.note().contains("all the same"));
    }

    #[test]
    fn silence_is_never_called_unused() {
        assert!(uses(None, serde_json::json!([])).note().contains("no queue"));
        assert!(uses(Some("2026-11-30T07:00:00Z"), serde_json::json!([])).note().contains("does not say that there was none"));
    }
}
