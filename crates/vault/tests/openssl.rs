//! What the vault wraps, OpenSSL unwraps: three sizes of RSA key, four methods. And what OpenSSL wraps, the vault takes in.
//!
//! OpenSSL's command line shares no code with the vault, and its RSA-OAEP and AES-KWP are what cloud customers' own scripts use.

use keystead_domain::{AccountId, Hash, KeyId, KeySpec, Timestamp, VersionId, WrapMethod, WrappingKeySpec};
use keystead_vault::{
    AccountKey, CheckValue, ExportKey, Generated, Held, MaterialRefused, NewUnlock, Place, SealedAccountKey, Source, SystemRandom, UnlockSecret, Vault,
    VaultError, WRAPPED_LEN_MAX, root,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

/// The material of every test: it is known, so that the far end can be compared.
fn material() -> Vec<u8> {
    (0u8..32).map(|at| at.wrapping_mul(7) ^ 0x5a).collect()
}

/// An open vault with one account, and the ids to go with it.
struct House {
    vault: Vault,
    account: AccountId,
    key: KeyId,
    version: VersionId,
    account_key: SealedAccountKey,
}

impl House {
    fn new() -> Self {
        let file = || root::new_key_file(&SystemRandom).expect("the system's randomness is sound");
        let (file, at) = (file(), Timestamp::from_secs(1_790_000_000));
        let copy = file.expose().to_vec().into();
        let record = root::create(&NewUnlock::KeyFile(file), &SystemRandom).expect("a root is made").record;
        let vault = Vault::sealed(record, Arc::new(SystemRandom));
        vault.unseal(&UnlockSecret::KeyFile(copy)).expect("it is the right file");
        let account = AccountId::new(at, [1; 10]);
        let account_key = vault.new_account_key(&account, 1).expect("the vault is open");
        Self { vault, account, key: KeyId::new(at, [2; 10]), version: VersionId::new(at, [3; 10]), account_key }
    }

    fn place(&self) -> Place<'_> {
        Place { account: &self.account, key: &self.key, version: &self.version, spec: KeySpec::Aes256, generation: 1 }
    }

    fn account_key(&self) -> AccountKey<'_> {
        AccountKey { generation: 1, sealed: self.account_key.as_bytes() }
    }

    fn held<'a>(&'a self, sealed: &'a [u8]) -> Held<'a> {
        Held { place: self.place(), account_key: self.account_key(), sealed }
    }

    fn take_in(&self, material: Vec<u8>) -> Vec<u8> {
        self.vault.take_in(&self.place(), self.account_key(), material.into(), None).expect("sound material").sealed.into_bytes()
    }
}

/// Runs OpenSSL over bytes and answers with bytes.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests need the openssl command");
    child.stdin.take().expect("it was piped").write_all(input).expect("openssl reads all of it");
    let output = child.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A fresh RSA pair: the file of the private half, and the public half in DER.
fn pair(dir: &TempDir, bits: usize) -> (PathBuf, Vec<u8>) {
    let private = dir.path().join(format!("{bits}.pem"));
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}"), "-out", text(&private)], b"");
    let public = openssl(&["pkey", "-in", text(&private), "-pubout", "-outform", "DER"], b"");
    (private, public)
}

fn oaep_decrypt(private: &Path, hash: Hash, wrapped: &[u8]) -> Vec<u8> {
    let digest = match hash {
        Hash::Sha1 => "rsa_oaep_md:sha1",
        Hash::Sha256 => "rsa_oaep_md:sha256",
    };
    openssl(&["pkeyutl", "-decrypt", "-inkey", text(private), "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", digest], wrapped)
}

