//! The port to a hardware module: what the vault asks of one, in words that fit any, and nothing of how it is asked. `vault-pkcs11` answers.
//!
//! A piece of work is a [`Job`]: a function over one session, in which keys are only named. What it makes ends with it, so that it may be run again from its beginning
//! when the session was lost under it. One thing stays for the next jobs, in the session alone: the keys of accounts, which the session keeps under names that tell
//! exactly what they were unwrapped from ([`AccountName`]). A job that finds none unwraps them, and so a session that was lost takes nothing with it.

use std::sync::Arc;

use keystead_domain::{Hash, KeySpec};

use crate::SecretBytes;

/// Which root a token holds: the name under which its two keys are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootId(pub [u8; 16]);

/// As the labels of its keys have it: the beginning, in hexadecimal.
impl std::fmt::Display for RootId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Keystead root {:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}

/// A key in the session of a job. Behind the job the number means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HsmKey(pub u64);

/// The two keys of a root. One wraps and unwraps keys, the other encrypts and decrypts bytes, and neither does what the other does: with a key that does both,
/// whoever may use it could have a wrapped key decrypted as if it were bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootKeys {
    /// Wraps and unwraps.
    pub wrapping: HsmKey,
    /// Encrypts and decrypts.
    pub sealing: HsmKey,
}

/// The two keys of a root, each wrapped by AES-KWP (RFC 5649) under a key whose shares people keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootBackup {
    /// The key that wraps.
    pub wrapping: [u8; Self::LEN],
    /// The key that seals.
    pub sealing: [u8; Self::LEN],
}

impl RootBackup {
    /// Length of each in bytes: 32, and 8 of AES-KWP.
    pub const LEN: usize = 40;
}

/// What a key is for that is made, or unwrapped, for one job. Every one is sensitive; every one can be wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A key's material: to be wrapped, and to show that it is what it should be.
    Material(KeySpec),
    /// A private key as its document (PKCS#8), which goes from one wrapping to another byte for byte, and does nothing else.
    Document,
    /// Material that unwraps other material.
    Unwrapping,
    /// An RSA pair of 4096 bits whose private half unwraps, and does nothing else.
    UnwrappingPair,
    /// AES material that shows which it is: it makes AES-CMACs, and nothing else.
    Checking,
    /// An account's key: AES-256 that encrypts and decrypts.
    Account,
    /// An account's other key: 32 bytes that make MACs.
    AccountMac,
    /// AES-256 that wraps, and lives no longer than the job.
    Transport,
}

/// What an account's keys were unwrapped from: a digest of the root, of the account and the generations, and of the row as it lies in the store. A row that was swapped,
/// rolled back or damaged has another name, and is opened, or refused, as if no session had ever seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountName(pub [u8; 32]);

/// Which of an account's two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountPart {
    /// Encrypts and decrypts.
    Sealing,
    /// Makes MACs.
    Mac,
}

/// A key that was made, with the half of it that everybody may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The key, or the private half.
    pub key: HsmKey,
    /// The public half of a pair.
    pub public: Option<PublicNumbers>,
}

/// What a module says of a key's origin: its own word, in the attributes of PKCS#11 that nobody can set. `None` where it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Made in this token, and not brought in or unwrapped.
    pub is_local: Option<bool>,
    /// Never readable.
    pub always_sensitive: Option<bool>,
    /// Never to be taken out, not even wrapped.
    pub never_extractable: Option<bool>,
    /// The mechanism that made it.
    pub mechanism: Option<String>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |value: Option<bool>| value.map_or("not told", |value| if value { "true" } else { "false" });
        let mechanism = self.mechanism.as_deref().unwrap_or("not told");
        let (local, sensitive, never) = (said(self.is_local), said(self.always_sensitive), said(self.never_extractable));
        write!(f, "CKA_LOCAL={local}, CKA_ALWAYS_SENSITIVE={sensitive}, CKA_NEVER_EXTRACTABLE={never}, CKA_KEY_GEN_MECHANISM={mechanism}")
    }
}

