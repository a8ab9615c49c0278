//! Listening to what the clouds tell by themselves (CM-018): queues are emptied, what they tell is kept as hearsay, and the keys that it is about are looked at. An event
//! wakes, and decides nothing: what is kept of a key is what the look saw.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use keystead_cloud::{Cloud, CloudEvent, KeyUse, Message, Told};
use keystead_domain::{
    KeystoreId, Timestamp, cause,
    time::{DAY, SECOND},
};
use keystead_store::{
    StoreError, Tx, events,
    events::{EventRow, QueueRow, WakeRow},
    keys,
    keys::KeyRow,
    keystores, lineages, operations, schedules, uses,
    uses::UseRow,
};

use super::drift::sweep_name;
use crate::{
    Engine,
    engine::{Looked, call::StepError},
    explain,
};

/// Queues that are listened to side by side. With more than these nobody waits at one of them for a first message.
const QUEUES_AT_ONCE: usize = 32;
/// Messages of a call; fewer mean that the queue is empty, or nearly.
const BATCH: usize = 10;
/// Batches that one look takes out of a queue at most, and how long it may take: the others' turns come.
const BATCHES: usize = 50;
const LISTENS_FOR: Duration = Duration::from_secs(30);
/// Keys of a keystore that may wait for a look; more stay in the queue until there is room.
const WAITING_MAX: i64 = 1_000;
/// Keys of each keystore that one look wakes at most, how many of them side by side, and how long that may take.
const WOKEN_OF_EACH: u32 = 16;
const LOOKS_AT_ONCE: usize = 4;
const LOOKS_FOR: Duration = Duration::from_secs(60);
/// For how long nobody else takes the keys that somebody looks at, in microseconds.
const LEASE: i64 = 90 * SECOND;
/// How long a key rests that an operation has in hand.
const HELD: i64 = 5 * SECOND;
/// How long a key rests whose look failed, doubled each time, and at most.
const REST: i64 = 10 * SECOND;
const REST_MAX: i64 = 900 * SECOND;
/// After so many looks that failed the next sweep has to find it.
const TRIES: u32 = 100;
/// How old an event may be: SQS keeps messages for 14 days at most, and EventBridge tries for one (SQS developer guide, "Message retention"; EventBridge user guide, "Retrying event delivery").
const OLDEST: i64 = 16 * DAY;
/// For how long events are kept.
pub(super) const KEPT: i64 = 90 * DAY;

impl Engine {
    /// Listens to every queue once. Answers how many messages were heard.
    ///
    /// # Errors
    /// What the store says.
    pub async fn listen(&self) -> Result<usize, StoreError> {
        let queues = self.parts().store.read("events.queues", events::queues).await?;
        let waits = queues.len() <= QUEUES_AT_ONCE;
        let heard = stream::iter(queues).map(|queue| async move { self.hear(&queue, waits).await }).buffer_unordered(QUEUES_AT_ONCE);
        let counts: Vec<Result<usize, StoreError>> = heard.collect().await;
        counts.into_iter().sum()
    }

    /// Empties one queue, as far as there is room. What hinders that is kept and shown.
    async fn hear(&self, queue: &QueueRow, waits: bool) -> Result<usize, StoreError> {
        let heard = AtomicUsize::new(0);
        let late = || format!("{} messages were heard, and more are there: what is done to keys is heard late", heard.load(Ordering::Relaxed));
        let problem = match tokio::time::timeout(LISTENS_FOR, self.hear_all(queue, waits, &heard)).await {
            Ok(Ok(None)) => None,
            // What is left is heard the next time.
            Err(_) => Some(late()),
            Ok(Ok(Some(problem))) => Some(problem),
            Ok(Err(StepError::Store(error @ (StoreError::Closed | StoreError::InUse(_))))) => return Err(error),
            Ok(Err(StepError::Cloud(error))) => Some(format!("{}: {}", error.code, error.message)),
            Ok(Err(error)) => {
                tracing::error!(keystore = %queue.keystore_id, ?error, "what a queue told could not be kept");
                Some("what it told could not be kept; the server's log says why".to_owned())
            }
        };
        let count = heard.load(Ordering::Relaxed);
        if problem.is_some() && queue.problem.is_none() {
            tracing::warn!(keystore = %queue.keystore_id, queue = queue.queue, problem, "a queue cannot be heard");
        }
        let (row, now) = (queue.clone(), self.now());
        let is_old = queue.heard_at.is_none_or(|at| now.as_micros() - at.as_micros() > 60 * SECOND);
        if problem != queue.problem || count > 0 || is_old {
            self.parts().store.write("events.heard", move |tx| events::heard(tx, &row, now, count > 0 || problem.is_none(), problem.as_deref())).await?;
        }
        Ok(count)
    }

