//! A keystore is deleted: only when each of its keys is (CM-038, CM-062). Leftovers of failed creations are swept first, because nobody looks there afterwards.

use keystead_domain::{KeystoreId, Timestamp};
use keystead_store::{StoreError, Tx, keys, keystores};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless},
    stored::Stored,
};

/// The keystore, and whether anything was ever made in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteKeystore {
    /// The keystore.
    pub keystore: Stored<KeystoreId>,
    /// Whether an operation ever tried to make a key there. Where none did there are no leftovers, and a keystore whose role never worked can be deleted.
    pub was_used: bool,
}

impl Shape for DeleteKeystore {
    fn steps(&self) -> Vec<Planned> {
        if self.was_used { vec![harmless(Step::Sweep)] } else { Vec::new() }
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        // Pointers to the cloud's keys go with the keystore; the keys stay where they are.
        keys::drop_pointers(tx, &self.keystore.0, now)?;
        keystores::delete(tx, &self.keystore.0, now)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
