//! Shares that come one by one, from several people at several times, until there are enough.

use super::{
    root,
    share::Share,
    unlock::{Method, UnlockKind, UnlockSecret},
    vault::{State, Vault},
};
use crate::UnsealError;

/// How far an unsealing by shares has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Shares that are there.
    pub have: u8,
    /// Shares that it takes.
    pub need: u8,
}

impl Vault {
    /// Takes one share; the one that completes the threshold opens the vault. Each is held against its commitment when it comes: a false one is refused, is not
    /// counted, and changes nothing. There are never more shares here than the threshold.
    ///
    /// # Errors
    /// [`UnsealError::Share`] leaves the shares before it in place. [`UnsealError::WrongSecret`] after the last one: the record is damaged, and no share helps.
    pub fn offer_share(&self, text: &str) -> Result<Progress, UnsealError> {
        self.offer(Share::parse(text)?)
    }

    /// The same with a share that was [read](Share::parse) before.
    ///
    /// # Errors
    /// As [`offer_share`](Self::offer_share).
    pub fn offer(&self, share: Share) -> Result<Progress, UnsealError> {
        self.write().offer(share)
    }

    /// How far shares have come; `None` when shares do not open this vault.
    pub fn progress(&self) -> Option<Progress> {
        let state = self.read();
        let (need, _, _) = state.record.shares()?;
        Some(state.progress(need))
    }
}

impl State {
    fn progress(&self, need: u8) -> Progress {
        let have = if self.roots.is_some() { need } else { u8::try_from(self.offered.len()).unwrap_or(need) };
        Progress { have, need }
    }

    fn offer(&mut self, share: Share) -> Result<Progress, UnsealError> {
        let Method::Shares(set) = &self.record.method else {
            return Err(UnsealError::OtherKind { wants: self.record.kind(), given: UnlockKind::Shares });
        };
        let need = set.threshold;
        set.accept(self.offered.iter().map(Share::number), &share)?;
        if self.roots.is_none() {
            self.offered.push(share);
        }
        if self.offered.len() >= usize::from(need) {
            let secret = UnlockSecret::Shares(std::mem::take(&mut self.offered));
            let roots = root::open(&self.record, &secret)?;
            self.install(roots);
        }
        Ok(self.progress(need))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        NewUnlock, RootRecord, ShareError,
        hazmat::shamir::Point,
        random::seeded::Seeded,
        safe::testing::{House, restarted},
        secret::Secret,
    };
    use proptest::prelude::*;

    fn of_shares(threshold: u8, count: u8) -> (Vault, Vec<Share>) {
        let created = root::create(&NewUnlock::Shares { threshold, count }, &Seeded::new("shares")).expect("a root is made");
        (restarted(&created.record, "vault of shares"), created.shares)
    }

    fn texts(shares: &[Share]) -> Vec<String> {
        shares.iter().map(|share| share.text().expose().to_owned()).collect()
    }

    #[test]
    fn a_vault_that_opens_by_another_secret_takes_no_shares() {
        let vault = House::new("house").vault;
        vault.seal();
        assert_eq!(vault.progress(), None);
        let share = &texts(&of_shares(2, 2).1)[0];
        assert_eq!(vault.offer_share(share), Err(UnsealError::OtherKind { wants: UnlockKind::KeyFile, given: UnlockKind::Shares }));
    }

    #[test]
    fn shares_open_one_by_one() {
        let (vault, shares) = of_shares(3, 5);
        let texts = texts(&shares);
        assert_eq!(vault.progress(), Some(Progress { have: 0, need: 3 }));
        assert_eq!(vault.offer_share(&texts[4]), Ok(Progress { have: 1, need: 3 }));
        assert_eq!(vault.offer_share(&texts[4]), Err(ShareError::Duplicate { number: 5 }.into()));
        assert_eq!(vault.offer_share(&texts[1]), Ok(Progress { have: 2, need: 3 }));
        assert!(vault.is_sealed());
        assert_eq!(vault.offer_share(&texts[0]), Ok(Progress { have: 3, need: 3 }));
        assert!(!vault.is_sealed());
        assert_eq!(vault.offer_share(&texts[2]), Ok(Progress { have: 3, need: 3 }), "a late keeper does no harm");
    }

