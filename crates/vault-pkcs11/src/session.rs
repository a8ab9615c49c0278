//! One session with a token, in the words of the port.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use cryptoki::{
    error::{Error, Rv, RvError},
    mechanism::{
        Mechanism, MechanismType,
        aead::GcmParams,
        rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource},
    },
    object::{Attribute, AttributeType, ObjectHandle},
    session::Session,
};
use cryptoki_sys::{CK_MECHANISM, CK_MECHANISM_TYPE, CK_RV, CKM_AES_KEY_WRAP};
use keystead_domain::{Hash, KeyFamily, KeySpec};
use keystead_vault::{
    AccountName, AccountPart, HsmError, HsmKey, HsmSession, Mac, Made, Origin, PublicNumbers, Purpose, RootBackup, RootId, RootKeys, SecretBytes,
};

use crate::{
    classify,
    raw::{self, Operation, Raw, Stopped},
    template::{self, RootUse},
};

/// Length of GCM's tag in bits.
const TAG_BITS: u64 = 128;

/// Room for what a call answers beyond its input, in bytes: a tag, a block or a MAC.
const ROOM: usize = 64;
/// Room for a signature: one of RSA_4096 has 512 bytes.
const SIGNATURE_ROOM: usize = 512;
/// What errors call it.
const MAKE_A_ROOT: &str = "make a root";
/// How often the second key of a root is asked for before it is told that it is not made.
const ROOT_TRIES: u32 = 3;
/// How many keys of accounts a session keeps: many more than one job uses.
const KEPT_MAX: usize = 32;

/// A key of an account that stays in the session.
struct Kept {
    name: AccountName,
    part: AccountPart,
    key: u64,
}

/// A session, with the keys that the running job has in it, and those of accounts that it keeps.
pub(crate) struct Live {
    session: Session,
    raw: Arc<Raw>,
    /// The number of the mechanism that is, or passes for, AES-KWP.
    key_wrap: CK_MECHANISM_TYPE,
    /// Keys of the running job.
    keys: RefCell<Vec<u64>>,
    /// Keys of accounts that stay for the next jobs; the one that was used last stands last.
    kept: RefCell<Vec<Kept>>,
    /// Roots that were found: looking for one takes a module long, and its handle stays good as long as the session.
    roots: RefCell<Vec<(RootId, RootKeys)>>,
    /// The token, as people name it.
    token: String,
    /// The library's epoch when it was opened: in another one its numbers are somebody else's.
    pub(crate) epoch: u64,
}

impl Live {
    pub(crate) fn new(session: Session, raw: Arc<Raw>, key_wrap: CK_MECHANISM_TYPE, token: String, epoch: u64) -> Self {
        Self { session, raw, key_wrap, token, keys: RefCell::default(), kept: RefCell::default(), roots: RefCell::default(), epoch }
    }

    /// Lets go of a session of another epoch without closing it: its number may be that of another session by now.
    pub(crate) fn forget(self) {
        let Self { session, .. } = self;
        std::mem::forget(session);
    }

    /// Destroys the keys of a job that ended. An error means that the session shall be closed, which destroys them, too.
    pub(crate) fn clean(&self) -> Result<(), HsmError> {
        let keys = self.keys.take();
        keys.into_iter().try_for_each(|key| self.session.destroy_object(raw::handle(key)).map_err(classify::error))
    }

