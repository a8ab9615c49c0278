//! The waiting period before a cloud really deletes a key.

use crate::Invalid;

/// Days of waiting: 7 to 30.
///
/// Source: AWS KMS API reference, ScheduleKeyDeletion, PendingWindowInDays (CM-058, FT-018).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingDays(u8);

impl WaitingDays {
    /// The longest period, and what is taken when nobody says otherwise: time to notice a mistake.
    pub const LONGEST: Self = Self(30);
    /// The shortest that AWS takes; what the sweep uses for leftovers that never held a key.
    pub const SHORTEST: Self = Self(7);

    /// Checks the number.
    ///
    /// # Errors
    /// [`Invalid`] naming `days`.
    pub fn parse(days: i64) -> Result<Self, Invalid> {
        match u8::try_from(days) {
            Ok(days @ 7..=30) => Ok(Self(days)),
            _ => Err(Invalid::new("days", format!("is {days}"), "Give 7 to 30: AWS waits at least 7 days and at most 30 before it deletes a key.")),
        }
    }

    /// The number of days.
    pub const fn get(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_7_to_30_days_are_taken() {
        for days in -1..=260 {
            assert_eq!(WaitingDays::parse(days).is_ok(), (7..=30).contains(&days), "{days}");
        }
    }
}