    #[test]
    fn shares_open_all_at_once() {
        let (vault, mut shares) = of_shares(2, 3);
        let last = shares.pop().expect("three shares");
        assert_eq!(vault.unseal(&UnlockSecret::Shares(vec![last])), Err(ShareError::TooFew { have: 1, need: 2 }.into()));
        assert_eq!(vault.unseal(&UnlockSecret::Shares(shares)), Ok(()));
    }

    #[test]
    fn a_share_of_another_set_is_refused_and_those_before_it_stay() {
        let (vault, shares) = of_shares(2, 2);
        let other = root::create(&NewUnlock::Shares { threshold: 2, count: 2 }, &Seeded::new("another root")).expect("a root is made").shares;
        vault.offer_share(&texts(&shares)[0]).expect("the first of two");
        assert_eq!(vault.offer_share(&texts(&other)[1]), Err(ShareError::NotOfThisVault.into()));
        assert_eq!(vault.progress(), Some(Progress { have: 1, need: 2 }));
        assert_eq!(vault.offer_share(&texts(&shares)[1]), Ok(Progress { have: 2, need: 2 }), "and the keepers go on");
    }

    #[test]
    fn a_commitment_that_was_changed_in_the_record_opens_nothing() {
        let created = root::create(&NewUnlock::Shares { threshold: 2, count: 2 }, &Seeded::new("shares")).expect("a root is made");
        let mut bytes = created.record.to_bytes();
        // Behind format, kind, threshold, count and set stands the commitment to share 1.
        bytes[9] ^= 1;
        let vault = restarted(&RootRecord::from_bytes(&bytes).expect("it has the form of a record"), "vault of shares");
        assert_eq!(vault.offer_share(&texts(&created.shares)[0]), Err(ShareError::NotOfThisVault.into()));
        assert!(vault.unseal(&UnlockSecret::Shares(created.shares)).is_err());
    }

    #[derive(Debug, Clone)]
    enum Offered {
        /// Keeper number n, counted from 0.
        Genuine(usize),
        /// A well-formed share of a set that a stranger made, with the true set id.
        Forged(usize, u8),
        Rubbish(String),
    }

    fn offered() -> impl Strategy<Value = Offered> {
        prop_oneof![
            (0usize..5).prop_map(Offered::Genuine),
            (0usize..5, any::<u8>()).prop_map(|(n, y)| Offered::Forged(n, y)),
            "\\PC{0,80}".prop_map(Offered::Rubbish)
        ]
    }

    /// A share that reads like one of the set: threshold, count, set id and check sum are right, and only its 32 bytes are the stranger's.
    fn forged(of: &Share, y: u8) -> String {
        let point = Point { x: of.number(), y: Secret::init_with(|bytes| bytes.fill(y)) };
        Share { threshold: of.threshold(), count: of.count(), set: of.set(), point }.text().expose().to_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_strangers_offer_only_keepers_shares_count(steps in proptest::collection::vec(offered(), 0..40)) {
            let (vault, shares) = of_shares(4, 5);
            let texts = texts(&shares);
            let mut given = std::collections::BTreeSet::new();
            for step in steps {
                if given.len() == 4 {
                    break;
                }
                let before = vault.progress();
                match step {
                    Offered::Genuine(n) => {
                        prop_assert_eq!(vault.offer_share(&texts[n]).is_ok(), given.insert(n));
                    }
                    Offered::Forged(n, y) => {
                        prop_assert_eq!(vault.offer_share(&forged(&shares[n], y)), Err(ShareError::NotOfThisVault.into()));
                        prop_assert_eq!(vault.progress(), before);
                    }
                    Offered::Rubbish(text) => {
                        prop_assert!(vault.offer_share(&text).is_err());
                        prop_assert_eq!(vault.progress(), before);
                    }
                }
                prop_assert_eq!(vault.progress(), Some(Progress { have: given.len() as u8, need: 4 }));
                prop_assert_eq!(vault.is_sealed(), given.len() < 4);
            }
        }
    }

    #[test]
    fn sealing_forgets_shares_that_came() {
        let (vault, shares) = of_shares(2, 2);
        vault.offer_share(&texts(&shares)[0]).expect("the first of two");
        vault.seal();
        assert_eq!(vault.progress(), Some(Progress { have: 0, need: 2 }));
    }
}
