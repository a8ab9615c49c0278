//! The rooms that decide. What goes in and out of here is sealed, wrapped, or a secret that its owner brought along; a plain key never leaves.

mod account_key;
mod birth;
mod blob;
mod check_value;
mod export_key;
mod fingerprint;
mod import;
mod later;
mod log_key;
mod material;
mod module;
mod offer;
mod pem;
mod pkcs8;
mod place;
mod preparation;
mod record;
pub mod root;
mod rotation;
mod share;
mod share_set;
#[cfg(test)]
mod testing;
mod transport;
mod unlock;
mod vault;
mod wrap;

pub use birth::{Birth, Generated, Module, Source};
pub use blob::{Format, SealedUnder, sealed_under};
pub use check_value::{CheckMethod, CheckValue};
pub use export_key::{ExportKey, ExportKeyError};
pub use fingerprint::Fingerprint;
pub use later::LaterRoot;
pub use log_key::NewLogKey;
pub use module::{Member, backup::restore};
pub use offer::Progress;
pub use pem::PemError;
pub use place::{AccountKey, Held, Place, SealedAccountKey, SealedMaterial};
pub use preparation::Preparation;
pub use record::{RecordError, RootRecord};
pub use share::{SetId, Share, ShareError};
pub use transport::WRAPPED_LEN_MAX;
pub use unlock::{KEY_FILE_LEN, NewUnlock, PASSPHRASE_LEN_MIN, PassphraseCost, SHARES_MAX, UnlockKind, UnlockRefused, UnlockSecret};
pub use vault::{Adopted, Vault};
pub use wrap::export_method;
