//! Who used a key, or tried to, as far as its keystore's queue told it (AW-045).

use keystead_domain::Timestamp;
use keystead_identity::Principal;
use keystead_store::{
    StoreError, Tx, events,
    events::QueueRow,
    keys::KeyRow,
    uses::{self, UseRow},
};

use crate::{App, Error};

/// What was heard of who used a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uses {
    /// The key.
    pub key: KeyRow,
    /// The queue that tells of its uses; without one nothing is heard.
    pub queue: Option<QueueRow>,
    /// Who used it, the last first.
    pub users: Vec<UseRow>,
}

impl App {
    /// Who used a key, or tried to, of those that its keystore's queue told of.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn uses(&self, principal: &Principal, id_or_name: &str) -> Result<Uses, Error> {
        let key = self.key(principal, id_or_name).await?;
        let of = key.clone();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((events::queue_of(tx, &of.keystore_id)?, users(tx, &of, Timestamp::from_micros(0))?));
        let (queue, users) = self.store().read("uses.of_key", look).await?;
        Ok(Uses { key, queue, users })
    }
}

/// Who used a key at this time or later, the last first; of a key in no cloud nobody.
pub(super) fn users(tx: &mut Tx<'_>, key: &KeyRow, since: Timestamp) -> Result<Vec<UseRow>, StoreError> {
    key.cloud_key_id.as_deref().map_or(Ok(Vec::new()), |id| uses::of_key(tx, &key.keystore_id, id, since))
}
