//! A hardware module as the root of the vault, over PKCS#11: any module that has the mechanisms, found by the path of its library and the label of its token.
//!
//! [`Pkcs11Module`] answers the port [`keystead_vault::Hsm`]. It starts a few workers, each with one session; a bounded queue stands before them, and when it is
//! full the answer is *busy*. A session that was lost, with its token or with the library's state, is opened and logged in anew, and the job that met the loss
//! runs once more: what a job makes ends with it.
//!
//! *Invariants*
//! - `unsafe` occurs in `raw.rs` and nowhere else in the house.
//! - No value of a key is ever asked of the module: `CKA_VALUE`, private exponents and primes are in no list of attributes that is read.
//! - Keys of a job are session objects, and are destroyed when it ends. Keys of accounts stay in the session that unwrapped them, cannot be taken out of it, and go with it.
//!   The two keys of a root are the only objects that stay in the token, and cannot be extracted.
//! - A PIN that was wrong is not tried again by itself: each try counts against the token. The last one that a token leaves is not taken at all.
//!
//! *Invariants of absence*: this room knows the port and `domain`. It has no clock but for how long it waits, no async, no store; it reads no file but the library.

mod classify;
mod library;
mod module;
mod probe;
mod raw;
mod session;
mod template;
mod worker;

pub use module::{Pkcs11Module, Settings};
pub use probe::{Finding, Report, Speed};
