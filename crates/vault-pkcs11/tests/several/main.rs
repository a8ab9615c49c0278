//! Several tokens that hold the same root: work is shared among them, one that fails is gone around and comes back, and nothing is lost. Tokens of one library share its
//! beginning and its end.

#[path = "../shared/house.rs"]
mod house;

use std::{
    env, fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use keystead_domain::KeySpec;
use keystead_testkit::{
    shim::{EVERY, Shim, TOKEN},
    token::{self, Kind, LABEL, apart},
};
use keystead_vault::{Held, Hsm, HsmError, Member, SystemRandom, UnlockSecret, Vault, VaultError, WayAround};
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

use house::{House, pin};

/// The label of the clone.
const CLONE: &str = "keystead-2";
/// The number of C_Login, and answers.
const LOGIN: u8 = 18;
const DEVICE_REMOVED: u32 = 0x32;
const GENERAL_ERROR: u32 = 5;

fn module(library: &Path, label: &str) -> Arc<Pkcs11Module> {
    let settings = Settings {
        name: label.to_owned(),
        library: library.to_owned(),
        token: label.to_owned(),
        sessions: 2,
        queue: 64,
        patience: Duration::from_secs(3),
        allow: Vec::new(),
    };
    Arc::new(Pkcs11Module::load(settings, &pin()).expect("the library loads"))
}

/// Clones the token. The library looks for tokens when it begins: nobody uses it now, and so it begins anew.
fn cloned(kind: Kind, library: &Path, home: &Path) {
    token::clone(kind, home, CLONE);
    module(library, CLONE).open().expect("the clone has the same PIN");
}

/// A vault over two tokens, the second a clone of the first.
struct Two {
    house: House,
    tokens: [Arc<Pkcs11Module>; 2],
}

impl Two {
    fn new(kind: Kind, library: &Path, home: &Path) -> Self {
        let alone = House::over(&module(library, LABEL));
        alone.vault.seal();
        cloned(kind, library, home);
        Self::over(alone, [module(library, LABEL), module(library, CLONE)])
    }

    fn over(house: House, tokens: [Arc<Pkcs11Module>; 2]) -> Self {
        let vault = Vault::sealed(house.vault.record(), Arc::new(SystemRandom));
        vault.unseal(&UnlockSecret::Modules(tokens.iter().map(|token| token.clone() as Arc<dyn Hsm>).collect())).expect("the right PIN");
        Self { house: House { vault, ..house }, tokens }
    }

    /// Makes keys and knows them again, by some at once.
    fn work(&self, each: usize) -> Result<(), VaultError> {
        std::thread::scope(|scope| {
            let working: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..each).try_for_each(|_| self.work_once()))).collect();
            working.into_iter().try_for_each(|one| one.join().expect("no panic"))
        })
    }

    fn work_once(&self) -> Result<(), VaultError> {
        let place = || self.house.place(KeySpec::Aes256);
        let made = self.house.vault.generate(&place(), self.house.account_key())?;
        let held = Held { place: place(), account_key: self.house.account_key(), sealed: made.sealed.as_bytes() };
        assert_eq!(self.house.vault.fingerprint(&held), Ok(made.fingerprint), "what one token makes, the other knows");
        Ok(())
    }

    fn done(&self) -> [u64; 2] {
        [0, 1].map(|at| self.tokens[at].condition().done)
    }

    fn is_in(&self) -> Vec<(String, bool)> {
        let mut all: Vec<_> = self.house.vault.members().into_iter().map(|Member { name, is_in, .. }| (name, is_in)).collect();
        all.sort();
        all
    }

    fn look_after(&self) {
        self.house.vault.look_after_members(&|_| false);
    }
}

fn both(first: bool, second: bool) -> Vec<(String, bool)> {
    vec![(LABEL.to_owned(), first), (CLONE.to_owned(), second)]
}

fn work_is_shared(kind: Kind, library: &Path, home: &Path) {
    let two = Two::new(kind, library, home);
    assert_eq!(two.is_in(), both(true, true));
    let before = two.done();
    assert_eq!(two.work(50), Ok(()));
    let after = two.done();
    for at in [0, 1] {
        assert!(after[at] - before[at] >= 100, "each does its part of the 400: {before:?}, {after:?}");
    }
    two.house.vault.seal();
    assert!(two.tokens.iter().all(|token| token.condition().sessions == 0), "sealing closes both");
    assert_eq!(two.work(1), Err(VaultError::Sealed));
}

