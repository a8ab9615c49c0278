//! Bad luck with a module: each of its calls fails, once or for a while; it hangs; it has too few sessions; it locks the PIN. A shim between us and SoftHSM2
//! (`testkit/shim.c`) does it. Nothing is lost, what is told is clear, and when the trouble is over everything goes on.

#[path = "../shared/house.rs"]
mod house;

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use keystead_domain::{AccountId, KeySpec, Timestamp};
use keystead_testkit::{
    shim::{SESSIONS, Shim},
    token::{Kind, LABEL, apart},
};
use keystead_vault::{AccountKey, Blob, Held, Hsm as _, HsmError, Job, Place, Purpose, RootBackup, RootId, SystemRandom, UnlockSecret, Vault, VaultError};
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

use house::{House, pin};

// Numbers of functions in CK_FUNCTION_LIST, and of return values.
const GET_TOKEN_INFO: u8 = 6;
const OPEN_SESSION: u8 = 12;
const LOGIN: u8 = 18;
const DECRYPT_INIT: u8 = 33;
const GENERATE_KEY: u8 = 58;
const WRAP_KEY: u8 = 60;
const UNWRAP_KEY: u8 = 61;
/// What one use of the vault calls, in its order.
const CALLS: [(u8, &str); 11] = [
    (12, "C_OpenSession"),
    (18, "C_Login"),
    (26, "C_FindObjectsInit"),
    (33, "C_DecryptInit"),
    (34, "C_Decrypt"),
    (61, "C_UnwrapKey"),
    (58, "C_GenerateKey"),
    (60, "C_WrapKey"),
    (43, "C_Sign"),
    (30, "C_Encrypt"),
    (22, "C_DestroyObject"),
];
const FUNCTION_REJECTED: u32 = 0x200;
const GENERAL_ERROR: u32 = 0x5;
const ATTRIBUTE_TYPE_INVALID: u32 = 0x12;
const ATTRIBUTE_VALUE_INVALID: u32 = 0x13;
const TEMPLATE_INCONSISTENT: u32 = 0xd1;
const DEVICE_ERROR: u32 = 0x30;
const DEVICE_REMOVED: u32 = 0x32;
const PIN_LOCKED: u32 = 0xa4;
const SESSION_COUNT: u32 = 0xb1;
const SESSION_HANDLE_INVALID: u32 = 0xb3;
const TOKEN_NOT_PRESENT: u32 = 0xe0;
const USER_NOT_LOGGED_IN: u32 = 0x101;
const VENDOR_DEFINED: u32 = 0x8000_0001;
// Flags of a token.
const USER_PIN_FINAL_TRY: u32 = 0x2_0000;
const USER_PIN_LOCKED: u32 = 0x4_0000;

fn settings(shim: &Shim) -> Settings {
    Settings { library: shim.library.clone(), ..plain_settings() }
}

fn plain_settings() -> Settings {
    Settings {
        name: "hsm".to_owned(),
        library: PathBuf::new(),
        token: LABEL.to_owned(),
        sessions: 2,
        queue: 4,
        patience: Duration::from_secs(20),
        allow: Vec::new(),
    }
}

/// Runs a test before a token with the shim in between, in a process of its own.
fn with_shim(name: &str, more: &[(&str, &str)], body: impl FnOnce(&Shim)) {
    apart(name, Kind::Softhsm, |library, home| {
        if let Some(shim) = Shim::of_this_process(home, library) {
            return body(&shim);
        }
        let shim = Shim::build(home, library);
        let mut test = Command::new(env::current_exe().expect("a test has a name"));
        test.args(["--exact", name, "--nocapture"]).envs(shim.environment()).envs(more.iter().copied());
        let done = test.output().expect("a test starts again");
        let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success() && told.contains("1 passed"), "{told}");
    });
}

/// A vault over a module of these settings.
fn open_house(settings: Settings) -> House {
    House::over(&Arc::new(Pkcs11Module::load(settings, &pin()).expect("the library loads")))
}

/// Makes a key, and knows it again.
fn use_it(house: &House) -> Result<(), VaultError> {
    let place = || house.place(KeySpec::Aes256);
    let made = house.vault.generate(&place(), house.account_key())?;
    let held = Held { place: place(), account_key: house.account_key(), sealed: made.sealed.as_bytes() };
    let again = house.vault.fingerprint(&held)?;
    assert_eq!(again, made.fingerprint);
    Ok(())
}

