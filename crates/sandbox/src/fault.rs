//! Scripted faults: what shall go wrong with which call. A plan is a list; for each call the first entry of its operation decides, counts down its `skip`,
//! then bites `count` times and leaves the plan.

use serde::{Deserialize, Serialize};

/// One entry of the plan. In JSON: `{"operation": "CreateKey", "skip": 1, "count": 2, "fault": "lost"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The operation in AWS's own name (`ImportKeyMaterial`, `AssumeRole`), or `*` for every one.
    pub operation: String,
    /// How many calls pass unharmed first; default 0.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it bites; default 1. Zero: every call, until the plan is cleared.
    #[serde(default = "once")]
    pub count: u32,
    /// What happens.
    #[serde(flatten)]
    pub effect: Effect,
}

/// What a fault does. In JSON the name stands in `fault`, its parameters beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Effect {
    /// Answer with this error of AWS; the call has no effect.
    Error {
        /// For example `KMSInternalException`.
        code: String,
        /// HTTP status; default 400.
        #[serde(default = "bad_request")]
        status: u16,
        /// The error's message; default empty.
        #[serde(default)]
        message: String,
    },
    /// Do the call, then drop the connection without an answer.
    Lost,
    /// Drop the connection without an answer now; do the call later: after `calls` further calls of AWS operations, or after `millis` of real time.
    Late {
        /// Further calls to wait for; default 1 when `millis` is absent too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calls: Option<u32>,
        /// Milliseconds to wait for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        millis: Option<u64>,
    },
    /// Do the call twice, as if the request had been sent twice; answer what the second one gave.
    Duplicate,
    /// Wait, then do the call as usual.
    Delay {
        /// Milliseconds to wait.
        millis: u64,
    },
    /// Drop the connection without an answer; the call has no effect.
    Drop,
    /// Answer `500 Internal Server Error` without a body that AWS would send; the call has no effect.
    #[serde(rename = "http_500")]
    Http500,
}

fn once() -> u32 {
    1
}

fn bad_request() -> u16 {
    400
}

/// The faults that are still to come.
#[derive(Default)]
pub(crate) struct Plan {
    faults: Vec<Fault>,
}

impl Plan {
    pub(crate) fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults);
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn left(&self) -> &[Fault] {
        &self.faults
    }

    /// What shall happen to this call.
    pub(crate) fn take(&mut self, operation: &str) -> Option<Effect> {
        let index = self.faults.iter().position(|fault| fault.operation == operation || fault.operation == "*")?;
        let fault = self.faults.get_mut(index)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        let effect = fault.effect.clone();
        match fault.count {
            0 => {}
            1 => drop(self.faults.remove(index)),
            _ => fault.count -= 1,
        }
        Some(effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(json: &str) -> Plan {
        let mut plan = Plan::default();
        plan.add(serde_json::from_str::<Vec<Fault>>(json).expect("a plan in the documented form"));
        plan
    }

    #[test]
    fn faults_are_consumed_in_order_and_only_by_their_operation() {
        let mut plan = plan(
            r#"[{"operation":"CreateKey","fault":"lost"},
                {"operation":"CreateKey","fault":"error","code":"KMSInternalException","status":500},
                {"operation":"*","fault":"http_500"}]"#,
        );
        assert_eq!(plan.take("CreateKey"), Some(Effect::Lost));
        assert_eq!(plan.take("CreateKey"), Some(Effect::Error { code: "KMSInternalException".to_owned(), status: 500, message: String::new() }));
        assert_eq!(plan.take("ListKeys"), Some(Effect::Http500));
        assert_eq!(plan.take("CreateKey"), None);
    }

    #[test]
    fn skip_lets_pass_count_repeats_and_zero_never_ends() {
        let mut plan = plan(r#"[{"operation":"DescribeKey","skip":2,"count":2,"fault":"drop"},{"operation":"Encrypt","count":0,"fault":"duplicate"}]"#);
        let bites: Vec<bool> = (0..6).map(|_| plan.take("DescribeKey").is_some()).collect();
        assert_eq!(bites, [false, false, true, true, false, false]);
        assert!((0..9).all(|_| plan.take("Encrypt") == Some(Effect::Duplicate)));
        plan.clear();
        assert!(plan.left().is_empty());
    }

    #[test]
    fn late_names_calls_or_milliseconds() {
        let mut plan = plan(r#"[{"operation":"CreateKey","fault":"late","calls":3},{"operation":"CreateKey","fault":"late","millis":20}]"#);
        assert_eq!(plan.take("CreateKey"), Some(Effect::Late { calls: Some(3), millis: None }));
        assert_eq!(plan.take("CreateKey"), Some(Effect::Late { calls: None, millis: Some(20) }));
    }
}
