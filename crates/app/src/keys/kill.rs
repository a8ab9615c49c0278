//! The kill switch: a key is taken out of use wherever its material is, with proof, and comes back by a restore (FT-019).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use keystead_domain::{Event, Invalid, KeyId, KeyState, Verdict, verdict};
use keystead_identity::Principal;
use keystead_operations::{
    Problem, Saga,
    dark::{self, Dark},
    kill::{self, Reached, expiry_of},
    saga::{
        activate_key,
        kill_key::{self, KillKey},
        restore_key::{self, RestoreKey, Restored},
        upload_key,
    },
    stored::Stored,
};
use keystead_store::{
    StoreError, Tx, batches, estates, journal,
    journal::JournalRow,
    keys,
    keys::KeyRow,
    locks, operations,
    operations::OperationRow,
    page::{Listed, Page},
};

use super::{
    lifecycle::{Also, TRIES},
    make_way,
    rules::check_policy_is_settled,
};
use crate::{App, Error, Request, Started, batches::BatchAction, error::TxError};

/// The audit log's words.
pub(crate) const KILL: &str = "key.kill";
const RESTORE: &str = "key.restore";
/// Operations behind which a key is in use that was not.
pub(crate) const BRING_BACK: [&str; 3] = [activate_key::NAME, upload_key::NAME, restore_key::NAME];

/// A key that a kill took out of use, as the kill's record and journal tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// The key as it is now.
    pub key: KeyRow,
    /// The state that it had before.
    pub from: String,
    /// Whether its material stays in the cloud, because it could not come back.
    pub material_stays: bool,
    /// What showed that it is out of use; `None` while nobody has tried, and for a key that is in no cloud.
    pub dark: Option<Dark>,
}

