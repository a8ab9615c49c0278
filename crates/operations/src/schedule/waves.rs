//! The copies of a rotated key get successors, too, in waves (FT-016, FT-022, FT-074, FT-078). The plan is written with the rotation of the source; what is to be
//! done is found in its rows, so that it goes on behind any crash, and a row's state in the WHERE lets one node only begin a copy.

use keystead_audit::{Entry, Outcome};
use keystead_domain::{
    KeyId, KeyState, Timestamp,
    alert::AlertKind,
    waves::{self, Plan, Source, WaveState},
};
use keystead_store::{
    StoreError, Tx, keys,
    keys::KeyRow,
    keystores,
    waves::{Wave, WaveRow},
};

use super::PreparedSuccessor;
use crate::{
    Engine, Saga,
    alerts::{About, Telling},
    engine::call::StepError,
    link::{self, source_of},
    words,
    words::Who,
};

/// The rule that a copy's rotation goes by, in the audit log.
const RULE: &str = "rotated-with-its-source";

/// Which copies are rotated with their source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followers {
    /// All that are in use.
    All,
    /// These; each must be in use.
    These(Vec<KeyId>),
}

/// The rotation of a source's copies, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithCopies {
    /// Which.
    pub followers: Followers,
    /// How many a wave has behind the canary.
    pub size: u32,
    /// Who asked.
    pub who: Who,
}

impl WithCopies {
    /// All copies, by the schedule.
    pub fn all() -> Self {
        Self { followers: Followers::All, size: waves::SIZE_DEFAULT, who: Who::system() }
    }

    /// Writes the plan, in the transaction of the source's intent.
    ///
    /// # Errors
    /// [`StoreError::MovedOn`] when a copy that was chosen is not in use, or the source is not exportable.
    pub fn write(&self, tx: &mut Tx<'_>, source: &KeyId, successor: &KeyId, grace: Option<i64>, now: Timestamp) -> Result<(), StoreError> {
        let may_leave = keys::by_id(tx, source)?.is_some_and(|source| source.ties.is_exportable);
        // The material of the successor is promised what that of its predecessor was.
        let in_use = if may_leave { keystead_store::waves::copies_in_use(tx, source)? } else { Vec::new() };
        let copies: Vec<KeyRow> = match &self.followers {
            Followers::All => in_use,
            Followers::These(ids) => {
                let found: Vec<KeyRow> = in_use.into_iter().filter(|copy| ids.contains(&copy.id)).collect();
                if found.len() != ids.len() {
                    return Err(StoreError::MovedOn("copy"));
                }
                found
            }
        };
        for (place, copy) in copies.into_iter().enumerate() {
            let row = WaveRow {
                successor_id: successor.clone(),
                copy_id: copy.id,
                account_id: copy.account_id,
                wave: waves::wave_of(place, self.size),
                state: WaveState::Pending,
                operation_id: None,
                grace,
                asked_by: self.who.id.clone(),
                asked_by_name: self.who.name.clone(),
                created_at: now,
            };
            keystead_store::waves::insert(tx, &row)?;
        }
        Ok(())
    }
}