/// The public half of a pair as a module tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicNumbers {
    /// Of RSA.
    Rsa {
        /// The modulus, big-endian.
        modulus: Vec<u8>,
        /// The exponent, big-endian.
        exponent: Vec<u8>,
    },
    /// Of an elliptic curve: the point, uncompressed (SEC 1, section 2.3.3).
    Ec {
        /// 04, x, y.
        point: Vec<u8>,
    },
}

/// Which HMAC (FIPS 198-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mac {
    /// With SHA-224.
    Sha224,
    /// With SHA-256.
    Sha256,
    /// With SHA-384.
    Sha384,
    /// With SHA-512.
    Sha512,
}

impl Mac {
    /// The HMAC of a kind of key; that with SHA-256 for kinds that are none.
    pub const fn of(spec: KeySpec) -> Self {
        match spec {
            KeySpec::Hmac224 => Self::Sha224,
            KeySpec::Hmac384 => Self::Sha384,
            KeySpec::Hmac512 => Self::Sha512,
            _ => Self::Sha256,
        }
    }
}

/// One session with a module, for the time of a job. Errors of the kind [`HsmError::Away`] make the module run the whole job again on another session.
pub trait HsmSession {
    /// Maker, model, serial number and firmware of the token, and the library, for birth records.
    fn token(&self) -> &str;

    /// The keys of a root.
    ///
    /// # Errors
    /// [`HsmError::NoRoot`] when the token holds no such root.
    fn root(&self, id: RootId) -> Result<RootKeys, HsmError>;

    /// Makes a key from the module's own source of randomness.
    ///
    /// # Errors
    /// [`HsmError`]; [`HsmError::Cannot`] for a kind that the module does not make.
    fn generate(&self, purpose: Purpose) -> Result<Made, HsmError>;

    /// Brings in an AES-256 key that the host knows.
    ///
    /// # Errors
    /// [`HsmError`].
    fn bring_in(&self, key: &[u8; 32], purpose: Purpose) -> Result<HsmKey, HsmError>;

    /// Wraps a key under another by AES.
    ///
    /// # Errors
    /// [`HsmError`].
    fn wrap(&self, under: HsmKey, key: HsmKey) -> Result<Vec<u8>, HsmError>;

    /// Unwraps what [`wrap`](Self::wrap) wrapped.
    ///
    /// # Errors
    /// [`HsmError`]; [`HsmError::Refused`] when it does not unwrap.
    fn unwrap(&self, under: HsmKey, wrapped: &[u8], purpose: Purpose) -> Result<HsmKey, HsmError>;

    /// Unwraps what somebody wrapped by AES-KW (RFC 3394).
    ///
    /// # Errors
    /// As [`unwrap`](Self::unwrap).
    fn unwrap_plain(&self, under: HsmKey, wrapped: &[u8], purpose: Purpose) -> Result<HsmKey, HsmError>;

    /// Unwraps what somebody wrapped by RSAES-OAEP with an empty label under the public half of a pair that is [`Purpose::UnwrappingPair`].
    ///
    /// # Errors
    /// As [`unwrap`](Self::unwrap); [`HsmError::Cannot`] for a hash that the module has not there.
    fn unwrap_oaep(&self, private: HsmKey, hash: Hash, wrapped: &[u8], purpose: Purpose) -> Result<HsmKey, HsmError>;

    /// An account's key, if the session keeps it from a job before.
    fn account(&self, name: &AccountName, part: AccountPart) -> Option<HsmKey>;

    /// Unwraps an account's key and keeps it for the jobs to come, as a key that cannot be wrapped again. It goes when the session does, or when many others were used
    /// behind it.
    ///
    /// # Errors
    /// As [`unwrap`](Self::unwrap).
    fn keep_account(&self, name: &AccountName, part: AccountPart, under: HsmKey, wrapped: &[u8]) -> Result<HsmKey, HsmError>;

