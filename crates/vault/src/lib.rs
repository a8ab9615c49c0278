//! The vault: the only room where key bytes are plain.
//!
//! ```text
//!  unlock secret                 passphrase (Argon2id) · key file (32 bytes) · k of n shares (Shamir)
//!      └─ wraps the root key     one an installation; in memory only while the vault is open
//!          ├─ wraps account keys one a tenant; opened for each use, never cached
//!          │    └─ seals material (inner layer)
//!          └─ seals that again    (outer layer)
//! ```
//!
//! Or the root lies in a hardware module, and with it every key while it is plain: [`Hsm`] is the port, `safe/module` the rooms.
//!
//! *Invariants*
//! - No function returns a plain key. What leaves is sealed for the store, or wrapped under an RSA public key for a cloud or a person; what an operator
//!   must keep himself, shares and key files, leaves once, when it is made.
//! - Every ciphertext is AES-256-GCM under a fresh random nonce and bound to its place: account, key, version, kind and generation. A row that was swapped,
//!   rolled back or damaged does not open.
//! - Every blob begins with a format number and names the generations of the keys that it is sealed under.
//! - A changed root is used only after the record that holds it is durable: [`Vault::adopt`].
//! - Secrets have no `Debug`, `Clone` or `Serialize`, and are wiped when they go. Bytes that came from outside never make it panic.
//!
//! *Invariants of absence*: this room knows only `domain`. It has no clock, no async, no I/O and never meets the store. Randomness is given to it
//! ([`Random`]). Cryptography comes from one module, AWS-LC, but for Argon2id and Shamir's sharing, which it does not have.
//!
//! [`safe`] decides and is public; `hazmat` holds the primitives and is not.

pub mod der;
mod error;
mod hazmat;
mod hsm;
mod random;
pub mod safe;
mod secret;

pub use error::{Blob, MaterialRefused, RootError, UnsealError, VaultError};
pub use hazmat::{ProviderFailed, health::HealthFailure, key_wrap::KeyWrapMode, rsa::PublicKeyError};
pub use hsm::{
    Abilities, AccountName, AccountPart, Condition, Hsm, HsmError, HsmKey, HsmSession, Job, Mac, Made, Origin, PublicNumbers, Purpose, RootBackup, RootId,
    RootKeys, WayAround,
};
pub use random::{Random, SystemRandom};
pub use safe::*;
pub use secret::{SecretBytes, SecretText};
