//! A key ceremony: a key comes in components, each entered by another person, and is their XOR (ANSI X9.24-1; NIST SP 800-57 part 2, split knowledge). Who knows all
//! components but one knows nothing of the key.

use crate::{Invalid, KeyFamily, KeySpec, Timestamp};

/// The fewest components: one would be no split.
pub const COMPONENTS_MIN: u32 = 2;
/// The most.
pub const COMPONENTS_MAX: u32 = 8;
/// How long components wait for the others, in hours; then they are wiped.
pub const WAITS_HOURS: i64 = 72;

/// Where a ceremony stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CeremonyState {
    /// Components are being entered, or all are there and the key is not begun.
    Waiting,
    /// The operation that makes the key runs.
    Making,
    /// The key is made. The components are wiped.
    Made,
    /// Somebody cancelled it. The components are wiped.
    Cancelled,
    /// Nobody finished it in time. The components are wiped.
    Expired,
}

impl CeremonyState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Making, Self::Made, Self::Cancelled, Self::Expired];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Making => "MAKING",
            Self::Made => "MADE",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Invalid::new("state", "is not a state of a ceremony", "Give WAITING, MAKING, MADE, CANCELLED or EXPIRED."))
    }
}

/// Checks how many components a key comes in.
///
/// # Errors
/// [`Invalid`] naming `components`.
pub fn check_components(count: u32) -> Result<u32, Invalid> {
    let mend = || format!("Give {COMPONENTS_MIN} to {COMPONENTS_MAX}.");
    if (COMPONENTS_MIN..=COMPONENTS_MAX).contains(&count) { Ok(count) } else { Err(Invalid::new("components", format!("is {count}"), mend())) }
}

/// Checks that a kind of key can come in components: those whose every string of bytes is a key.
///
/// # Errors
/// [`Invalid`] naming `spec`.
pub fn check_spec(spec: KeySpec) -> Result<(), Invalid> {
    match spec.family() {
        KeyFamily::Aes | KeyFamily::Hmac => Ok(()),
        KeyFamily::Rsa | KeyFamily::Ec => {
            let mend = "Give AES_256 or an HMAC kind; a pair comes in a PKCS#8 file, or wrapped: `keystead key import`.";
            Err(Invalid::new("spec", format!("is {}, which does not come in components", spec.as_str()), mend))
        }
    }
}

/// When the components of a ceremony that begins now are wiped.
pub fn expires_at(now: Timestamp) -> Timestamp {
    now.plus_micros(WAITS_HOURS * 3600 * crate::time::SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_to_eight_components_of_what_has_no_structure() {
        assert!([2, 3, 8].into_iter().all(|count| check_components(count) == Ok(count)));
        assert!([0, 1, 9, u32::MAX].into_iter().all(|count| check_components(count).is_err_and(|refused| refused.field == "components")));
        let taken: Vec<_> = KeySpec::ALL.into_iter().filter(|spec| check_spec(*spec).is_ok()).collect();
        assert_eq!(taken, [KeySpec::Aes256, KeySpec::Hmac224, KeySpec::Hmac256, KeySpec::Hmac384, KeySpec::Hmac512]);
    }

    #[test]
    fn every_state_is_read_back() {
        assert!(CeremonyState::ALL.into_iter().all(|state| CeremonyState::parse(state.as_str()) == Ok(state)));
        assert_eq!(CeremonyState::parse("OPEN").expect_err("no such state").field, "state");
    }

    #[test]
    fn three_days_are_given() {
        let now = Timestamp::from_secs(1_790_000_000);
        assert_eq!(expires_at(now), now.plus_days(3));
    }
}