    /// Destroys a key before the job ends, for who makes many. What cannot be destroyed now is destroyed with the job.
    fn forget(&self, key: HsmKey);

    /// What the module says of a key's origin.
    ///
    /// # Errors
    /// [`HsmError`].
    fn origin(&self, key: HsmKey) -> Result<Origin, HsmError>;

    /// Length of a secret key in bytes, if the module tells it.
    ///
    /// # Errors
    /// [`HsmError`].
    fn len(&self, key: HsmKey) -> Result<Option<usize>, HsmError>;

    /// The public half of a private key, if the module keeps it there.
    ///
    /// # Errors
    /// [`HsmError`].
    fn public(&self, key: HsmKey, spec: KeySpec) -> Result<Option<PublicNumbers>, HsmError>;

    /// Wraps a key under a foreign RSA public key by RSAES-OAEP with an empty label. The numbers are big-endian.
    ///
    /// # Errors
    /// [`HsmError`].
    fn oaep(&self, modulus: &[u8], exponent: &[u8], hash: Hash, key: HsmKey) -> Result<Vec<u8>, HsmError>;

    /// AES-256-GCM with a tag of 16 bytes behind the text.
    ///
    /// # Errors
    /// [`HsmError`].
    fn seal(&self, key: HsmKey, nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, HsmError>;

    /// Opens it.
    ///
    /// # Errors
    /// [`HsmError::Unauthentic`] when key, nonce, text or associated data do not belong together.
    fn open(&self, key: HsmKey, nonce: [u8; 12], aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, HsmError>;

    /// One block of AES.
    ///
    /// # Errors
    /// [`HsmError`].
    fn encrypt_block(&self, key: HsmKey, block: [u8; 16]) -> Result<[u8; 16], HsmError>;

    /// AES-CMAC over one block, by a key that is [`Purpose::Checking`].
    ///
    /// # Errors
    /// [`HsmError`]; [`HsmError::Cannot`] for a module that has it not.
    fn cmac(&self, key: HsmKey, block: [u8; 16]) -> Result<Vec<u8>, HsmError>;

    /// The three bytes by which the module itself tells which key it is (CKA_CHECK_VALUE: of AES the beginning of the encrypted block of zeros), if it tells.
    ///
    /// # Errors
    /// [`HsmError`].
    fn check_value(&self, key: HsmKey) -> Result<Option<Vec<u8>>, HsmError>;

    /// HMAC.
    ///
    /// # Errors
    /// [`HsmError`].
    fn mac(&self, key: HsmKey, mac: Mac, bytes: &[u8]) -> Result<Vec<u8>, HsmError>;

    /// Signs with the private half of a pair: RSASSA-PKCS1-v1_5 with SHA-256 over the digest's DER, or ECDSA over the digest, r and s behind each other.
    ///
    /// # Errors
    /// [`HsmError`].
    fn sign(&self, key: HsmKey, spec: KeySpec, digest: &[u8]) -> Result<Vec<u8>, HsmError>;
}

/// A piece of work. It may be run more than once.
pub type Job = Arc<dyn Fn(&dyn HsmSession) -> Result<(), HsmError> + Send + Sync>;

/// A hardware module with one token and the PIN for it, many sessions and a queue before them. Its last owner's end closes the sessions, and the token is logged out.
pub trait Hsm: Send + Sync {
    /// By which its owner tells it from others.
    fn name(&self) -> &str;

    /// Logs in and tries what the module can do. One that is open already opens again. A PIN that was refused is not tried again, as long as this
    /// module is loaded: each try counts, and who asks again may be a loop.
    ///
    /// # Errors
    /// [`HsmError`].
    fn open(&self) -> Result<Abilities, HsmError>;

    /// Makes the two keys of a root in the token, for good. They never leave it.
    ///
    /// # Errors
    /// [`HsmError`].
    fn make_root(&self, id: RootId) -> Result<(), HsmError>;

    /// Makes them with a copy that is wrapped by AES-KWP under a key of the host: only while they are made can a copy be had.
    ///
    /// # Errors
    /// [`HsmError`].
    fn make_root_with_backup(&self, id: RootId, under: &[u8; 32]) -> Result<RootBackup, HsmError>;

    /// Makes them of such a copy.
    ///
    /// # Errors
    /// [`HsmError`]; [`HsmError::Refused`] when it does not open under that key, or the token has the root already.
    fn restore_root(&self, id: RootId, under: &[u8; 32], backup: &RootBackup) -> Result<(), HsmError>;

    /// How it is doing. It is not asked for that, and nobody waits.
    fn condition(&self) -> Condition;

    /// Runs a job and waits for its end.
    ///
    /// # Errors
    /// What the job says; [`HsmError::Busy`] when too many wait already; [`HsmError::Silent`] when the module takes too long.
    fn run(&self, job: Job) -> Result<(), HsmError>;

    /// Begins no job from now on, waits some seconds for those that run, and closes the sessions.
    fn close(&self);

    /// Maker, model, serial number and firmware of the token, and the library, for birth records.
    fn description(&self) -> String;
}

/// How a module is doing, as far as is known without asking it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// How many sessions it has open.
    pub sessions: usize,
    /// How many jobs wait for one or run.
    pub waiting: usize,
    /// How many jobs it has ended since the start, with whatever answer.
    pub done: u64,
    /// Why the last job was not done, if that was the module's fault.
    pub trouble: Option<HsmError>,
    /// Whether that was so short ago that another module is asked first.
    pub rests: bool,
}

/// What a module was seen to do, not only what it lists, and what its owner allows besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// The kinds of key that it makes.
    pub makes: Vec<KeySpec>,
    /// The hashes with which it wraps by RSAES-OAEP as the rest of the world does.
    pub oaep: Vec<Hash>,
    /// The hashes with which it unwraps what the rest of the world wrapped by RSAES-OAEP.
    pub unwraps_oaep: Vec<Hash>,
    /// Whether its wrapping by AES is the AES-KWP of RFC 5649, which clouds read.
    pub wraps_by_rfc_5649: bool,
    /// Whether it puts zeros behind what it wraps by AES, up to a multiple of eight bytes. Clouds refuse that.
    pub pads: bool,
    /// What its owner allows where it falls short.
    pub allow: Vec<WayAround>,
}