    /// Makes room for one more key of an account: the one that was not used for longest goes. What cannot be destroyed now is destroyed with the job.
    fn make_room(&self) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT_MAX {
            let oldest = kept.remove(0).key;
            if self.session.destroy_object(raw::handle(oldest)).is_err() {
                self.keys.borrow_mut().push(oldest);
            }
        }
    }

    /// Does something to bytes in two calls. Input that does not fit and a failure of the module are told apart.
    fn once(&self, operation: Operation, mechanism: &Mechanism, key: HsmKey, input: &[u8], room: usize) -> Result<Vec<u8>, HsmError> {
        let stopped = |stopped: Stopped| value_of(stopped.rv);
        self.judged(operation.as_str(), || self.raw.once(self.session.handle(), operation, mechanism.into(), key.0, input, room).map_err(stopped))
    }

    fn gcm(&self, operation: Operation, key: HsmKey, mut nonce: [u8; 12], aad: &[u8], input: &[u8]) -> Result<Vec<u8>, NotDone> {
        let parameters = GcmParams::new(&mut nonce, aad, TAG_BITS.into()).map_err(|error| NotDone { at_its_beginning: true, rv: own(error) })?;
        let mechanism = Mechanism::AesGcm(parameters);
        let done = self.raw.once(self.session.handle(), operation, (&mechanism).into(), key.0, input, input.len() + ROOM);
        done.map_err(|stopped| NotDone { at_its_beginning: stopped.at_its_beginning, rv: value_of(stopped.rv) })
    }

    /// Makes the keys of a root, both or none. The session must be one that may write, and is closed behind this.
    pub(crate) fn make_root(&self, id: RootId) -> Result<(), HsmError> {
        let more = [Attribute::ValueLen(template::KEY_LEN.into()), Attribute::Modifiable(false)];
        let make = |template: &[Attribute]| self.session.generate_key(&Mechanism::AesKeyGen, &[template, &more].concat());
        self.make_both(id, &template::ROOT_STAYS, |_, template| make(template).map_err(own))
    }

    /// A key that shall stay cannot be destroyed when the other is not made after it. So both are made for the session alone before, with the same attributes, and go with
    /// it: what the module does not make shows there. What is left is that the token fails between two calls; then the second is asked for again, and if that is in vain,
    /// the first stays, of no use.
    fn make_both(&self, id: RootId, stays: &[Attribute], make: impl Fn(RootUse, &[Attribute]) -> Result<ObjectHandle, RvError>) -> Result<(), HsmError> {
        let rehearse = |of| rehearsed(&template::rehearsed(id, of), stays, |template| make(of, template));
        let [wrapping, sealing] = [RootUse::Wrapping, RootUse::Sealing];
        let (of_wrapping, of_sealing) = (rehearse(wrapping)?, rehearse(sealing)?);
        let stay = |of, stays: &[Attribute]| make(of, &[&template::root(id, of)[..], stays].concat()).map_err(|rv| classify::value(rv, MAKE_A_ROOT));
        let first = stay(wrapping, of_wrapping)?;
        let second = (0..ROOT_TRIES).find_map(|_| stay(sealing, of_sealing).ok()).map_or_else(|| stay(sealing, of_sealing), Ok);
        second.map(drop).inspect_err(|_| drop(self.session.destroy_object(first)))
    }

    /// Makes the keys of a root with a copy: each is made for this session alone, wrapped for the copy, and then unwrapped into the token as one that never leaves it. So
    /// that a root can be restored is seen while it is made.
    pub(crate) fn make_root_with_backup(&self, id: RootId, under: &[u8; 32]) -> Result<RootBackup, HsmError> {
        let wraps = self.bring_in(under, Purpose::Transport)?;
        let copy = || {
            let key = self.generate(Purpose::Transport)?.key;
            let wrapped = self.wrap(wraps, key)?;
            self.forget(key);
            wrapped.try_into().map_err(|_| HsmError::Refused("a wrapped AES-256 key has another length than 40 bytes".to_owned()))
        };
        let backup = RootBackup { wrapping: copy()?, sealing: copy()? };
        self.restore_root(id, under, &backup)?;
        Ok(backup)
    }

    /// Makes the keys of a root of its copy, or what an earlier try left out: a second key of one name would leave the root without any that is found.
    pub(crate) fn restore_root(&self, id: RootId, under: &[u8; 32], backup: &RootBackup) -> Result<(), HsmError> {
        let under = self.bring_in(under, Purpose::Unwrapping)?;
        let restore = |wrapped, template: &[Attribute]| self.raw.unwrap(self.session.handle(), raw::plain(self.key_wrap), under.0, wrapped, template);
        self.make_both(id, &template::RESTORED_STAYS, |of, template| {
            if template.contains(&Attribute::Token(true))
                && let Some(there) = self.session.find_objects(&template::root_search(id, of)).map_err(own)?.first()
            {
                return Ok(*there);
            }
            let wrapped = if of == RootUse::Wrapping { &backup.wrapping } else { &backup.sealing };
            restore(wrapped, template).map(raw::handle).map_err(value_of)
        })
    }

    fn note(&self, handle: ObjectHandle) -> HsmKey {
        let key = HsmKey(handle.handle());
        self.keys.borrow_mut().push(key.0);
        key
    }

    /// The labels of the keys of all roots in the token, with what it says of their origin.
    pub(crate) fn origins_of_roots(&self) -> Result<Vec<(String, Origin)>, HsmError> {
        let mut found = Vec::new();
        for key in self.session.find_objects(&template::any_root()).map_err(classify::error)? {
            let label = self.session.get_attributes(key, &[AttributeType::Label]).map_err(classify::error)?;
            let label = label.iter().find_map(|told| if let Attribute::Label(label) = told { Some(String::from_utf8_lossy(label).into_owned()) } else { None });
            if let Some(label) = label.filter(|label| label.starts_with(template::ROOT_LABEL)) {
                found.push((label, self.origin(HsmKey(key.handle()))?));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    fn find_root(&self, id: RootId, of: RootUse) -> Result<HsmKey, HsmError> {
        let found = self.session.find_objects(&template::root_search(id, of)).map_err(classify::error)?;
        let [one] = found.as_slice() else { return Err(HsmError::NoRoot) };
        let shown = self.session.get_attributes(*one, &[AttributeType::Extractable, AttributeType::Sensitive]).map_err(classify::error)?;
        // Somebody may have put a key of this name there that can leave the token.
        if shown.contains(&Attribute::Extractable(false)) && shown.contains(&Attribute::Sensitive(true)) {
            return Ok(HsmKey(one.handle()));
        }
        Err(HsmError::Refused(format!(
            "the root's key that {} does not show CKA_EXTRACTABLE=false and CKA_SENSITIVE=true: it may leave the token",
            of.as_str()
        )))
    }

    fn make_pair(&self, purpose: Purpose, spec: KeySpec) -> Result<Made, HsmError> {
        let mechanism = if spec.family() == KeyFamily::Rsa { Mechanism::RsaPkcsKeyPairGen } else { Mechanism::EccKeyPairGen };
        let private = template::key(purpose);
        let template = template::public(purpose, spec);
        let made = self.judged("GenerateKeyPair", || self.session.generate_key_pair(&mechanism, &template, &private).map_err(own));
        let (public, private) = made?;
        let (public, key) = (self.note(public), self.note(private));
        let numbers = self.public(public, spec)?;
        self.forget(public);
        let numbers = numbers.ok_or_else(|| HsmError::Refused("a pair without a public half".to_owned()))?;
        Ok(Made { key, public: Some(numbers) })
    }

    fn make_secret(&self, purpose: Purpose) -> Result<Made, HsmError> {
        let is_generic = matches!(purpose, Purpose::AccountMac) || matches!(purpose, Purpose::Material(spec) if spec.family() == KeyFamily::Hmac);
        let mechanism = if is_generic { Mechanism::GenericSecretKeyGen } else { Mechanism::AesKeyGen };
        let mut wanted = template::key(purpose);
        wanted.push(Attribute::ValueLen(template::len(purpose).into()));
        let key = self.judged("GenerateKey", || self.session.generate_key(&mechanism, &wanted).map_err(own))?;
        Ok(Made { key: self.note(key), public: None })
    }

    fn wrap_by(&self, mechanism: CK_MECHANISM, under: HsmKey, key: HsmKey) -> Result<Vec<u8>, HsmError> {
        self.judged("WrapKey", || self.raw.wrap(self.session.handle(), mechanism, under.0, key.0).map_err(value_of))
    }

    fn unwrap_by(&self, mechanism: CK_MECHANISM, under: HsmKey, wrapped: &[u8], purpose: Purpose) -> Result<HsmKey, HsmError> {
        let key = self.unwrap_as(mechanism, under, wrapped, &template::key(purpose))?;
        self.keys.borrow_mut().push(key);
        Ok(HsmKey(key))
    }

    fn unwrap_as(&self, mechanism: CK_MECHANISM, under: HsmKey, wrapped: &[u8], template: &[Attribute]) -> Result<u64, HsmError> {
        // What lies under a key of the job came from outside: whoever sent it shall neither tell its maker's values apart, nor make the module look ill by it. What lies
        // under a root is our own.
        let is_offered = self.keys.borrow().contains(&under.0);
        let unwrapped = self.tried(|| self.raw.unwrap(self.session.handle(), mechanism, under.0, wrapped, template).map_err(value_of));
        unwrapped.map_err(|failed| if is_offered { failed.refused("UnwrapKey") } else { failed.told("UnwrapKey") })
    }

    /// Whether the session answers at all.
    fn is_alive(&self) -> bool {
        let mut bytes = [0; 8];
        self.session.generate_random_slice(&mut bytes).is_ok()
    }

    /// Makes a call whose input may not fit. Modules answer such input as they answer their own failure; so where that is not clear, the call is made once more. A
    /// module that says the same again, and still works, has refused; one that does not work is away.
    fn judged<T>(&self, function: &str, call: impl Fn() -> Result<T, RvError>) -> Result<T, HsmError> {
        self.tried(call).map_err(|failed| failed.told(function))
    }

    fn tried<T>(&self, call: impl Fn() -> Result<T, RvError>) -> Result<T, Failed> {
        let judge = |rv: RvError| if classify::is_ambiguous(rv) && self.is_alive() { Failed::Unclear(rv) } else { Failed::Clear(rv) };
        match call().map_err(judge) {
            Err(Failed::Unclear(_)) => call().map_err(judge),
            done => done,
        }
    }
}

/// Makes a root's key for the session alone; answers which of the attributes that keep it where it is the module knows.
fn rehearsed<'a>(
    template: &[Attribute],
    mut stays: &'a [Attribute],
    make: impl Fn(&[Attribute]) -> Result<ObjectHandle, RvError>,
) -> Result<&'a [Attribute], HsmError> {
    loop {
        match (make(&[template, stays].concat()), stays.split_last()) {
            (Err(rv), Some((_, fewer))) if classify::is_of_template(rv) => stays = fewer,
            (made, _) => return made.map(|_| stays).map_err(|rv| classify::value(rv, MAKE_A_ROOT)),
        }
    }
}