impl Engine {
    /// One look at the waves: settles what has ended, begins what is next, stops what does not come any more. Answers how many operations it began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_waves(&self) -> Result<usize, StoreError> {
        let open = self.parts().store.read("waves.open", keystead_store::waves::open).await?;
        let mut begun = 0;
        for rotation in open.chunk_by(|one, other| one.row.successor_id == other.row.successor_id) {
            begun += match self.go_on_with(rotation).await {
                Err(error @ StoreError::Corrupt(_)) => {
                    tracing::error!(key = ?rotation.first().map(|wave| &wave.row.successor_id), %error, "a rotation of copies cannot be read and waits");
                    0
                }
                went_on => went_on?,
            };
        }
        Ok(begun)
    }

    async fn go_on_with(&self, rotation: &[Wave]) -> Result<usize, StoreError> {
        let mut states = Vec::new();
        for wave in rotation {
            states.push((wave.row.wave, self.settle(wave).await?));
        }
        let Some(first) = rotation.first() else { return Ok(0) };
        match waves::plan(source(first.source), &states) {
            Plan::Wait => Ok(0),
            Plan::Stop => self.stop_waves(rotation, &states).await.map(|()| 0),
            Plan::Begin(number) => {
                let mut begun = 0;
                for (wave, (_, state)) in rotation.iter().zip(&states) {
                    if wave.row.wave == number && *state == WaveState::Pending {
                        begun += usize::from(self.begin_copy(wave).await?);
                    }
                }
                Ok(begun)
            }
        }
    }

    /// How a copy's rotation stands, once what its operation came to is written down.
    async fn settle(&self, wave: &Wave) -> Result<WaveState, StoreError> {
        let to = match (wave.row.state, wave.operation.as_deref()) {
            (WaveState::Begun, Some("SUCCEEDED")) => WaveState::Done,
            (WaveState::Begun, Some("FAILED")) => WaveState::Failed,
            (state, _) => return Ok(state),
        };
        self.move_wave(wave, WaveState::Begun, to).await
    }

    async fn move_wave(&self, wave: &Wave, from: WaveState, to: WaveState) -> Result<WaveState, StoreError> {
        let row = wave.row.clone();
        let moved = move |tx: &mut Tx<'_>| keystead_store::waves::transition(tx, &row.successor_id, &row.copy_id, from, to, None);
        match self.parts().store.write("waves.transition", moved).await {
            // Another node was faster, and wrote the same.
            Ok(()) | Err(StoreError::MovedOn(_)) => Ok(to),
            Err(error) => Err(error),
        }
    }

    /// Begins the rotation of one copy; `false` when another operation has it: the next look tries again.
    async fn begin_copy(&self, wave: &Wave) -> Result<bool, StoreError> {
        let (copy, now) = (wave.row.copy_id.clone(), self.now());
        let who = Who { id: wave.row.asked_by.clone(), name: wave.row.asked_by_name.clone() };
        let Some(copy) = self.parts().store.read("keys.by_id", move |tx| keys::by_id(tx, &copy)).await? else { return Ok(false) };
        let prepared = match self.prepare_linked_successor(&copy, &wave.row.successor_id, &who, now).await {
            Ok(Some(prepared)) => prepared.with_grace(wave.row.grace),
            // It was taken out of use, or its source's material is gone: its turn has come, and it cannot be rotated.
            Ok(None) | Err(StepError::Missing(_)) => {
                if self.has_followed(&copy, &wave.row.successor_id).await? {
                    return self.move_wave(wave, WaveState::Pending, WaveState::Done).await.map(|_| false);
                }
                return self.fail_copy(wave).await.map(|()| false);
            }
            Err(StepError::Store(error)) => return Err(error),
            Err(error) => {
                tracing::warn!(key = %copy.id, ?error, "the rotation of a copy could not begin");
                return Ok(false);
            }
        };
        self.write_copy(wave, copy, prepared, &who).await
    }

    /// A copy that cannot be rotated when its turn has come: there is no operation whose failure would be told, so it is told here.
    async fn fail_copy(&self, wave: &Wave) -> Result<(), StoreError> {
        let row = wave.row.clone();
        let (entry, alert) = self.telling_of_waves(wave, &format!("{}/{}", row.successor_id, row.copy_id), &[&wave.copy_name], &[]).await?;
        let fail = move |tx: &mut Tx<'_>| {
            keystead_store::waves::transition(tx, &row.successor_id, &row.copy_id, WaveState::Pending, WaveState::Failed, None)?;
            tx.audit(entry.clone());
            alert.write(tx)
        };
        match self.parts().store.write("waves.fail", fail).await {
            // Another node was faster, and told it.
            Ok(_) | Err(StoreError::MovedOn(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody has rotated the copy to its source's successor by hand meanwhile.
    async fn has_followed(&self, copy: &KeyRow, source: &KeyId) -> Result<bool, StoreError> {
        let Some(successor) = copy.successor_id.clone() else { return Ok(false) };
        let successor = self.parts().store.read("keys.by_id", move |tx| keys::by_id(tx, &successor)).await?;
        Ok(successor.is_some_and(|successor| successor.ties.source.as_ref() == Some(source)))
    }

    async fn write_copy(&self, wave: &Wave, copy: KeyRow, prepared: PreparedSuccessor, who: &Who) -> Result<bool, StoreError> {
        let place = copy.keystore_id.clone();
        let keystore = self.parts().store.read("keystores.by_id", move |tx| keystores::by_id(tx, &place)).await?;
        let keystore = keystore.ok_or_else(|| StoreError::Corrupt("a key without a keystore".to_owned()))?;
        let saga: Saga = prepared.saga();
        let intent = self.intend(&saga, &keystore, who, RULE, None).detail("name", copy.name.clone()).detail("wave", wave.row.wave.to_string());
        let row = wave.row.clone();
        let written = self.parts().store.write("waves.intent", move |tx| {
            let operation = intent.write(tx)?;
            if keys::by_id(tx, &copy.id)?.is_none_or(|now| now.revision != copy.revision) {
                return Err(StoreError::MovedOn("key"));
            }
            prepared.write(tx)?;
            keystead_store::waves::transition(tx, &row.successor_id, &row.copy_id, WaveState::Pending, WaveState::Begun, Some(&operation.id))?;
            Ok(operation)
        });
        match written.await {
            Ok(operation) => {
                self.start(operation);
                Ok(true)
            }
            Err(StoreError::MovedOn(_)) => Ok(false),
            Err(error) if error.is_unique("locks") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stops what has not begun, and tells it: in the source's history, and to people.
    async fn stop_waves(&self, rotation: &[Wave], states: &[(u32, WaveState)]) -> Result<(), StoreError> {
        let names =
            |wanted| rotation.iter().zip(states).filter(|(_, (_, state))| *state == wanted).map(|(wave, _)| wave.copy_name.as_str()).collect::<Vec<_>>();
        let Some(first) = rotation.first() else { return Ok(()) };
        let successor = first.row.successor_id.clone();
        let (entry, alert) = self.telling_of_waves(first, successor.as_str(), &names(WaveState::Failed), &names(WaveState::Pending)).await?;
        let stop = move |tx: &mut Tx<'_>| {
            // Of two nodes one tells it.
            if keystead_store::waves::stop(tx, &successor)? > 0 {
                tx.audit(entry.clone());
                alert.write(tx)?;
            }
            Ok::<_, StoreError>(())
        };
        self.parts().store.write("waves.stop", stop).await
    }

    /// What is told of copies that failed, and of those that are not begun because of it.
    async fn telling_of_waves(&self, wave: &Wave, once: &str, failed: &[&str], left: &[&str]) -> Result<(Entry, Telling), StoreError> {
        let wanted = wave.row.successor_id.clone();
        let source = self.parts().store.read("keys.by_id", move |tx| keys::by_id(tx, &wanted)).await?;
        let why = if failed.is_empty() { "the source's successor is not in use any more".to_owned() } else { format!("not rotated: {}", failed.join(", ")) };
        let keystore = source.as_ref().map(|key| key.keystore_id.clone());
        let (name, id) = source.map_or((String::new(), wave.row.successor_id.to_string()), |key| (key.name, key.id.to_string()));
        tracing::warn!(key = %id, name, why, "the rotation of copies did not come to its end");
        let entry = words::entry(self.parts().random.as_ref(), self.now(), &wave.row.account_id, &Who::system(), "key.rotate-copies", RULE)
            .subject("key", &id, &name)
            .outcome(Outcome::Failed)
            .detail("why", why.clone())
            .detail("stopped", left.join(", "))
            .done();
        let mend = "Mend what failed, then rotate each of these copies: `keystead key rotate COPY` gives it the newest material of its source.";
        let alert = self.telling(About {
            account: &wave.row.account_id,
            keystore: keystore.as_ref(),
            kind: AlertKind::OperationFailed,
            subject: &id,
            topic: "rotate-copies",
            once: format!("waves/{once}"),
            facts: vec![
                ("key", name),
                ("key_id", id.clone()),
                ("operation_kind", "rotate-copies".to_owned()),
                ("why", if left.is_empty() { why } else { format!("{why}; not begun: {}", left.join(", ")) }),
                ("mend", mend.to_owned()),
            ],
        });
        Ok((entry, alert))
    }

    /// Draws the successor of a copy: a copy of its source's successor, in the same keystore. `None` when the copy, or that successor, is not in use, when that is
    /// not exportable, or when the copy has its material already.
    ///
    /// # Errors
    /// The store's; [`StepError::Missing`] when the vault lacks the material.
    pub async fn prepare_linked_successor(&self, copy: &KeyRow, source: &KeyId, who: &Who, now: Timestamp) -> Result<Option<PreparedSuccessor>, StepError> {
        let wanted = source.clone();
        let source = self.parts().store.read("keys.by_id", move |tx| keys::by_id(tx, &wanted)).await?;
        let usable = |key: &KeyRow| key.state == KeyState::Active && key.is_current;
        let leads = |source: &KeyRow| usable(source) && source.ties.is_exportable && source_of(copy) != source.id;
        let Some(source) = source.filter(|source| leads(source) && usable(copy)) else { return Ok(None) };
        let material = self.materials(&source).await?.pop().ok_or_else(|| StepError::Missing(source.id.clone()))?;
        let key = KeyRow {
            origin: source.origin.clone(),
            ties: link::ties(&source.id, source.ties.is_exportable && copy.ties.is_exportable),
            ..self.successor_row(copy, copy, who, now)
        };
        let copied = self.share(&material, &key, &source.id, who, now);
        Ok(Some(PreparedSuccessor::copied(copy, key, copied)))
    }
}

/// How the source's own rotation stands, by the state of its successor.
fn source(state: Option<KeyState>) -> Source {
    match state {
        Some(KeyState::Creating) => Source::Coming,
        Some(KeyState::Active) => Source::InUse,
        _ => Source::Gone,
    }
}
