//! A set of shares as the root's record knows it: how many there are, how many it takes, and a commitment to each, by which every share is checked on its own.
//!
//! Without commitments a false share shows only when enough are together and the root does not open; nobody can then tell which it was, all are forgotten, and
//! a stranger keeps the vault sealed by offering rubbish. With them a false share is refused when it comes, and the good ones stay.
//!
//! *What a commitment gives away.* It is SHA-256 over the share's place (threshold, count, set, number) and its 32 bytes. These bytes are one point on each of 32
//! polynomials over GF(2^8) whose coefficients, the unlock key's bytes included, are all uniform; a share is therefore uniform over 256 bits, and stays so for
//! whoever knows any k - 1 others. The hash takes all 32 bytes at once, so no byte can be guessed by itself. To learn a share from the record one must find a
//! preimage among 2^256, and the at most 16 targets make that 2^252. The record allows no less without commitments: it holds the root under AES-256-GCM, by which
//! each guess of the unlock key can be tried. What Shamir's sharing promises against a thief of unlimited power was given up there already, and not here.
//! A key for a MAC would be better and cannot be had: a sealed vault has none.

use super::{
    SHARES_MAX,
    share::{SetId, Share, ShareError},
};
use crate::{
    ProviderFailed, Random,
    hazmat::{
        aad::Aad,
        shamir::{self, Point},
    },
    secret::Secret,
};
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use zeroize::Zeroizing;

/// SHA-256.
pub(crate) const COMMITMENT_LEN: usize = 32;

/// Which shares open a root. It is part of the record's head and so bound to the root: a commitment that was changed leaves a root that does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShareSet {
    pub(crate) threshold: u8,
    pub(crate) id: SetId,
    /// One for each share, in the order of their numbers.
    commitments: Vec<[u8; COMMITMENT_LEN]>,
}

impl ShareSet {
    /// A set as a record tells it; `None` for numbers that cannot be.
    pub(crate) fn new(threshold: u8, id: SetId, commitments: Vec<[u8; COMMITMENT_LEN]>) -> Option<Self> {
        let count = u8::try_from(commitments.len()).ok()?;
        numbers_are_possible(threshold, count).then_some(Self { threshold, id, commitments })
    }

    /// How many shares there are.
    pub(crate) fn count(&self) -> u8 {
        // Not more than SHARES_MAX: `new` is the only way to make one.
        u8::try_from(self.commitments.len()).unwrap_or(SHARES_MAX)
    }

    /// The commitments, in the order of their shares.
    pub(crate) fn commitments(&self) -> &[[u8; COMMITMENT_LEN]] {
        &self.commitments
    }

    /// Whether a share may stand beside those whose numbers are given.
    pub(crate) fn accept(&self, mut present: impl Iterator<Item = u8>, share: &Share) -> Result<(), ShareError> {
        // First of all: only a keeper is told which shares are there.
        if !self.has(share) {
            return Err(ShareError::NotOfThisVault);
        }
        match present.any(|number| number == share.number()) {
            true => Err(ShareError::Duplicate { number: share.number() }),
            false => Ok(()),
        }
    }

    fn has(&self, share: &Share) -> bool {
        let known = usize::from(share.number()).checked_sub(1).and_then(|at| self.commitments.get(at));
        known.is_some_and(|known| verify_slices_are_equal(known, &commitment(share)).is_ok())
    }

    /// The unlock key of enough different shares of this set; further ones are left aside.
    pub(crate) fn join(&self, shares: &[Share]) -> Result<Secret<32>, ShareError> {
        let mut points: Vec<&Point> = Vec::new();
        for share in shares {
            self.accept(points.iter().map(|point| point.x), share)?;
            points.push(&share.point);
        }
        points.truncate(usize::from(self.threshold));
        let have = u8::try_from(points.len()).unwrap_or(u8::MAX);
        shamir::join(&points, self.threshold).ok_or(ShareError::TooFew { have, need: self.threshold })
    }
}

/// Whether k of n can be: at least two keepers, and no more shares than [`SHARES_MAX`].
pub(crate) fn numbers_are_possible(threshold: u8, count: u8) -> bool {
    (2..=SHARES_MAX).contains(&count) && (2..=count).contains(&threshold)
}

