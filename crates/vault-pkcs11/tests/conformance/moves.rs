//! A root moves: out of the software into a token, inside a token, from one maker's token to another's. The rows of a small store go over one by one, and the process dies
//! behind any of the steps. Every key opens at every moment, is the same key at the end, and only the new root is needed then.

use std::{path::Path, sync::Arc};

use keystead_domain::{CeremonyId, KeyId, KeySpec, Timestamp, WrapMethod, WrappingKeySpec};
use keystead_testkit::token::{Kind, apart, apart_with_both};
use keystead_vault::{
    AccountKey, Adopted, ComponentPlace, ExportKey, Fingerprint, Generated, Held, HeldComponent, Hsm, HsmError, NewUnlock, Place, Preparation, RootError,
    RootRecord, SecretBytes, UnlockSecret, UnsealError, Vault, VaultError, WayAround, export_method, sealed_under,
};
use keystead_vault_pkcs11::Pkcs11Module;

use crate::house::{Cloud, House, file, pin, reopened, settings};

/// One end of a move, as a process that starts anew finds it.
#[derive(Clone, Copy)]
enum End<'a> {
    Software,
    Token { name: &'a str, library: &'a Path, allow: &'a [WayAround] },
}

impl End<'_> {
    fn module(self) -> Option<Arc<dyn Hsm>> {
        let Self::Token { name, library, allow } = self else { return None };
        let settings = keystead_vault_pkcs11::Settings { name: name.to_owned(), ..settings(library.to_owned(), allow) };
        Some(Arc::new(Pkcs11Module::load(settings, &pin()).expect("the library loads")))
    }
}

/// The modules of one process.
struct Process(Vec<Arc<dyn Hsm>>);

impl Process {
    fn new(ends: [End<'_>; 2]) -> Self {
        let mut modules: Vec<Arc<dyn Hsm>> = Vec::new();
        for module in ends.into_iter().filter_map(End::module) {
            if modules.iter().all(|known| known.name() != module.name()) {
                modules.push(module);
            }
        }
        Self(modules)
    }

    fn unlock(&self, end: End<'_>) -> NewUnlock {
        match end {
            End::Software => NewUnlock::KeyFile(file()),
            End::Token { name, .. } => NewUnlock::Module { hsm: self.named(name), backup: None },
        }
    }

    fn named(&self, name: &str) -> Arc<dyn Hsm> {
        self.0.iter().find(|module| module.name() == name).expect("it is loaded").clone()
    }

    fn secret(&self, record: &RootRecord) -> UnlockSecret {
        if record.module_root().is_some() { UnlockSecret::Modules(self.0.clone()) } else { UnlockSecret::KeyFile(file()) }
    }
}

/// What survives a death.
struct Rows {
    record: RootRecord,
    account_keys: Vec<Vec<u8>>,
    materials: Vec<Row>,
    log_key: Vec<u8>,
}

struct Row {
    spec: KeySpec,
    sealed: Vec<u8>,
    generation: u32,
    fingerprint: Fingerprint,
    public_key: Option<Vec<u8>>,
}

impl Row {
    fn new(spec: KeySpec, made: Generated) -> Self {
        Self { spec, sealed: made.sealed.into_bytes(), generation: 1, fingerprint: made.fingerprint, public_key: made.public_key }
    }
}

impl Rows {
    fn account_key(&self, generation: u32) -> AccountKey<'_> {
        AccountKey { generation, sealed: &self.account_keys[generation as usize - 1] }
    }

    fn newest(&self) -> AccountKey<'_> {
        self.account_key(self.account_keys.len() as u32)
    }

    fn held<'a>(&'a self, house: &'a House, at: usize) -> Held<'a> {
        let row = &self.materials[at];
        let place = Place { generation: row.generation, ..house.place(row.spec) };
        Held { place, account_key: self.account_key(sealed_under(&row.sealed).expect("a blob").account_key_generation), sealed: &row.sealed }
    }

    fn all_open(&self, vault: &Vault, house: &House, when: &str) {
        for (at, row) in self.materials.iter().enumerate() {
            let held = self.held(house, at);
            assert_eq!(vault.fingerprint(&held), Ok(row.fingerprint), "{:?} {when}", row.spec);
            assert_eq!(vault.public_key(&held), Ok(row.public_key.clone()), "{:?} {when}", row.spec);
        }
    }

    /// One step of what the caller does; false when there is nothing left.
    fn step(&mut self, vault: &Vault, house: &House) -> bool {
        let root = vault.record().generation();
        if sealed_under(self.newest().sealed).expect("a blob").root_generation != root {
            let next = self.newest().generation + 1;
            self.account_keys.push(vault.next_account_key(&house.account, self.newest(), next).expect("both roots are held").into_bytes());
            return true;
        }
        let behind = self.materials.iter().position(|row| sealed_under(&row.sealed).expect("a blob").root_generation != root);
        let Some(at) = behind else {
            let is_behind = sealed_under(&self.log_key).expect("a blob").root_generation != root;
            self.log_key = vault.rewrap_log_key(&self.log_key).expect("both roots are held");
            return is_behind;
        };
        let generation = self.materials[at].generation + 1;
        let moved = vault.rewrap(&self.held(house, at), self.newest(), generation);
        self.materials[at].sealed = moved.unwrap_or_else(|error| panic!("{:?}: {error}", self.materials[at].spec)).into_bytes();
        self.materials[at].generation = generation;
        true
    }
}