    /// Answers why it did not listen on, if something hindered it.
    async fn hear_all(&self, queue: &QueueRow, waits: bool, heard: &AtomicUsize) -> Result<Option<String>, StepError> {
        let id = queue.keystore_id.clone();
        let Some(keystore) = self.parts().store.read("keystores.by_id", move |tx| keystores::by_id(tx, &id)).await? else { return Ok(None) };
        let cloud = self.parts().clouds.connect(&keystore).await?;
        for batch in 0..BATCHES {
            let id = queue.keystore_id.clone();
            if self.parts().store.read("events.waiting", move |tx| events::waiting(tx, &id)).await? >= WAITING_MAX {
                return Ok(Some(format!("{WAITING_MAX} keys wait for a look; the rest stays in the queue until there is room")));
            }
            let messages = cloud.receive(&queue.queue, waits && batch == 0).await?;
            let count = messages.len();
            if count > 0 && !self.take_down(cloud.as_ref(), queue, messages).await? {
                return Ok(None);
            }
            heard.fetch_add(count, Ordering::Relaxed);
            if count < BATCH {
                return Ok(None);
            }
        }
        Ok(Some(format!("{} messages were heard, and more are there: what is done to keys is heard late", heard.load(Ordering::Relaxed))))
    }

    /// Writes down what messages say, and takes them out of the queue behind that: one that comes again is known. `false` when the keystore listens to another queue by
    /// now: they stay for whoever listens to this one.
    async fn take_down(&self, cloud: &dyn Cloud, queue: &QueueRow, messages: Vec<Message>) -> Result<bool, StepError> {
        let (row, now) = (queue.clone(), self.now());
        let (receipts, told): (Vec<_>, Vec<_>) = messages.into_iter().map(|message| (message.receipt, message.told)).unzip();
        // Older than a queue can keep anything is only what somebody made up.
        let told = told.into_iter().flatten().filter(|told| now.as_micros() - told.at().as_micros() < OLDEST);
        let told = self.explained(&queue.keystore_id, told.collect()).await?;
        let keep_all = move |tx: &mut Tx<'_>| {
            events::still_listens(tx, &row)?;
            told.iter().try_for_each(|(told, is_explained)| {
                let (event, kept) = match told {
                    Told::Done(event) => (&event.id, keep(tx, &row.keystore_id, event, *is_explained, now)),
                    Told::Used(used) => (&used.id, keep_use(tx, &row.keystore_id, used, now)),
                };
                match kept {
                    Err(StoreError::Corrupt(what)) => {
                        tracing::error!(keystore = %row.keystore_id, event, what, "an event names a key that cannot be read; it is left out");
                        Ok(())
                    }
                    kept => kept,
                }
            })
        };
        match self.parts().store.write("events.keep", keep_all).await {
            Err(StoreError::MovedOn(_)) => return Ok(false),
            kept => kept?,
        }
        cloud.take_out(&queue.queue, &receipts).await?;
        Ok(true)
    }

    /// Whether an operation explains each, looked up where nobody waits for it: an operation was written down before its first call.
    async fn explained(&self, keystore: &KeystoreId, told: Vec<Told>) -> Result<Vec<(Told, bool)>, StoreError> {
        let keystore = keystore.clone();
        let look = move |tx: &mut Tx<'_>| {
            let explain = |told: &Told| match told {
                Told::Done(event) if event.is_own => about(tx, &keystore, event).and_then(|about| is_explained(tx, event, &about)),
                _ => Ok(false),
            };
            let explained: Vec<Result<bool, StoreError>> = told.iter().map(explain).collect();
            // One that names a key which cannot be read is told, and left out, where it is kept.
            let explained = explained.into_iter().map(|one| if matches!(one, Err(StoreError::Corrupt(_))) { Ok(false) } else { one });
            told.clone().into_iter().zip(explained).map(|(told, one)| one.map(|one| (told, one))).collect()
        };
        self.parts().store.read("events.explained", look).await
    }

    /// Looks at keys that something was done to, some of each keystore. Answers how many were taken on.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_woken(&self) -> Result<usize, StoreError> {
        let now = self.now();
        if !self.parts().store.read("events.any_to_wake", move |tx| events::any_to_wake(tx, now)).await? {
            return Ok(0);
        }
        let take = move |tx: &mut Tx<'_>| events::take_to_wake(tx, now, now.plus_micros(LEASE), WOKEN_OF_EACH);
        let mut places: BTreeMap<KeystoreId, Vec<WakeRow>> = BTreeMap::new();
        for wake in self.parts().store.write("events.take_to_wake", take).await? {
            places.entry(wake.keystore_id.clone()).or_default().push(wake);
        }
        let count = places.values().map(Vec::len).sum();
        let looks = stream::iter(places.into_values()).map(|woken| self.look_in_place(woken)).buffer_unordered(QUEUES_AT_ONCE);
        let done: Vec<Result<(), StoreError>> = looks.collect().await;
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }

    /// Looks at keys of one keystore. One whose cloud does not answer holds up no other; what is not looked at in time comes again when its lease is over.
    async fn look_in_place(&self, woken: Vec<WakeRow>) -> Result<(), StoreError> {
        let looks = stream::iter(woken).map(|wake| self.look_for(wake)).buffer_unordered(LOOKS_AT_ONCE).try_collect::<()>();
        tokio::time::timeout(LOOKS_FOR, looks).await.unwrap_or(Ok(()))
    }

    async fn look_for(&self, wake: WakeRow) -> Result<(), StoreError> {
        let looked = self.look_at_key(&wake.keystore_id, &wake.cloud_key_id).await;
        let (now, id) = (self.now(), wake.keystore_id.clone());
        match looked {
            Ok(Looked::Kept) => return self.parts().store.write("events.looked", move |tx| events::looked(tx, &wake, now)).await,
            Ok(Looked::Held) => {
                let tries = wake.tries;
                return self.parts().store.write("events.rest", move |tx| events::rest(tx, &wake, now.plus_micros(HELD), tries)).await;
            }
            Ok(Looked::Unclear) => {}
            Err(StepError::Store(error @ (StoreError::Closed | StoreError::InUse(_)))) => return Err(error),
            Err(error) => tracing::warn!(keystore = %id, key = wake.cloud_key_id, ?error, "a key to which something was done could not be looked at"),
        }
        if wake.tries < TRIES {
            let (until, tries) = (now.plus_micros(rest(wake.tries)), wake.tries + 1);
            return self.parts().store.write("events.rest", move |tx| events::rest(tx, &wake, until, tries)).await;
        }
        tracing::error!(keystore = %id, key = wake.cloud_key_id, "a key to which something was done could not be looked at for a day; a sweep has to find it");
        let give_up = move |tx: &mut Tx<'_>| schedules::hasten(tx, &sweep_name(&id), now).and_then(|()| events::looked(tx, &wake, now));
        self.parts().store.write("events.give_up", give_up).await
    }
}