/// A token that fails between the two keys of a root that is restored keeps the first. The next try makes the other, and no second of the same name.
#[test]
fn half_a_root_that_was_restored_is_made_whole() {
    with_shim("half_a_root_that_was_restored_is_made_whole", &[], |shim| {
        let hsm = Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads");
        hsm.open().expect("the right PIN");
        let (id, under) = (RootId([9; 16]), [7; 32]);
        let wrapped = |byte: u8| {
            let (mut room, kek) = ([0; 47], AesKek::new(&AES_256, &under).expect("a key"));
            kek.wrap_with_padding(&[byte; 32], &mut room).expect("wraps").try_into().expect("40 bytes")
        };
        let backup = RootBackup { wrapping: wrapped(1), sealing: wrapped(2) };
        // Each is tried in a session first; then the first stays, and the second is not made.
        shim.fails_behind(3, UNWRAP_KEY, DEVICE_ERROR, -1);
        assert!(hsm.restore_root(id, &under, &backup).is_err());
        let whole = || hsm.run(Arc::new(move |session| session.root(id).map(drop)));
        shim.works();
        assert_eq!(whole(), Err(HsmError::NoRoot), "half of it is there");
        assert_eq!(hsm.restore_root(id, &under, &backup), Ok(()));
        assert_eq!(whole(), Ok(()));
    });
}

/// A maker's own value says nothing that we know. Of what somebody sent it is a refusal like every other; of what lies under the root it is the module's trouble.
#[test]
fn rubbish_that_somebody_sends_makes_no_module_ill() {
    with_shim("rubbish_that_somebody_sends_makes_no_module_ill", &[], |shim| {
        let house = open_house(settings(shim));
        let root = house.vault.record().module_root().expect("a root in a module");
        let hsm = Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads");
        hsm.open().expect("the right PIN");
        shim.fails(UNWRAP_KEY, VENDOR_DEFINED, -1, Duration::ZERO);
        let offered = hsm.run(Arc::new(|session| {
            let kek = session.bring_in(&[7; 32], Purpose::Unwrapping)?;
            session.unwrap(kek, &[0; 40], Purpose::Transport).map(drop)
        }));
        assert!(matches!(&offered, Err(HsmError::Refused(_))), "{offered:?}");
        let ours = hsm.run(Arc::new(move |session| session.unwrap(session.root(root)?.wrapping, &[0; 40], Purpose::Transport).map(drop)));
        assert!(matches!(&ours, Err(HsmError::Away(_))), "{ours:?}");
    });
}

#[test]
fn a_call_that_fails_once_is_made_again_and_nobody_notices() {
    with_shim("a_call_that_fails_once_is_made_again_and_nobody_notices", &[], |shim| {
        let house = open_house(settings(shim));
        for value in [GENERAL_ERROR, DEVICE_ERROR, DEVICE_REMOVED, SESSION_HANDLE_INVALID, TOKEN_NOT_PRESENT, USER_NOT_LOGGED_IN] {
            for (function, name) in CALLS {
                shim.fails(function, value, 1, Duration::ZERO);
                assert_eq!(use_it(&house), Ok(()), "{name} answers {value:#x} once");
            }
        }
    });
}

/// An account's keys are unwrapped once a session, and not at each use; those of accounts that nobody asks for any more go. A session that was lost takes nothing with it.
#[test]
fn a_session_keeps_the_keys_of_the_accounts_that_are_used() {
    with_shim("a_session_keeps_the_keys_of_the_accounts_that_are_used", &[], |shim| {
        let house = open_house(Settings { sessions: 1, ..settings(shim) });
        let account = |byte| AccountId::new(Timestamp::from_secs(1_790_000_000), [byte; 10]);
        let accounts: Vec<_> = (1..=40).map(account).map(|id| (house.vault.new_account_key(&id, 1).expect("the vault is open").into_bytes(), id)).collect();
        let make = |(sealed, account): &(Vec<u8>, AccountId)| {
            let place = Place { account, ..house.place(KeySpec::Aes256) };
            house.vault.generate(&place, AccountKey { generation: 1, sealed }).map(drop)
        };
        for account in &accounts {
            assert_eq!(make(account), Ok(()));
        }
        shim.fails(UNWRAP_KEY, DEVICE_REMOVED, -1, Duration::ZERO);
        for account in accounts.iter().rev().take(10) {
            assert_eq!(make(account), Ok(()), "nothing is unwrapped for it");
        }
        let damaged = (flipped(&accounts[39].0), accounts[39].1.clone());
        assert_eq!(make(&damaged), Err(VaultError::DoesNotOpen(Blob::AccountKey)), "a row that was damaged is not what the session knows");
        assert!(matches!(make(&accounts[0]), Err(VaultError::Module(error)) if error.passes()), "the first was let go");
        shim.works();
        for account in &accounts {
            assert_eq!(make(account), Ok(()));
        }
    });
}

