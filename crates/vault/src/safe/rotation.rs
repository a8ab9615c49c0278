//! Roots change while the house is open. Each change is a record: made here, made durable by the caller, then [adopted](Vault::adopt).
//!
//! A root rotation in five steps, of which any may be the last before a crash:
//! 1. [`begin_root_rotation`](Vault::begin_root_rotation) makes a new root. Its record holds the old root, too, wrapped under the new. Nothing else changes.
//!    A root of shares is not stored before enough of its keepers have [shown theirs](Vault::prove_begun).
//! 2. The caller says that it [is being stored](Vault::begun_is_being_stored), and stores the record. From here on a restart finds both roots; before, it finds
//!    the old one, under which everything still is. If nobody knows whether it was stored, the new root is kept, and no other one begun, until that is known.
//! 3. [`adopt`](Vault::adopt): what is sealed from now on is sealed under the new root, and the old one still opens.
//! 4. The caller makes each account's [next key](Vault::next_account_key), which is sealed under the new root, goes through the rows with
//!    [`rewrap`](Vault::rewrap), and forgets the account keys before.
//! 5. When no row names the old root, [`finish_root_rotation`](Vault::finish_root_rotation) makes a record without it; the caller stores and adopts it.
//!
//! An account key is never sealed anew under another root. So its generation says under which root it and all that is sealed with it lie, and a store that
//! demands an account key of the stored root keeps everything out that another node still seals under an old one.
//!
//! A root in software may be followed by one in a hardware module, and a root in a module by one in the same or another module; what a module holds does not come out
//! again. Each key that moves is opened again under the new root and must have the same fingerprint.
//!
//! An account key rotates without any state here: the caller holds both sealed keys, and re-wraps row by row from one to the other.

use super::{
    module,
    record::RootRecord,
    root::{self, Created, Root, ToKeep},
    share::Share,
    unlock::{self, NewUnlock, UnlockSecret},
    vault::{Pending, State, Vault},
};
use crate::{RootError, UnsealError};
use keystead_domain::KeySpec;

impl Vault {
    /// Makes a new root that opens by `unlock`, or in a module. The vault goes on under the old one until the record is adopted; beginning again forgets this one,
    /// unless it may have been stored. `kinds` are the kinds of key that the vault holds: a module that would not take all of them is refused.
    ///
    /// # Errors
    /// [`RootError`]; [`RootError::InModule`] when a root would leave its module; [`RootError::RotationRunning`] while a previous root is still held; [`RootError::RotationUnsettled`] while a new one may have been stored.
    pub fn begin_root_rotation(&self, unlock: &NewUnlock, kinds: &[KeySpec]) -> Result<Created, RootError> {
        // What is made in a module stays there: that it may be made is seen first.
        let (generation, before) = self.read().to_keep()?;
        let (mut created, root) = match unlock {
            NewUnlock::Module { hsm, backup } => module::create(hsm, *backup, generation, kinds, self.random())?,
            _ => {
                let (prepared, root) = (unlock::prepare(unlock, self.random())?, Root::fresh(generation, self.random())?);
                (root::wrap(prepared, &root, None, self.random())?, root)
            }
        };
        created.record.previous = Some(before.under(&root, self.random())?);
        let mut state = self.write();
        // Somebody may have been faster while the root was made.
        if state.next_generation()? != generation {
            return Err(RootError::RotationRunning);
        }
        state.pending = Some(Pending { record: created.record.clone(), root, may_be_stored: false });
        Ok(created)
    }

    /// The record of the root that was begun, if this secret opens it: proof that whoever brings the secret has it. Nothing changes.
    ///
    /// # Errors
    /// [`UnsealError`]; [`UnsealError::NothingBegun`] when no root waits for it.
    pub fn prove_begun(&self, secret: &UnlockSecret) -> Result<RootRecord, UnsealError> {
        let pending = self.read().pending.as_ref().map(|pending| (pending.record.clone(), pending.root.in_module()));
        let (record, root) = pending.ok_or(UnsealError::NothingBegun)?;
        prove(&record, root.as_ref(), secret)?;
        Ok(record)
    }