impl App {
    /// Takes a key out of use wherever its material is: in its cloud, its replicas' and its copies'; with `lineage` its predecessors, too, whose ciphertext could be
    /// read on. The answer comes when the intent is durable.
    ///
    /// # Errors
    /// [`Error::WrongState`] for a key that is being made or is deleted; [`Error::Busy`] when another operation has one of them, and has not made way in 20 seconds.
    pub async fn kill_key(&self, principal: &Principal, request: &Request, id_or_name: &str, lineage: bool) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let (until, mut tries) = (make_way::patience(), 0);
        loop {
            let key = self.key(principal, id_or_name).await?;
            let is_last = Instant::now() >= until;
            match self.try_kill(principal, request, key.clone(), lineage, is_last).await {
                Err(Error::MovedOn) if tries < TRIES => tries += 1,
                Err(Error::Busy { operation, .. }) if !is_last => {
                    let mut holders = self.holders(&key, lineage).await?;
                    holders.push(operation);
                    self.make_way(principal, &holders, until).await?;
                    tries = 0;
                }
                begun => return begun,
            }
        }
    }

    /// The operations that have something in hand which a kill of this key is about.
    async fn holders(&self, key: &KeyRow, lineage: bool) -> Result<Vec<String>, Error> {
        let key = key.clone();
        let look = move |tx: &mut Tx<'_>| {
            let mut holders = BTreeSet::new();
            for member in kill::everything(tx, &key, lineage)? {
                holders.extend(locks::holder(tx, member.id.as_str())?.map(|holder| holder.to_string()));
            }
            Ok::<_, StoreError>(holders.into_iter().collect())
        };
        Ok(self.store().read("locks.holder", look).await?)
    }

    /// Begins the kill, if nobody has one of its keys in hand or brings one back; at the last try the latter, which is asked to turn round, holds it up no longer.
    async fn try_kill(&self, principal: &Principal, request: &Request, key: KeyRow, lineage: bool, is_last: bool) -> Result<Started, Error> {
        if verdict(key.state, Event::Kill) == Verdict::Refused {
            let error = Error::WrongState { key: key.name.clone(), state: key.state, event: Event::Kill };
            return Err(self.refuse(principal, KILL, "lifecycle-table", &key, error).await);
        }
        let reached = self.reached(&key, lineage).await?;
        let idle = reached.idle.iter().map(|other| other.id.clone()).collect();
        let Some(saga) = reached.saga(&key.id) else {
            // The same request may have brought it there.
            if let Some(earlier) = self.earlier(principal, request).await? {
                return Ok(earlier);
            }
            self.stays_out(principal, &key, lineage, idle).await?;
            return Ok(Started { operation: None, key: Some(key) });
        };
        let also = as_planned(key.clone(), lineage, saga.clone(), is_last, self.overruling(principal, idle));
        self.begin(principal, request, key, Saga::KillKey(saga), also).await
    }

    /// A kill of what is out of use already takes nothing, but what has begun and waits does not bring it back either, nor a drill that had killed it.
    async fn stays_out(&self, principal: &Principal, key: &KeyRow, lineage: bool, idle: Vec<KeyId>) -> Result<(), Error> {
        let entry = self.entry(principal, KILL, "lifecycle-table").key(key).detail("no_op", "true").detail("state", key.state.as_str()).done();
        let (key, mut overrule) = (key.clone(), self.overruling(principal, idle));
        let noted = self.store().write("kill.stays_out", move |tx| {
            overrule(tx)?;
            let_nothing_bring_back(tx, &key, lineage)?;
            demand_stays_out(tx, &key, lineage)?;
            if kill::reached(tx, &key, lineage)?.saga(&key.id).is_some() {
                return Err(Error::MovedOn.into());
            }
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        Ok(noted.await?)
    }

    async fn reached(&self, key: &KeyRow, lineage: bool) -> Result<Reached, Error> {
        let key = key.clone();
        Ok(self.store().read("kill.reached", move |tx| kill::reached(tx, &key, lineage)).await?)
    }

    /// What a kill of a key would take out of use, and what it would not reach because it is being made just now.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn kill_reach(&self, principal: &Principal, id_or_name: &str, lineage: bool) -> Result<Reached, Error> {
        let key = self.key(principal, id_or_name).await?;
        self.reached(&key, lineage).await
    }

    /// Undoes the newest kill that was asked of a key: each key that it took out of use, and that still is, gets its material back and stands as it stood.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key of which no kill was asked; [`Error::Busy`].
    pub async fn restore_key(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        for _ in 0..TRIES {
            let key = self.key(principal, id_or_name).await?;
            match self.try_restore(principal, request, key).await {
                Err(Error::MovedOn) => {}
                begun => return begun,
            }
        }
        Err(Error::MovedOn)
    }

    async fn try_restore(&self, principal: &Principal, request: &Request, key: KeyRow) -> Result<Started, Error> {
        let Some(operation) = self.newest_kill(&key).await? else {
            let mend = format!(
                "Restore the key that the kill was asked of: `keystead key history {0}` names its operation. `keystead key activate {0}` brings back this key.",
                key.name
            );
            let refused = Invalid::new("key", "was not killed under its own name", mend);
            return Err(self.refuse(principal, RESTORE, "was-killed", &key, refused.into()).await);
        };
        let killed = self.killed(&operation, &[]).await?;
        let gone: Vec<&Killed> = killed.iter().filter(|one| one.key.state == KeyState::Inactive).collect();
        if gone.is_empty() {
            if let Some(earlier) = self.earlier(principal, request).await? {
                return Ok(earlier);
            }
            self.note_no_op(principal, RESTORE, &key).await?;
            return Ok(Started { operation: None, key: Some(key) });
        }
        if self.is_undone(&key, &operation).await? {
            if let Some(earlier) = self.earlier(principal, request).await? {
                return Ok(earlier);
            }
            let reason = "is restored already from the newest kill that was asked of it";
            let mend = format!(
                "If another kill took it out of use since, restore the key that that one was asked of; else bring this one back with `keystead key activate {}`.",
                key.name
            );
            return Err(self.refuse(principal, RESTORE, "was-killed", &key, Invalid::new("key", reason, mend).into()).await);
        }
        if let Some((rule, refused)) = gone.iter().find_map(|one| check_policy_is_settled(&one.key).err()) {
            return Err(self.refuse(principal, RESTORE, rule, &key, refused.into()).await);
        }
        let now = self.now();
        let restored = gone.iter().map(|one| Restored {
            key: Stored(one.key.id.clone()),
            to: one.from.clone(),
            material_stays: one.material_stays,
            expires: expiry_of(&one.key, now),
        });
        let saga = RestoreKey { key: Stored(key.id.clone()), restored: restored.collect(), drill: None };
        let seen: Vec<KeyRow> = gone.into_iter().map(|one| one.key.clone()).collect();
        self.begin(principal, request, key, Saga::RestoreKey(saga), unchanged(seen)).await
    }

    /// Whether a kill was undone since: what is out of use now was taken out by somebody else's decision.
    async fn is_undone(&self, key: &KeyRow, kill: &OperationRow) -> Result<bool, Error> {
        let (id, first) = (key.id.clone(), Page { after: None, limit: 1000 });
        let restores = self.store().read("operations.of_kind", move |tx| operations::of_kind(tx, &id, restore_key::NAME, &first)).await?;
        Ok(restores.rows.iter().any(|restore| restore.state == "SUCCEEDED" && restore.created_at >= kill.created_at))
    }

    async fn newest_kill(&self, key: &KeyRow) -> Result<Option<OperationRow>, Error> {
        let id = key.id.clone();
        let first = Page { after: None, limit: 1 };
        let kills = self.store().read("operations.of_kind", move |tx| operations::of_kind(tx, &id, kill_key::NAME, &first)).await?;
        Ok(kills.rows.into_iter().next())
    }

    /// A page of the kills that were asked of a key, the newest first, each with what it came to.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn key_kills(&self, principal: &Principal, id_or_name: &str, page: Page) -> Result<Listed<(OperationRow, Vec<Killed>)>, Error> {
        let key = self.key(principal, id_or_name).await?;
        let look = move |tx: &mut Tx<'_>| {
            let listed = operations::of_kind(tx, &key.id, kill_key::NAME, &page)?;
            let rows = listed.rows.into_iter().map(|operation| journal::of_operation(tx, &operation.id).map(|lines| (operation, lines)));
            Ok::<_, StoreError>(Listed { rows: rows.collect::<Result<Vec<_>, _>>()?, next: listed.next })
        };
        let Listed { rows, next } = self.store().read("operations.kills", look).await?;
        let mut kills = Vec::new();
        for (operation, lines) in rows {
            let killed = self.killed(&operation, &lines).await?;
            kills.push((operation, killed));
        }
        Ok(Listed { rows: kills, next })
    }

    /// What a kill took out of use, with its proof; nothing of an operation that is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn killed_by(&self, operation: &OperationRow) -> Result<Option<Vec<Killed>>, Error> {
        if operation.kind != kill_key::NAME {
            return Ok(None);
        }
        let id = operation.id.clone();
        let lines = self.store().read("journal.of_operation", move |tx| journal::of_operation(tx, &id)).await?;
        self.killed(operation, &lines).await.map(Some)
    }

    async fn killed(&self, operation: &OperationRow, lines: &[JournalRow]) -> Result<Vec<Killed>, Error> {
        let Ok(Saga::KillKey(saga)) = serde_json::from_str::<Saga>(&operation.params) else { return Ok(Vec::new()) };
        let proofs: BTreeMap<KeyId, Dark> = dark::of_journal(lines).into_iter().collect();
        let look = move |tx: &mut Tx<'_>| {
            let victims = saga.victims.iter().map(|victim| Ok(keys::by_id(tx, &victim.key.0)?.map(|key| (key, victim.clone()))));
            victims.collect::<Result<Vec<_>, StoreError>>()
        };
        let rows = self.store().read("keys.killed", look).await?;
        let told = rows.into_iter().flatten().map(|(key, victim)| {
            let dark = proofs.get(&key.id).cloned();
            Killed { key, from: victim.from, material_stays: victim.material_stays, dark }
        });
        Ok(told.collect())
    }
}

