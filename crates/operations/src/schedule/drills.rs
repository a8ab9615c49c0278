//! Drills of the kill switch (FT-019): when a keystore's drill is due its canaries are killed like any key, and restored, whatever becomes of the process.
//!
//! Kill and row share a transaction, and so do the restore's intent and the note of it: a canary that was killed is found by every later look. Only what carries the
//! tag, and was confirmed with the policy, is touched: a canary whose kill would reach another key is not killed, and that is told. What somebody has changed since it
//! was killed is not brought back.

use std::collections::BTreeSet;

use keystead_audit::{Entry, Outcome};
use keystead_domain::{
    Custody, DrillId, KeyId, KeyState, KeystoreId, Timestamp,
    alert::AlertKind,
    drill::{self, CANARIES_MAX, CANARY_TAG, DrillState, LATE, Next, REST, Stands},
};
use keystead_store::{
    StoreError, Tx,
    drills::{self, DrillPolicyRow, DrillRow},
    journal, keys,
    keys::KeyRow,
    keystores,
    keystores::KeystoreRow,
    locks, operations,
    operations::OperationRow,
};

use super::rehearsals::is_usable;
use crate::{
    Engine, Problem, Saga,
    alerts::{About, Telling},
    dark,
    kill::{self, Reached},
    saga::{kill_key::KillKey, restore_key::RestoreKey},
    stored::Stored,
    words::{self, Who},
};

/// The rule in the audit log.
const RULE: &str = "drill-is-due";

/// A canary, and whether it can be killed.
enum Canary {
    /// By this saga.
    Ready(KeyRow, KillKey),
    /// Not, and why.
    Unfit(KeyRow, String),
}

/// An open drill with everything that it hangs on.
pub(super) struct Standing {
    row: DrillRow,
    keystore: KeystoreRow,
    pub(super) key: KeyRow,
    kill: KillKey,
    pub(super) operation: OperationRow,
    /// The longest time until a cloud refused; `None`: not every key was shown to be out of use.
    dark: Option<i64>,
}

