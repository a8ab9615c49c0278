//! What can go wrong, by who asked: using keys ([`VaultError`]), opening the vault ([`UnsealError`]), making and changing roots ([`RootError`]).
//!
//! What a person typed wrong is a type of its own with a reason and a mend, and becomes an [`Invalid`] that names the field.

use crate::{
    HsmError,
    hazmat::{ProviderFailed, health::HealthFailure, rsa::PublicKeyError},
    safe::{ShareError, UnlockKind, UnlockRefused},
};
use keystead_domain::{Invalid, KeySpec};

/// What a sealed blob should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blob {
    /// An account's key under the root.
    AccountKey,
    /// A key version's material.
    Material,
    /// The key that signs the audit log.
    LogKey,
    /// A component of a key that waits for the others.
    Component,
    /// Import parameters that were fetched ahead.
    Parameters,
}

impl std::fmt::Display for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AccountKey => "the account key",
            Self::Material => "the material",
            Self::LogKey => "the audit log's key",
            Self::Component => "the component",
            Self::Parameters => "the import parameters",
        })
    }
}

/// Why a key could not be used. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The vault holds no root key now.
    #[error("the vault is sealed; unseal it first")]
    Sealed,
    /// Authentication failed: the row was damaged, swapped with another, rolled back to an earlier generation, or belongs to another installation.
    #[error("{0} does not open: the row is damaged, older than it should be, or another row's")]
    DoesNotOpen(Blob),
    /// Too few bytes to be one.
    #[error("{0} is truncated")]
    Truncated(Blob),
    /// A later version of Keystead wrote it, or nobody did.
    #[error("{blob} has format {format}, which this version of Keystead does not know")]
    UnknownFormat {
        /// What was read.
        blob: Blob,
        /// Its first byte.
        format: u8,
    },
    /// Sealed under a root key that is neither the current nor the previous one of this vault.
    #[error("{blob} is sealed under root generation {generation}, which this vault does not hold")]
    UnknownRoot {
        /// What was read.
        blob: Blob,
        /// The generation that it names.
        generation: u32,
    },
    /// The blob names another generation of the account key than the one that was given with it.
    #[error("{blob} is sealed under account-key generation {sealed_under}, and generation {given} was given")]
    OtherAccountKey {
        /// What was read.
        blob: Blob,
        /// The generation that it names.
        sealed_under: u32,
        /// The generation that the caller gave.
        given: u32,
    },
    /// A key of one account was asked to unwrap another account's material.
    #[error("the unwrapping key belongs to another account")]
    OtherAccount,
    /// The source of randomness failed a test; nothing was made of it.
    #[error("the source of randomness failed a health test: {0}")]
    UnhealthyRandom(#[from] HealthFailure),
    /// The material came in wrong.
    #[error(transparent)]
    MaterialRefused(#[from] MaterialRefused),
    /// The public key to wrap under is not fit.
    #[error("the wrapping key {0}")]
    WrappingKey(PublicKeyError),
    /// The material is too long for direct RSA-OAEP under this key; a method with AES in between has no limit.
    #[error("the material is {found} bytes long, and RSA-OAEP under this key takes at most {max}")]
    TooLong {
        /// Length that fits, in bytes.
        max: usize,
        /// Length of the material, in bytes.
        found: usize,
    },
    /// The module refused.
    #[error(transparent)]
    Provider(#[from] ProviderFailed),
    /// The hardware module did not do it.
    #[error(transparent)]
    Module(#[from] HsmError),
    /// The row is sealed under a root of the other kind than the account key that was given with it.
    #[error("{0} is sealed under a root of another kind")]
    OtherKindOfRoot(Blob),
    /// A key that is needed lies under the root before, which is being left.
    #[error("a key that is needed here has not gone over to the new root yet; try again when the rotation is over")]
    NotMovedYet,
    /// Opened again behind a move to another root, a key had another fingerprint. The row before is what counts.
    #[error("behind its move to another root the key is not the same; it stays where it was")]
    NotTheSame,
}

impl VaultError {
    /// Whether it passes by itself, or when the vault is opened: who waits has lost nothing.
    pub fn passes(&self) -> bool {
        match self {
            Self::Sealed => true,
            Self::Module(error) => error.passes(),
            _ => false,
        }
    }
}

/// Why material was not taken in. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaterialRefused {
    /// The length does not fit the kind of key.
    WrongSize {
        /// The kind of key.
        spec: KeySpec,
        /// Length that it has, in bytes.
        expected: usize,
        /// Length that came, in bytes.
        found: usize,
    },
    /// One byte, repeated: a placeholder or a wiped buffer.
    Weak,
    /// Neither AES-KWP nor AES-KW opens it under the given key.
    NotUnwrapped,
    /// The key that shall unwrap it is not an AES-256 key.
    NotAnUnwrappingKey {
        /// What it is.
        spec: KeySpec,
    },
    /// Not a private key in PKCS#8, or one that the module finds unsound.
    NotPkcs8,
    /// A pair, but of another kind.
    OtherPair {
        /// What was asked for.
        spec: KeySpec,
        /// What the file holds.
        found: KeySpec,
    },
    /// PEM of a form older than PKCS#8.
    OlderPem,
    /// PEM, but no private key.
    NotPrivate,
    /// The file is encrypted, and no passphrase came with it.
    PassphraseMissing,
    /// The passphrase does not open the file.
    WrongPassphrase,
    /// It is not what was wrapped under the pair by this method, in whatever way it is not.
    NotUnwrappedByPair,
    /// A length that nothing has that was wrapped by this method under a pair of 4096 bits.
    NotSoWrapped {
        /// Length in bytes.
        found: usize,
    },
    /// A pair does not fit into one block of RSA.
    PairInOneBlock,
    /// It is not the key that was expected.
    OtherCheckValue,
    /// Its components do not make the key that was expected.
    OtherWhole,
    /// Two of its components are the same.
    ComponentTwice,
    /// Encrypted by something other than PBES2 with PBKDF2 and AES-CBC.
    UnknownEncryption,
    /// The file asks for more work than anybody means.
    TooManyRounds,
}

/// What makes any private key one that Keystead reads.
const CONVERT: &str = "Convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD.pem -out NEW.pem`.";

impl MaterialRefused {
    fn words(self) -> (String, &'static str) {
        match self {
            Self::WrongSize { spec, expected, found } => {
                (format!("is {found} bytes long where {} has {expected}", spec.as_str()), "Give the raw key bytes, without encoding or newline.")
            }
            Self::Weak => ("is one byte repeated, which is no key".to_owned(), "Give material from a source of randomness."),
            Self::NotUnwrapped => (
                "does not unwrap under the chosen key".to_owned(),
                "Check that the file was wrapped under this key and version with AES-KWP (RFC 5649) or AES-KW (RFC 3394), and is not encoded.",
            ),
            Self::NotUnwrappedByPair => (
                "does not unwrap under the chosen pair by this method".to_owned(),
                "Check that it was wrapped under the public half of this pair and version, by this method and hash (the same hash in MGF1, an empty label), that what was wrapped are the \
                 key's own bytes or its PKCS#8 document, and that the file is not encoded.",
            ),
            Self::NotSoWrapped { found } => (
                format!("is {found} bytes long, which nothing is that was wrapped by this method under 4096 bits"),
                "RSAES_OAEP gives 512 bytes, RSA_AES_KEY_WRAP 512 and then at least 16. Give the file as it is, without encoding.",
            ),
            Self::PairInOneBlock => ("is a pair, which does not fit into one block of RSA".to_owned(), "Have it wrapped by RSA_AES_KEY_WRAP."),
            Self::OtherCheckValue => (
                "is another key than was expected: its check value is another one".to_owned(),
                "Compare the check value with whoever sent the key, and the method by which it was made; a key that was damaged on its way has another one, too.",
            ),
            Self::OtherWhole => (
                "makes, with the other components, another key than was expected".to_owned(),
                "Enter it again, if it was mistyped. Else one of the others is wrong, or the check value of the whole: cancel the ceremony and begin anew.",
            ),
            Self::ComponentTwice => (
                "is the same as another component, and the two would cancel each other out".to_owned(),
                "Give each person a component of their own; each comes from a source of randomness.",
            ),
            Self::OtherPair { spec, found } => {
                (format!("is an {} where {} was asked for", found.as_str(), spec.as_str()), "Give the kind of key that the file holds.")
            }
            Self::NotPkcs8 => (
                "is not a sound private key in PKCS#8".to_owned(),
                "Give PEM or DER as `openssl pkcs8 -topk8` writes it: RSA of 2048, 3072 or 4096 bits, P-256, P-384, P-521 or secp256k1.",
            ),
            Self::OlderPem => ("is PEM of a form older than PKCS#8".to_owned(), CONVERT),
            Self::NotPrivate => {
                ("is PEM, but not of a private key".to_owned(), "Give the file that begins with BEGIN PRIVATE KEY or BEGIN ENCRYPTED PRIVATE KEY.")
            }
            Self::PassphraseMissing => ("is encrypted".to_owned(), "Give its passphrase, too."),
            Self::WrongPassphrase => ("does not open with this passphrase".to_owned(), "Check the passphrase, and that the file is whole."),
            Self::UnknownEncryption => ("is encrypted in a way that Keystead does not open".to_owned(), CONVERT),
            Self::TooManyRounds => ("asks for more than two million rounds of PBKDF2".to_owned(), CONVERT),
            Self::NotAnUnwrappingKey { spec } => (
                format!("is to be unwrapped by a key of kind {}", spec.as_str()),
                "Choose an AES_256 key, or an RSA_4096 pair, whose material is in the vault.",
            ),
        }
    }
}

impl std::fmt::Display for MaterialRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (reason, mend) = self.words();
        write!(f, "the material {reason}. {mend}")
    }
}