/// The same bytes but for the last bit.
fn flipped(bytes: &[u8]) -> Vec<u8> {
    let (last, rest) = bytes.split_last().expect("some bytes");
    [rest, &[last ^ 1]].concat()
}

#[test]
fn a_module_that_is_gone_is_told_as_such_and_comes_back() {
    with_shim("a_module_that_is_gone_is_told_as_such_and_comes_back", &[], |shim| {
        let house = open_house(settings(shim));
        for value in [DEVICE_REMOVED, SESSION_HANDLE_INVALID, TOKEN_NOT_PRESENT] {
            for (function, name) in CALLS.into_iter().filter(|(function, _)| ![12, 18, 22, 26].contains(function)) {
                shim.fails(function, value, -1, Duration::ZERO);
                let told = use_it(&house);
                assert!(matches!(&told, Err(VaultError::Module(error)) if error.passes()), "{name} answers {value:#x} for a while: {told:?}");
                assert!(!house.vault.is_sealed(), "the vault stays open, and waits");
                shim.works();
                assert_eq!(use_it(&house), Ok(()), "behind {name}");
            }
        }
    });
}

/// SoftHSM2 counts sessions and keys anew when it is initialised anew. A worker that idled meanwhile must not use the numbers that it had.
#[test]
fn workers_that_idled_while_the_token_was_away_get_sessions_of_their_own() {
    apart("workers_that_idled_while_the_token_was_away_get_sessions_of_their_own", Kind::Softhsm, |library, home| {
        let hsm = Arc::new(Pkcs11Module::load(Settings { library: library.to_owned(), ..plain_settings() }, &pin()).expect("the library loads"));
        let house = &House::over(&hsm);
        let (there, away) = (home.join("tokens"), home.join("away"));
        for _ in 0..6 {
            side_by_side(house);
            std::fs::rename(&there, &away).expect("moved");
            let told = use_it(house);
            assert!(matches!(&told, Err(VaultError::Module(error)) if error.passes()), "{told:?}");
            std::fs::rename(&away, &there).expect("moved back");
            assert_eq!(runs_of_two_jobs(&hsm), 2, "nobody begins on a session of before, and so nobody begins anew");
            assert_eq!(use_it(house), Ok(()));
        }
        side_by_side(house);
    });
}

/// Gives each of two workers a job, and answers how often a job was begun.
fn runs_of_two_jobs(hsm: &Pkcs11Module) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let job: Job = Arc::new(move |session| {
        counted.fetch_add(1, Ordering::Relaxed);
        // Long enough for the other worker to take the other job.
        std::thread::sleep(Duration::from_millis(200));
        let key = session.generate(Purpose::Account)?.key;
        let sealed = session.seal(key, [1; 12], b"", b"a text")?;
        assert_eq!(session.open(key, [1; 12], b"", &sealed)?.expose(), b"a text");
        Ok(())
    });
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(hsm.run(job.clone()), Ok(())));
        }
    });
    runs.load(Ordering::Relaxed)
}

/// So many at once that every worker has work.
fn side_by_side(house: &House) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(use_it(house), Ok(()))));
        }
    });
}

#[test]
fn a_job_that_panics_ends_alone() {
    apart("a_job_that_panics_ends_alone", Kind::Softhsm, |library, _| {
        let hsm = Arc::new(Pkcs11Module::load(Settings { library: library.to_owned(), ..plain_settings() }, &pin()).expect("the library loads"));
        let house = House::over(&hsm);
        for _ in 0..6 {
            let told = hsm.run(Arc::new(|session| {
                session.generate(Purpose::Account)?;
                panic!("as a test wants it");
            }));
            assert!(matches!(&told, Err(HsmError::Refused(why)) if why.contains("panic")), "{told:?}");
        }
        assert_eq!(use_it(&house), Ok(()));
        assert_eq!(runs_of_two_jobs(&hsm), 2, "both workers are there");
    });
}

