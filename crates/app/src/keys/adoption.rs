//! Adoption of a renewal: whether a key's predecessors are still used, when they last were, and who used them as far as a queue told it (AW-045).

use keystead_domain::{KeyState, Timestamp};
use keystead_identity::Principal;
use keystead_operations::{engine::ASKED_AT_ONCE, usage::UseKnown};
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, operations, page::Page, uses::UseRow};

use super::uses::users;
use crate::{App, Error};

/// The name of the operation that renews.
const RENEW: &str = "renew-key";

/// A predecessor, and whether it is still used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// The key.
    pub key: KeyRow,
    /// When its aliases went over to its successor.
    pub renewed_at: Timestamp,
    /// When it was last used, as its cloud answers now.
    pub last_use: UseKnown,
    /// Who used it behind the renewal, or tried to, the last first: what the queue of its keystore told.
    pub users: Vec<UseRow>,
}

impl Predecessor {
    /// Whether it was used behind the renewal; `None`: nobody can tell.
    pub fn is_still_used(&self) -> Option<bool> {
        self.last_use.is_seen_since(self.renewed_at)
    }
}

/// How far a renewal is adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// The key.
    pub key: KeyRow,
    /// When it was last used.
    pub last_use: UseKnown,
    /// Those before it that are not deleted, the newest first.
    pub predecessors: Vec<Predecessor>,
}

impl App {
    /// Whether the predecessors of a key are still used. The clouds are asked, for so many at once; what they do not know is said.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn adoption(&self, principal: &Principal, id_or_name: &str) -> Result<Adoption, Error> {
        let key = self.key(principal, id_or_name).await?;
        let of = key.clone();
        let before = self.store().read("keys.predecessors", move |tx| predecessors(tx, &of)).await?;
        let asked: Vec<KeyRow> = std::iter::once(&key).chain(before.iter().map(|(key, ..)| key)).cloned().collect();
        let mut uses = self.engine.last_uses(&asked).await.into_iter();
        let mut next = || uses.next().unwrap_or_else(|| UseKnown::Untold("It was not asked for.".to_owned()));
        let last_use = next();
        let predecessors = before.into_iter().map(|(key, renewed_at, users)| Predecessor { key, renewed_at, last_use: next(), users }).collect();
        Ok(Adoption { key, last_use, predecessors })
    }
}

/// Those before a key, the newest first, each with when it was renewed, and who used it since.
fn predecessors(tx: &mut Tx<'_>, key: &KeyRow) -> Result<Vec<(KeyRow, Timestamp, Vec<UseRow>)>, StoreError> {
    let (mut found, mut successor) = (Vec::new(), key.clone());
    while found.len() + 1 < ASKED_AT_ONCE
        && let Some(id) = successor.predecessor_id.clone()
        && let Some(key) = keys::by_id(tx, &id)?
    {
        if key.state != KeyState::Deleted {
            let renewed = renewed_at(tx, &key, &successor)?;
            found.push((key.clone(), renewed, users(tx, &key, renewed)?));
        }
        successor = key;
    }
    Ok(found)
}

/// When the newest renewal of a key ended. A replica's is its primary's operation: then what is known is when its successor was made.
fn renewed_at(tx: &mut Tx<'_>, key: &KeyRow, successor: &KeyRow) -> Result<Timestamp, StoreError> {
    let renewals = operations::of_kind(tx, &key.id, RENEW, &Page { after: None, limit: 10 })?;
    let ended = renewals.rows.into_iter().find(|renewal| renewal.state == "SUCCEEDED").and_then(|renewal| renewal.finished_at);
    Ok(ended.unwrap_or(successor.created_at))
}