fn counting() -> Vec<u8> {
    (0..32).map(|at: u8| at.wrapping_mul(7) ^ 0x5a).collect()
}

/// The whole move, with a death behind one of its steps in each try.
fn moves(ends: [End<'_>; 2], specs: &[KeySpec], deaths: &[usize]) {
    let cloud = Cloud::new();
    for &death in deaths {
        let mut process = Process::new(ends);
        let house = {
            let secret = if matches!(ends[0], End::Software) { UnlockSecret::KeyFile(file()) } else { UnlockSecret::Modules(process.0.clone()) };
            House::opening(&process.unlock(ends[0]), &secret)
        };
        let vault = &house.vault;
        let mut materials: Vec<Row> = specs.iter().map(|spec| Row::new(*spec, house.generate(*spec))).collect();
        let known = vault.take_in(&house.place(KeySpec::Aes256), house.account_key(), SecretBytes::from(counting()), None).expect("sound material");
        materials.push(Row::new(KeySpec::Aes256, known));
        let log = vault.new_log_key().expect("the vault is open");
        let person = ExportKey::from_spki_der(&cloud.public).expect("a public key");
        let (key, at) = (KeyId::new(Timestamp::from_secs(1_790_000_000), [9; 10]), Timestamp::from_secs(1_790_000_009));
        let preparation = Preparation { account: &house.account, key: &key, public_key: &person, prepared_by: "ann", prepared_at: at };
        let seal = vault.seal_preparation(&preparation, house.account_key()).expect("the vault is open");
        let ceremony = CeremonyId::new(at, [8; 10]);
        let component = ComponentPlace { account: &house.account, ceremony: &ceremony, terms: "{}", number: 1, person: "ann" };
        let first = SecretBytes::from((7..39).collect::<Vec<u8>>());
        let waits = vault.seal_component(&component, KeySpec::Aes256, house.account_key(), &first, None).expect("a sound component");
        let mut rows = Rows { record: vault.record(), account_keys: vec![house.account_key.as_bytes().to_vec()], materials, log_key: log.sealed };

        let before = at_the_cloud(vault, &house, &rows, &cloud);

        let begun = vault.begin_root_rotation(&process.unlock(ends[1]), specs).expect("none runs").record;
        rows.all_open(vault, &house, "while it is begun");
        rows.record = begun.clone();
        assert_eq!(vault.adopt(begun), Adopted::Open);
        let mut restarted = None;
        for step in 0.. {
            if step == death {
                // All sessions end with the process, and the old vault with them.
                vault.seal();
                process = Process::new(ends);
                let again = reopened(&rows.record);
                again.unseal(&process.secret(&rows.record)).expect("what opens it now");
                restarted = Some(again);
            }
            let vault = restarted.as_ref().unwrap_or(vault);
            rows.all_open(vault, &house, &format!("behind step {step}"));
            if !rows.step(vault, &house) {
                break;
            }
        }
        let vault = restarted.as_ref().unwrap_or(vault);
        rows.record = vault.finish_root_rotation().expect("a rotation runs");
        assert_eq!(vault.adopt(rows.record.clone()), Adopted::Open);
        rows.all_open(vault, &house, "at the end");
        assert_eq!((rows.record.generation(), rows.record.previous_generation()), (2, None));
        assert_eq!(vault.is_as_prepared(&preparation, rows.newest(), &seal), Ok(true), "what was prepared stays prepared");
        let held = HeldComponent { place: component, sealed: &waits };
        let last = SecretBytes::from(counting());
        assert_eq!(vault.check_components(KeySpec::Aes256, rows.newest(), &[held], &last, None), Ok(()), "a component waits on");
        let signature = vault.sign_log(&rows.log_key, b"a checkpoint").expect("it signs");
        let verifier = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, log.public_key);
        assert!(verifier.verify(b"a checkpoint", &signature).is_ok());
        let after = at_the_cloud(vault, &house, &rows, &cloud);
        for (at, row) in rows.materials.iter().enumerate() {
            assert_eq!(hex::encode(&after[at]), hex::encode(&before[at]), "{:?}", row.spec);
        }
        assert_eq!(after.last(), Some(&counting()));
        // Only the new root is needed now.
        vault.seal();
        let process = Process::new([ends[1], ends[1]]);
        let alone = reopened(&rows.record);
        alone.unseal(&process.secret(&rows.record)).expect("the new root alone");
        rows.all_open(&alone, &house, "under the new root alone");
        alone.seal();
    }
}

