//! The vault itself: sealed or open, shared by many threads. This file opens and closes it; what it does while open stands beside it.

use super::{
    later::Later,
    module::{Member, ModuleRoot},
    record::RootRecord,
    root::{self, Root, Roots},
    share::Share,
    unlock::UnlockSecret,
};
use crate::{Origin, Random, UnsealError, VaultError};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The only place where key bytes are plain. It starts sealed, holds root keys while it is open, and forgets them when it is sealed or dropped.
///
/// It is made to be shared in an [`Arc`]: uses run side by side, and sealing waits for those that run.
pub struct Vault {
    state: RwLock<State>,
    /// The later roots that rows named. It stands beside the state because a use, which only reads, finds it out.
    pub(super) later: Later,
    random: Arc<dyn Random>,
}

/// What changes in a vault. Every change is a single assignment, so that a panic elsewhere leaves nothing half done and a poisoned lock can be used on.
pub(crate) struct State {
    pub(crate) record: RootRecord,
    pub(crate) roots: Option<Roots>,
    /// A root that was made for a rotation whose record is not adopted yet.
    pub(crate) pending: Option<Pending>,
    /// Whether another node put another root in the place of the one that the vault held.
    superseded: bool,
    /// Shares that came one by one.
    pub(super) offered: Vec<Share>,
    /// How often it was sealed on purpose.
    sealings: u64,
}

pub(crate) struct Pending {
    pub(crate) record: RootRecord,
    pub(crate) root: Root,
    /// Whether the record may have been stored: then this root may be the only one that opens the vault, and stays until that is known.
    pub(crate) may_be_stored: bool,
}

/// What became of the vault when it took over a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    /// It knew the record's root, and goes on.
    Open,
    /// It was sealed, or another node made this root; it waits to be unsealed.
    Sealed,
}

impl Vault {
    /// A sealed vault.
    pub fn sealed(record: RootRecord, random: Arc<dyn Random>) -> Self {
        let state = State { record, roots: None, pending: None, superseded: false, offered: Vec::new(), sealings: 0 };
        Self { state: RwLock::new(state), later: Later::default(), random }
    }

    /// Opens the vault. A passphrase takes as long as its cost says; everybody else goes on meanwhile. An open vault opens again and is none the worse.
    ///
    /// # Errors
    /// [`UnsealError`]; the vault stays as it was.
    pub fn unseal(&self, secret: &UnlockSecret) -> Result<(), UnsealError> {
        let (record, sealings) = {
            let state = self.read();
            (state.record.clone(), state.sealings)
        };
        let roots = root::open(&record, secret)?;
        let mut state = self.write();
        if state.sealings != sealings {
            drop(state);
            roots.modules().for_each(ModuleRoot::close);
            return Err(UnsealError::SealedMeanwhile);
        }
        if state.record != record {
            return Err(UnsealError::RecordReplaced);
        }
        state.install(roots);
        Ok(())
    }

    /// Forgets every root key and every share. When it returns, no use is running and none can begin; one that a hardware module has not answered for some seconds
    /// may still run there, and holds no key here.
    pub fn seal(&self) {
        let (roots, pending) = {
            let mut state = self.write();
            let roots = (state.roots.take(), state.pending.take());
            state.wipe();
            state.sealings += 1;
            roots
        };
        roots.iter().flat_map(Roots::modules).for_each(ModuleRoot::close);
        pending.iter().filter_map(|pending| pending.root.module()).for_each(ModuleRoot::close);
    }

    /// How often it was sealed on purpose: who opens it by itself when something has come back asks whether somebody has closed it meanwhile.
    pub fn sealings(&self) -> u64 {
        self.read().sealings
    }

    /// Whether the vault holds no root key.
    pub fn is_sealed(&self) -> bool {
        self.read().roots.is_none()
    }