    /// Whether these shares open this vault, or restore the copy of its root in a module: a rehearsal, in which nothing changes. Answers the
    /// record that they were held against. The vault must be open.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub fn rehearse(&self, shares: Vec<Share>) -> Result<RootRecord, UnsealError> {
        let (record, root) = {
            let state = self.read();
            (state.record.clone(), state.roots.as_ref().and_then(|roots| roots.current.in_module()))
        };
        prove(&record, root.as_ref(), &UnlockSecret::Shares(shares))?;
        Ok(record)
    }

    /// Call it before the record of a root that was begun is stored, and [`forget_begun`](Self::forget_begun) or [`adopt`](Self::adopt) when it is known what
    /// became of it. In between the root is not forgotten, and none is begun.
    ///
    /// # Errors
    /// [`RootError::NoRotation`] when it is not the one that was begun last.
    pub fn begun_is_being_stored(&self, record: &RootRecord) -> Result<(), RootError> {
        let mut state = self.write();
        let pending = state.pending.as_mut().filter(|pending| pending.record == *record).ok_or(RootError::NoRotation)?;
        pending.may_be_stored = true;
        Ok(())
    }

    /// The record of a root that was begun, while nobody knows whether it was stored.
    pub fn unsettled(&self) -> Option<RootRecord> {
        self.read().pending.as_ref().filter(|pending| pending.may_be_stored).map(|pending| pending.record.clone())
    }

    /// Forgets a root that was begun. Call it only when its record is not stored, and will not be.
    pub fn forget_begun(&self) {
        // A look does not wait for the uses that run, and mostly there is nothing to forget.
        if self.read().pending.is_some() {
            self.write().pending = None;
        }
    }

    /// The record without the previous root, when no row needs it any more.
    ///
    /// # Errors
    /// [`RootError::Sealed`] and [`RootError::NoRotation`].
    pub fn finish_root_rotation(&self) -> Result<RootRecord, RootError> {
        let state = self.read();
        let roots = state.roots.as_ref().ok_or(RootError::Sealed)?;
        if roots.previous.is_none() {
            return Err(RootError::NoRotation);
        }
        Ok(RootRecord { previous: None, ..state.record.clone() })
    }

    /// The same root under another secret. The old secret opens the vault until the record is adopted, and every older copy of the record for ever: if the
    /// old secret has become known, rotate the root.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn change_unlock(&self, unlock: &NewUnlock) -> Result<Created, RootError> {
        let prepared = unlock::prepare(unlock, self.random())?;
        let state = self.read();
        let roots = state.roots.as_ref().ok_or(RootError::Sealed)?;
        root::wrap(prepared, &roots.current, roots.previous.as_ref(), self.random())
    }
}

fn prove(record: &RootRecord, in_module: Option<&Root>, secret: &UnlockSecret) -> Result<(), UnsealError> {
    match in_module {
        Some(root) => root::prove(record, root, secret),
        None => root::open(record, secret).map(drop),
    }
}

impl State {
    /// The generation of a new root, if one may be begun.
    fn next_generation(&self) -> Result<u32, RootError> {
        let roots = self.roots.as_ref().ok_or(RootError::Sealed)?;
        if roots.previous.is_some() {
            return Err(RootError::RotationRunning);
        }
        if self.pending.as_ref().is_some_and(|pending| pending.may_be_stored) {
            return Err(RootError::RotationUnsettled);
        }
        roots.current.generation.checked_add(1).ok_or(RootError::GenerationsExhausted)
    }

    /// The generation of a new root, and what its record keeps of the present one.
    fn to_keep(&self) -> Result<(u32, ToKeep), RootError> {
        let generation = self.next_generation()?;
        let roots = self.roots.as_ref().ok_or(RootError::Sealed)?;
        Ok((generation, ToKeep::of(&roots.current)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Adopted, ShareError, UnlockSecret, UnsealError, VaultError,
        safe::{
            AccountKey, Fingerprint, Held, RootRecord, sealed_under,
            testing::{House, new_key_file, new_passphrase, open_by_file, passphrase, restarted},
        },
    };

    /// The store of these tests: what survives a crash.
    struct Rows {
        record: RootRecord,
        /// Every generation of the account's key that is still there, from 1.
        account_keys: Vec<Vec<u8>>,
        /// Sealed material, its place's generation, and what its fingerprint has to be.
        materials: Vec<(Vec<u8>, u32, Fingerprint)>,
    }

    fn rows(house: &House) -> Rows {
        let materials = (0..4).map(|_| house.generate()).map(|generated| (generated.sealed.into_bytes(), 1, generated.fingerprint)).collect();
        Rows { record: house.vault.record(), account_keys: vec![house.account_key.as_bytes().to_vec()], materials }
    }

    fn held<'a>(house: &'a House, rows: &'a Rows, at: usize) -> Held<'a> {
        let (sealed, generation, _) = &rows.materials[at];
        let place = super::super::Place { generation: *generation, ..house.place() };
        Held { place, account_key: rows.account_key(sealed_under(sealed).expect("a blob").account_key_generation), sealed }
    }

    impl Rows {
        fn account_key(&self, generation: u32) -> AccountKey<'_> {
            AccountKey { generation, sealed: &self.account_keys[generation as usize - 1] }
        }

        fn newest(&self) -> AccountKey<'_> {
            self.account_key(self.account_keys.len() as u32)
        }
    }

