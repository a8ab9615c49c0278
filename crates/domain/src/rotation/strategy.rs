//! How a key is rotated: by a successor that takes over the aliases, or in place, with new material under the same name of the cloud.

use crate::{Custody, Invalid, KeyFamily, KeySpec};

/// How.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// A successor with new material takes over the aliases.
    #[default]
    NewKey,
    /// The same cloud key gets new material: its ARN stays, and what it encrypted before opens.
    InPlace,
}

impl Strategy {
    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewKey => "new-key",
            Self::InPlace => "in-place",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `strategy`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "new-key" => Ok(Self::NewKey),
            "in-place" => Ok(Self::InPlace),
            _ => Err(Invalid::new("strategy", "is not a strategy", "Give new-key or in-place.")),
        }
    }

    /// What is done to a key under this strategy: where the cloud rotates no such key in place, or no longer, a successor takes over.
    pub fn of(self, key: &Turnable) -> Self {
        if self == Self::InPlace && key.check_left().is_ok() { Self::InPlace } else { Self::NewKey }
    }
}

/// A key as far as its rotation in place hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turnable {
    /// Kind of key.
    pub spec: KeySpec,
    /// Whose its material is.
    pub custody: Custody,
    /// Whether other keys are copies of it.
    pub has_copies: bool,
    /// How often its cloud replaces material under one name, for life; `None`: not at all.
    pub rotations_max: Option<u32>,
    /// How often that was done to this key.
    pub rotations_done: u32,
    /// Whether a replica of it in another Region is out of use: its cloud rotates only what has the new material in every Region.
    pub has_absent_replica: bool,
}

impl Turnable {
    /// How often it can still be done.
    pub fn left(&self) -> u32 {
        if self.check().is_ok() { self.rotations_max.unwrap_or(0).saturating_sub(self.rotations_done) } else { 0 }
    }

    /// Refuses a key that is never rotated in place, naming the rule.
    ///
    /// Source: AWS KMS Developer Guide, "Perform on-demand key rotation": symmetric encryption keys only.
    ///
    /// # Errors
    /// [`Invalid`] naming `strategy`.
    pub fn check(&self) -> Result<(), Invalid> {
        let reason = match (self.custody, self.spec.family(), self.rotations_max) {
            (Custody::Native, _, _) => "is in-place, and the key's material is the cloud's: Keystead replaces only what it has".to_owned(),
            (Custody::Linked, _, _) => "is in-place, and the key is a copy: its material is its source's".to_owned(),
            _ if self.has_copies => "is in-place, and the key has copies: their material would stay the old one".to_owned(),
            (_, _, None) => "is in-place, and the key's keystore replaces no material under the same name".to_owned(),
            (_, KeyFamily::Aes, Some(_)) => return Ok(()),
            (_, _, Some(_)) => {
                let kind = self.spec.as_str();
                format!("is in-place, and the key is {kind}: AWS rotates symmetric encryption keys on demand only, no HMAC keys and no pairs")
            }
        };
        Err(Invalid::new("strategy", reason, "Take new-key: a successor with new material takes over the aliases."))
    }

    /// The same, and refuses a key that has been rotated in place as often as its cloud allows.
    ///
    /// # Errors
    /// [`Invalid`] naming `strategy`.
    pub fn check_left(&self) -> Result<(), Invalid> {
        self.check()?;
        if self.has_absent_replica {
            let reason = "is in-place, and a replica of the key is out of use: AWS rotates a multi-Region key only when all its Regions have the new material";
            return Err(Invalid::new("strategy", reason, "Take the replica into use, wait until it is deleted, or take new-key."));
        }
        match self.rotations_max.filter(|max| self.rotations_done >= *max) {
            None => Ok(()),
            Some(max) => {
                let reason = format!("is in-place, and the key has been rotated in place {} times: its cloud allows {max}, for life", self.rotations_done);
                Err(Invalid::new("strategy", reason, "Take new-key: a successor takes over the aliases, and can be rotated in place again."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(spec: KeySpec) -> Turnable {
        Turnable { spec, custody: Custody::Own, has_copies: false, has_absent_replica: false, rotations_max: Some(25), rotations_done: 0 }
    }

    #[test]
    fn only_symmetric_keys_of_our_own_are_rotated_in_place_and_others_are_told_the_rule() {
        for spec in KeySpec::ALL {
            for custody in Custody::ALL {
                let key = Turnable { custody, ..key(spec) };
                let is_possible = spec == KeySpec::Aes256 && custody == Custody::Own;
                assert_eq!(key.check().is_ok(), is_possible, "{key:?}");
                assert_eq!(Strategy::InPlace.of(&key) == Strategy::InPlace, is_possible, "{key:?}");
                assert_eq!(Strategy::NewKey.of(&key), Strategy::NewKey);
                assert_eq!(key.left(), if is_possible { 25 } else { 0 });
            }
        }
        let told = key(KeySpec::Hmac256).check().expect_err("no HMAC keys");
        assert!(told.field == "strategy" && told.reason.contains("AWS rotates symmetric encryption keys"), "{told}");
        let source = Turnable { has_copies: true, ..key(KeySpec::Aes256) };
        assert!(source.check().expect_err("copies stay behind").reason.contains("copies") && Strategy::InPlace.of(&source) == Strategy::NewKey);
        let here = Turnable { rotations_max: None, ..key(KeySpec::Aes256) };
        assert!(here.check().expect_err("no cloud").reason.contains("under the same name"));
    }

    #[test]
    fn the_25_are_counted_and_behind_them_a_successor_takes_over() {
        for done in 0..=26 {
            let key = Turnable { rotations_done: done, ..key(KeySpec::Aes256) };
            assert_eq!(key.left(), 25_u32.saturating_sub(done));
            assert_eq!(Strategy::InPlace.of(&key), if done < 25 { Strategy::InPlace } else { Strategy::NewKey }, "{done}");
            assert_eq!(key.check(), Ok(()), "a policy may stay: the successor begins anew");
        }
        assert!(Turnable { rotations_done: 25, ..key(KeySpec::Aes256) }.check_left().expect_err("all are used").reason.contains("25"));
    }

    #[test]
    fn a_family_with_an_absent_member_gets_a_successor_until_it_is_whole_again() {
        let key = Turnable { has_absent_replica: true, ..key(KeySpec::Aes256) };
        assert_eq!((Strategy::InPlace.of(&key), key.check()), (Strategy::NewKey, Ok(())));
        assert!(key.check_left().expect_err("a replica is away").reason.contains("all its Regions"));
    }

    #[test]
    fn every_name_is_read_back() {
        for strategy in [Strategy::NewKey, Strategy::InPlace] {
            assert_eq!(Strategy::parse(strategy.as_str()), Ok(strategy));
        }
        assert_eq!(Strategy::parse("hope").expect_err("no strategy").field, "strategy");
    }
}