#[test]
fn two_tokens_of_softhsm_share_the_work() {
    apart("two_tokens_of_softhsm_share_the_work", Kind::Softhsm, |library, home| work_is_shared(Kind::Softhsm, library, home));
}

#[test]
fn two_tokens_of_kryoptic_share_the_work() {
    apart("two_tokens_of_kryoptic_share_the_work", Kind::Kryoptic, |library, home| work_is_shared(Kind::Kryoptic, library, home));
}

/// Runs a test before two tokens with the shim in between, which means the clone alone.
fn with_shim(name: &str, body: impl FnOnce(&Shim, &Path)) {
    apart(name, Kind::Softhsm, |library, home| {
        if let Some(shim) = Shim::of_this_process(home, library) {
            return body(&shim, home);
        }
        let shim = Shim::build(home, library);
        let mut test = Command::new(env::current_exe().expect("a test has a name"));
        test.args(["--exact", name, "--nocapture"]).envs(shim.environment()).env(TOKEN, CLONE);
        let done = test.output().expect("a test starts again");
        let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success() && told.contains("1 passed"), "{told}");
    });
}

#[test]
fn a_token_that_fails_is_gone_around_and_comes_back() {
    with_shim("a_token_that_fails_is_gone_around_and_comes_back", |shim, home| {
        let two = Two::new(Kind::Softhsm, &shim.library, home);
        for value in [DEVICE_REMOVED, GENERAL_ERROR] {
            shim.fails(EVERY, value, -1, Duration::ZERO);
            assert_eq!(two.work(20), Ok(()), "nobody notices");
            let trouble = two.tokens[1].condition();
            assert!(trouble.rests && matches!(trouble.trouble, Some(HsmError::Away(_))), "{trouble:?}");
            let before = two.done();
            assert_eq!(two.work(20), Ok(()));
            assert_eq!(two.done()[1], before[1], "while it rests it is not asked");
            two.look_after();
            assert!(two.tokens[1].condition().rests, "it is looked at, and still fails");
            shim.works();
            two.look_after();
            assert_eq!(two.tokens[1].condition().trouble, None);
            let before = two.done();
            assert_eq!(two.work(20), Ok(()));
            assert!(two.done()[1] > before[1], "it has its part again");
        }
        // When the other one is away, too, the one that rests is asked.
        shim.fails(EVERY, DEVICE_REMOVED, 4, Duration::ZERO);
        assert_eq!(two.work(1), Ok(()));
        two.tokens[0].close();
        shim.works();
        assert_eq!(two.work(1), Ok(()));
    });
}

#[test]
fn a_token_that_hangs_costs_its_patience_once() {
    with_shim("a_token_that_hangs_costs_its_patience_once", |shim, home| {
        let two = Two::new(Kind::Softhsm, &shim.library, home);
        assert_eq!(two.work(2), Ok(()));
        // C_GenerateKey takes long.
        shim.fails(58, 0, -1, Duration::from_secs(8));
        let began = Instant::now();
        assert_eq!(two.work(10), Ok(()));
        assert!(began.elapsed() < Duration::from_secs(7), "those who asked it wait for its patience, and go on with the other: {:?}", began.elapsed());
        let began = Instant::now();
        assert_eq!(two.work(10), Ok(()));
        assert!(began.elapsed() < Duration::from_secs(2), "nobody else does: {:?}", began.elapsed());
        shim.works();
        std::thread::sleep(Duration::from_secs(9));
        two.look_after();
        assert_eq!(two.tokens[1].condition().trouble, None);
    });
}

#[test]
fn a_token_that_was_away_at_the_start_joins_when_it_is_back() {
    with_shim("a_token_that_was_away_at_the_start_joins_when_it_is_back", |shim, home| {
        let alone = House::over(&module(&shim.library, LABEL));
        alone.vault.seal();
        cloned(Kind::Softhsm, &shim.library, home);
        shim.fails(LOGIN, DEVICE_REMOVED, -1, Duration::ZERO);
        let two = Two::over(alone, [module(&shim.library, LABEL), module(&shim.library, CLONE)]);
        assert_eq!((two.is_in(), two.work(5)), (both(true, false), Ok(())));
        two.look_after();
        assert_eq!(two.is_in(), both(true, false), "still away");
        shim.works();
        two.look_after();
        assert_eq!(two.is_in(), both(true, true));
        let before = two.done();
        assert_eq!(two.work(10), Ok(()));
        assert!(two.done()[1] > before[1]);
    });
}