impl Abilities {
    /// What two modules can that work side by side.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        fn both<T: Copy + PartialEq>(one: &[T], other: &[T]) -> Vec<T> {
            one.iter().copied().filter(|item| other.contains(item)).collect()
        }
        Self {
            makes: both(&self.makes, &other.makes),
            oaep: both(&self.oaep, &other.oaep),
            unwraps_oaep: both(&self.unwraps_oaep, &other.unwraps_oaep),
            wraps_by_rfc_5649: self.wraps_by_rfc_5649 && other.wraps_by_rfc_5649,
            pads: self.pads || other.pads,
            allow: both(&self.allow, &other.allow),
        }
    }

    /// Whether it can all that another can.
    pub fn covers(&self, other: &Self) -> bool {
        self.and(other) == *other
    }

    /// Whether material of this kind comes out of its wrapping longer than it was made.
    pub fn spoils(&self, spec: KeySpec) -> bool {
        self.pads && spec.material_len().is_none_or(|len| len % 8 != 0)
    }
}

/// A way around something that a module cannot do. None is gone unless the configuration allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WayAround {
    /// The host wraps for a cloud or a person, and has the material in its memory while it does.
    HostWrap,
}

impl WayAround {
    /// Every one.
    pub const ALL: [Self; 1] = [Self::HostWrap];

    /// The name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HostWrap => "host-wrap",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == text)
    }
}

