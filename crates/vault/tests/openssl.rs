//! What the vault wraps, OpenSSL unwraps: three sizes of RSA key, four methods. And what OpenSSL wraps, the vault takes in.
//!
//! OpenSSL's command line shares no code with the vault, and its RSA-OAEP and AES-KWP are what cloud customers' own scripts use.

use keystead_domain::{AccountId, Hash, KeyId, KeySpec, Timestamp, VersionId, WrapMethod, WrappingKeySpec};
use keystead_vault::{AccountKey, ExportKey, Held, NewUnlock, Place, SealedAccountKey, SystemRandom, UnlockSecret, Vault, root};
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
        self.vault.take_in(&self.place(), self.account_key(), material.into()).expect("sound material").sealed.into_bytes()
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
    let plain = house.vault.take_in(&house.place(), house.account_key(), material().into()).expect("sound material");
    let sealed_kek = house.take_in(kek.clone());
    for (cipher, iv) in [("-id-aes256-wrap-pad", "A65959A6"), ("-id-aes256-wrap", "A6A6A6A6A6A6A6A6")] {
        let wrapped = openssl(&["enc", "-e", cipher, "-iv", iv, "-K", &hex::encode(&kek)], &material());
        let taken = house.vault.take_in_wrapped(&house.place(), house.account_key(), &wrapped, &house.held(&sealed_kek)).expect("openssl wrapped it");
        assert_eq!(taken.fingerprint, plain.fingerprint, "{cipher}");
    }
}