fn unwrap(private: &Path, bits: usize, method: WrapMethod, wrapped: &[u8]) -> Vec<u8> {
    match method {
        WrapMethod::RsaOaep(hash) => oaep_decrypt(private, hash, wrapped),
        WrapMethod::RsaAesKwp(hash) => {
            let (wrapped_key, wrapped_material) = wrapped.split_at(bits / 8);
            let key = hex::encode(oaep_decrypt(private, hash, wrapped_key));
            assert_eq!(key.len(), 64, "an AES-256 key");
            openssl(&["enc", "-d", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", &key], wrapped_material)
        }
    }
}

#[test]
fn openssl_unwraps_every_size_and_method() {
    let (house, dir) = (House::new(), TempDir::new().expect("a directory"));
    let sealed = house.take_in(material());
    for spec in [WrappingKeySpec::Rsa2048, WrappingKeySpec::Rsa3072, WrappingKeySpec::Rsa4096] {
        let (private, public) = pair(&dir, spec.bits());
        for hash in [Hash::Sha1, Hash::Sha256] {
            for method in [WrapMethod::RsaOaep(hash), WrapMethod::RsaAesKwp(hash)] {
                let wrapped = house.vault.wrap_for_cloud(&house.held(&sealed), &public, method, spec).expect("a sound key");
                assert_eq!(unwrap(&private, spec.bits(), method, &wrapped), material(), "{spec:?} {method:?}");
            }
        }
    }
}

#[test]
fn openssl_opens_an_export_and_shows_the_same_fingerprint_of_the_key() {
    let (house, dir) = (House::new(), TempDir::new().expect("a directory"));
    let sealed = house.take_in(material());
    let (private, public) = pair(&dir, 2048);
    let pem = String::from_utf8(openssl(&["pkey", "-in", text(&private), "-pubout"], b"")).expect("PEM is ASCII");
    let key = ExportKey::parse_pem(&pem).expect("a sound key");
    assert_eq!(key.spki_der(), public);
    let digest = String::from_utf8(openssl(&["dgst", "-sha256", "-r"], &public)).expect("hexadecimal");
    assert!(digest.starts_with(&key.fingerprint_sha256()), "{digest}");
    let wrapped = house.vault.export(&house.held(&sealed), &key).expect("32 bytes fit");
    assert_eq!(oaep_decrypt(&private, Hash::Sha256, &wrapped), material());
}

#[test]
fn what_openssl_wraps_is_taken_in() {
    let house = House::new();
    let kek: Vec<u8> = material().into_iter().rev().collect();
    let plain = house.vault.take_in(&house.place(), house.account_key(), material().into(), None).expect("sound material");
    let sealed_kek = house.take_in(kek.clone());
    for (cipher, iv) in [("-id-aes256-wrap-pad", "A65959A6"), ("-id-aes256-wrap", "A6A6A6A6A6A6A6A6")] {
        let wrapped = openssl(&["enc", "-e", cipher, "-iv", iv, "-K", &hex::encode(&kek)], &material());
        let taken = house.vault.take_in_wrapped(&house.place(), house.account_key(), &wrapped, &house.held(&sealed_kek), None).expect("openssl wrapped it");
        assert_eq!(taken.fingerprint, plain.fingerprint, "{cipher}");
    }
}

/// A pair of the vault whose private half OpenSSL made: in PEM as people have it, its public half, and as it lies in the vault.
struct Transport {
    public: PathBuf,
    sealed: Vec<u8>,
}

impl Transport {
    fn new(house: &House, dir: &TempDir) -> Self {
        let (private, _) = pair(dir, 4096);
        let public = dir.path().join("transport.pub.pem");
        openssl(&["pkey", "-in", text(&private), "-pubout", "-out", text(&public)], b"");
        let pem = std::fs::read(&private).expect("a PEM file").into();
        let place = Place { spec: KeySpec::Rsa4096, ..house.place() };
        let taken = house.vault.take_in_pkcs8(&place, house.account_key(), &pem, None, None).expect("a sound pair");
        Self { public, sealed: taken.sealed.into_bytes() }
    }

    fn oaep(&self, hash: Hash, plain: &[u8]) -> Vec<u8> {
        let name = if hash == Hash::Sha1 { "sha1" } else { "sha256" };
        let (digest, mask) = (format!("rsa_oaep_md:{name}"), format!("rsa_mgf1_md:{name}"));
        let padding = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", &digest, "-pkeyopt", &mask];
        openssl(&[&["pkeyutl", "-encrypt", "-pubin", "-inkey", text(&self.public)][..], &padding].concat(), plain)
    }

    fn wrapped(&self, method: WrapMethod, plain: &[u8]) -> Vec<u8> {
        match method {
            WrapMethod::RsaOaep(hash) => self.oaep(hash, plain),
            WrapMethod::RsaAesKwp(hash) => [self.oaep(hash, &[0x5c; 32]), openssl_kwp(&[0x5c; 32], plain)].concat(),
        }
    }

    fn taken(&self, house: &House, spec: KeySpec, method: WrapMethod, wrapped: &[u8], expected: Option<&CheckValue>) -> Result<Generated, VaultError> {
        let pair = Held { place: Place { spec: KeySpec::Rsa4096, ..house.place() }, ..house.held(&self.sealed) };
        house.vault.take_in_by_pair(&Place { spec, ..house.place() }, house.account_key(), wrapped, &pair, method, expected)
    }
}

fn openssl_kwp(kek: &[u8], plain: &[u8]) -> Vec<u8> {
    openssl(&["enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", &hex::encode(kek)], plain)
}

fn secret(spec: KeySpec) -> Vec<u8> {
    (0..spec.material_len().expect("a secret") as u8).map(|at| at ^ 0x33).collect()
}

const REFUSED: VaultError = VaultError::MaterialRefused(MaterialRefused::NotUnwrappedByPair);

#[test]
fn what_openssl_wraps_under_our_public_half_is_taken_in_fx_015() {
    let (house, dir) = (House::new(), TempDir::new().expect("a directory"));
    let transport = Transport::new(&house, &dir);
    for spec in [KeySpec::Aes256, KeySpec::Hmac224, KeySpec::Hmac512] {
        let place = Place { spec, ..house.place() };
        let plain = house.vault.take_in(&place, house.account_key(), secret(spec).into(), None).expect("sound material");
        for method in WrapMethod::ALL {
            let taken = transport.taken(&house, spec, method, &transport.wrapped(method, &secret(spec)), None).expect("openssl wrapped it for us");
            assert_eq!(taken.fingerprint, plain.fingerprint, "{spec:?} {method:?}");
            assert!(matches!(taken.birth.source, Source::ImportedByPair { method: by, .. } if by == method));
        }
    }
    let pem = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], b"");
    let document = openssl(&["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"], &pem);
    let public = openssl(&["pkey", "-pubout", "-outform", "DER"], &pem);
    let method = WrapMethod::RsaAesKwp(Hash::Sha256);
    let sum = openssl(&["dgst", "-sha256", "-r"], &public);
    let expected = CheckValue::parse("check_value", KeySpec::EcP384, &String::from_utf8_lossy(&sum)[..64]).expect("a digest");
    let taken = transport.taken(&house, KeySpec::EcP384, method, &transport.wrapped(method, &document), Some(&expected)).expect("a pair");
    assert_eq!(taken.public_key, Some(public));
    assert!(taken.birth.fields().iter().any(|(name, told)| *name == "check_value" && told.contains("SHA-256 of the public half, 32 bytes")));
    let oaep = transport.taken(&house, KeySpec::EcP384, WrapMethod::RsaOaep(Hash::Sha256), &[1; 512], None);
    assert_eq!(oaep.err(), Some(MaterialRefused::PairInOneBlock.into()));
}

