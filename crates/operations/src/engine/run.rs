//! The run of one operation: journal *about to*, step, journal the outcome, and so on to one of its two ends.
//!
//! The outcome of a step and the *about to* of the next share a transaction, and the last outcome shares it with the saga's ending.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use keystead_audit::{Entry, Outcome as Ended};
use keystead_cloud::{Cloud, Kind, Retry};
use keystead_domain::{KeyId, KeystoreId, Timestamp, time::SECOND};
use keystead_store::{
    StoreError, Tx,
    journal::{self, JournalRow},
    keys,
    keystores::{self, KeystoreRow},
    locks,
    operations::{self, OperationRow, Progress},
    versions, warm,
};

use super::{
    Engine, Point,
    call::{Lease, StepError},
    decide::{Decision, Standing, decide},
    perform::{Bench, Outcome},
};
use crate::{
    Problem, Saga,
    alerts::Telling,
    step::{Planned, Step},
    words,
};

/// Why a run stopped before the operation's end. The operation goes on when its lease is taken again.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// The harness let the process die here.
    #[error("the process died")]
    Died,
    /// The database did not keep a journal line, or another node has the lease.
    #[error("the journal could not be written: {0}")]
    Store(#[from] StoreError),
    /// It waits, and lets its lease go.
    #[error("it waits")]
    Waiting,
    /// The journal's record cannot be read: it was written by a newer Keystead.
    #[error("the operation's record cannot be read")]
    Unreadable,
}

/// How little a failure says of what has happened.
fn weight(error: &StepError) -> u8 {
    match error {
        StepError::Died => 2,
        error => u8::from(error.outcome_unknown()),
    }
}

/// What the store calls a lease that is no longer ours.
const LEASE: &str = "operation lease";
/// Pauses up to this long are slept in hand; longer ones let the lease go.
const NAP: i64 = 2 * SECOND;

/// A keystore and the connection to its cloud; the vault has none.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) keystore: KeystoreRow,
    pub(crate) cloud: Option<Arc<dyn Cloud>>,
}

struct Run {
    operation: OperationRow,
    fence: Arc<AtomicI64>,
    saga: Saga,
    plan: Vec<Planned>,
    /// Number of the next journal line.
    seq: i64,
    /// The step in hand may have happened already, without an answer.
    unknown: bool,
    /// The journal says that the step in hand is about to be done.
    announced: bool,
    /// Who asked.
    who: words::Who,
    /// Where it works, once known; looked for anew behind a failure, which may have been the reason to change it.
    sites: BTreeMap<KeystoreId, Site>,
}

impl Engine {
    pub(super) async fn run(&self, operation: OperationRow, fence: Arc<AtomicI64>, fresh: bool) -> Result<(), Interrupted> {
        let saga: Saga = serde_json::from_str(&operation.params).map_err(|_| Interrupted::Unreadable)?;
        let plan = saga.shape().steps();
        let who = self.who_asked(&operation).await;
        let mut run = Run { operation, fence, saga, plan, seq: 2, unknown: false, announced: fresh, who, sites: BTreeMap::new() };
        if !fresh {
            self.remember(&mut run).await?;
        }
        loop {
            let done = if run.operation.direction == "undo" { self.take_back(&mut run).await? } else { self.go_on(&mut run).await? };
            if done {
                return Ok(());
            }
        }
    }

    async fn next_seq(&self, run: &Run) -> Result<i64, Interrupted> {
        let id = run.operation.id.clone();
        let lines = self.parts.store.read("journal.of_operation", move |tx| journal::of_operation(tx, &id)).await?;
        Ok(lines.last().map_or(1, |line| line.seq + 1))
    }

    /// Reads how far an earlier life came. An *about to* without an outcome is an unknown.
    async fn remember(&self, run: &mut Run) -> Result<(), Interrupted> {
        let id = run.operation.id.clone();
        let lines = self.parts.store.read("journal.of_operation", move |tx| journal::of_operation(tx, &id)).await?;
        run.seq = lines.last().map_or(1, |line| line.seq + 1);
        run.unknown = lines.last().is_some_and(|line| matches!(line.phase.as_str(), "about" | "unknown"));
        run.announced = run.unknown;
        Ok(())
    }

