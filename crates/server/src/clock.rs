//! Who tells the time: the system, or in the demo the simulated cloud's clock, so that one time machine moves both.

use std::time::{SystemTime, UNIX_EPOCH};

use keystead_domain::{Clock, Timestamp};
use keystead_sandbox::VirtualClock;

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The sandbox's clock.
pub struct SandboxClock(pub VirtualClock);

impl Clock for SandboxClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now_micros())
    }

    fn pace(&self) -> u32 {
        self.0.pace()
    }
}