/// Behind the locks a kill still reaches what it was planned for. What is out of use already shall stay so.
fn as_planned(key: KeyRow, lineage: bool, planned: KillKey, is_last: bool, mut overrule: Also) -> Also {
    Box::new(move |tx: &mut Tx<'_>| {
        let_nothing_bring_back(tx, &key, lineage)?;
        if !is_last {
            demand_stays_out(tx, &key, lineage)?;
        }
        let now = kill::reached(tx, &key, lineage)?.saga(&key.id);
        if now.as_ref() == Some(&planned) { overrule(tx) } else { Err(Error::MovedOn.into()) }
    })
}

/// What waits in applies and batches to bring one of these keys back fails: who began it did not know of the kill.
fn let_nothing_bring_back(tx: &mut Tx<'_>, key: &KeyRow, lineage: bool) -> Result<(), TxError> {
    Ok(kill::everything(tx, key, lineage)?.iter().try_for_each(|member| take_out(tx, &member.id))?)
}

/// The keys that something which has begun, and waits, would bring back.
pub(crate) fn awaited(tx: &mut Tx<'_>) -> Result<BTreeSet<KeyId>, StoreError> {
    let (activate, upload) = bringing_back();
    let mut awaited: BTreeSet<KeyId> = estates::awaited(tx)?.into_iter().collect();
    awaited.extend(batches::awaited(tx, [&activate, &upload])?);
    Ok(awaited)
}