#[test]
fn whatever_is_wrong_before_the_check_value_of_kwp_fits_is_one_and_the_same_answer() {
    let (house, dir) = (House::new(), TempDir::new().expect("a directory"));
    let transport = Transport::new(&house, &dir);
    let (aes, oaep, kwp) = (KeySpec::Aes256, WrapMethod::RsaOaep(Hash::Sha256), WrapMethod::RsaAesKwp(Hash::Sha256));
    let refused = |method, wrapped: &[u8]| transport.taken(&house, aes, method, wrapped, None).err();
    let bent = |wrapped: &[u8], at: usize| {
        let mut bent = wrapped.to_vec();
        bent[at] ^= 1;
        bent
    };
    let (direct, below) = (transport.wrapped(oaep, &material()), transport.wrapped(kwp, &material()));
    for at in [1, 100, 511] {
        assert_eq!(refused(oaep, &bent(&direct, at)), Some(REFUSED), "byte {at}");
    }
    for at in [1, 511, 512, 530, below.len() - 1] {
        assert_eq!(refused(kwp, &bent(&below, at)), Some(REFUSED), "byte {at}");
    }
    assert_eq!(refused(oaep, &[0xff; 512]), Some(REFUSED), "a number above the modulus");
    assert_eq!(refused(WrapMethod::RsaOaep(Hash::Sha1), &direct), Some(REFUSED), "another hash");
    for len in [1, 16, 31, 33, 64] {
        assert_eq!(refused(oaep, &transport.oaep(Hash::Sha256, &vec![7; len])), Some(REFUSED), "{len} bytes under OAEP alone");
    }
    for key in [&[7; 16][..], &[7; 24], &[7; 31], &[7; 48]] {
        let wrapped = [transport.oaep(Hash::Sha256, key), openssl_kwp(&[7; 32], &material())].concat();
        assert_eq!(refused(kwp, &wrapped), Some(REFUSED), "a key of {} bytes between", key.len());
    }
    // Behind the check value it is told what is wrong with the material.
    let short = transport.wrapped(kwp, &[7; 31]);
    assert_eq!(refused(kwp, &short), Some(MaterialRefused::WrongSize { spec: aes, expected: 32, found: 31 }.into()));
    assert_eq!(refused(kwp, &transport.wrapped(kwp, &[7; 32])), Some(MaterialRefused::Weak.into()));
    // A length is no secret.
    for (method, len) in [(oaep, 0), (oaep, 511), (oaep, 513), (kwp, 0), (kwp, 527), (kwp, WRAPPED_LEN_MAX + 1)] {
        assert_eq!(refused(method, &vec![1; len]), Some(MaterialRefused::NotSoWrapped { found: len }.into()), "{len}");
    }
    assert_eq!(refused(kwp, &vec![1; WRAPPED_LEN_MAX]), Some(REFUSED));
}