/// What a cloud gets of each row. It may know a key again by its bytes alone: they stay what they were.
fn at_the_cloud(vault: &Vault, house: &House, rows: &Rows, cloud: &Cloud) -> Vec<Vec<u8>> {
    let get = |at| {
        let (held, spec) = (rows.held(house, at), rows.materials[at].spec);
        let method: WrapMethod = vault.method_for_cloud(spec, export_method(spec)).expect("it goes to every cloud");
        let wrapped = vault.wrap_for_cloud(&held, &cloud.public, method, WrappingKeySpec::Rsa4096).expect("it is wrapped");
        cloud.unwrap(method, &wrapped).expect("it is unwrapped")
    };
    (0..rows.materials.len()).map(get).collect()
}

const HOST: &[WayAround] = &[WayAround::HostWrap];
/// What kryoptic makes, but for the large moduli.
const MOST: [KeySpec; 8] =
    [KeySpec::Aes256, KeySpec::Hmac224, KeySpec::Hmac256, KeySpec::Hmac512, KeySpec::Rsa2048, KeySpec::EcP256, KeySpec::EcP384, KeySpec::EcP521];
/// What SoftHSM2 lets out for a cloud by itself.
const FEW: [KeySpec; 4] = [KeySpec::Aes256, KeySpec::Hmac256, KeySpec::Hmac384, KeySpec::Hmac512];

fn token<'a>(name: &'a str, library: &'a Path, allow: &'a [WayAround]) -> End<'a> {
    End::Token { name, library, allow }
}

#[test]
fn out_of_the_software_into_kryoptic() {
    apart("moves::out_of_the_software_into_kryoptic", Kind::Kryoptic, |library, _| moves([End::Software, token("a", library, &[])], &MOST, &[0, 3]));
}

#[test]
fn out_of_the_software_into_softhsm() {
    let every: Vec<KeySpec> = MOST.into_iter().chain([KeySpec::EcSecp256k1]).collect();
    apart("moves::out_of_the_software_into_softhsm", Kind::Softhsm, |library, _| moves([End::Software, token("a", library, HOST)], &every, &[0, 3]));
}

#[test]
fn inside_kryoptic() {
    apart("moves::inside_kryoptic", Kind::Kryoptic, |library, _| moves([token("a", library, &[]); 2], &MOST, &[0, 3]));
}

#[test]
fn inside_softhsm() {
    apart("moves::inside_softhsm", Kind::Softhsm, |library, _| moves([token("a", library, HOST); 2], &MOST, &[0, 3]));
}

#[test]
fn from_softhsm_to_kryoptic() {
    apart_with_both("moves::from_softhsm_to_kryoptic", |softhsm, kryoptic| moves([token("a", softhsm, &[]), token("b", kryoptic, &[])], &FEW, &[0, 3]));
}

#[test]
fn from_softhsm_to_kryoptic_over_the_host_where_that_is_allowed() {
    let name = "moves::from_softhsm_to_kryoptic_over_the_host_where_that_is_allowed";
    apart_with_both(name, |softhsm, kryoptic| moves([token("a", softhsm, HOST), token("b", kryoptic, &[])], &MOST, &[1]));
}

#[test]
fn from_kryoptic_to_softhsm() {
    apart_with_both("moves::from_kryoptic_to_softhsm", |softhsm, kryoptic| moves([token("a", kryoptic, &[]), token("b", softhsm, HOST)], &MOST, &[0, 3]));
}

