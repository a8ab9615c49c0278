//! A spy between us and the module, OpenSC's `pkcs11-spy`, writes down every call and every byte that passes: no value of a key is ever asked for, and none passes.

#[path = "../shared/house.rs"]
mod house;

use std::{env, fs, path::Path, process::Command, sync::Arc, time::Duration};

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use keystead_domain::{Hash, KeySpec, WrapMethod, WrappingKeySpec};
use keystead_testkit::token::{Kind, LABEL, apart};
use keystead_vault::Held;
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

use house::House;

/// Where Debian and others put the spy.
const SPIES: [&str; 3] = ["/usr/lib/x86_64-linux-gnu/pkcs11-spy.so", "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so", "/usr/lib64/pkcs11-spy.so"];
/// Says to the test, started once more, that the spy is in place.
const SPIED: &str = "PKCS11SPY_OUTPUT";
/// Attributes that are a key's value, or its private parts.
const VALUES: [&str; 8] =
    ["CKA_VALUE ", "CKA_PRIVATE_EXPONENT", "CKA_PRIME_1", "CKA_PRIME_2", "CKA_EXPONENT_1", "CKA_EXPONENT_2", "CKA_COEFFICIENT", "CKA_SEED"];

/// What a spy wrote, call by call.
struct Calls(Vec<(String, String)>);

impl Calls {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("what the spy wrote");
        let mut calls: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            match line.split_once(": C_") {
                Some((number, name)) if number.parse::<u32>().is_ok() => calls.push((format!("C_{name}"), String::new())),
                _ => {
                    if let Some((_, body)) = calls.last_mut() {
                        body.push_str(line);
                        body.push('\n');
                    }
                }
            }
        }
        Self(calls)
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, body)| body.as_str())
    }

    /// The bytes that passed, as hexadecimal without blanks: the spy writes them in columns.
    fn bytes(&self) -> String {
        let hex = |line: &str| {
            let words: Vec<&str> =
                line.split_whitespace().skip(1).take_while(|word| word.len() == 2 && word.chars().all(|c| c.is_ascii_hexdigit())).take(16).collect();
            words.concat().to_lowercase()
        };
        let dumped = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_hexdigit());
        self.0.iter().flat_map(|(_, body)| body.lines()).filter(dumped).map(hex).collect()
    }
}

/// A vault over the spy.
fn spied_house(spy: &str) -> House {
    let settings = Settings {
        name: "hsm".to_owned(),
        library: spy.into(),
        token: LABEL.to_owned(),
        sessions: 1,
        queue: 8,
        patience: Duration::from_secs(60),
        allow: Vec::new(),
    };
    House::over(&Arc::new(Pkcs11Module::load(settings, &house::pin()).expect("the spy loads")))
}

/// Makes keys of every kind and uses them; answers the AES key's value, which only the cloud has.
fn live(house: &House) -> Vec<u8> {
    for spec in KeySpec::ALL.into_iter().filter(|spec| !matches!(spec, KeySpec::Rsa3072 | KeySpec::Rsa4096)) {
        let made = house.vault.generate(&house.place(spec), house.account_key()).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        let held = Held { place: house.place(spec), account_key: house.account_key(), sealed: made.sealed.as_bytes() };
        assert_eq!(house.vault.fingerprint(&held), Ok(made.fingerprint));
        assert_eq!(house.vault.public_key(&held), Ok(made.public_key));
        house.vault.rewrap(&held, house.account_key(), 2).expect("the vault is open");
    }
    let made = house.vault.generate(&house.place(KeySpec::Aes256), house.account_key()).expect("the vault is open");
    let held = Held { place: house.place(KeySpec::Aes256), account_key: house.account_key(), sealed: made.sealed.as_bytes() };
    let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a pair");
    let public = private.public_key().as_der().expect("its public half").as_ref().to_vec();
    let wrapped = house.vault.wrap_for_cloud(&held, &public, WrapMethod::RsaOaep(Hash::Sha1), WrappingKeySpec::Rsa2048).expect("inside");
    let mut room = [0; 256];
    let private = OaepPrivateDecryptingKey::new(private).expect("its private half");
    private.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut room, None).expect("wrapped for this cloud").to_vec()
}

fn look(output: &Path, value: &[u8], planted: &[u8]) {
    let calls = Calls::read(output);
    assert!(calls.of("C_GenerateKey").count() > 10 && calls.of("C_WrapKey").count() > 10 && calls.of("C_UnwrapKey").count() > 10, "the spy saw it all");
    let asked: Vec<&str> = calls.of("C_GetAttributeValue").collect();
    assert!(!asked.is_empty(), "public halves are asked for");
    for body in asked {
        assert!(!VALUES.iter().any(|name| body.contains(name)), "{body}");
    }
    let bytes = calls.bytes();
    assert!(bytes.contains(&hex::encode(&planted[..16])), "the control: what is brought in plain passes, and is found");
    for half in value.chunks(16) {
        assert!(!bytes.contains(&hex::encode(half)), "a value of a key passed the spy");
    }
}

/// The same test, started a third time with the spy's own environment.
fn with_spy(name: &str, library: &Path, home: &Path, body: impl FnOnce(&Path)) {
    if let Some(output) = env::var_os(SPIED) {
        return body(Path::new(&output));
    }
    let mut test = Command::new(env::current_exe().expect("a test has a name"));
    test.args(["--exact", name, "--nocapture"]).env("PKCS11SPY", library).env(SPIED, home.join("spied.log"));
    let done = test.output().expect("a test starts again");
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}

/// FX-008, FX-065.
#[test]
fn no_value_of_a_key_passes_between_us_and_the_module() {
    let name = "no_value_of_a_key_passes_between_us_and_the_module";
    let Some(spy) = SPIES.into_iter().find(|spy| Path::new(spy).exists()) else {
        assert!(Kind::Softhsm.library().is_none(), "opensc is missing: `make setup-test`");
        return;
    };
    apart(name, Kind::Softhsm, |library, home| {
        with_spy(name, library, home, |output| {
            let house = spied_house(spy);
            let value = live(&house);
            let planted: Vec<u8> = (0..32).map(|at: u8| at.wrapping_mul(11) ^ 0xc3).collect();
            // The control: a key that the host knows and brings in is in the template of C_CreateObject.
            let hsm = Pkcs11Module::load(
                Settings {
                    name: "hsm".to_owned(),
                    library: spy.into(),
                    token: LABEL.to_owned(),
                    sessions: 1,
                    queue: 1,
                    patience: Duration::from_secs(60),
                    allow: Vec::new(),
                },
                &house::pin(),
            )
            .expect("the spy loads");
            plant(&hsm, &planted);
            drop(hsm);
            drop(house);
            look(output, &value, &planted);
        });
    });
}

/// Brings a known key in, as a person's plain material is.
fn plant(hsm: &Pkcs11Module, value: &[u8]) {
    use keystead_vault::{Hsm as _, Purpose};
    hsm.open().expect("the right PIN");
    let value: [u8; 32] = value.try_into().expect("32 bytes");
    hsm.run(Arc::new(move |session| session.bring_in(&value, Purpose::Transport).map(drop))).expect("it is taken");
}