/// The same as [`let_nothing_bring_back`] for many keys, of those that something waits for.
pub(crate) fn let_nothing_bring_any_back(tx: &mut Tx<'_>, mut awaited: BTreeSet<KeyId>, keys: &[KeyRow], lineage: bool) -> Result<(), StoreError> {
    for key in keys {
        for member in kill::everything(tx, key, lineage)? {
            if awaited.remove(&member.id) {
                take_out(tx, &member.id)?;
            }
        }
    }
    Ok(())
}

fn take_out(tx: &mut Tx<'_>, key: &KeyId) -> Result<(), StoreError> {
    let detail = "A kill was asked of the key since this began.";
    let why = Problem::new("taken-out", detail, "Look at the key, and bring it back by itself if that is still wanted.").to_json();
    let (activate, upload) = bringing_back();
    estates::take_out(tx, key, &why)?;
    batches::take_out(tx, key, [&activate, &upload], &why).map(drop)
}

/// The actions of batches behind which a key is in use that was not.
fn bringing_back() -> (String, String) {
    (BatchAction::Activate.to_json(), BatchAction::Upload.to_json())
}

/// What brings one of these keys back just now is in the way, and named. It is looked for behind the writes above, so that none begins unseen.
fn demand_stays_out(tx: &mut Tx<'_>, key: &KeyRow, lineage: bool) -> Result<(), TxError> {
    let members = kill::everything(tx, key, lineage)?;
    match coming_back(tx, &members)? {
        Some((member, operation)) => Err(Error::Busy { name: member.name, operation }.into()),
        None => Ok(()),
    }
}

/// The first of these keys that an operation brings back just now, and which that is.
pub(crate) fn coming_back(tx: &mut Tx<'_>, keys: &[KeyRow]) -> Result<Option<(KeyRow, String)>, StoreError> {
    for key in keys {
        let Some(holder) = locks::holder(tx, key.id.as_str())? else { continue };
        if operations::by_id(tx, &holder)?.is_some_and(|operation| BRING_BACK.contains(&operation.kind.as_str())) {
            return Ok(Some((key.clone(), holder.to_string())));
        }
    }
    Ok(None)
}

/// Behind the locks these keys are as they were seen.
fn unchanged(seen: Vec<KeyRow>) -> Also {
    Box::new(move |tx: &mut Tx<'_>| {
        for key in &seen {
            if keys::by_id(tx, &key.id)?.is_none_or(|now| now.revision != key.revision) {
                return Err(Error::MovedOn.into());
            }
        }
        Ok(())
    })
}