/// How many of two jobs meet, each of which waits a while for the other.
fn meeting(hsm: &Pkcs11Module) -> usize {
    let there = Arc::new(AtomicUsize::new(0));
    let (came, met) = (there.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = met.clone();
    let job: Job = Arc::new(move |_| {
        came.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(500));
        counted.fetch_add(usize::from(came.fetch_sub(1, Ordering::SeqCst) == 2), Ordering::SeqCst);
        Ok(())
    });
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(hsm.run(job.clone()), Ok(())));
        }
    });
    met.load(Ordering::SeqCst)
}

#[test]
fn a_worker_that_found_no_room_comes_back_when_there_is() {
    with_shim("a_worker_that_found_no_room_comes_back_when_there_is", &[], |shim| {
        let hsm = Arc::new(Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads"));
        assert!(hsm.open().is_ok(), "one worker has a session");
        shim.fails(OPEN_SESSION, SESSION_COUNT, -1, Duration::ZERO);
        assert_eq!(meeting(&hsm), 0, "the other has none, and its job waits for the first");
        shim.works();
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(meeting(&hsm), 1);
    });
}

#[test]
fn a_module_that_refuses_while_it_is_opened_is_not_taken_for_a_poorer_one() {
    with_shim("a_module_that_refuses_while_it_is_opened_is_not_taken_for_a_poorer_one", &[], |shim| {
        let hsm = Arc::new(Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads"));
        let abilities = hsm.open().expect("the right PIN");
        for (function, name) in CALLS.into_iter().filter(|(function, _)| [30, 43, 58, 60].contains(function)) {
            shim.fails(function, FUNCTION_REJECTED, -1, Duration::ZERO);
            let told = hsm.open();
            // What was begun before the shim answered is still begun at the second try: then it is trouble that passes.
            let is_told = matches!(&told, Err(HsmError::Refused(why)) if why.contains("FunctionRejected")) || matches!(&told, Err(HsmError::Away(_)));
            assert!(is_told, "{name}: {told:?}");
            shim.works();
            assert_eq!(hsm.open().as_ref(), Ok(&abilities), "behind {name}");
        }
    });
}

#[test]
fn a_key_that_is_forgotten_is_gone_before_the_job_ends() {
    apart("a_key_that_is_forgotten_is_gone_before_the_job_ends", Kind::Softhsm, |library, _| {
        let hsm = Pkcs11Module::load(Settings { library: library.to_owned(), ..plain_settings() }, &pin()).expect("the library loads");
        hsm.open().expect("the right PIN");
        let done = hsm.run(Arc::new(|session| {
            let key = session.generate(Purpose::Account)?.key;
            session.seal(key, [1; 12], b"", b"a text")?;
            session.forget(key);
            assert!(matches!(session.seal(key, [1; 12], b"", b"a text"), Err(HsmError::Away(_))), "its number means nothing any more");
            Ok(())
        }));
        assert_eq!(done, Ok(()));
        let report = hsm.examine(Duration::from_millis(50)).expect("it is looked at");
        assert!(report.speeds.iter().any(|speed| speed.what == "make RSA_2048" && speed.per_second.is_some()), "{report:?}");
    });
}

/// Some modules do not know every attribute by which a root's keys are kept where they are.
#[test]
fn a_root_is_made_though_the_module_knows_fewer_attributes() {
    with_shim("a_root_is_made_though_the_module_knows_fewer_attributes", &[], |shim| {
        let hsm = Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads");
        hsm.open().expect("the right PIN");
        for (byte, value) in (1..).zip([ATTRIBUTE_TYPE_INVALID, ATTRIBUTE_VALUE_INVALID, TEMPLATE_INCONSISTENT]) {
            let id = RootId([byte; 16]);
            shim.fails(GENERATE_KEY, value, 3, Duration::ZERO);
            assert_eq!(hsm.make_root(id), Ok(()), "{value:#x}");
            assert_eq!(hsm.run(Arc::new(move |session| session.root(id).map(drop))), Ok(()));
            shim.fails(GENERATE_KEY, value, 4, Duration::ZERO);
            assert!(matches!(hsm.make_root(RootId([byte + 100; 16])), Err(HsmError::Refused(_))), "without any of them it is refused, too");
        }
    });
}

/// A root's key that shall stay cannot be destroyed: so none is made before it is seen that both will be.
#[test]
fn a_root_of_which_one_key_is_not_made_leaves_nothing_in_the_token() {
    with_shim("a_root_of_which_one_key_is_not_made_leaves_nothing_in_the_token", &[], |shim| {
        let home = shim.library.parent().expect("a directory").to_owned();
        let objects = || {
            let tokens = std::fs::read_dir(home.join("tokens")).expect("tokens").map(|token| token.expect("a token").path());
            let files = tokens.flat_map(|token| std::fs::read_dir(token).expect("its files"));
            files.filter(|file| file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".object"))).count()
        };
        let hsm = Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads");
        hsm.open().expect("the right PIN");
        let before = objects();
        for made in [0, 1] {
            shim.fails_behind(made, GENERATE_KEY, FUNCTION_REJECTED, -1);
            assert!(hsm.make_root(RootId([9; 16])).is_err());
            assert_eq!(objects(), before, "{made} are made");
        }
        // Both were made for the session, and one for the token; then it fails for a moment.
        shim.fails_behind(3, GENERATE_KEY, DEVICE_ERROR, 2);
        assert_eq!(hsm.make_root(RootId([9; 16])), Ok(()));
        assert_eq!(objects(), before + 2);
    });
}