/// Splits an unlock key among `count` keepers. The numbers must be [possible](numbers_are_possible).
pub(crate) fn split(key: &Secret<32>, threshold: u8, count: u8, id: SetId, random: &dyn Random) -> Result<(ShareSet, Vec<Share>), ProviderFailed> {
    let points = shamir::split(key, threshold, count, random)?;
    let shares: Vec<Share> = points.into_iter().map(|point| Share { threshold, count, set: id, point }).collect();
    let set = ShareSet::new(threshold, id, shares.iter().map(commitment).collect());
    Ok((set.ok_or(ProviderFailed { operation: "split a secret" })?, shares))
}

/// What the record keeps of a share. The purpose keeps it apart from every other hash of one: the share's own check sum, four bytes of it, is public.
fn commitment(share: &Share) -> [u8; COMMITMENT_LEN] {
    let place = Aad::of("keystead share commitment 1").bytes(&[share.threshold, share.count]).bytes(&share.set.0).bytes(&[share.point.x]);
    let whole = Zeroizing::new([place.as_bytes(), share.point.y.expose()].concat());
    let mut commitment = [0; COMMITMENT_LEN];
    commitment.iter_mut().zip(digest::digest(&digest::SHA256, &whole).as_ref()).for_each(|(to, from)| *to = *from);
    commitment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::seeded::Seeded;
    use proptest::prelude::*;

    const ID: SetId = SetId([0xa1, 0xb2, 0xc3, 0xd4]);

    fn key() -> Secret<32> {
        Secret::init_with(|bytes| Seeded::new("share key").fill(bytes))
    }

    fn of(seed: &'static str) -> (ShareSet, Vec<Share>) {
        split(&key(), 3, 5, ID, &Seeded::new(seed)).expect("splitting works")
    }

    #[test]
    fn every_subset_of_three_opens_and_no_smaller_one_does() {
        let (set, _) = of("shares");
        for chosen in 0u32..1 << 5 {
            let subset: Vec<Share> = of("shares").1.into_iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, share)| share).collect();
            let have = subset.len();
            match set.join(&subset) {
                Ok(found) => assert!(have >= 3 && found.expose() == key().expose()),
                Err(error) => assert_eq!(error, ShareError::TooFew { have: u8::try_from(have).expect("at most five"), need: 3 }),
            }
        }
    }

    #[test]
    fn a_share_of_another_split_and_one_twice_are_refused() {
        let (set, mut twice) = of("shares");
        twice.push(of("shares").1.remove(4));
        assert_eq!(set.join(&twice).err(), Some(ShareError::Duplicate { number: 5 }));
        assert_eq!(set.join(&of("other coefficients").1).err(), Some(ShareError::NotOfThisVault), "the same key and set id, and yet not its shares");
    }

    #[test]
    fn a_stranger_does_not_learn_which_shares_are_there_nor_the_set() {
        let (set, _) = of("shares");
        let forged = of("other coefficients").1.remove(1);
        assert_eq!(set.accept([2].into_iter(), &forged), Err(ShareError::NotOfThisVault), "number 2 is there, and is not told");
        let told = ShareError::NotOfThisVault.to_string();
        assert!(!told.contains(&ID.to_string()) && !told.contains("3 of 5"), "{told}");
    }

    #[test]
    fn no_two_shares_have_the_same_commitment() {
        let (set, shares) = of("shares");
        let mut all = set.commitments().to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), shares.len()), (5, 5));
    }

    proptest! {
        #[test]
        fn a_share_that_is_bent_anywhere_is_not_one_of_the_set(which in 0usize..5, at in 0usize..36, by in 1u8..) {
            let (set, mut shares) = of("shares");
            let Share { threshold, count, set: id, point } = shares.remove(which);
            let mut bent = Share { threshold, count, set: id, point: Point { x: point.x, y: Secret::init_with(|bytes| bytes.copy_from_slice(point.y.expose())) } };
            match at {
                0 => bent.threshold ^= by,
                1 => bent.count ^= by,
                2 => bent.set.0[usize::from(by) % 4] ^= by,
                3 => bent.point.x ^= by,
                at => {
                    let mut bytes = *point.y.expose();
                    bytes[at - 4] ^= by;
                    bent.point.y = Secret::init_with(|out| out.copy_from_slice(&bytes));
                }
            }
            prop_assert_eq!(set.accept(std::iter::empty(), &bent), Err(ShareError::NotOfThisVault));
        }
    }
}