/// Why a module did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HsmError {
    /// As many wait as may wait.
    #[error("the hardware module is busy: {waiting} requests wait for it already. Try again in a moment")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// No answer in time. What it was asked may still end, and leaves nothing behind.
    #[error("the hardware module has not answered for {seconds} seconds")]
    Silent {
        /// For how long.
        seconds: u64,
    },
    /// The module, its token or the session is gone, or every answer is an error.
    #[error("the hardware module is away ({0})")]
    Away(String),
    /// The library cannot be used.
    #[error("the library of the hardware module cannot be used: {0}")]
    Library(String),
    /// No token of this name in any slot.
    #[error("the hardware module has no token {wanted:?}; it has {found}")]
    NoToken {
        /// What was looked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The token does not hold the root.
    #[error("the token does not hold the root of this vault; is it the right token?")]
    NoRoot,
    /// The PIN is not the token's. It was tried once.
    #[error("the PIN is not the token's. Each try counts: mend it before you start again")]
    PinWrong,
    /// One more wrong one locks it. None was tried.
    #[error(
        "one try of the token's PIN is left, and Keystead does not take it by itself. Make sure of the PIN, log in with the token's own tool, and start again"
    )]
    PinLastTry,
    /// Too many wrong ones.
    #[error("the token has locked its PIN; its security officer can set a new one")]
    PinLocked,
    /// Something that the module has not, and what helps.
    #[error("the hardware module {what}. {mend}")]
    Cannot {
        /// What it cannot do, as the end of a sentence.
        what: String,
        /// What helps.
        mend: String,
    },
    /// Key and text do not belong together.
    #[error("what was given to the hardware module does not open under that key")]
    Unauthentic,
    /// The module refused for another reason.
    #[error("the hardware module refused: {0}")]
    Refused(String),
}

impl HsmError {
    /// Whether another token that holds the same root may do what this one did not.
    pub fn is_of_one_module(&self) -> bool {
        self.passes() || matches!(self, Self::Library(_) | Self::NoToken { .. } | Self::NoRoot | Self::PinWrong | Self::PinLastTry | Self::PinLocked)
    }

    /// Whether it is likely to pass by itself.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Silent { .. } | Self::Away(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abilities(makes: &[KeySpec], oaep: &[Hash], pads: bool) -> Abilities {
        Abilities { makes: makes.to_vec(), oaep: oaep.to_vec(), unwraps_oaep: oaep.to_vec(), wraps_by_rfc_5649: true, pads, allow: Vec::new() }
    }

    #[test]
    fn two_modules_can_what_both_can_and_fall_short_where_one_does() {
        let good = abilities(&[KeySpec::Aes256, KeySpec::EcP256], &[Hash::Sha256, Hash::Sha1], false);
        let poor = abilities(&[KeySpec::Aes256], &[Hash::Sha1], true);
        assert_eq!(good.and(&poor), poor);
        assert_eq!(poor.and(&good), poor);
        assert!(good.covers(&poor) && good.covers(&good) && !poor.covers(&good));
        let other = abilities(&[KeySpec::EcP256], &[Hash::Sha256], false);
        assert!(!poor.covers(&other) && !other.covers(&poor));
    }

    #[test]
    fn an_origin_says_what_was_said_and_what_was_not() {
        let made = Origin { is_local: Some(true), always_sensitive: Some(true), never_extractable: Some(false), mechanism: None };
        assert_eq!(made.to_string(), "CKA_LOCAL=true, CKA_ALWAYS_SENSITIVE=true, CKA_NEVER_EXTRACTABLE=false, CKA_KEY_GEN_MECHANISM=not told");
    }

    #[test]
    fn another_module_is_asked_only_where_the_first_is_to_blame() {
        for of_one in [HsmError::NoRoot, HsmError::PinLocked, HsmError::Busy { waiting: 4 }, HsmError::Silent { seconds: 5 }, HsmError::Away(String::new())] {
            assert!(of_one.is_of_one_module(), "{of_one:?}");
        }
        for answer in [HsmError::Unauthentic, HsmError::Refused(String::new())] {
            assert!(!answer.is_of_one_module(), "{answer:?}");
        }
    }
}