#[test]
fn a_key_that_is_not_the_expected_one_is_refused() {
    let (house, dir) = (House::new(), TempDir::new().expect("a directory"));
    let transport = Transport::new(&house, &dir);
    let value = |text: &str| CheckValue::parse("check_value", KeySpec::Aes256, text).expect("a check value");
    let cmac = openssl(&["mac", "-cipher", "AES-256-CBC", "-macopt", &format!("hexkey:{}", hex::encode(material())), "CMAC"], &[0; 16]);
    let right = value(&String::from_utf8_lossy(&cmac)[..10]);
    let zeros = openssl(&["enc", "-aes-256-ecb", "-nopad", "-K", &hex::encode(material())], &[0; 16]);
    let older = value(&format!("kcv-zero:{}", hex::encode(&zeros[..3])));
    let wrong = value("0102030405");
    let other = Some(VaultError::MaterialRefused(MaterialRefused::OtherCheckValue));
    let method = WrapMethod::RsaOaep(Hash::Sha256);
    let wrapped = transport.wrapped(method, &material());
    let sealed_kek = house.take_in([9; 31].into_iter().chain([1]).collect());
    let below = openssl_kwp(&[9; 31].into_iter().chain([1]).collect::<Vec<u8>>(), &material());
    let by = |expected: &CheckValue| {
        [
            house.vault.take_in(&house.place(), house.account_key(), material().into(), Some(expected)),
            house.vault.take_in_wrapped(&house.place(), house.account_key(), &below, &house.held(&sealed_kek), Some(expected)),
            transport.taken(&house, KeySpec::Aes256, method, &wrapped, Some(expected)),
        ]
    };
    for expected in [&right, &older] {
        for taken in by(expected) {
            let told = taken.expect("it is the expected key").birth.checked.expect("the birth record says so");
            assert!(!told.contains(&right.to_text()[5..]), "how it was checked, and not the value: {told}");
        }
    }
    assert!(by(&wrong).into_iter().all(|taken| taken.err() == other));
}

#[test]
fn a_pair_of_another_kind_or_account_unwraps_nothing() {
    let house = House::new();
    let method = WrapMethod::RsaOaep(Hash::Sha256);
    let sealed = house.take_in(material());
    let refused = house.vault.take_in_by_pair(&house.place(), house.account_key(), &[1; 512], &house.held(&sealed), method, None);
    assert_eq!(refused.err(), Some(MaterialRefused::NotAnUnwrappingKey { spec: KeySpec::Aes256 }.into()));
    let stranger = AccountId::new(Timestamp::from_secs(1_790_000_000), [9; 10]);
    let place = Place { account: &stranger, ..house.place() };
    let refused = house.vault.take_in_by_pair(&place, house.account_key(), &[1; 512], &house.held(&sealed), method, None);
    assert_eq!(refused.err(), Some(VaultError::OtherAccount));
}
