//! The material is imported again, whatever the cloud lost (CM-056, CM-037). The key's state does not change.

use keystead_domain::{KeyId, Timestamp};
use keystead_store::{StoreError, Tx, attempts};
use serde::{Deserialize, Serialize};

use super::{Shape, members};
use crate::{
    step::{Planned, Step, harmless},
    stored::{Stored, StoredTime},
};

/// The name of the operation.
pub const NAME: &str = "upload-key";

/// The key, and until when its material shall live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// When its material shall expire.
    pub expires: Option<StoredTime>,
    /// Its replicas in other Regions, which get it too.
    #[serde(default)]
    pub replicas: Vec<Stored<KeyId>>,
}

impl Shape for UploadKey {
    fn steps(&self) -> Vec<Planned> {
        // The same material again: there is nothing to take back. The primary comes last: its end is what the schedule goes by, and then all have it.
        members(&self.key, &self.replicas).map(|key| harmless(Step::ImportMaterial(key.clone(), self.expires.map(Into::into)))).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        attempts::forget(tx, &self.key.0)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
