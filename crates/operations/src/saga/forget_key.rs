//! The pointer to a key that the cloud alone had is forgotten, once the cloud has deleted the key (FT-067, FT-068). The cloud's key is never touched.

use keystead_domain::{KeyId, Timestamp};
use keystead_store::{StoreError, Tx, attempts, keys};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless},
    stored::Stored,
    sync::end_native,
};

/// Nothing but the key is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetKey {
    /// The key.
    pub key: Stored<KeyId>,
}

impl Shape for ForgetKey {
    fn steps(&self) -> Vec<Planned> {
        vec![harmless(Step::ConfirmGone(self.key.0.clone()))]
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        let row = keys::by_id(tx, &self.key.0)?.ok_or(StoreError::MovedOn("key"))?;
        end_native(tx, &row, now)?;
        attempts::forget(tx, &row.id)?;
        keys::forget(tx, &row.id, now)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