impl Engine {
    /// One look at drills: goes on with those that run, and begins those that are due. Answers how many operations it began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_drills(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((drills::open(tx, now)?, drills::due(tx, now)?));
        let (open, due) = self.parts().store.read("drills.look", look).await?;
        let mut begun = 0;
        for row in open {
            begun += self.or_left_to_others(self.go_on_with_drill(row).await)?;
        }
        for policy in due {
            begun += self.or_left_to_others(self.begin_drills(policy).await)?;
        }
        Ok(begun)
    }

    /// Another node was faster, another operation has the key, or a row cannot be read: the next look sees.
    fn or_left_to_others(&self, begun: Result<usize, StoreError>) -> Result<usize, StoreError> {
        match begun {
            Err(StoreError::MovedOn(_)) => Ok(0),
            Err(error) if error.is_unique("locks") => Ok(0),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(%error, "a drill cannot be read, and waits");
                Ok(0)
            }
            begun => begun,
        }
    }

    /// Kills the canaries of a keystore, each by an operation of its own.
    async fn begin_drills(&self, policy: DrillPolicyRow) -> Result<usize, StoreError> {
        let engine = self.clone();
        let begin = move |tx: &mut Tx<'_>| {
            let now = engine.now();
            let Some(keystore) = keystores::by_id(tx, &policy.keystore_id)? else { return Err(StoreError::MovedOn("keystore")) };
            let confirmed = drills::canaries(tx, &policy.keystore_id)?;
            let found = canaries(tx, &policy.keystore_id, &confirmed)?;
            let is_busy = is_any_held(tx, &found)?;
            let next_at = now.plus_micros(if is_busy { REST } else { policy.every });
            drills::take(tx, &policy.keystore_id, policy.next_at, next_at)?;
            if is_busy {
                return Ok(Vec::new());
            }
            if found.is_empty() {
                let why = format!("There is no key in use that has the tag {CANARY_TAG} and had it when the drill was set.");
                engine.write_unfit(tx, &policy, &keystore, None, why, now)?;
            }
            let mut begun = Vec::new();
            for canary in found {
                match canary {
                    Canary::Ready(key, saga) => begun.push(engine.write_drill(tx, &policy, &keystore, &key, saga, &confirmed)?),
                    Canary::Unfit(key, why) => engine.write_unfit(tx, &policy, &keystore, Some(&key), why, now)?,
                }
            }
            Ok(begun)
        };
        let begun = self.parts().store.write("drills.begin", begin).await?;
        let count = begun.len();
        begun.into_iter().for_each(|operation| self.start(operation));
        Ok(count)
    }

    fn write_drill(
        &self,
        tx: &mut Tx<'_>,
        policy: &DrillPolicyRow,
        keystore: &KeystoreRow,
        key: &KeyRow,
        saga: KillKey,
        confirmed: &BTreeSet<KeyId>,
    ) -> Result<OperationRow, StoreError> {
        let row = self.drill_row(policy, Some(&key.id), self.now());
        let begun = KillKey { drill: Some(Stored(row.id.clone())), ..saga.clone() };
        let intent = self.intend(&Saga::KillKey(begun), keystore, &Who::system(), RULE, None).detail("name", key.name.clone()).detail("drill", row.id.as_str());
        let operation = intent.write(tx)?;
        // Behind the locks nobody changes the keys any more; before them, somebody may have.
        let reached = kill::reached(tx, key, false)?;
        if stranger(&reached, confirmed).is_some() || reached.saga(&key.id).as_ref() != Some(&saga) {
            return Err(StoreError::MovedOn("key"));
        }
        drills::insert(tx, &DrillRow { kill_id: Some(operation.id.clone()), operation_id: Some(operation.id.clone()), ..row })?;
        Ok(operation)
    }

    /// A drill that cannot begin is one that failed.
    fn write_unfit(
        &self,
        tx: &mut Tx<'_>,
        policy: &DrillPolicyRow,
        keystore: &KeystoreRow,
        key: Option<&KeyRow>,
        why: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = self.drill_row(policy, key.map(|key| &key.id), now);
        tx.audit(self.entry_of_drill(&row, keystore, key, DrillState::Failed, None, &why));
        self.telling_of_drill(&row, keystore, key, "failed", &why).write(tx)?;
        drills::insert(tx, &DrillRow { state: DrillState::Failed, why: Some(why), ended_at: Some(now), ..row })
    }

    fn drill_row(&self, policy: &DrillPolicyRow, key: Option<&KeyId>, now: Timestamp) -> DrillRow {
        let mut random = [0; 10];
        self.parts().random.fill(&mut random);
        DrillRow {
            id: DrillId::new(now, random),
            keystore_id: policy.keystore_id.clone(),
            key_id: key.cloned(),
            state: DrillState::Killing,
            kill_id: None,
            operation_id: None,
            within: policy.within,
            begun_at: now,
            next_at: now,
            dark: None,
            why: None,
            ended_at: None,
        }
    }

    async fn go_on_with_drill(&self, row: DrillRow) -> Result<usize, StoreError> {
        let standing = self.parts().store.read("drills.standing", move |tx| standing(tx, &row)).await?;
        let now = self.now();
        if now >= standing.row.begun_at.plus_micros(standing.row.within.saturating_add(LATE)) {
            self.tell_late(&standing).await?;
        }
        match drill::next(standing.row.state, Stands::read(&standing.operation.state)) {
            Next::Wait => Ok(0),
            Next::GiveUp => {
                let why = standing.operation.problem.as_deref().and_then(Problem::from_json).map_or_else(String::new, |problem| problem.detail);
                self.end_drill(standing, DrillState::Failed, format!("It could not be killed. {why}")).await.map(|()| 0)
            }
            Next::Restore if rests(&standing, now) => Ok(0),
            Next::Restore => self.restore_canary(standing).await,
            Next::Conclude => self.conclude_drill(standing).await.map(|()| 0),
        }
    }

    /// Begins to bring a canary back. One that somebody has brought back needs it no more, and one that somebody has changed since stays as they left it.
    async fn restore_canary(&self, standing: Standing) -> Result<usize, StoreError> {
        let (engine, kill, row, key) = (self.clone(), standing.kill.clone(), standing.row.clone(), standing.key.clone());
        let begin = move |tx: &mut Tx<'_>| {
            let now = engine.now();
            let Some(saga) = kill::restoration(tx, &kill, now)? else { return Ok(None) };
            if !is_untouched(tx, &row, &saga)? {
                return Ok(None);
            }
            let Some(keystore) = keystores::by_id(tx, &key.keystore_id)? else { return Err(StoreError::MovedOn("keystore")) };
            let intent = engine.intend(&Saga::RestoreKey(saga.clone()), &keystore, &Who::system(), RULE, None);
            let operation = intent.detail("name", key.name.clone()).detail("drill", row.id.as_str()).write(tx)?;
            // Behind the locks nobody changes the keys any more; before them, somebody may have.
            if kill::restoration(tx, &kill, now)?.as_ref() != Some(&saga) || !is_untouched(tx, &row, &saga)? {
                return Err(StoreError::MovedOn("key"));
            }
            drills::restoring(tx, &row, &operation.id)?;
            Ok(Some(operation))
        };
        match self.parts().store.write("drills.restore", begin).await {
            Ok(Some(operation)) => {
                self.start(operation);
                Ok(1)
            }
            Ok(None) if is_usable(standing.key.state) => self.conclude_drill(standing).await.map(|()| 0),
            Ok(None) => {
                let why = format!("Somebody has taken the canary away since it was killed: it is {}, and stays so.", standing.key.state.as_str());
                self.end_drill(standing, DrillState::Failed, why).await.map(|()| 0)
            }
            Err(error) if error.is_unique("locks") => {
                let (id, at) = (standing.row.id, self.now().plus_micros(REST));
                self.parts().store.write("drills.rest", move |tx| drills::rest(tx, &id, at)).await.map(|()| 0)
            }
            Err(error) => Err(error),
        }
    }

    async fn conclude_drill(&self, standing: Standing) -> Result<(), StoreError> {
        let state = drill::verdict(standing.dark, standing.row.within);
        let why = match (state, standing.dark) {
            (DrillState::Slow, Some(micros)) => format!("Its cloud refused it after {}, and may take {}.", seconds(micros), seconds(standing.row.within)),
            (DrillState::Failed, _) => "It was killed and restored, but its cloud could not be asked whether it refuses the key.".to_owned(),
            _ => String::new(),
        };
        self.end_drill(standing, state, why).await
    }

    async fn end_drill(&self, standing: Standing, state: DrillState, why: String) -> Result<(), StoreError> {
        let engine = self.clone();
        self.parts().store.write("drills.end", move |tx| engine.write_end_of_drill(tx, &standing, state, &why)).await
    }

    pub(super) fn write_end_of_drill(&self, tx: &mut Tx<'_>, standing: &Standing, state: DrillState, why: &str) -> Result<(), StoreError> {
        let Standing { row, keystore, key, dark, .. } = standing;
        drills::end(tx, &row.id, state, *dark, Some(why).filter(|why| !why.is_empty()), self.now())?;
        tx.audit(self.entry_of_drill(row, keystore, Some(key), state, *dark, why));
        if state == DrillState::Succeeded {
            return Ok(());
        }
        self.telling_of_drill(row, keystore, Some(key), state.as_str(), why).write(tx).map(drop)
    }

    /// It runs for longer than it should.
    async fn tell_late(&self, standing: &Standing) -> Result<(), StoreError> {
        let Standing { row, keystore, key, operation, .. } = standing;
        let why = format!("{} runs since {}. The canary is restored when it has ended.", operation.kind, operation.created_at.rfc3339());
        let alert = self.telling_of_drill(row, keystore, Some(key), "late", &why);
        self.parts().store.write("drills.tell_late", move |tx| alert.write(tx).map(drop)).await
    }

    fn telling_of_drill(&self, row: &DrillRow, keystore: &KeystoreRow, key: Option<&KeyRow>, topic: &str, why: &str) -> Telling {
        let mend = match key {
            None => format!(
                "Make one: `keystead key create canary --keystore {0} --tag {CANARY_TAG}=yes`, and confirm it: `keystead keystore drill set {0}` with the span that it shall have.",
                keystore.name
            ),
            Some(key) => format!("`keystead operation list --key {}` shows what was done. A kill in earnest would go the same way.", key.name),
        };
        let facts = vec![
            ("key", key.map(|key| key.name.clone()).unwrap_or_default()),
            ("keystore", keystore.name.clone()),
            ("drill", row.id.to_string()),
            ("why", why.to_owned()),
            ("mend", mend),
        ];
        let once = format!("drill/{}/{topic}", row.id);
        let (kind, subject) = (AlertKind::DrillFailed, keystore.id.as_str());
        self.telling(About { account: &keystore.account_id, keystore: Some(&keystore.id), kind, subject, topic: "drill", once, facts })
    }

    fn entry_of_drill(&self, row: &DrillRow, keystore: &KeystoreRow, key: Option<&KeyRow>, state: DrillState, dark: Option<i64>, why: &str) -> Entry {
        let entry = words::entry(self.parts().random.as_ref(), self.now(), &keystore.account_id, &Who::system(), "keystore.drill", RULE);
        let entry = key.map_or_else(Vec::new, |key| vec![key]).into_iter().fold(entry, |entry, key| entry.key(key)).keystore(&keystore.id, &keystore.name);
        let outcome = if state == DrillState::Failed { Outcome::Failed } else { Outcome::Succeeded };
        let entry = entry.outcome(outcome).detail("drill", row.id.as_str()).detail("state", state.as_str()).detail("why", why);
        dark.map(|micros| micros.to_string()).into_iter().fold(entry, |entry, micros| entry.detail("dark_micros", micros)).done()
    }
}