/// Keeps an event for each key that it is about, and wakes a look at it.
fn keep(tx: &mut Tx<'_>, keystore: &KeystoreId, event: &CloudEvent, is_explained: bool, now: Timestamp) -> Result<(), StoreError> {
    for (id, key) in about(tx, keystore, event)? {
        // What Keystead does to keys of other keystores in the same place, and to what it takes back, explains nothing here.
        if event.is_own && key.is_none() {
            continue;
        }
        let row = EventRow {
            keystore_id: keystore.clone(),
            cloud_key_id: id.clone(),
            event_id: event.id.clone(),
            name: event.name.clone(),
            alias: event.alias.as_ref().map(|alias| alias.as_str().to_owned()).unwrap_or_default(),
            // Nothing was done later than now.
            happened_at: event.at.min(now),
            who: event.who.clone(),
            origin: event.from.clone(),
            request: event.request.clone(),
            is_own: event.is_own,
            is_explained,
            heard_at: now,
        };
        if events::keep(tx, &row)? && !is_explained {
            events::wake(tx, keystore, &id, now)?;
        }
    }
    Ok(())
}

/// The cloud keys that an event is about, with their rows. An alias is moved away from a key that the event does not name: whose alias it is by now is known here.
fn about(tx: &mut Tx<'_>, keystore: &KeystoreId, event: &CloudEvent) -> Result<Vec<(String, Option<KeyRow>)>, StoreError> {
    let mut about: Vec<String> = event.keys.iter().map(|key| key.0.clone()).collect();
    if let Some(alias) = &event.alias
        && let Some(lineage) = lineages::by_alias(tx, keystore, alias)?
        && let Some(id) = keys::by_id(tx, &lineage.current_key_id)?.and_then(|key| key.cloud_key_id)
        && !about.contains(&id)
    {
        about.push(id);
    }
    let row = |id: String| keys::by_cloud_key(tx, keystore, &id).map(|key| (id, key));
    about.into_iter().map(row).collect()
}