    /// Does the step in hand; `true` when the operation has ended.
    async fn go_on(&self, run: &mut Run) -> Result<bool, Interrupted> {
        let position = run.operation.step as usize;
        let Some(planned) = run.plan.get(position).cloned() else {
            return self.conclude(run, None).await;
        };
        if let Some(problem) = self.asked_to_turn(run, &planned).await? {
            return self.turn_round(run, &planned, &problem).await.map(|()| false);
        }
        let benches = match self.benches(run, &planned.step).await {
            Ok(benches) => benches,
            Err(error) => return self.cope(run, &planned, error).await,
        };
        self.announce(run, &planned).await?;
        match self.perform_all(&benches, run.unknown, &run.who).await {
            Ok(outcome) => self.note_done(run, &planned, outcome).await,
            Err(StepError::Died) => Err(Interrupted::Died),
            Err(error) => {
                // A refusal that comes behind an effect of the same step leaves that effect standing.
                run.unknown |= benches.iter().filter_map(|(_, bench)| bench.as_ref()).any(|bench| bench.touched.load(Ordering::SeqCst));
                self.cope(run, &planned, error).await
            }
        }
    }

    /// Why the operation shall turn round, where there is a way back: a kill needs its key.
    async fn asked_to_turn(&self, run: &Run, planned: &Planned) -> Result<Option<Problem>, Interrupted> {
        let id = run.operation.id.clone();
        let is_asked = self.parts.store.read("operations.is_asked_to_turn", move |tx| operations::is_asked_to_turn(tx, &id)).await?;
        if !is_asked || self.standing(run, planned).await.no_way_back {
            return Ok(None);
        }
        let detail = "A kill was asked of a key that it had in hand: what it had done was taken back.";
        Ok(Some(Problem::new("turned-round", detail, "Repeat the command behind the kill, if it is still wanted.")))
    }