/// Which of an operation's two calls failed, and how.
struct NotDone {
    at_its_beginning: bool,
    rv: RvError,
}

/// How a call failed.
enum Failed {
    /// With a value that says why.
    Clear(RvError),
    /// With one that may say this or that, though the module works.
    Unclear(RvError),
}

impl Failed {
    fn told(self, function: &str) -> HsmError {
        match self {
            Self::Clear(rv) => classify::value(rv, function),
            Self::Unclear(rv) => classify::repeated(rv, function),
        }
    }

    /// The same where a session that lives said it twice, of a text that somebody sent: it has refused, by whichever value.
    fn refused(self, function: &str) -> HsmError {
        match self {
            Self::Unclear(rv) => HsmError::Refused(format!("{function}: {rv:?}")),
            clear => clear.told(function),
        }
    }

    /// Whether it says of what was to be opened that it does not belong to the key. All else says nothing of it.
    fn is_verdict(&self) -> bool {
        match *self {
            Self::Clear(rv) => classify::is_unauthentic(rv),
            Self::Unclear(rv) => !classify::is_foreign(rv),
        }
    }
}

/// The module's own value, of an error of the `cryptoki` crate.
fn own(error: Error) -> RvError {
    match error {
        Error::Pkcs11(rv, _) => rv,
        Error::NullFunctionPointer | Error::NotSupported => RvError::FunctionNotSupported,
        _ => RvError::ArgumentsBad,
    }
}