/// Whether an operation on one of the keys explains what was done in Keystead's own name. One that is told late may be about the alias of a key that was renewed since: then
/// that key's operation explains it, and none of its successor's does.
fn is_explained(tx: &mut Tx<'_>, event: &CloudEvent, about: &[(String, Option<KeyRow>)]) -> Result<bool, StoreError> {
    let Some(call) = event.call.filter(|_| event.is_own) else { return Ok(false) };
    let (since, until) = (event.at.plus_micros(-cause::SLACK), event.at.plus_micros(cause::SLACK));
    for key in about.iter().filter_map(|(_, key)| key.as_ref()) {
        if explain::is_made_by(&operations::ran_on(tx, &key.account_id, &key.id, since, until)?, call) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps who used a key of the house, or tried to. It wakes nobody: a use changes no key.
fn keep_use(tx: &mut Tx<'_>, keystore: &KeystoreId, used: &KeyUse, now: Timestamp) -> Result<(), StoreError> {
    for id in &used.keys {
        if keys::by_cloud_key(tx, keystore, &id.0)?.is_none() {
            continue;
        }
        let at = used.at.min(now);
        let row = UseRow {
            keystore_id: keystore.clone(),
            cloud_key_id: id.0.clone(),
            who: used.who.clone(),
            operation: used.operation.clone(),
            refusal: used.refusal.clone(),
            session: used.session.clone(),
            origin: used.from.clone(),
            first_at: at,
            last_at: at,
            heard: 1,
        };
        uses::keep(tx, &row, &used.id)?;
    }
    Ok(())
}

/// How long a key rests behind so many looks that failed.
fn rest(tries: u32) -> i64 {
    REST.saturating_mul(1 << tries.min(10)).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour() {
        assert_eq!((rest(0), rest(1), rest(50)), (REST, 2 * REST, REST_MAX));
    }
}