    fn assert_all_open(vault: &Vault, house: &House, rows: &Rows, when: &str) {
        for at in 0..rows.materials.len() {
            assert_eq!(vault.fingerprint(&held(house, rows, at)), Ok(rows.materials[at].2), "row {at} {when}");
        }
    }

    /// One step of the migration that the caller does: first the next account key, then row after row. False when there is nothing left.
    fn migrate_one(vault: &Vault, house: &House, rows: &mut Rows) -> bool {
        let root = vault.record().generation();
        if rows.newest().sealed[4] != root as u8 {
            let next = rows.newest().generation + 1;
            rows.account_keys.push(vault.next_account_key(&house.account, rows.newest(), next).expect("both roots are held").into_bytes());
            return true;
        }
        let behind = rows.materials.iter().position(|(sealed, _, _)| sealed_under(sealed).expect("a blob").root_generation != root);
        let Some(at) = behind else { return false };
        let generation = rows.materials[at].1 + 1;
        let sealed = vault.rewrap(&held(house, rows, at), rows.newest(), generation).expect("both roots are held").into_bytes();
        (rows.materials[at].0, rows.materials[at].1) = (sealed, generation);
        true
    }

    #[test]
    fn a_rotation_that_crashes_after_any_step_leaves_every_row_openable_and_can_be_resumed() {
        let house = House::new("house");
        for crash_after in 0..8 {
            let mut rows = rows(&house);
            let mut vault = restarted(&rows.record, "before");
            vault.unseal(&open_by_file(1)).expect("the old file");
            let created = vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs");
            assert_all_open(&vault, &house, &rows, "after the beginning");
            rows.record = created.record.clone();
            assert_eq!(vault.adopt(created.record), Adopted::Open);
            for step in 0.. {
                if step == crash_after {
                    vault = restarted(&rows.record, "after the crash");
                    vault.unseal(&open_by_file(2)).expect("the new file");
                }
                assert_all_open(&vault, &house, &rows, &format!("after step {step}"));
                if !migrate_one(&vault, &house, &mut rows) {
                    break;
                }
            }
            rows.record = vault.finish_root_rotation().expect("a rotation runs");
            assert_eq!(vault.adopt(rows.record.clone()), Adopted::Open);
            assert_all_open(&vault, &house, &rows, "at the end");
            assert_eq!((rows.record.generation(), rows.record.previous_generation()), (2, None));
        }
    }

    #[test]
    fn a_crash_before_the_record_is_stored_changes_nothing() {
        let house = House::new("house");
        let rows = rows(&house);
        house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs");
        let during = house.generate();
        assert_eq!(sealed_under(during.sealed.as_bytes()).expect("a blob").root_generation, 1, "nothing is sealed under a root that nobody has stored");
        let vault = restarted(&rows.record, "after the crash");
        vault.unseal(&open_by_file(1)).expect("the old file");
        assert_all_open(&vault, &house, &rows, "after the crash");
        assert_eq!(vault.fingerprint(&house.held(during.sealed.as_bytes())), Ok(during.fingerprint));
    }

    #[test]
    fn only_the_record_of_the_last_beginning_is_adopted_without_unsealing() {
        let house = House::new("house");
        let first = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record;
        let second = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("still none runs").record;
        assert_eq!(house.vault.adopt(first), Adopted::Sealed, "its root was forgotten at the second beginning");
        assert_eq!(house.vault.unseal(&open_by_file(2)), Ok(()), "and its own record brings it back");
        assert_eq!(house.vault.adopt(second), Adopted::Sealed);
    }

