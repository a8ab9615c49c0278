//! What the schedule does about rotation: plans each lineage's next turn, tells it beforehand, starts it in its window, and retires predecessors whose grace is over
//! (FT-077, FX-027, FX-044). When a turn comes, `domain` decides, from the policy, the last rotation and the time now.

use keystead_audit::Outcome;
use keystead_domain::{
    Custody, KeyState, RegionRole, Timestamp,
    rotation::{Due, History, Policy, Rule, Strategy},
};
use keystead_store::{StoreError, Tx, due::Task, keys::KeyRow, lineages, rotations, rotations::PolicyRow};

use super::{Looked, PreparedSuccessor, choose::Chosen, waves::WithCopies};
use crate::{Engine, Saga, engine::call::StepError, family, in_place::PreparedInPlace, saga::deactivate_key::DeactivateKey, stored::Stored, words, words::Who};

/// How many lineages one look plans, and how many it tells of.
const AT_ONCE: u32 = 500;
/// The rule that a rotation goes by, in the audit log.
const RULE: &str = "rotation-policy";

/// A policy that rotates a key, and what it looks at there.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The policy in words, with what it is for.
    pub row: PolicyRow,
    /// The policy.
    pub policy: Policy,
    /// The key's past.
    pub history: History,
}

/// The policy that rotates a key; `None` when there is none, or the nearest switches rotation off.
///
/// # Errors
/// What the store says; [`StoreError::Corrupt`] for a policy that cannot be read any more.
pub fn turn_of(tx: &mut Tx<'_>, key: &KeyRow) -> Result<Option<Turn>, StoreError> {
    // A copy has no material of its own: it is rotated with its source, and what lives in a cloud alone is not rotated from here. A replica is rotated with its
    // primary; a primary gets new material of its own, whosever its was before it was promoted.
    if key.ties.role == RegionRole::Replica || key.ties.custody_to_come() != Custody::Own {
        return Ok(None);
    }
    let Some(row) = rotations::nearest(tx, key)? else { return Ok(None) };
    let Rule::Rotate(policy) = row.wish.rule()? else { return Ok(None) };
    let lineage = lineages::by_id(tx, &key.lineage_id)?.ok_or_else(|| StoreError::Corrupt("a key without a lineage".to_owned()))?;
    let history = History { born: lineage.created_at, last: key.rotation.last, since: row.set_at };
    Ok(Some(Turn { row, policy: *policy, history }))
}

/// Plans a lineage's next turn, not before `now`.
fn plan(tx: &mut Tx<'_>, key: &KeyRow, now: Timestamp) -> Result<(), StoreError> {
    match turn_of(tx, key)? {
        Some(turn) => plan_turn(tx, key, &turn, turn.policy.due(&turn.history, now), now),
        None => rotations::plan(tx, &key.lineage_id, None, None),
    }
}

fn plan_turn(tx: &mut Tx<'_>, key: &KeyRow, turn: &Turn, due: Due, now: Timestamp) -> Result<(), StoreError> {
    let at = match due {
        Due::Now => Some(now),
        Due::At(time) => Some(time),
        Due::Never => None,
    };
    let notice = at.zip(turn.policy.notice).map(|(at, notice)| at.plus_micros(-notice));
    rotations::plan(tx, &key.lineage_id, at, notice)
}

/// What a look does about a key whose turn was planned for now.
enum Act {
    /// Rotate it.
    Rotate(Box<Turn>),
    /// It was planned for another time, and that is written.
    Wait,
}

/// A turn that is about to begin.
enum Prepared {
    Successor(Box<PreparedSuccessor>),
    InPlace(Box<PreparedInPlace>),
}

