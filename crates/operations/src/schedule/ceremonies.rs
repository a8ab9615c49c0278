//! Components that nobody completed in time are wiped.

use keystead_store::{StoreError, ceremonies, ceremonies::CeremonyRow};

use super::Looked;
use crate::{Engine, words, words::Who};

/// How many ceremonies one look ends.
const AT_ONCE: u32 = 64;

impl Engine {
    pub(super) async fn look_at_ceremonies(&self) -> Result<Looked, StoreError> {
        let now = self.now();
        let overdue = self.parts().store.read("ceremonies.overdue", move |tx| ceremonies::overdue(tx, now, AT_ONCE)).await?;
        let more = overdue.len() == AT_ONCE as usize;
        let mut acted = 0;
        for ceremony in overdue {
            acted += usize::from(self.expire(ceremony).await?);
        }
        Ok(Looked { acted, more })
    }

    /// Whether it was this node that ended it.
    async fn expire(&self, ceremony: CeremonyRow) -> Result<bool, StoreError> {
        let now = self.now();
        let entry = words::entry(self.parts().random.as_ref(), now, &ceremony.account_id, &Who::system(), "ceremony.expire", "components-wait-three-days");
        let entry = entry.subject("ceremony", ceremony.id.as_str(), &ceremony.name).keystore(&ceremony.keystore_id, &ceremony.keystore_name).done();
        let ended = self.parts().store.write("ceremonies.expire", move |tx| {
            ceremonies::expire(tx, &ceremony.id, now)?;
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        });
        match ended.await {
            Ok(()) => Ok(true),
            Err(StoreError::MovedOn(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