    #[test]
    fn a_root_that_may_have_been_stored_is_neither_forgotten_nor_begun_over() {
        let house = House::new("house");
        let first = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record;
        assert_eq!(house.vault.unsettled(), None);
        let second = house.vault.begin_root_rotation(&new_key_file(3), &[]).expect("still none runs").record;
        assert_eq!(house.vault.begun_is_being_stored(&first), Err(RootError::NoRotation), "it was forgotten");
        assert_eq!(house.vault.begun_is_being_stored(&second), Ok(()));
        assert_eq!(house.vault.unsettled(), Some(second.clone()));
        assert_eq!(house.vault.begin_root_rotation(&new_key_file(4), &[]).err(), Some(RootError::RotationUnsettled));
        assert_eq!((house.vault.adopt(second), house.vault.unsettled()), (Adopted::Open, None));
    }

    #[test]
    fn a_root_that_was_not_stored_is_forgotten_and_another_may_be_begun() {
        let house = House::new("house");
        let record = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record;
        house.vault.begun_is_being_stored(&record).expect("it was begun");
        house.vault.forget_begun();
        assert_eq!(house.vault.unsettled(), None);
        assert!(house.vault.begin_root_rotation(&new_key_file(3), &[]).is_ok());
    }

    #[test]
    fn only_enough_of_its_own_shares_prove_a_root_that_was_begun() {
        let house = House::new("house");
        let numbers = NewUnlock::Shares { threshold: 2, count: 3 };
        let forgotten = house.vault.begin_root_rotation(&numbers, &[]).expect("no rotation runs").shares;
        let Created { record, mut shares } = house.vault.begin_root_rotation(&numbers, &[]).expect("still none runs");
        assert_eq!(house.vault.prove_begun(&UnlockSecret::Shares(forgotten)), Err(ShareError::NotOfThisVault.into()));
        let two = shares.split_off(1);
        assert_eq!(house.vault.prove_begun(&UnlockSecret::Shares(shares)), Err(ShareError::TooFew { have: 1, need: 2 }.into()));
        assert_eq!(house.vault.record().generation(), 1, "nothing has changed");
        assert_eq!(house.vault.prove_begun(&UnlockSecret::Shares(two)), Ok(record));
        house.vault.forget_begun();
        assert_eq!(house.vault.prove_begun(&open_by_file(2)), Err(UnsealError::NothingBegun));
    }

    #[test]
    fn shares_that_came_stay_when_another_node_only_finishes_its_rotation() {
        let house = House::new("house");
        let created = house.vault.begin_root_rotation(&NewUnlock::Shares { threshold: 2, count: 3 }, &[]).expect("no rotation runs");
        let other = restarted(&created.record, "other node");
        house.vault.adopt(created.record);
        other.offer_share(created.shares[0].text().expose()).expect("the first of two");
        assert_eq!(other.adopt(house.vault.finish_root_rotation().expect("a rotation runs")), Adopted::Sealed);
        assert_eq!(other.progress().map(|progress| progress.have), Some(1), "it is still one of the shares that open it");
        other.offer_share(created.shares[2].text().expose()).expect("the second");
        assert!(!other.is_sealed());
        other.seal();
        other.offer_share(created.shares[0].text().expose()).expect("the first of two");
        let changed = house.vault.change_unlock(&NewUnlock::Shares { threshold: 2, count: 3 }).expect("the vault is open");
        other.adopt(changed.record);
        assert_eq!(other.progress().map(|progress| progress.have), Some(0), "a share of another set opens nothing here");
    }

    #[test]
    fn another_record_of_the_present_root_may_come_between_beginning_and_adopting() {
        let house = House::new("house");
        let rotation = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record;
        let changed = house.vault.change_unlock(&new_key_file(3)).expect("the vault is open").record;
        assert_eq!(house.vault.adopt(changed), Adopted::Open);
        assert_eq!(house.vault.adopt(rotation), Adopted::Open);
        assert_eq!(house.vault.record().generation(), 2);
    }

    #[test]
    fn after_the_end_the_old_root_opens_nothing() {
        let house = House::new("house");
        let old = house.generate();
        let created = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs");
        house.vault.adopt(created.record);
        assert_eq!(house.vault.begin_root_rotation(&new_key_file(3), &[]).err(), Some(RootError::RotationRunning));
        house.vault.adopt(house.vault.finish_root_rotation().expect("a rotation runs"));
        let gone = house.vault.fingerprint(&house.held(old.sealed.as_bytes()));
        assert_eq!(gone, Err(VaultError::UnknownRoot { blob: crate::Blob::Material, generation: 1 }));
        assert_eq!(house.vault.finish_root_rotation().err(), Some(RootError::NoRotation));
    }