/// The name of a root in a module is no secret: whoever writes to the database must not have it taken for a key, nor a key for a name.
fn a_previous_root_of_another_kind_opens_nothing(ends: [End<'_>; 2]) {
    let process = Process::new(ends);
    let secret = if matches!(ends[0], End::Software) { UnlockSecret::KeyFile(file()) } else { UnlockSecret::Modules(process.0.clone()) };
    let house = House::opening(&process.unlock(ends[0]), &secret);
    let begun = house.vault.begin_root_rotation(&process.unlock(ends[1]), &[]).expect("none runs").record;
    let opens = |record: &RootRecord| reopened(record).unseal(&UnlockSecret::Modules(process.0.clone()));
    assert_eq!(opens(&begun), Ok(()));
    let mut bytes = begun.to_bytes();
    // Which kind it is stands before its generation (4) and what is wrapped of it (60).
    let at = bytes.len() - 65;
    bytes[at] ^= 3;
    assert_eq!(opens(&RootRecord::from_bytes(&bytes).expect("it has the form of one")), Err(UnsealError::WrongSecret));
}

#[test]
fn a_previous_root_in_a_module_is_not_taken_for_a_key() {
    let name = "moves::a_previous_root_in_a_module_is_not_taken_for_a_key";
    apart(name, Kind::Kryoptic, |library, _| a_previous_root_of_another_kind_opens_nothing([token("a", library, &[]); 2]));
}

#[test]
fn a_previous_root_of_the_software_is_not_taken_for_a_name() {
    let name = "moves::a_previous_root_of_the_software_is_not_taken_for_a_name";
    apart(name, Kind::Kryoptic, |library, _| a_previous_root_of_another_kind_opens_nothing([End::Software, token("a", library, &[])]));
}

/// What the new module would lock in is not moved there, and nothing is made in its token.
#[test]
fn a_module_that_would_not_let_a_kind_of_key_out_is_refused() {
    apart("moves::a_module_that_would_not_let_a_kind_of_key_out_is_refused", Kind::Softhsm, |library, _| {
        let ends = [End::Software, token("a", library, &[])];
        let process = Process::new(ends);
        let house = House::opening(&NewUnlock::KeyFile(file()), &UnlockSecret::KeyFile(file()));
        let refused = house.vault.begin_root_rotation(&process.unlock(ends[1]), &[KeySpec::Aes256, KeySpec::EcP256]).err();
        assert!(matches!(&refused, Some(RootError::CannotHold { module, kinds }) if module == "a" && kinds == &["EC_P256"]), "{refused:?}");
        assert!(refused.is_some_and(|error| error.to_string().contains("host-wrap")));
        assert_eq!(house.vault.record().generation(), 1);
    });
}

#[test]
fn a_root_does_not_come_out_of_a_module() {
    apart("moves::a_root_does_not_come_out_of_a_module", Kind::Kryoptic, |library, _| {
        let ends = [token("a", library, &[]); 2];
        let process = Process::new(ends);
        let house = House::opening(&process.unlock(ends[0]), &UnlockSecret::Modules(process.0.clone()));
        for unlock in [NewUnlock::KeyFile(file()), NewUnlock::Shares { threshold: 2, count: 3 }] {
            assert_eq!(house.vault.begin_root_rotation(&unlock, &[]).err(), Some(RootError::InModule));
            assert_eq!(house.vault.change_unlock(&unlock).err(), Some(RootError::InModule));
        }
    });
}

/// Zeros behind a private key are no private key to another maker's module; without leave of the host such a key stays where it is, whole.
#[test]
fn a_key_that_would_arrive_as_another_stays_where_it_is() {
    apart_with_both("moves::a_key_that_would_arrive_as_another_stays_where_it_is", |softhsm, kryoptic| {
        let ends = [token("a", softhsm, &[]), token("b", kryoptic, &[])];
        let process = Process::new(ends);
        let house = House::opening(&process.unlock(ends[0]), &UnlockSecret::Modules(process.0.clone()));
        let made = house.generate(KeySpec::EcP256);
        let begun = house.vault.begin_root_rotation(&process.unlock(ends[1]), &[]).expect("none runs").record;
        house.vault.adopt(begun);
        let next = house.vault.next_account_key(&house.account, house.account_key(), 2).expect("both roots are held");
        let held = house.held(KeySpec::EcP256, made.sealed.as_bytes());
        let told = house.vault.rewrap(&held, AccountKey { generation: 2, sealed: next.as_bytes() }, 2);
        assert!(matches!(&told, Err(VaultError::Module(HsmError::Cannot { mend, .. })) if mend.contains("host-wrap")), "{told:?}");
        assert_eq!(house.vault.fingerprint(&held), Ok(made.fingerprint));
    });
}
