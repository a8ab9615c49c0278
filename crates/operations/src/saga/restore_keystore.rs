//! A keystore is restored: every key whose material should be in the cloud and is not gets it back, by an ordinary upload of its own (CM-037, FX-003). How far that is
//! stands in the tables `restores` and `restore_keys`; an upload begins in the transaction that notes it, so that a restore that dies begins none twice.

use keystead_domain::{KeystoreId, Timestamp};
use keystead_store::{StoreError, Tx};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless},
    stored::Stored,
};

/// Nothing but the keystore is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreKeystore {
    /// The keystore.
    pub keystore: Stored<KeystoreId>,
}

impl RestoreKeystore {
    /// What it holds: one restore runs in a keystore at a time, beside everything else.
    pub fn lock(&self) -> String {
        format!("restore:{}", self.keystore.0)
    }
}

impl Shape for RestoreKeystore {
    fn steps(&self) -> Vec<Planned> {
        vec![harmless(Step::FindLost), harmless(Step::GiveBack)]
    }

    fn finish(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    /// What was begun goes on: each upload is an operation of its own.
    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
