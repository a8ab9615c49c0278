//! A successor that is about to be written, by the schedule or for a person.

use keystead_domain::{KeyId, LineageId};
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, lineages, versions, versions::VersionRow};

use crate::{Saga, family::PreparedFollower, link::Copied, saga::renew_key::RenewKey, stored::Stored, sync::ADOPTED};

/// What a successor has of material.
pub(crate) enum Born {
    /// New material of its own.
    Own(Box<VersionRow>),
    /// That of its source's successor.
    Copied(Box<Copied>),
}

/// A successor that is about to be written: its row and its sealed material; of a multi-Region key with those of its replicas, which share the material.
pub struct PreparedSuccessor {
    pub(crate) key: KeyRow,
    pub(crate) born: Born,
    pub(crate) predecessor: KeyId,
    pub(crate) lineage: LineageId,
    pub(crate) grace: Option<i64>,
    pub(crate) replicas: Vec<PreparedFollower>,
}

impl PreparedSuccessor {
    /// The successor of a copy.
    pub(crate) fn copied(predecessor: &KeyRow, key: KeyRow, copied: Copied) -> Self {
        let born = Born::Copied(Box::new(copied));
        Self { key, born, predecessor: predecessor.id.clone(), lineage: predecessor.lineage_id.clone(), grace: None, replicas: Vec::new() }
    }

    /// The saga that makes it.
    pub fn saga(&self) -> Saga {
        Saga::RenewKey(RenewKey {
            predecessor: Stored(self.predecessor.clone()),
            successor: Stored(self.key.id.clone()),
            lineage: Stored(self.lineage.clone()),
            aliases: self.key.aliases.clone().into(),
            expires: self.key.expires_at.map(Into::into),
            grace: self.grace,
            replicas: self.replicas.iter().map(PreparedFollower::record).collect(),
            adopts: self.key.origin == ADOPTED,
        })
    }

    /// The same; so long behind its making, in microseconds, the predecessor is deactivated.
    #[must_use]
    pub fn with_grace(self, grace: Option<i64>) -> Self {
        Self { grace, ..self }
    }

    /// The successor's id.
    pub fn id(&self) -> &KeyId {
        &self.key.id
    }

    /// Writes row and material; in the transaction of the intent.
    ///
    /// # Errors
    /// What the store says.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let lineage = lineages::by_id(tx, &self.lineage)?.ok_or_else(|| StoreError::Corrupt("a key without a lineage".to_owned()))?;
        if lineage.current_key_id != self.predecessor {
            return Err(StoreError::MovedOn("lineage"));
        }
        keys::insert(tx, &self.key)?;
        match &self.born {
            Born::Own(version) => versions::insert(tx, version)?,
            Born::Copied(copied) => copied.write(tx)?,
        }
        self.replicas.iter().try_for_each(|replica| replica.write(tx))
    }
}
