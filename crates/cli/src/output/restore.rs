//! Restores: what one would take, and how far one is.

use serde::Deserialize;

use super::{
    Sheet,
    table::{clean, section, yes},
};

/// What a restore would take.
#[derive(Debug, Clone, Deserialize)]
pub struct Outlook {
    keystore: String,
    keeps_warm: bool,
    all: Expected,
    lost: Expected,
    #[serde(default)]
    order: Vec<Turn>,
}

#[derive(Debug, Clone, Deserialize)]
struct Expected {
    keys: u64,
    warm: u64,
    cold: u64,
    seconds: u64,
    #[serde(default)]
    tightest: Option<String>,
    #[serde(default)]
    calls: Vec<Calls>,
}

#[derive(Debug, Clone, Deserialize)]
struct Calls {
    call: String,
    count: u64,
    seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Turn {
    importance: u64,
    keys: u64,
}

impl Expected {
    fn told(&self) -> String {
        let Self { keys, warm, cold, seconds, .. } = self;
        let slowest = self.tightest.as_ref().map(|call| format!("; the tightest quota is that of {}", clean(call))).unwrap_or_default();
        format!("{keys} keys ({warm} warm, {cold} cold) in {}{slowest}", span(*seconds))
    }
}

impl Sheet for Outlook {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("keystore", Some(self.keystore.clone())),
            ("kept warm", Some(yes(self.keeps_warm))),
            ("if all is lost", Some(self.all.told())),
            ("known as lost", Some(self.lost.told())),
        ]
    }

    fn below(&self) -> String {
        let order = self.order.iter().map(|turn| vec![turn.importance.to_string(), turn.keys.to_string()]);
        let calls = self.all.calls.iter().map(|calls| vec![calls.call.clone(), calls.count.to_string(), span(calls.seconds)]);
        format!("{}{}", section("Order", &["importance", "keys"], order.collect()), section("If all is lost", &["call", "count", "takes"], calls.collect()))
    }
}

/// How far a restore is.
#[derive(Debug, Clone, Deserialize)]
pub struct Restored {
    looked: u64,
    lost: u64,
    restored: u64,
    running: u64,
    waiting: u64,
    failed: u64,
    gone: u64,
    #[serde(default)]
    hidden: u64,
    #[serde(default)]
    left: Vec<Left>,
}

#[derive(Debug, Clone, Deserialize)]
struct Left {
    name: String,
    #[serde(default)]
    cloud_arn: Option<String>,
    why: String,
}

impl Restored {
    /// In a line.
    pub fn told(&self) -> String {
        let Self { looked, lost, restored, failed, gone, .. } = self;
        let more = [(self.running, "running"), (self.waiting, "waiting"), (self.hidden, "that may not be looked at")];
        let more: String = more.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}")).collect();
        format!("{looked} keys looked at: {lost} had lost their material, {restored} have it again, {failed} failed, {gone} are gone themselves{more}")
    }

    /// Those that did not get their material back, each with why.
    pub fn named(&self) -> String {
        let rows = self.left.iter().map(|left| vec![left.name.clone(), left.cloud_arn.clone().unwrap_or_default(), left.why.clone()]);
        section("Without their material", &["key", "cloud key", "why"], rows.collect())
    }
}

/// Seconds as people say them.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_as_people_say_it() {
        assert_eq!([0, 59, 692, 10_314].map(span), ["0 s", "59 s", "11 min 32 s", "2 h 51 min"]);
    }

    #[test]
    fn a_forecast_tells_keys_warm_and_cold_and_how_long_fx_030() {
        let expected = serde_json::json!({"keys": 3, "warm": 2, "cold": 1, "seconds": 61, "tightest": "import", "calls": []});
        let outlook = serde_json::json!({"keystore": "eu", "keeps_warm": true, "all": expected, "lost": expected, "order": [{"importance": 1, "keys": 3}]});
        let outlook: Outlook = serde_json::from_value(outlook).expect("an outlook");
        assert_eq!(outlook.all.told(), "3 keys (2 warm, 1 cold) in 1 min 1 s; the tightest quota is that of import");
        assert!(outlook.below().contains("IMPORTANCE"));
    }

    #[test]
    fn what_did_not_come_back_is_named_with_why() {
        let restored = serde_json::json!({"looked": 9, "lost": 4, "restored": 2, "running": 1, "waiting": 0, "failed": 1, "gone": 1,
            "left": [{"name": "orders", "cloud_arn": "arn:1", "why": "It is gone."}]});
        let restored: Restored = serde_json::from_value(restored).expect("a restore");
        assert_eq!(restored.told(), "9 keys looked at: 4 had lost their material, 2 have it again, 1 failed, 1 are gone themselves, 1 running");
        assert!(restored.named().contains("It is gone."));
    }
}
