//! Rows that name a later root than the vault holds. Another node may have made that root, or the row is damaged: the vault cannot tell, the stored record can.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::vault::Vault;
use crate::{Blob, VaultError};

/// How many are remembered. Whoever can write rows can name any number of roots, and shall not fill the memory with them.
const REMEMBERED_MAX: usize = 64;

/// What a row named: a root that the vault does not hold, later than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaterRoot {
    /// What was read.
    pub blob: Blob,
    /// The generation that it names.
    pub generation: u32,
}

impl From<LaterRoot> for VaultError {
    fn from(LaterRoot { blob, generation }: LaterRoot) -> Self {
        Self::UnknownRoot { blob, generation }
    }
}

/// What rows named.
#[derive(Default)]
pub(super) struct Later(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Met, and not asked about yet.
    met: Vec<LaterRoot>,
    /// The stored record knows of no such root.
    denied: Vec<LaterRoot>,
}

impl Later {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn meet(&self, blob: Blob, generation: u32) {
        remember(&mut self.seen().met, LaterRoot { blob, generation });
    }

    pub(super) fn is_denied(&self, blob: Blob, generation: u32) -> bool {
        self.seen().denied.contains(&LaterRoot { blob, generation })
    }

    pub(super) fn forget(&self) {
        *self.seen() = Seen::default();
    }
}

fn remember(all: &mut Vec<LaterRoot>, one: LaterRoot) {
    if !all.contains(&one) {
        all.push(one);
        all.drain(..all.len().saturating_sub(REMEMBERED_MAX));
    }
}

impl Vault {
    /// The later roots that rows named, and of which nobody has asked the stored record yet. Ask this first, and then read the record.
    pub fn later_roots(&self) -> Vec<LaterRoot> {
        self.later.seen().met.clone()
    }

    /// Call it when the stored record, read behind [`later_roots`](Self::later_roots), is the vault's own: then these roots do not exist. Rows that name one of them
    /// are damaged, and say so from now on, until the vault goes by another record.
    pub fn deny_later_roots(&self, roots: &[LaterRoot]) {
        let mut seen = self.later.seen();
        seen.met.retain(|met| !roots.contains(met));
        roots.iter().for_each(|root| remember(&mut seen.denied, *root));
    }

    /// Why a row that seemed to be of a later root does not open, if such a root was denied: the last one.
    pub fn denied_later_root(&self) -> Option<LaterRoot> {
        self.later.seen().denied.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Adopted,
        safe::testing::{House, new_key_file},
    };

    #[test]
    fn a_row_of_a_root_that_the_stored_record_does_not_know_is_damaged_until_the_record_is_another() {
        let house = House::new("house");
        let mut row = house.generate().sealed.into_bytes();
        row[4] = 2;
        let open = || house.vault.fingerprint(&house.held(&row)).err();
        let damage = LaterRoot { blob: Blob::Material, generation: 2 };
        assert_eq!((open(), house.vault.later_roots()), (Some(VaultError::Sealed), vec![damage]));
        house.vault.deny_later_roots(&[damage]);
        assert_eq!((open(), house.vault.later_roots(), house.vault.denied_later_root()), (Some(damage.into()), vec![], Some(damage)));
        row[4] = 3;
        assert_eq!(house.vault.fingerprint(&house.held(&row)).err(), Some(VaultError::Sealed), "of this one nobody has asked yet");
        let record = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record;
        assert_eq!(house.vault.adopt(record), Adopted::Open);
        assert_eq!((house.vault.later_roots(), house.vault.denied_later_root()), (vec![], None));
    }

    #[test]
    fn a_flood_of_false_roots_does_not_fill_the_memory() {
        let later = Later::default();
        (2..1000).for_each(|generation| later.meet(Blob::Material, generation));
        assert_eq!(later.seen().met.len(), REMEMBERED_MAX);
    }
}