/// The keys of a keystore that are in use and have the tag: those that `drill set` confirms.
///
/// # Errors
/// What the store says.
pub fn tagged(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Vec<KeyRow>, StoreError> {
    Ok(keys::usable_in(tx, keystore)?.into_iter().filter(|key| key.state == KeyState::Active && may_be_canary(key)).collect())
}

/// The ids that a drill may take out of use when these canaries are confirmed: theirs, and those of their copies and replicas that have the tag.
///
/// # Errors
/// What the store says.
pub fn confirmed_with(tx: &mut Tx<'_>, canaries: &[KeyRow]) -> Result<BTreeSet<KeyId>, StoreError> {
    let mut confirmed = BTreeSet::new();
    for key in canaries {
        confirmed.extend(kill::reached(tx, key, false)?.usable.into_iter().filter(may_be_canary).map(|key| key.id));
    }
    Ok(confirmed)
}

/// Whether a key has the tag by Keystead's word. A virtual key has the tags that somebody gives it in the cloud: it is never one.
fn may_be_canary(key: &KeyRow) -> bool {
    key.ties.custody != Custody::Native && drill::is_canary(&key.tags)
}

/// A key that a kill would reach and a drill may not.
fn stranger<'a>(reached: &'a Reached, confirmed: &BTreeSet<KeyId>) -> Option<&'a KeyRow> {
    reached.usable.iter().chain(&reached.unborn).find(|other| !may_be_canary(other) || !confirmed.contains(&other.id))
}