/// A value that only the module's maker knows: it is no verdict on what was given to it.
#[test]
fn a_value_of_the_makers_own_is_trouble_that_passes() {
    with_shim("a_value_of_the_makers_own_is_trouble_that_passes", &[], |shim| {
        let house = open_house(settings(shim));
        for (function, name) in CALLS {
            shim.fails(function, VENDOR_DEFINED, 1, Duration::ZERO);
            assert_eq!(use_it(&house), Ok(()), "{name} answers so once");
        }
        for (function, name) in CALLS.into_iter().filter(|(function, _)| ![12, 18, 22, 26].contains(function)) {
            shim.fails(function, VENDOR_DEFINED, -1, Duration::ZERO);
            let told = use_it(&house);
            assert!(matches!(&told, Err(VaultError::Module(error)) if error.passes()), "{name} answers so for a while: {told:?}");
            shim.works();
            assert_eq!(use_it(&house), Ok(()), "behind {name}");
        }
        // Before a text is given to it, a module says nothing of that text.
        shim.fails(DECRYPT_INIT, GENERAL_ERROR, -1, Duration::ZERO);
        let told = use_it(&house);
        assert!(matches!(&told, Err(VaultError::Module(error)) if error.passes()), "{told:?}");
    });
}

/// Uses it in turn, so that each who comes before has been taken on.
fn later(turn: u32, house: &House) -> Result<(), VaultError> {
    std::thread::sleep(turn * Duration::from_millis(100));
    use_it(house)
}

#[test]
fn a_module_that_hangs_holds_its_workers_and_nobody_else() {
    with_shim("a_module_that_hangs_holds_its_workers_and_nobody_else", &[], |shim| {
        let house = &open_house(Settings { patience: Duration::from_secs(2), queue: 1, ..settings(shim) });
        shim.fails(GENERATE_KEY, 0, -1, Duration::from_secs(6));
        let began = Instant::now();
        let told: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..6).map(|turn| scope.spawn(move || later(turn, house))).collect();
            asking.into_iter().map(|one| one.join().expect("no panic")).collect()
        });
        assert!(began.elapsed() < Duration::from_secs(5), "nobody waits longer than their patience");
        let count = |wanted: fn(&HsmError) -> bool| told.iter().filter(|one| matches!(one, Err(VaultError::Module(error)) if wanted(error))).count();
        let (silent, busy) = (count(|error| matches!(error, HsmError::Silent { .. })), count(|error| matches!(error, HsmError::Busy { .. })));
        assert!(silent >= 1 && busy >= 1 && silent + busy == 6, "some are at work or wait, the others are told: {told:?}");
        shim.works();
        std::thread::sleep(Duration::from_secs(9));
        assert_eq!(use_it(house), Ok(()));
    });
}

#[test]
fn a_vault_tells_how_it_stands_and_is_sealed_though_its_module_hangs() {
    with_shim("a_vault_tells_how_it_stands_and_is_sealed_though_its_module_hangs", &[], |shim| {
        let house = open_house(settings(shim));
        shim.fails(GENERATE_KEY, 0, -1, Duration::from_secs(12));
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| use_it(&house));
            std::thread::sleep(Duration::from_millis(500));
            let began = Instant::now();
            assert!(!house.vault.is_sealed() && began.elapsed() < Duration::from_secs(1), "who asks does not wait");
            house.vault.seal();
            assert!(house.vault.is_sealed() && began.elapsed() < Duration::from_secs(8), "some seconds are waited, and no more");
            assert_eq!(house.vault.new_log_key().err(), Some(VaultError::Sealed));
            let told = asking.join().expect("no panic");
            assert!(matches!(told, Ok(()) | Err(VaultError::Sealed | VaultError::Module(_))), "{told:?}");
        });
        // The worker closes its session; a process that ended meanwhile would pull the library away under it.
        std::thread::sleep(Duration::from_secs(1));
    });
}