    /// Whether it is sealed because another node changed the root: it then opens by the new secret only.
    pub fn is_superseded(&self) -> bool {
        let state = self.read();
        state.roots.is_none() && state.superseded
    }

    /// The record that the vault goes by.
    pub fn record(&self) -> RootRecord {
        self.read().record.clone()
    }

    /// Goes by another record from now on. Call it when the record is durable, never before: what is sealed afterwards needs it.
    ///
    /// It completes [`begin_root_rotation`](Self::begin_root_rotation), [`finish_root_rotation`](Self::finish_root_rotation) and
    /// [`change_unlock`](Self::change_unlock), and it is how a node learns what another node did. A vault that does not know the record's root seals itself.
    pub fn adopt(&self, record: RootRecord) -> Adopted {
        let mut state = self.write();
        if state.record != record {
            // What was a damaged row under the record before may be a good one under this.
            self.later.forget();
        }
        let offered = state.take_shares_for(&record);
        let (current, held) = state.take_root_of(&record);
        let roots = current.and_then(|current| root::adopted(current, held, &record));
        let is_another = state.record.mark != record.mark;
        state.record = record;
        state.roots = roots;
        if state.roots.is_some() {
            return Adopted::Open;
        }
        state.wipe();
        state.offered = offered;
        state.superseded |= is_another;
        Adopted::Sealed
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.random.as_ref()
    }

    /// The same for work that another thread does.
    pub(crate) fn shared_random(&self) -> Arc<dyn Random> {
        self.random.clone()
    }

    /// Whether the root lies in a hardware module: then a use takes milliseconds, and may wait for others.
    pub fn is_in_module(&self) -> bool {
        self.read().roots.as_ref().is_some_and(|roots| roots.current.module().is_some())
    }

    /// The hardware modules that hold the root of an open vault, or may, and how each is doing; none are asked for that. While a root moves, those of the root before, too.
    pub fn members(&self) -> Vec<Member> {
        let roots = self.read().roots.as_ref().and_then(Roots::in_module);
        let mut all: Vec<Member> = Vec::new();
        for member in roots.iter().flat_map(Roots::modules).flat_map(ModuleRoot::members) {
            if !all.iter().any(|known| known.name == member.name) {
                all.push(member);
            }
        }
        all
    }

    /// What the hardware module that holds the root says of the origin of its two keys, that which wraps and that which seals; `None` for a root in software.
    ///
    /// # Errors
    /// [`VaultError::Sealed`]; what the module says.
    pub fn root_origin(&self) -> Result<Option<[Origin; 2]>, VaultError> {
        self.with_roots(|roots| roots.current.module().map(ModuleRoot::origin).transpose())
    }

    /// Looks after them: those that failed, and those that are `idle`, are let show that they work; those that were away are taken in when they are back and hold the root.
    /// It takes as long as the slowest of them.
    pub fn look_after_members(&self, idle: &dyn Fn(&str) -> bool) {
        let roots = self.read().roots.as_ref().and_then(Roots::in_module);
        roots.iter().flat_map(Roots::modules).for_each(|module| module.look_after_members(idle));
    }

    /// Runs a use of the roots. The vault cannot be sealed under its feet. A use of a module takes as long as the module likes, and holds no key: nobody shall wait
    /// for it who only wants to know how the vault stands, so it runs with a handle of its own. While a root moves from this process into a module its key is still
    /// here, and a sealing waits for every use.
    ///
    /// A blob under a later root means that another node rotated and this vault has not heard of it yet. For that blob it is as good as sealed, and says so:
    /// who asked shall wait until the vault is opened with the new secret, and not take the row for a damaged one. When the stored record knows no such root,
    /// the row is damaged after all: [`deny_later_roots`](Self::deny_later_roots).
    pub(crate) fn with_roots<T>(&self, work: impl FnOnce(&Roots) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let state = self.read();
        let roots = state.roots.as_ref().ok_or(VaultError::Sealed)?;
        match roots.in_module() {
            None => self.use_roots(roots, work),
            Some(roots) => {
                drop(state);
                self.use_roots(&roots, work)
            }
        }
    }