    /// Each step that is to be done now, with where.
    async fn benches(&self, run: &mut Run, step: &Step) -> Result<Vec<(Step, Option<Bench>)>, StepError> {
        let steps = match step {
            Step::Together(steps) => steps.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut benches = Vec::new();
        for step in steps {
            benches.push((step.clone(), self.bench(run, step).await?));
        }
        Ok(benches)
    }

    /// Does these steps side by side. All of them end before one that failed counts.
    async fn perform_all(&self, benches: &[(Step, Option<Bench>)], unknown: bool, who: &words::Who) -> Result<Outcome, StepError> {
        if let [(step, bench)] = benches {
            return self.perform_at(bench.as_ref(), step, unknown, who).await;
        }
        let all = benches.iter().map(|(step, bench)| self.perform_at(bench.as_ref(), step, unknown, who));
        let ended = futures::future::join_all(all).await;
        let mut together = Outcome::default();
        let mut failed: Option<StepError> = None;
        for ((step, _), outcome) in benches.iter().zip(ended) {
            match outcome {
                Ok(outcome) => together.add(step, outcome),
                // Of several the one counts that leaves least of a way back.
                Err(error) if failed.as_ref().is_none_or(|known| weight(&error) > weight(known)) => failed = Some(error),
                Err(_) => {}
            }
        }
        failed.map_or(Ok(together), Err)
    }

    /// Writes *about to* for an attempt behind a failed one. The first attempt's stands already: it shares a transaction with the intent or the step before.
    async fn announce(&self, run: &mut Run, planned: &Planned) -> Result<(), Interrupted> {
        if run.announced {
            return Ok(());
        }
        let line = self.line(run, run.operation.step, planned.step.name(), "about", "{}");
        let id = run.operation.id.clone();
        self.write(run, "operation.about", move |tx, _| journal::append(tx, &id, &line)).await?;
        run.announced = true;
        Ok(())
    }

    /// Where a step is done: in the keystore of the key that it is about; `None` when that is in no cloud.
    async fn bench(&self, run: &mut Run, step: &Step) -> Result<Option<Bench>, StepError> {
        let keystore = match step.key() {
            Some(key) => self.key(key).await?.keystore_id,
            None => run.operation.keystore_id.clone(),
        };
        let site = match run.sites.get(&keystore) {
            Some(site) => site.clone(),
            None => run.sites.entry(keystore.clone()).or_insert(self.site(&keystore).await?).clone(),
        };
        let Some(cloud) = site.cloud else { return Ok(None) };
        let lease = Lease { operation: run.operation.id.clone(), fence: run.fence.clone() };
        Ok(Some(Bench {
            keystore: site.keystore,
            cloud,
            operation: run.operation.id.clone(),
            began: run.operation.created_at,
            touched: Arc::default(),
            lease: Some(lease),
        }))
    }

    pub(crate) async fn site(&self, id: &KeystoreId) -> Result<Site, StepError> {
        let id = id.clone();
        let keystore = self.parts.store.read("keystores.by_id", move |tx| keystores::by_id(tx, &id)).await?;
        let keystore = keystore.ok_or_else(|| StoreError::Corrupt("the operation's keystore is not there".to_owned()))?;
        let cloud = if keystore.is_vault() { None } else { Some(self.parts.clouds.connect(&keystore).await?) };
        Ok(Site { keystore, cloud })
    }

    /// Writes the outcome down; behind the last step also the ending.
    async fn note_done(&self, run: &mut Run, planned: &Planned, outcome: Outcome) -> Result<bool, Interrupted> {
        run.operation.step += 1;
        run.operation.attempts = 0;
        let was_last = run.operation.step as usize == run.plan.len();
        if was_last {
            return self.conclude(run, Some((planned, outcome))).await;
        }
        let done = self.line(run, run.operation.step - 1, planned.step.name(), "done", &record(&outcome));
        let about = self.line(run, run.operation.step, run.plan[run.operation.step as usize].step.name(), "about", "{}");
        let effect = self.effect_entry(run, planned, &outcome);
        let (id, progress, now) = (run.operation.id.clone(), self.progress(run, None), self.now());
        self.write(run, "operation.outcome", move |tx, fence| {
            keep_facts(tx, &outcome, now)?;
            journal::append(tx, &id, &done)?;
            journal::append(tx, &id, &about)?;
            tx.audit(effect.clone());
            operations::progress(tx, &id, fence, &progress)
        })
        .await?;
        run.unknown = false;
        run.announced = true;
        Ok(false)
    }

    /// The good end: the last outcome, what the saga says of it, the entries, and the locks given back, all in one transaction. `true` when it was kept; `false`
    /// when the rows have moved on under the saga, which then turns round.
    async fn conclude(&self, run: &mut Run, last: Option<(&Planned, Outcome)>) -> Result<bool, Interrupted> {
        let mut lines = Vec::new();
        let mut entries = Vec::new();
        if let Some((planned, outcome)) = &last {
            lines.push(self.line(run, run.operation.step - 1, planned.step.name(), "done", &record(outcome)));
            entries.push(self.effect_entry(run, planned, outcome));
        }
        entries.extend(self.ending_entries(run, Ended::Succeeded, None).await);
        let recovery = self.telling_of_end_of(run, None).await;
        let outcome = last.map(|(_, outcome)| outcome);
        let (id, saga, now) = (run.operation.id.clone(), run.saga.clone(), self.now());
        let kept = self
            .write(run, "operation.conclude", move |tx, fence| {
                if let Some(outcome) = &outcome {
                    keep_facts(tx, outcome, now)?;
                }
                lines.iter().try_for_each(|line| journal::append(tx, &id, line))?;
                operations::finish(tx, &id, fence, "SUCCEEDED", None, now)?;
                saga.shape().finish(tx, now)?;
                locks::release(tx, &id)?;
                recovery.write_recovery(tx)?;
                entries.iter().for_each(|entry| tx.audit(entry.clone()));
                Ok(())
            })
            .await;
        match kept {
            Err(Interrupted::Store(StoreError::MovedOn(what))) if what != LEASE => self.moved_on(run, what).await.map(|()| false),
            other => other.map(|()| true),
        }
    }

    /// A row is not where the saga left it, for example a keystore that got a new key while it was being deleted: what was done is taken back.
    async fn moved_on(&self, run: &mut Run, what: &str) -> Result<(), Interrupted> {
        let detail = format!("The {what} was changed by somebody else meanwhile.");
        let problem = Problem::new("moved-on", detail, "Look at it again, and repeat the command if it is still wanted.");
        run.seq = self.next_seq(run).await?;
        let line = self.line(run, run.operation.step, "conclude", "refused", &problem.to_json());
        self.note_turn(run, line, &problem).await
    }

    /// A step did not succeed: try again, let go for a while, or turn round.
    async fn cope(&self, run: &mut Run, planned: &Planned, error: StepError) -> Result<bool, Interrupted> {
        match error {
            StepError::Died => return Err(Interrupted::Died),
            StepError::Store(lost @ StoreError::OutcomeUnknown(_)) => return Err(lost.into()),
            _ => {}
        }
        run.operation.attempts += 1;
        run.sites.clear();
        run.unknown |= error.outcome_unknown();
        let problem = Problem::from(&error);
        tracing::info!(operation = %run.operation.id, step = planned.step.name(), attempts = run.operation.attempts, ?error, "step did not succeed");
        match decide(&error, self.standing(run, planned).await) {
            Decision::Again(pause) => self.pause(run, planned, &problem, pause).await.map(|()| false),
            Decision::TakeBack => self.turn_round(run, planned, &problem).await.map(|()| false),
        }
    }

    async fn standing(&self, run: &Run, planned: &Planned) -> Standing {
        let position = run.operation.step as usize;
        let undoing = run.operation.direction == "undo";
        let now = self.now().as_micros();
        let key_is_new = match planned.step.key() {
            Some(key) => self.key(key).await.is_ok_and(|row| self.is_new(&row)),
            None => false,
        };
        Standing {
            attempts: run.operation.attempts,
            age_micros: now - run.operation.created_at.as_micros(),
            touched: position > 0 || run.unknown,
            no_way_back: run.plan[..position.min(run.plan.len())].iter().any(|before| before.pivot) || (planned.pivot && run.unknown),
            key_is_new,
            undoing,
            patience_micros: self.parts.settings.patience_micros,
        }
    }

    /// Writes why it waits, then naps, or lets the lease go.
    async fn pause(&self, run: &mut Run, planned: &Planned, problem: &Problem, pause: i64) -> Result<(), Interrupted> {
        let phase = if run.unknown { "unknown" } else { "failed" };
        let line = self.line(run, run.operation.step, planned.step.name(), phase, &problem.to_json());
        // An unknown stays one until the step is done: it needs no announcement.
        run.announced = run.unknown;
        let nap = pause <= NAP;
        let run_at = self.now().plus_micros(pause);
        let lease_until = if nap { self.lease_until() } else { Timestamp::from_micros(0) };
        let progress = Progress { run_at, lease_until, ..self.progress(run, Some(problem)) };
        let id = run.operation.id.clone();
        self.write(run, "operation.pause", move |tx, fence| {
            journal::append(tx, &id, &line)?;
            operations::progress(tx, &id, fence, &progress)
        })
        .await?;
        if !nap {
            return Err(Interrupted::Waiting);
        }
        tokio::time::sleep(Duration::from_micros(u64::try_from(pause).unwrap_or(0))).await;
        Ok(())
    }

    /// From here on the steps are taken back, the one in hand too if it may have happened.
    async fn turn_round(&self, run: &mut Run, planned: &Planned, problem: &Problem) -> Result<(), Interrupted> {
        let line = self.line(run, run.operation.step, planned.step.name(), "refused", &problem.to_json());
        run.operation.step += u32::from(run.unknown);
        self.note_turn(run, line, problem).await
    }

    async fn note_turn(&self, run: &mut Run, line: JournalRow, problem: &Problem) -> Result<(), Interrupted> {
        run.operation.direction = "undo".to_owned();
        run.operation.attempts = 0;
        run.operation.problem = Some(problem.to_json());
        let (id, progress) = (run.operation.id.clone(), self.progress(run, Some(problem)));
        self.write(run, "operation.turn_round", move |tx, fence| {
            journal::append(tx, &id, &line)?;
            operations::progress(tx, &id, fence, &progress)
        })
        .await
    }

    /// Takes one step back; `true` when the operation has ended.
    async fn take_back(&self, run: &mut Run) -> Result<bool, Interrupted> {
        let Some(position) = (run.operation.step as usize).checked_sub(1) else {
            self.give_up(run).await?;
            return Ok(true);
        };
        let planned = run.plan[position].clone();
        let mut facts = Vec::new();
        for step in &planned.undo {
            match self.undo(run, step).await {
                Ok(outcome) => facts.push(outcome),
                // What is gone needs no taking back.
                Err(StepError::Gone | StepError::Missing(_)) => {}
                Err(error) if is_elsewhere(step, &error) => {}
                Err(error) => return self.cope(run, &planned, error).await,
            }
        }
        self.note_undone(run, &planned, facts).await.map(|()| false)
    }

    async fn undo(&self, run: &mut Run, step: &Step) -> Result<Outcome, StepError> {
        let benches = self.benches(run, step).await?;
        self.perform_all(&benches, true, &run.who).await
    }

    async fn note_undone(&self, run: &mut Run, planned: &Planned, outcomes: Vec<Outcome>) -> Result<(), Interrupted> {
        let line = self.line(run, run.operation.step - 1, planned.step.name(), "undone", "{}");
        run.operation.step -= 1;
        run.operation.attempts = 0;
        let why = run.operation.problem.as_deref().and_then(Problem::from_json);
        let (id, progress, now) = (run.operation.id.clone(), self.progress(run, why.as_ref()), self.now());
        self.write(run, "operation.undone", move |tx, fence| {
            outcomes.iter().try_for_each(|outcome| keep_facts(tx, outcome, now))?;
            journal::append(tx, &id, &line)?;
            operations::progress(tx, &id, fence, &progress)
        })
        .await
    }

    /// The other end: the state before it.
    async fn give_up(&self, run: &mut Run) -> Result<(), Interrupted> {
        let problem = run.operation.problem.clone();
        let entries = self.ending_entries(run, Ended::Failed, problem.as_deref()).await;
        let failure = self.telling_of_end_of(run, Some(problem.as_deref().and_then(Problem::from_json).unwrap_or_else(unknown_problem))).await;
        let (id, saga, now) = (run.operation.id.clone(), run.saga.clone(), self.now());
        self.write(run, "operation.give_up", move |tx, fence| {
            operations::finish(tx, &id, fence, "FAILED", problem.as_deref(), now)?;
            locks::release(tx, &id)?;
            saga.shape().abandon(tx, now)?;
            failure.write_failure(tx)?;
            entries.iter().for_each(|entry| tx.audit(entry.clone()));
            Ok(())
        })
        .await
    }

    /// What somebody is told of the end of an operation.
    async fn telling_of_end_of(&self, run: &Run, problem: Option<Problem>) -> Telling {
        let key = match &run.operation.key_id {
            Some(id) => self.key(id).await.ok(),
            None => None,
        };
        self.telling_of_operation(&run.operation, key.as_ref(), problem.as_ref())
    }

    /// A journal write between two places at which the harness may let the process die.
    async fn write<F>(&self, run: &Run, name: &'static str, mut function: F) -> Result<(), Interrupted>
    where
        F: FnMut(&mut Tx<'_>, i64) -> Result<(), StoreError> + Send + 'static,
    {
        self.reach(Point::BeforeWrite(name)).map_err(|_| Interrupted::Died)?;
        let fence = run.fence.load(Ordering::SeqCst);
        self.parts.store.write(name, move |tx| function(tx, fence)).await?;
        self.reach(Point::AfterWrite(name)).map_err(|_| Interrupted::Died)
    }

    fn line(&self, run: &mut Run, step: u32, name: &str, phase: &str, record: &str) -> JournalRow {
        let line = JournalRow { seq: run.seq, at: self.now(), step, name: name.to_owned(), phase: phase.to_owned(), record: record.to_owned() };
        run.seq += 1;
        line
    }

    fn progress(&self, run: &Run, problem: Option<&Problem>) -> Progress {
        Progress {
            step: run.operation.step,
            direction: if run.operation.direction == "undo" { "undo" } else { "forward" },
            attempts: run.operation.attempts,
            problem: problem.map(Problem::to_json),
            run_at: run.operation.run_at,
            lease_until: self.lease_until(),
        }
    }

    /// The entry of an effect: what was called, under which request id.
    fn effect_entry(&self, run: &Run, planned: &Planned, outcome: &Outcome) -> Entry {
        let operation = &run.operation;
        let action = format!("cloud.{}", planned.step.name());
        let mut entry = words::entry(self.parts.random.as_ref(), self.now(), &operation.account_id, &run.who, &action, operation.kind.as_str())
            .operation(&operation.id)
            .cloud_request(outcome.request_id.as_deref());
        if let Some(key) = planned.step.key() {
            entry = entry.subject("key", key.as_str(), "");
        }
        outcome.details.iter().fold(entry, |entry, (name, value)| entry.detail(name, value.clone())).done()
    }

    /// The entries of an operation's end: one for each key that it changed, so that each key's history tells it.
    async fn ending_entries(&self, run: &Run, ended: Ended, problem: Option<&str>) -> Vec<Entry> {
        let mut subjects: Vec<Option<&KeyId>> = run.saga.keys().into_iter().map(Some).collect();
        if let Saga::CreateKey(saga) = &run.saga {
            // The history of a source tells of its copies.
            subjects.extend(saga.copy_of.iter().map(|source| Some(&source.0)));
        }
        if subjects.is_empty() {
            subjects.push(None);
        }
        let mut entries = Vec::new();
        for subject in subjects {
            entries.push(self.ending_entry(run, subject, ended, problem).await);
        }
        entries
    }

    async fn ending_entry(&self, run: &Run, key: Option<&KeyId>, ended: Ended, problem: Option<&str>) -> Entry {
        let operation = &run.operation;
        let mut entry = words::entry(self.parts.random.as_ref(), self.now(), &operation.account_id, &run.who, &words::action_of(&run.saga), "operation-ended")
            .operation(&operation.id)
            .outcome(ended);
        if let Some(key) = key {
            let name = self.key(key).await.map(|row| row.name).unwrap_or_default();
            entry = entry.subject("key", key.as_str(), &name);
        }
        if let Saga::RenewKey(saga) = &run.saga {
            entry = entry.detail("predecessor", saga.predecessor.0.to_string()).detail("successor", saga.successor.0.to_string());
        }
        entry = entry.subject("keystore", operation.keystore_id.as_str(), "");
        if let Some(problem) = problem.and_then(Problem::from_json) {
            entry = entry.detail("problem", problem.kind).detail("why", problem.detail);
        }
        entry.done()
    }
}

/// Whether somebody has pointed an alias elsewhere since: it is theirs then, and not to be taken back.
fn is_elsewhere(step: &Step, error: &StepError) -> bool {
    let is_taken = matches!(error, StepError::Cloud(error) if error.kind == Kind::AliasTaken && error.retry == Retry::Never);
    is_taken && matches!(step, Step::PointAlias { .. })
}

fn keep_facts(tx: &mut Tx<'_>, outcome: &Outcome, now: Timestamp) -> Result<(), StoreError> {
    outcome.materials.iter().try_for_each(|(version, facts)| versions::keep_facts(tx, version, facts))?;
    outcome.rotated_in.iter().try_for_each(|version| versions::rotated_in(tx, version))?;
    outcome.spent.iter().try_for_each(|(key, fetched_at)| warm::spend(tx, key, *fetched_at))?;
    outcome.facts.iter().try_for_each(|(key, facts)| keys::keep_facts(tx, key, facts, now))
}

fn record(outcome: &Outcome) -> String {
    let mut fields: BTreeMap<&str, &str> = outcome.details.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
    if let Some(id) = &outcome.request_id {
        fields.insert("request_id", id);
    }
    serde_json::Value::from_iter(fields).to_string()
}

fn unknown_problem() -> Problem {
    Problem::new("unknown", "Nothing says why.", "Look in the operation's journal and the server's log.")
}