#[test]
fn a_token_with_two_sessions_serves_eight_workers() {
    with_shim("a_token_with_two_sessions_serves_eight_workers", &[(SESSIONS, "2")], |shim| {
        // Making the root takes one of its own, and gives it back.
        let house = open_house(Settings { sessions: 1, ..settings(shim) });
        let record = house.vault.record();
        house.vault.seal();
        let hsm = Arc::new(Pkcs11Module::load(Settings { sessions: 8, queue: 64, ..settings(shim) }, &pin()).expect("the shim loads"));
        let vault = Vault::sealed(record, Arc::new(SystemRandom));
        vault.unseal(&UnlockSecret::Modules(vec![hsm])).expect("the right PIN");
        let house = House { vault, ..house };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..5).for_each(|_| assert_eq!(use_it(&house), Ok(()))));
            }
        });
    });
}

#[test]
fn a_pin_that_is_locked_is_found_out_once() {
    with_shim("a_pin_that_is_locked_is_found_out_once", &[], |shim| {
        let house = open_house(settings(shim));
        let record = house.vault.record();
        house.vault.seal();
        drop(house);
        let hsm = Arc::new(Pkcs11Module::load(Settings { sessions: 4, ..settings(shim) }, &pin()).expect("the shim loads"));
        // Once: a second try of any worker would succeed.
        shim.fails(LOGIN, PIN_LOCKED, 1, Duration::ZERO);
        assert_eq!(hsm.open(), Err(HsmError::PinLocked));
        for _ in 0..6 {
            assert_eq!(hsm.run(Arc::new(|_| Ok(()))), Err(HsmError::PinLocked), "no worker tries it again by itself");
        }
        assert_eq!(hsm.open(), Err(HsmError::PinLocked), "nor by a loop that opens it again");
        let vault = Vault::sealed(record, Arc::new(SystemRandom));
        assert_eq!(vault.unseal(&UnlockSecret::Modules(vec![hsm])), Err(HsmError::PinLocked.into()));
        shim.works();
        let again = Arc::new(Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads"));
        assert_eq!(vault.unseal(&UnlockSecret::Modules(vec![again])), Ok(()), "but a person may, who starts it again");
    });
}

/// The PIN is right all the while: had it been tried, the token would have opened.
#[test]
fn a_pin_is_not_tried_when_that_could_lock_the_token() {
    with_shim("a_pin_is_not_tried_when_that_could_lock_the_token", &[], |shim| {
        let load = || Pkcs11Module::load(settings(shim), &pin()).expect("the shim loads");
        for (flag, told) in [(USER_PIN_LOCKED, HsmError::PinLocked), (USER_PIN_FINAL_TRY, HsmError::PinLastTry)] {
            let hsm = load();
            shim.fails(GET_TOKEN_INFO, flag, -1, Duration::ZERO);
            assert_eq!(hsm.open(), Err(told.clone()));
            assert_eq!(hsm.run(Arc::new(|_| Ok(()))), Err(told));
        }
        let hsm = load();
        shim.works();
        assert!(hsm.open().is_ok(), "one worker is logged in");
        shim.fails(GET_TOKEN_INFO, USER_PIN_FINAL_TRY, -1, Duration::ZERO);
        assert_eq!(meeting(&hsm), 1, "the other needs no PIN for that, and goes to work");
    });
}

#[test]
fn a_mechanism_that_is_refused_is_told_and_not_tried_again() {
    with_shim("a_mechanism_that_is_refused_is_told_and_not_tried_again", &[], |shim| {
        let house = open_house(settings(shim));
        shim.fails(WRAP_KEY, 0x70, -1, Duration::ZERO);
        let told = use_it(&house);
        assert!(matches!(&told, Err(VaultError::Module(HsmError::Cannot { what, .. })) if what.contains("MechanismInvalid")), "{told:?}");
        shim.works();
        assert_eq!(use_it(&house), Ok(()));
    });
}