    fn use_roots<T>(&self, roots: &Roots, work: impl FnOnce(&Roots) -> Result<T, VaultError>) -> Result<T, VaultError> {
        match work(roots) {
            Err(VaultError::UnknownRoot { blob, generation }) if generation > roots.current.generation && !self.later.is_denied(blob, generation) => {
                self.later.meet(blob, generation);
                Err(VaultError::Sealed)
            }
            done => done,
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn install(&mut self, roots: Roots) {
        self.roots = Some(roots);
        self.superseded = false;
        self.offered = Vec::new();
    }

    fn wipe(&mut self) {
        self.roots = None;
        self.pending = None;
        self.offered = Vec::new();
    }

    /// The shares that came, if they are of this record, too: a rotation that only ends changes nothing about what opens the vault.
    fn take_shares_for(&mut self, record: &RootRecord) -> Vec<Share> {
        let offered = std::mem::take(&mut self.offered);
        let opens_alike = (&self.record.method, self.record.generation, self.record.mark) == (&record.method, record.generation, record.mark);
        if opens_alike { offered } else { Vec::new() }
    }

    /// The root key of this record, if it is here: the pending one, or the current one. And the others that were here.
    fn take_root_of(&mut self, record: &RootRecord) -> (Option<Root>, Vec<Root>) {
        let (current, previous) = self.roots.take().map(|roots| (roots.current, roots.previous)).unzip();
        let previous = previous.flatten();
        match self.pending.take_if(|pending| pending.record.is_of_same_root(record)) {
            Some(pending) => (Some(pending.root), current.into_iter().chain(previous).collect()),
            None => (current, previous.into_iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        NewUnlock, RootError, UnlockKind, UnlockRefused,
        random::seeded::{Seeded, Stuck},
        safe::testing::{House, counting, new_key_file, new_passphrase, open_by_file, passphrase, restarted},
    };

    #[test]
    fn a_passphrase_opens_and_another_does_not() {
        let created = root::create(&new_passphrase("correct horse battery"), &Seeded::new("root")).expect("a root is made");
        assert!(created.shares.is_empty());
        let vault = restarted(&created.record, "vault");
        assert_eq!(vault.unseal(&UnlockSecret::Passphrase(passphrase("correct horse batterz"))), Err(UnsealError::WrongSecret));
        assert!(vault.is_sealed());
        assert_eq!(vault.unseal(&UnlockSecret::Passphrase(passphrase("correct horse battery"))), Ok(()));
        assert!(!vault.is_sealed());
    }

    #[test]
    fn a_key_file_opens_and_another_does_not() {
        let vault = House::new("house").vault;
        vault.seal();
        assert_eq!(vault.unseal(&open_by_file(2)), Err(UnsealError::WrongSecret));
        assert_eq!(vault.unseal(&UnlockSecret::KeyFile(vec![1; 31].into())), Err(UnlockRefused::KeyFileLength { found: 31 }.into()));
        assert_eq!(vault.unseal(&open_by_file(1)), Ok(()));
        assert_eq!(vault.unseal(&open_by_file(1)), Ok(()), "open already, and none the worse");
    }

    #[test]
    fn a_secret_of_another_kind_is_named() {
        let vault = House::new("house").vault;
        let error = UnsealError::OtherKind { wants: UnlockKind::KeyFile, given: UnlockKind::Passphrase };
        assert_eq!(vault.unseal(&UnlockSecret::Passphrase(passphrase("a passphrase"))), Err(error));
    }

    #[test]
    fn secrets_that_are_not_fit_make_no_root() {
        let refusal = |unlock: &NewUnlock| root::create(unlock, &Seeded::new("root")).err();
        assert_eq!(refusal(&new_passphrase("elevenbytes")), Some(UnlockRefused::PassphraseTooShort.into()));
        assert_eq!(refusal(&NewUnlock::KeyFile(vec![7; 32].into())), Some(UnlockRefused::KeyFileWeak.into()));
        assert_eq!(refusal(&NewUnlock::KeyFile(vec![7; 33].into())), Some(UnlockRefused::KeyFileLength { found: 33 }.into()));
        for (threshold, count) in [(1, 3), (4, 3), (2, 17), (0, 0)] {
            assert_eq!(refusal(&NewUnlock::Shares { threshold, count }), Some(UnlockRefused::ShareNumbers.into()));
        }
        let cost = crate::PassphraseCost { memory_kib: 7, passes: 1, lanes: 1 };
        assert_eq!(refusal(&NewUnlock::Passphrase { passphrase: passphrase("long enough for us"), cost }), Some(UnlockRefused::Cost.into()));
    }

    #[test]
    fn a_stuck_source_makes_no_root_and_no_key_file() {
        assert!(matches!(root::create(&new_key_file(1), &Stuck(7)), Err(RootError::UnhealthyRandom(_))));
        assert!(matches!(root::new_key_file(&Stuck(7)), Err(RootError::UnhealthyRandom(_))));
    }

    #[test]
    fn a_fresh_key_file_opens_its_root() {
        let file = root::new_key_file(&Seeded::new("file")).expect("a sound source");
        let again = root::new_key_file(&Seeded::new("file")).expect("a sound source");
        let record = root::create(&NewUnlock::KeyFile(file), &Seeded::new("root")).expect("a root is made").record;
        assert_eq!(restarted(&record, "vault").unseal(&UnlockSecret::KeyFile(again)), Ok(()));
    }

    #[test]
    fn a_sealed_vault_does_nothing() {
        let house = House::new("house");
        let sealed = house.generate().sealed;
        house.vault.seal();
        let (place, account_key, held) = (house.place(), house.account_key(), house.held(sealed.as_bytes()));
        assert_eq!(house.vault.generate(&place, account_key).err(), Some(VaultError::Sealed));
        assert_eq!(house.vault.take_in(&place, account_key, counting().to_vec().into(), None).err(), Some(VaultError::Sealed));
        assert_eq!(house.vault.take_in_wrapped(&place, account_key, &[0; 40], &held, None).err(), Some(VaultError::Sealed));
        assert_eq!(house.vault.new_account_key(&house.account, 1).err(), Some(VaultError::Sealed));
        assert_eq!(house.vault.next_account_key(&house.account, account_key, 2).err(), Some(VaultError::Sealed));
        assert_eq!(house.vault.rewrap(&held, account_key, 2).err(), Some(VaultError::Sealed));
        assert_eq!(house.vault.fingerprint(&held).err(), Some(VaultError::Sealed));
        assert_eq!(house.vault.change_unlock(&new_key_file(2)).err(), Some(RootError::Sealed));
        assert_eq!(house.vault.begin_root_rotation(&new_key_file(2), &[]).err(), Some(RootError::Sealed));
        assert_eq!(house.vault.finish_root_rotation().err(), Some(RootError::Sealed));
    }

    #[test]
    fn a_damaged_record_does_not_open() {
        let record = root::create(&new_key_file(1), &Seeded::new("root")).expect("a root is made").record;
        let bytes = record.to_bytes();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            if let Ok(record) = RootRecord::from_bytes(&bent) {
                assert_eq!(restarted(&record, "vault").unseal(&open_by_file(1)), Err(UnsealError::WrongSecret), "byte {at}");
            }
        }
    }

    #[test]
    fn many_threads_use_it_while_one_seals_it() {
        let house = House::new("house");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| while house.vault.generate(&house.place(), house.account_key()).is_ok() {});
            }
            scope.spawn(|| house.vault.seal());
        });
        assert!(house.vault.is_sealed());
    }
}
