//! `[health]`: how often keystores are checked.

use keystead_domain::time::SECOND;
use serde::{Deserialize, Serialize};

/// The shortest time between two checks of a keystore, in seconds: a check is some thirty calls.
const CHECK_MIN: u32 = 300;
/// The longest, in seconds: a week.
const CHECK_MAX: u32 = 604_800;

/// How often keystores are checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// Seconds between two checks of a keystore, give or take a tenth; 0: only when somebody asks.
    pub check_seconds: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { check_seconds: 3600 }
    }
}

impl Health {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.check_seconds {
            0 | CHECK_MIN..=CHECK_MAX => Ok(()),
            _ => Err(format!("health.check_seconds: give {CHECK_MIN} to {CHECK_MAX}, or 0 for no checks by themselves.")),
        }
    }

    /// Microseconds between two checks; `None`: only when somebody asks.
    pub fn check_micros(&self) -> Option<i64> {
        (self.check_seconds > 0).then(|| i64::from(self.check_seconds) * SECOND)
    }
}