impl Engine {
    /// One look at rotation. Answers how many operations it began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_rotation(&self) -> Result<usize, StoreError> {
        let now = self.now();
        self.plan_turns(now).await?;
        self.tell_turns(now).await?;
        Ok(self.rotate_due(now).await?.and(self.retire_due(now).await?).acted)
    }

    /// Plans at once what a changed policy concerns, so that people see it in the schedule. What is left, the next look plans.
    pub async fn plan_rotations(&self) {
        if let Err(error) = self.plan_turns(self.now()).await {
            tracing::info!(%error, "rotations are planned by the next look");
        }
    }

    /// One look, for the schedule: whether to come again soon counts in the plans.
    pub(super) async fn look_at_turns(&self) -> Result<Looked, StoreError> {
        let now = self.now();
        let planned = self.plan_turns(now).await?.and(self.tell_turns(now).await?);
        Ok(planned.and(self.rotate_due(now).await?).and(self.retire_due(now).await?))
    }

    /// Plans lineages that are new, were rotated, or have got another policy. A policy that cannot be read holds up its own keys only.
    async fn plan_turns(&self, now: Timestamp) -> Result<Looked, StoreError> {
        let store = &self.parts().store;
        // A look first: most of the time there is nothing to plan, and a look costs no commit.
        if store.read("rotations.unplanned", |tx| rotations::unplanned(tx, 1)).await?.is_empty() {
            return Ok(Looked::default());
        }
        let planned = store.write("rotations.plan", move |tx| {
            let keys = rotations::unplanned(tx, AT_ONCE)?;
            for key in &keys {
                match plan(tx, key, now) {
                    Err(StoreError::Corrupt(what)) => {
                        tracing::error!(key = %key.id, what, "the key's rotation cannot be planned");
                        rotations::plan(tx, &key.lineage_id, None, None)?;
                    }
                    other => other?,
                }
            }
            Ok::<_, StoreError>(keys.len())
        });
        let acted = planned.await?;
        Ok(Looked { acted, more: acted == AT_ONCE as usize })
    }

    /// Tells each rotation once before it comes: in the log, and in the key's history.
    async fn tell_turns(&self, now: Timestamp) -> Result<Looked, StoreError> {
        let due = self.parts().store.read("rotations.to_tell", move |tx| rotations::to_tell(tx, now, AT_ONCE)).await?;
        let more = due.len() == AT_ONCE as usize;
        let mut acted = 0;
        for key in due {
            acted += usize::from(self.tell_turn(&key, now).await?);
        }
        Ok(Looked { acted, more })
    }

    async fn tell_turn(&self, key: &KeyRow, now: Timestamp) -> Result<bool, StoreError> {
        let Some(at) = key.rotation.planned else { return Ok(false) };
        let entry = words::entry(self.parts().random.as_ref(), now, &key.account_id, &Who::system(), "key.rotation-notice", RULE)
            .key(key)
            .detail("rotation_at_micros", at.as_micros().to_string())
            .done();
        let (lineage, alert) = (key.lineage_id.clone(), self.telling_of_turn(key, at, false));
        let told = self.parts().store.write("rotations.told", move |tx| {
            let first = rotations::told(tx, &lineage, at)?;
            if first {
                tx.audit(entry.clone());
                alert.write(tx)?;
            }
            Ok::<_, StoreError>(first)
        });
        let first = told.await?;
        if first {
            tracing::info!(key = %key.id, name = key.name, "the key will be rotated by its policy");
        }
        Ok(first)
    }

    async fn rotate_due(&self, now: Timestamp) -> Result<Looked, StoreError> {
        // While the vault is sealed no rotation can begin. That is nobody's failure: the key does not rest.
        if self.parts().vault.is_sealed() {
            return Ok(Looked::default());
        }
        let choice = self.choose(Task::Rotation, now, |_| true).await?;
        let mut acted = 0;
        for one in choice.chosen {
            let begun = self.rotate_if_due(&one, now).await;
            acted += usize::from(self.or_rest(Task::Rotation, &one.key, begun).await?);
        }
        Ok(Looked { acted, more: choice.more })
    }

    async fn rotate_if_due(&self, one: &Chosen, now: Timestamp) -> Result<bool, StoreError> {
        match self.judge(&one.key, now).await? {
            Act::Rotate(turn) => self.rotate(one, &turn, now).await,
            Act::Wait => Ok(false),
        }
    }

    /// Looks at the policy again: its window may be closed by now. A key that is not in use misses this turn, which is told.
    async fn judge(&self, key: &KeyRow, now: Timestamp) -> Result<Act, StoreError> {
        let (seen, missed) = (key.clone(), self.missed(key, now));
        let alert = self.telling_of_turn(key, key.rotation.planned.unwrap_or(now), true);
        let judged = self.parts().store.write("rotations.judge", move |tx| {
            let Some(turn) = turn_of(tx, &seen)? else {
                return rotations::plan(tx, &seen.lineage_id, None, None).map(|()| Act::Wait);
            };
            match turn.policy.due(&turn.history, now) {
                Due::Now if seen.state == KeyState::Active => Ok(Act::Rotate(Box::new(turn))),
                Due::Now => {
                    tx.audit(missed.clone());
                    alert.write(tx)?;
                    let skipped = History { last: Some(now), ..turn.history };
                    let next = turn.policy.next(&skipped).map_or(Due::Never, Due::At);
                    plan_turn(tx, &seen, &turn, next, now).map(|()| Act::Wait)
                }
                later => plan_turn(tx, &seen, &turn, later, now).map(|()| Act::Wait),
            }
        });
        judged.await
    }

    fn missed(&self, key: &KeyRow, now: Timestamp) -> keystead_audit::Entry {
        words::entry(self.parts().random.as_ref(), now, &key.account_id, &Who::system(), "key.rotation-missed", RULE)
            .key(key)
            .outcome(Outcome::Refused)
            .detail("state", key.state.as_str())
            .done()
    }

    async fn rotate(&self, one: &Chosen, turn: &Turn, now: Timestamp) -> Result<bool, StoreError> {
        match self.prepare_turn(&one.key, turn, now).await {
            Ok(Prepared::Successor(prepared)) => {
                let (source, grace) = (one.key.id.clone(), turn.policy.grace);
                let saga = prepared.saga();
                let write = move |tx: &mut Tx<'_>| {
                    prepared.write(tx)?;
                    WithCopies::all().write(tx, &source, prepared.id(), grace, now)
                };
                self.begin(Task::Rotation, one, saga, RULE, write).await
            }
            Ok(Prepared::InPlace(prepared)) => self.begin(Task::Rotation, one, prepared.saga(), RULE, move |tx| prepared.write(tx)).await,
            Err(StepError::Vault(error)) if error.passes() => Ok(false),
            Err(StepError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(key = %one.key.id, ?error, "a rotation that is due could not begin");
                self.rest(Task::Rotation, &one.key).await.map(|()| false)
            }
        }
    }

    /// Draws what a turn needs: in place where policy, kind of key and cloud allow it, and as long as the cloud does; else a successor.
    async fn prepare_turn(&self, key: &KeyRow, turn: &Turn, now: Timestamp) -> Result<Prepared, StepError> {
        let strategy = match turn.policy.strategy {
            Strategy::NewKey => Strategy::NewKey,
            Strategy::InPlace => Strategy::InPlace.of(&self.turnable(key).await?),
        };
        Ok(match strategy {
            Strategy::InPlace => Prepared::InPlace(Box::new(self.prepare_in_place(key, &Who::system(), now).await?)),
            Strategy::NewKey => {
                let successor = self.prepare_successor(key, &Who::system(), now).await?;
                Prepared::Successor(Box::new(successor.with_grace(turn.policy.grace)))
            }
        })
    }

    /// Deactivates predecessors whose grace is over.
    async fn retire_due(&self, now: Timestamp) -> Result<Looked, StoreError> {
        let choice = self.choose(Task::Retirement, now, |_| true).await?;
        let mut acted = 0;
        for one in choice.chosen {
            let begun = self.retire(&one).await;
            acted += usize::from(self.or_rest(Task::Retirement, &one.key, begun).await?);
        }
        Ok(Looked { acted, more: choice.more })
    }

    async fn retire(&self, one: &Chosen) -> Result<bool, StoreError> {
        let saga = Saga::DeactivateKey(DeactivateKey {
            key: Stored(one.key.id.clone()),
            retires: true,
            replicas: family::ids(&self.followers(&one.key).await?),
            material_stays: !one.key.ties.custody.empties_on_deactivation(),
        });
        self.begin(Task::Retirement, one, saga, "rotation-grace-ended", |_| Ok(())).await
    }
}