fn value_of(rv: CK_RV) -> RvError {
    match Rv::from(rv) {
        Rv::Error(rv) => rv,
        Rv::Ok => RvError::FunctionFailed,
    }
}

impl HsmSession for Live {
    fn token(&self) -> &str {
        &self.token
    }

    fn root(&self, id: RootId) -> Result<RootKeys, HsmError> {
        let known = self.roots.borrow().iter().find(|(known, _)| *known == id).map(|(_, keys)| *keys);
        if let Some(keys) = known {
            return Ok(keys);
        }
        let keys = RootKeys { wrapping: self.find_root(id, RootUse::Wrapping)?, sealing: self.find_root(id, RootUse::Sealing)? };
        self.roots.borrow_mut().push((id, keys));
        Ok(keys)
    }

    fn generate(&self, purpose: Purpose) -> Result<Made, HsmError> {
        match template::pair(purpose) {
            Some(spec) => self.make_pair(purpose, spec),
            None => self.make_secret(purpose),
        }
    }

    fn bring_in(&self, key: &[u8; 32], purpose: Purpose) -> Result<HsmKey, HsmError> {
        let mut wanted = template::key(purpose);
        wanted.push(Attribute::Value(key.to_vec()));
        let created = self.session.create_object(&wanted).map_err(classify::error)?;
        Ok(self.note(created))
    }

