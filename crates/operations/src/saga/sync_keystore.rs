//! A keystore is synced: every key of its account and Region is looked at, whoever made it (FT-051 to FT-056). The cloud is only read; what is known here is brought up
//! to date page by page, so that a sync that dies goes on where it was, and one that is run twice finds the same.

use keystead_domain::{KeystoreId, Timestamp};
use keystead_store::{StoreError, Tx, syncs};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless},
    stored::Stored,
};

/// Nothing but the keystore is needed: how far it is stands in the table `syncs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncKeystore {
    /// The keystore.
    pub keystore: Stored<KeystoreId>,
}

impl SyncKeystore {
    /// The first step: where a sync's row begins.
    pub fn first_step() -> &'static str {
        Step::ListAliases.name()
    }
}

impl Shape for SyncKeystore {
    fn steps(&self) -> Vec<Planned> {
        vec![harmless(Step::ListAliases), harmless(Step::InspectKeys), harmless(Step::FindVanished)]
    }

    fn finish(&self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        syncs::drop_aliases(tx, &self.keystore.0)
    }

    fn abandon(&self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        syncs::drop_aliases(tx, &self.keystore.0)
    }
}