impl std::error::Error for MaterialRefused {}

impl From<MaterialRefused> for Invalid {
    fn from(refused: MaterialRefused) -> Self {
        let (reason, mend) = refused.words();
        let field = if refused == MaterialRefused::OtherCheckValue { "material.check_value" } else { "material" };
        Self::new(field, reason, mend)
    }
}

/// Why the vault did not open. It stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// This root opens by another kind of secret.
    #[error("this vault opens by {wants}, not by {given}")]
    OtherKind {
        /// What it opens by.
        wants: UnlockKind,
        /// What was given.
        given: UnlockKind,
    },
    /// The secret is wrong, or the root record is damaged; cryptography cannot tell which.
    #[error("the vault does not open: the secret is wrong, or the root record is damaged")]
    WrongSecret,
    /// The secret has not the form of one.
    #[error(transparent)]
    Unlock(#[from] UnlockRefused),
    /// Something about the shares.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The record was replaced while the secret was being worked on.
    #[error("the root record was replaced meanwhile; try again")]
    RecordReplaced,
    /// Somebody sealed the vault while the secret was being worked on.
    #[error("the vault was sealed meanwhile")]
    SealedMeanwhile,
    /// No root was begun that waits to be proved.
    #[error("no rotation of the root waits for this")]
    NothingBegun,
    /// The module refused.
    #[error(transparent)]
    Provider(#[from] ProviderFailed),
    /// The root has no copy that shares restore.
    #[error("the root of this vault has no copy that shares restore: one is made with a root, by `--backup`, or never")]
    NoBackup,
    /// The hardware module did not open.
    #[error(transparent)]
    Module(#[from] HsmError),
}

/// Why no root was made or changed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The vault holds no root key now.
    #[error("the vault is sealed; unseal it first")]
    Sealed,
    /// The new unlock secret is not fit.
    #[error(transparent)]
    Unlock(#[from] UnlockRefused),
    /// The previous root is still needed by rows.
    #[error("a root rotation is running; finish it first")]
    RotationRunning,
    /// Nobody knows yet whether the record of a new root was stored.
    #[error("nobody knows yet whether the last rotation of the root was stored; try again in a moment")]
    RotationUnsettled,
    /// There is no previous root to let go.
    #[error("no root rotation is running")]
    NoRotation,
    /// Four thousand million rotations.
    #[error("there is no further root generation")]
    GenerationsExhausted,
    /// The source of randomness failed a test.
    #[error("the source of randomness failed a health test: {0}")]
    UnhealthyRandom(#[from] HealthFailure),
    /// The module refused.
    #[error(transparent)]
    Provider(#[from] ProviderFailed),
    /// The hardware module did not do it.
    #[error(transparent)]
    Module(#[from] HsmError),
    /// A root in a hardware module moves into the same or another module, and nowhere else.
    #[error(
        "a root that lies in a hardware module does not come out of it: it moves to a new root there, or to another module; a PIN is changed with the module's own tools"
    )]
    InModule,
    /// The module would not hold what the vault holds.
    #[error("the hardware module {module:?} does not make keys of these kinds, or does not let them out for a cloud, and the vault holds some: {}. `keystead doctor hsm` says more; allow = [\"host-wrap\"] helps where it does not let them out", .kinds.join(", "))]
    CannotHold {
        /// Its name.
        module: String,
        /// Which.
        kinds: Vec<&'static str>,
    },
}