    fn wrap(&self, under: HsmKey, key: HsmKey) -> Result<Vec<u8>, HsmError> {
        self.wrap_by(raw::plain(self.key_wrap), under, key)
    }

    fn unwrap(&self, under: HsmKey, wrapped: &[u8], purpose: Purpose) -> Result<HsmKey, HsmError> {
        self.unwrap_by(raw::plain(self.key_wrap), under, wrapped, purpose)
    }

    fn unwrap_plain(&self, under: HsmKey, wrapped: &[u8], purpose: Purpose) -> Result<HsmKey, HsmError> {
        self.unwrap_by(raw::plain(CKM_AES_KEY_WRAP), under, wrapped, purpose)
    }

    fn unwrap_oaep(&self, private: HsmKey, hash: Hash, wrapped: &[u8], purpose: Purpose) -> Result<HsmKey, HsmError> {
        self.unwrap_by((&oaep(hash)).into(), private, wrapped, purpose)
    }

    fn account(&self, name: &AccountName, part: AccountPart) -> Option<HsmKey> {
        let mut kept = self.kept.borrow_mut();
        let at = kept.iter().position(|one| one.name == *name && one.part == part)?;
        let found = kept.remove(at);
        let key = HsmKey(found.key);
        kept.push(found);
        Some(key)
    }

    fn keep_account(&self, name: &AccountName, part: AccountPart, under: HsmKey, wrapped: &[u8]) -> Result<HsmKey, HsmError> {
        let key = self.unwrap_as(raw::plain(self.key_wrap), under, wrapped, &template::kept(part))?;
        self.make_room();
        self.kept.borrow_mut().push(Kept { name: *name, part, key });
        Ok(HsmKey(key))
    }

    fn forget(&self, key: HsmKey) {
        if self.session.destroy_object(raw::handle(key.0)).is_ok() {
            self.keys.borrow_mut().retain(|kept| *kept != key.0);
        }
    }

    fn origin(&self, key: HsmKey) -> Result<Origin, HsmError> {
        let asked = [AttributeType::Local, AttributeType::AlwaysSensitive, AttributeType::NeverExtractable];
        let mut origin = Origin::default();
        for told in self.session.get_attributes(raw::handle(key.0), &asked).map_err(classify::error)? {
            match told {
                Attribute::Local(value) => origin.is_local = Some(value),
                Attribute::AlwaysSensitive(value) => origin.always_sensitive = Some(value),
                Attribute::NeverExtractable(value) => origin.never_extractable = Some(value),
                _ => {}
            }
        }
        // Of a key that was not made there, and of a mechanism of the maker's own, there is no name.
        if let Ok([Attribute::KeyGenMechanism(mechanism)]) = self.session.get_attributes(raw::handle(key.0), &[AttributeType::KeyGenMechanism]).as_deref() {
            origin.mechanism = Some(mechanism.to_string());
        }
        Ok(origin)
    }

    fn len(&self, key: HsmKey) -> Result<Option<usize>, HsmError> {
        let found = self.session.get_attributes(raw::handle(key.0), &[AttributeType::ValueLen]).map_err(classify::error)?;
        Ok(match found.as_slice() {
            [Attribute::ValueLen(len)] => usize::try_from(u64::from(*len)).ok().filter(|len| *len > 0),
            _ => None,
        })
    }

    fn public(&self, key: HsmKey, spec: KeySpec) -> Result<Option<PublicNumbers>, HsmError> {
        let wanted = if spec.family() == KeyFamily::Rsa {
            &[AttributeType::Modulus, AttributeType::PublicExponent][..]
        } else {
            &[AttributeType::EcPoint, AttributeType::PublicKeyInfo]
        };
        let found = self.session.get_attributes(raw::handle(key.0), wanted).map_err(classify::error)?;
        Ok(match found.as_slice() {
            [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] => {
                Some(PublicNumbers::Rsa { modulus: modulus.clone(), exponent: exponent.clone() })
            }
            some => some.iter().find_map(|attribute| point(spec, attribute)),
        })
    }