/// Whether nothing has changed these keys since the drill had killed them.
fn is_untouched(tx: &mut Tx<'_>, row: &DrillRow, saga: &RestoreKey) -> Result<bool, StoreError> {
    for one in &saga.restored {
        if !drills::is_as_noted(tx, &row.id, &one.key.0)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The keystore's confirmed canaries that are in use, each with what its kill would reach. What one kill takes along is not killed a second time.
fn canaries(tx: &mut Tx<'_>, keystore: &KeystoreId, confirmed: &BTreeSet<KeyId>) -> Result<Vec<Canary>, StoreError> {
    let (mut found, mut covered) = (Vec::new(), BTreeSet::<KeyId>::new());
    for key in tagged(tx, keystore)?.into_iter().filter(|key| confirmed.contains(&key.id)) {
        if covered.contains(&key.id) || found.len() >= CANARIES_MAX {
            continue;
        }
        let reached = kill::reached(tx, &key, false)?;
        if let Some(other) = stranger(&reached, confirmed) {
            let why =
                format!("A kill would reach {} in {}, which has no tag {CANARY_TAG}, or had none when the drill was set.", other.name, other.keystore_name);
            found.push(Canary::Unfit(key, why));
            continue;
        }
        covered.extend(reached.usable.iter().map(|other| other.id.clone()));
        found.extend(reached.saga(&key.id).map(|saga| Canary::Ready(key, saga)));
    }
    Ok(found)
}

/// Whether another operation has something in hand that would be killed.
fn is_any_held(tx: &mut Tx<'_>, found: &[Canary]) -> Result<bool, StoreError> {
    for canary in found {
        let Canary::Ready(_, saga) = canary else { continue };
        for victim in &saga.victims {
            if locks::holder(tx, victim.key.0.as_str())?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

pub(super) fn standing(tx: &mut Tx<'_>, row: &DrillRow) -> Result<Standing, StoreError> {
    let missing = |what: &str| StoreError::Corrupt(format!("a drill without {what}"));
    let key_id = row.key_id.as_ref().ok_or_else(|| missing("a canary"))?;
    let key = keys::by_id(tx, key_id)?.ok_or_else(|| missing("its canary"))?;
    let keystore = keystores::by_id(tx, &row.keystore_id)?.ok_or_else(|| missing("its keystore"))?;
    let kill_id = row.kill_id.as_ref().ok_or_else(|| missing("a kill"))?;
    let operation_id = row.operation_id.as_ref().ok_or_else(|| missing("an operation"))?;
    let killed = operations::by_id(tx, kill_id)?.ok_or_else(|| missing("its kill"))?;
    let operation = operations::by_id(tx, operation_id)?.ok_or_else(|| missing("its operation"))?;
    let Ok(Saga::KillKey(kill)) = serde_json::from_str::<Saga>(&killed.params) else { return Err(missing("a kill that can be read")) };
    let proofs = dark::of_journal(&journal::of_operation(tx, kill_id)?);
    let times: Vec<Option<i64>> = proofs.into_iter().map(|(_, dark)| dark.micros).collect();
    let is_whole = times.len() == kill.victims.len() && times.iter().all(Option::is_some);
    let dark = if is_whole { times.into_iter().flatten().max() } else { None };
    Ok(Standing { row: row.clone(), keystore, key, kill, operation, dark })
}

/// Whether a restore that failed rests.
fn rests(standing: &Standing, now: Timestamp) -> bool {
    let ended = standing.operation.finished_at;
    standing.row.state == DrillState::Restoring && ended.is_some_and(|ended| now < ended.plus_micros(REST))
}

/// Seconds to the millisecond.
fn seconds(micros: i64) -> String {
    format!("{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000)
}
