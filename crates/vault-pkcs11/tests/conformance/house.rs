//! An open vault over a root, with one account, and the other side of every wrapping.

use std::{path::PathBuf, sync::Arc, time::Duration};

use aws_lc_rs::{
    encoding::AsDer as _,
    key_wrap::{AES_256, AesKek, KeyWrapPadded as _},
    rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use keystead_domain::{AccountId, Hash, KeyId, KeySpec, Timestamp, VersionId, WrapMethod};
use keystead_testkit::token::{Kind, LABEL, PIN};
use keystead_vault::{
    AccountKey, Generated, Held, Hsm, NewUnlock, Place, RootRecord, SealedAccountKey, SecretBytes, SystemRandom, UnlockSecret, Vault, WayAround, root,
};
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

/// Which root a case runs over.
pub enum Root {
    /// A key file.
    Software,
    /// A token of this kind, by its library.
    Token(Kind, PathBuf),
}

/// The key file of the software root.
pub fn file() -> SecretBytes {
    SecretBytes::from((0..32).collect::<Vec<u8>>())
}

pub fn settings(library: PathBuf, allow: &[WayAround]) -> Settings {
    Settings { name: "hsm".to_owned(), library, token: LABEL.to_owned(), sessions: 2, queue: 64, patience: Duration::from_secs(60), allow: allow.to_vec() }
}

pub fn pin() -> SecretBytes {
    SecretBytes::from(PIN.to_owned())
}

impl Root {
    pub fn is_token(&self) -> bool {
        matches!(self, Self::Token(..))
    }

    pub fn is(&self, kind: Kind) -> bool {
        matches!(self, Self::Token(of, _) if *of == kind)
    }

    pub fn module(&self, allow: &[WayAround], pin: &SecretBytes) -> Option<Arc<dyn Hsm>> {
        let Self::Token(_, library) = self else { return None };
        Some(Arc::new(Pkcs11Module::load(settings(library.clone(), allow), pin).expect("the library loads")))
    }

    fn new_unlock(&self) -> NewUnlock {
        match self.module(&[], &pin()) {
            None => NewUnlock::KeyFile(file()),
            Some(hsm) => NewUnlock::Module { hsm, backup: None },
        }
    }

    /// What opens it.
    pub fn secret(&self, allow: &[WayAround]) -> UnlockSecret {
        match self.module(allow, &pin()) {
            None => UnlockSecret::KeyFile(file()),
            Some(hsm) => UnlockSecret::Modules(vec![hsm]),
        }
    }

    /// What does not.
    pub fn wrong_secret(&self) -> UnlockSecret {
        match self.module(&[], &SecretBytes::from("another-pin-9".to_owned())) {
            None => UnlockSecret::KeyFile(SecretBytes::from((1..33).collect::<Vec<u8>>())),
            Some(hsm) => UnlockSecret::Modules(vec![hsm]),
        }
    }
}

pub struct House {
    pub vault: Vault,
    pub account: AccountId,
    pub key: KeyId,
    pub version: VersionId,
    pub account_key: SealedAccountKey,
}

/// An open vault with one account; the root opens by this secret.
fn over(record: &RootRecord, secret: &UnlockSecret) -> House {
    let vault = reopened(record);
    vault.unseal(secret).expect("it is the right secret");
    let (at, account) = (Timestamp::from_secs(1_790_000_000), account(1));
    let account_key = vault.new_account_key(&account, 1).expect("the vault is open");
    House { vault, account, key: KeyId::new(at, [2; 10]), version: VersionId::new(at, [3; 10]), account_key }
}

impl House {
    pub fn new(root: &Root) -> Self {
        Self::allowing(root, &[])
    }

    pub fn allowing(root: &Root, allow: &[WayAround]) -> Self {
        let record = root::create(&root.new_unlock(), &SystemRandom).expect("a root is made").record;
        over(&record, &root.secret(allow))
    }

    /// Over the root of a record.
    pub fn at(record: &RootRecord, secret: &UnlockSecret) -> Self {
        over(record, secret)
    }

    /// Over a root that is made by the one and opened by the other.
    pub fn opening(unlock: &NewUnlock, secret: &UnlockSecret) -> Self {
        over(&root::create(unlock, &SystemRandom).expect("a root is made").record, secret)
    }

    pub fn place(&self, spec: KeySpec) -> Place<'_> {
        Place { account: &self.account, key: &self.key, version: &self.version, spec, generation: 1 }
    }

    pub fn account_key(&self) -> AccountKey<'_> {
        AccountKey { generation: 1, sealed: self.account_key.as_bytes() }
    }

    pub fn generate(&self, spec: KeySpec) -> Generated {
        self.vault.generate(&self.place(spec), self.account_key()).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
    }

    pub fn held<'a>(&'a self, spec: KeySpec, sealed: &'a [u8]) -> Held<'a> {
        Held { place: self.place(spec), account_key: self.account_key(), sealed }
    }
}

/// A vault over this record, as a restart makes it.
pub fn reopened(record: &RootRecord) -> Vault {
    Vault::sealed(RootRecord::from_bytes(&record.to_bytes()).expect("we wrote it"), Arc::new(SystemRandom))
}

pub fn account(byte: u8) -> AccountId {
    AccountId::new(Timestamp::from_secs(1_790_000_000), [byte; 10])
}

/// Whoever holds the private half of a wrapping key.
pub struct Cloud {
    private: OaepPrivateDecryptingKey,
    pub public: Vec<u8>,
}

impl Cloud {
    pub fn new() -> Self {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa4096).expect("a pair");
        let public = private.public_key().as_der().expect("its public half").as_ref().to_vec();
        Self { private: OaepPrivateDecryptingKey::new(private).expect("its private half"), public }
    }

    fn oaep(&self, hash: Hash, wrapped: &[u8]) -> Option<Vec<u8>> {
        let algorithm = if hash == Hash::Sha1 { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
        let mut room = vec![0; 512];
        self.private.decrypt(algorithm, wrapped, &mut room, None).ok().map(|plain| plain.to_vec())
    }

    /// Unwraps as AWS does.
    pub fn unwrap(&self, method: WrapMethod, wrapped: &[u8]) -> Option<Vec<u8>> {
        match method {
            WrapMethod::RsaOaep(hash) => self.oaep(hash, wrapped),
            WrapMethod::RsaAesKwp(hash) => {
                let (key, wrapped) = wrapped.split_at_checked(512)?;
                let key = self.oaep(hash, key)?;
                let mut room = vec![0; wrapped.len()];
                let plain = AesKek::new(&AES_256, &key).ok()?.unwrap_with_padding(wrapped, &mut room).ok()?;
                Some(plain.to_vec())
            }
        }
    }
}

/// AES-KWP as anybody does it.
pub fn kwp(kek: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let mut room = vec![0; plain.len() + 15];
    AesKek::new(&AES_256, kek).expect("a key").wrap_with_padding(plain, &mut room).expect("wraps").to_vec()
}