/// A token with another root, or none, opens nothing and is not taken in; one that can less than the others neither.
#[test]
fn only_who_holds_the_root_and_can_as_much_is_taken_in() {
    with_shim("only_who_holds_the_root_and_can_as_much_is_taken_in", |shim, home| {
        cloned(Kind::Softhsm, &shim.library, home);
        let two = Two::over(House::over(&module(&shim.library, LABEL)), [module(&shim.library, LABEL), module(&shim.library, CLONE)]);
        assert_eq!(two.is_in(), both(true, false), "the clone was made before the root was");
        let told = two.house.vault.members().into_iter().find(|member| !member.is_in).and_then(|member| member.condition.trouble);
        assert_eq!(told, Some(HsmError::NoRoot));
        two.look_after();
        assert_eq!((two.is_in(), two.work(5)), (both(true, false), Ok(())));
        drop(two);

        fs::remove_dir_all(home.join("tokens").join(format!("clone-{CLONE}"))).expect("it is taken away");
        let allowing = |label: &str, allow: &[WayAround]| {
            let settings = Settings {
                name: label.to_owned(),
                library: shim.library.clone(),
                token: label.to_owned(),
                sessions: 1,
                queue: 64,
                patience: Duration::from_secs(3),
                allow: allow.to_vec(),
            };
            Arc::new(Pkcs11Module::load(settings, &pin()).expect("the library loads"))
        };
        let alone = House::over(&module(&shim.library, LABEL));
        alone.vault.seal();
        cloned(Kind::Softhsm, &shim.library, home);
        shim.fails(LOGIN, DEVICE_REMOVED, -1, Duration::ZERO);
        let two = Two::over(alone, [allowing(LABEL, &[WayAround::HostWrap]), allowing(CLONE, &[])]);
        shim.works();
        two.look_after();
        assert_eq!(two.is_in(), both(true, false));
        let told = two.house.vault.members().into_iter().find(|member| !member.is_in).and_then(|member| member.condition.trouble);
        assert!(matches!(&told, Some(HsmError::Cannot { what, .. }) if what.contains("less")), "{told:?}");
    });
}

/// The library is initialised anew because the clone's token is missing: the sessions of the other end with that, and it does not use their numbers.
#[test]
fn modules_over_one_library_know_of_its_ends() {
    apart("modules_over_one_library_know_of_its_ends", Kind::Softhsm, |library, home| {
        let two = Two::new(Kind::Softhsm, library, home);
        let (clone, away) = (home.join("tokens").join(format!("clone-{CLONE}")), home.join("away"));
        assert_eq!(two.work(5), Ok(()));
        fs::rename(&clone, &away).expect("moved");
        assert_eq!(two.work(20), Ok(()), "nobody notices");
        assert!(two.tokens[1].condition().trouble.is_some());
        fs::rename(&away, &clone).expect("moved back");
        // It began anew when the token was missing, and does so again, but not at once: the other one's sessions end with it.
        std::thread::sleep(Duration::from_secs(11));
        two.look_after();
        assert_eq!(two.tokens[1].condition().trouble, None, "it is found again");
        assert_eq!(two.work(20), Ok(()));
        assert_eq!(two.tokens[0].condition().trouble, None);
    });
}

/// A login that hangs holds its worker: not those that have a session, and not the end.
#[test]
fn a_login_that_hangs_holds_nobody_else() {
    with_shim("a_login_that_hangs_holds_nobody_else", |shim, home| {
        let two = Two::new(Kind::Softhsm, &shim.library, home);
        two.house.vault.seal();
        let hsm = module(&shim.library, CLONE);
        hsm.open().expect("one worker has a session");
        shim.fails(12, 0, -1, Duration::from_secs(15));
        let began = Instant::now();
        // Two at once: one is done by the worker with a session, the other waits for the session of the second.
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        hsm.run(Arc::new(|_| {
                            std::thread::sleep(Duration::from_millis(300));
                            Ok(())
                        }))
                    })
                })
                .collect();
            let done: Vec<_> = asked.into_iter().map(|one| one.join().expect("no panic")).collect();
            assert!(done.contains(&Ok(())), "{done:?}");
        });
        for _ in 0..20 {
            assert_eq!(hsm.run(Arc::new(|session| session.generate(keystead_vault::Purpose::Account).map(drop))), Ok(()));
        }
        assert!(began.elapsed() < Duration::from_secs(5));
        let began = Instant::now();
        hsm.close();
        assert!(began.elapsed() < Duration::from_secs(7), "the end waits its seconds, and no more");
        assert!(matches!(hsm.run(Arc::new(|_| Ok(()))), Err(HsmError::Away(_))));
        std::thread::sleep(Duration::from_secs(12));
    });
}