    #[test]
    fn another_node_learns_of_a_rotation_and_asks_for_the_new_secret() {
        let house = House::new("house");
        let other = restarted(&house.vault.record(), "other node");
        other.unseal(&open_by_file(1)).expect("the old file");
        let record = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record;
        assert_eq!(other.adopt(record), Adopted::Sealed);
        assert!(other.is_sealed() && other.is_superseded());
        other.seal();
        assert!(other.is_superseded(), "it still needs the new secret");
        assert_eq!(other.unseal(&open_by_file(2)), Ok(()));
        assert!(!other.is_superseded());
        let row = house.generate();
        assert_eq!(other.fingerprint(&house.held(row.sealed.as_bytes())), Ok(row.fingerprint));
        other.seal();
        assert!(!other.is_superseded(), "sealed by hand");
    }

    #[test]
    fn a_node_that_meets_a_row_of_a_later_root_waits_and_takes_it_for_no_damage() {
        let house = House::new("house");
        let other = restarted(&house.vault.record(), "other node");
        other.unseal(&open_by_file(1)).expect("the old file");
        let record = house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record;
        house.vault.adopt(record.clone());
        let row = house.generate();
        assert_eq!(other.later_roots(), []);
        assert_eq!(other.fingerprint(&house.held(row.sealed.as_bytes())), Err(VaultError::Sealed));
        assert_eq!(other.later_roots().len(), 1);
        assert!(!other.is_sealed(), "a damaged row could say the same: only the stored record seals the vault");
        assert_eq!(other.adopt(record), Adopted::Sealed);
    }

    #[test]
    fn a_changed_unlock_opens_the_same_root_and_the_old_one_no_longer() {
        let house = House::new("house");
        let row = house.generate();
        let created = house.vault.change_unlock(&new_passphrase("a new passphrase")).expect("the vault is open");
        assert_eq!(house.vault.adopt(created.record), Adopted::Open);
        house.vault.seal();
        assert!(matches!(house.vault.unseal(&open_by_file(1)), Err(UnsealError::OtherKind { .. })));
        house.vault.unseal(&UnlockSecret::Passphrase(passphrase("a new passphrase"))).expect("the new secret");
        assert_eq!(house.vault.fingerprint(&house.held(row.sealed.as_bytes())), Ok(row.fingerprint));
    }

    #[test]
    fn an_unlock_may_change_in_the_middle_of_a_rotation() {
        let house = House::new("house");
        let rows = rows(&house);
        house.vault.adopt(house.vault.begin_root_rotation(&new_key_file(2), &[]).expect("no rotation runs").record);
        let created = house.vault.change_unlock(&NewUnlock::Shares { threshold: 2, count: 3 }).expect("the vault is open");
        let vault = restarted(&created.record, "after a crash");
        let twice = ["", ""].map(|_| created.shares[1].text().expose().to_owned());
        vault.offer_share(&twice[0]).expect("the first of two");
        assert_eq!(vault.offer_share(&twice[1]), Err(ShareError::Duplicate { number: 2 }.into()));
        vault.unseal(&UnlockSecret::Shares(created.shares)).expect("all three");
        assert_all_open(&vault, &house, &rows, "both roots came along");
    }

    #[test]
    fn an_account_key_rotates_row_by_row_and_fingerprints_stay() {
        let house = House::new("house");
        let row = house.generate();
        let next = house.vault.next_account_key(&house.account, house.account_key(), 2).expect("the vault is open");
        let next = AccountKey { generation: 2, sealed: next.as_bytes() };
        let moved = house.vault.rewrap(&house.held(row.sealed.as_bytes()), next, 2).expect("both keys are given");
        let place = super::super::Place { generation: 2, ..house.place() };
        let held = Held { place, account_key: next, sealed: moved.as_bytes() };
        assert_eq!(house.vault.fingerprint(&held), Ok(row.fingerprint));
        let old_key = Held { account_key: house.account_key(), ..held };
        let error = VaultError::OtherAccountKey { blob: crate::Blob::Material, sealed_under: 2, given: 1 };
        assert_eq!(house.vault.fingerprint(&old_key), Err(error));
    }
}