    fn oaep(&self, modulus: &[u8], exponent: &[u8], hash: Hash, key: HsmKey) -> Result<Vec<u8>, HsmError> {
        let recipient = self.session.create_object(&template::recipient(modulus, exponent)).map_err(classify::error)?;
        let recipient = self.note(recipient);
        let wrapped = self.wrap_by((&oaep(hash)).into(), recipient, key);
        self.forget(recipient);
        wrapped
    }

    fn seal(&self, key: HsmKey, nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, HsmError> {
        // Made once more it is the same text under the same nonce, and so the same answer.
        self.judged("Encrypt", || self.gcm(Operation::Encrypt, key, nonce, aad, plain).map_err(|stopped| stopped.rv))
    }

    fn open(&self, key: HsmKey, nonce: [u8; 12], aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, HsmError> {
        // Where the text was not even given, nothing is said of it.
        let is_given = Cell::new(true);
        let opened = self.tried(|| {
            self.gcm(Operation::Decrypt, key, nonce, aad, sealed).map_err(|stopped| {
                is_given.set(!stopped.at_its_beginning);
                stopped.rv
            })
        });
        opened.map(SecretBytes::from).map_err(|failed| match failed {
            verdict if is_given.get() && verdict.is_verdict() => HsmError::Unauthentic,
            Failed::Clear(rv) | Failed::Unclear(rv) => classify::value(rv, "Decrypt"),
        })
    }

    fn encrypt_block(&self, key: HsmKey, block: [u8; 16]) -> Result<[u8; 16], HsmError> {
        let encrypted = self.once(Operation::Encrypt, &Mechanism::AesEcb, key, &block, ROOM)?;
        encrypted.try_into().map_err(|_| HsmError::Refused("a block of AES has another length".to_owned()))
    }

    fn cmac(&self, key: HsmKey, block: [u8; 16]) -> Result<Vec<u8>, HsmError> {
        self.judged("Sign", || self.session.sign(&Mechanism::AesCMac, raw::handle(key.0), &block).map_err(own))
    }

    fn check_value(&self, key: HsmKey) -> Result<Option<Vec<u8>>, HsmError> {
        let found = self.session.get_attributes(raw::handle(key.0), &[AttributeType::CheckValue]).map_err(classify::error)?;
        Ok(match found.as_slice() {
            [Attribute::CheckValue(value)] if value.len() == 3 => Some(value.clone()),
            _ => None,
        })
    }

    fn mac(&self, key: HsmKey, mac: Mac, bytes: &[u8]) -> Result<Vec<u8>, HsmError> {
        let mechanism = match mac {
            Mac::Sha224 => Mechanism::Sha224Hmac,
            Mac::Sha256 => Mechanism::Sha256Hmac,
            Mac::Sha384 => Mechanism::Sha384Hmac,
            Mac::Sha512 => Mechanism::Sha512Hmac,
        };
        self.once(Operation::Sign, &mechanism, key, bytes, ROOM)
    }

    fn sign(&self, key: HsmKey, spec: KeySpec, digest: &[u8]) -> Result<Vec<u8>, HsmError> {
        let mechanism = if spec.family() == KeyFamily::Rsa { Mechanism::RsaPkcs } else { Mechanism::Ecdsa };
        self.once(Operation::Sign, &mechanism, key, digest, SIGNATURE_ROOM)
    }
}

/// RSAES-OAEP with one hash for text and mask, and an empty label.
fn oaep(hash: Hash) -> Mechanism<'static> {
    let (hash, mgf) = match hash {
        Hash::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
    };
    Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()))
}

/// A point, which a module gives bare, in an OCTET STRING, or at the end of a SubjectPublicKeyInfo.
fn point(spec: KeySpec, attribute: &Attribute) -> Option<PublicNumbers> {
    let (Attribute::EcPoint(bytes) | Attribute::PublicKeyInfo(bytes)) = attribute else { return None };
    let from = bytes.len().checked_sub(template::point_len(spec)?)?;
    let point = bytes.get(from..).filter(|point| point.first() == Some(&4))?;
    Some(PublicNumbers::Ec { point: point.to_vec() })
}
