//! Listening to what the clouds tell by themselves (CM-018): queues are emptied, what they tell is kept as hearsay, and the keys that it is about are looked at. An event
//! wakes, and decides nothing: what is kept of a key is what the look saw.

use futures::{StreamExt as _, stream};
use keystead_cloud::{Cloud, CloudEvent, Message};
use keystead_domain::{
    KeystoreId, Timestamp, cause,
    time::{DAY, SECOND},
};
use keystead_store::{
    StoreError, Tx, events,
    events::{EventRow, QueueRow, WakeRow},
    keys,
    keys::KeyRow,
    keystores, lineages, locks,
};

use crate::{Engine, engine::call::StepError};

/// Queues that are listened to side by side.
const QUEUES_AT_ONCE: usize = 16;
/// Batches of messages that one look takes out of a queue at most.
const BATCHES: usize = 50;
/// Keys of a keystore that may wait for a look; more stay in the queue until there is room.
const WAITING_MAX: i64 = 1_000;
/// Keys that one look wakes at most, and how many of them side by side.
const WOKEN_AT_ONCE: u32 = 64;
const LOOKS_AT_ONCE: usize = 8;
/// How long a key rests whose look failed, doubled each time, and at most.
const REST: i64 = 10 * SECOND;
const REST_MAX: i64 = 900 * SECOND;
/// After so many looks that failed the sweep has to find it.
const TRIES: u32 = 12;
/// For how long events are kept.
pub(super) const KEPT: i64 = 90 * DAY;

impl Engine {
    /// Listens to every queue once. Answers how many messages were heard.
    ///
    /// # Errors
    /// What the store says.
    pub async fn listen(&self) -> Result<usize, StoreError> {
        let queues = self.parts().store.read("events.queues", events::queues).await?;
        let heard = stream::iter(queues).map(|queue| async move { self.hear(&queue).await }).buffer_unordered(QUEUES_AT_ONCE);
        let counts: Vec<Result<usize, StoreError>> = heard.collect().await;
        counts.into_iter().sum()
    }

    /// Empties one queue, as far as there is room. What hinders that is kept and shown.
    async fn hear(&self, queue: &QueueRow) -> Result<usize, StoreError> {
        let (count, problem) = match self.hear_all(queue).await {
            Ok(count) => (count, None),
            Err(StepError::Store(error)) => return Err(error),
            Err(StepError::Cloud(error)) => (0, Some(format!("{}: {}", error.code, error.message))),
            Err(_) => (0, Some("the queue cannot be heard".to_owned())),
        };
        if problem.is_some() && queue.problem.is_none() {
            tracing::warn!(keystore = %queue.keystore_id, queue = queue.queue, problem, "a queue cannot be heard");
        }
        let (id, now, is_news) = (queue.keystore_id.clone(), self.now(), problem != queue.problem || count > 0);
        let is_old = queue.heard_at.is_none_or(|at| now.as_micros() - at.as_micros() > 60 * SECOND);
        if is_news || is_old {
            self.parts().store.write("events.heard", move |tx| events::heard(tx, &id, now, problem.as_deref())).await?;
        }
        Ok(count)
    }

    async fn hear_all(&self, queue: &QueueRow) -> Result<usize, StepError> {
        let id = queue.keystore_id.clone();
        let read = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((keystores::by_id(tx, &id)?, events::waiting(tx, &id)?));
        let (keystore, waiting) = self.parts().store.read("events.room", read).await?;
        let Some(keystore) = keystore.filter(|_| waiting < WAITING_MAX) else { return Ok(0) };
        let cloud = self.parts().clouds.connect(&keystore).await?;
        let mut heard = 0;
        for _ in 0..BATCHES {
            let messages = cloud.receive(&queue.queue).await?;
            if messages.is_empty() {
                break;
            }
            heard += messages.len();
            self.take_down(cloud.as_ref(), queue, messages).await?;
        }
        Ok(heard)
    }

    /// Writes down what messages say, and takes them out of the queue behind that: one that comes again is known.
    async fn take_down(&self, cloud: &dyn Cloud, queue: &QueueRow, messages: Vec<Message>) -> Result<(), StepError> {
        let (id, now) = (queue.keystore_id.clone(), self.now());
        let (receipts, told): (Vec<_>, Vec<_>) = messages.into_iter().map(|message| (message.receipt, message.event)).unzip();
        let told: Vec<CloudEvent> = told.into_iter().flatten().collect();
        if !told.is_empty() {
            self.parts().store.write("events.keep", move |tx| told.iter().try_for_each(|event| keep(tx, &id, event, now))).await?;
        }
        Ok(cloud.take_out(&queue.queue, &receipts).await?)
    }

    /// Looks at the keys that something was done to. Answers how many were looked at.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_woken(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let woken = self.parts().store.read("events.to_wake", move |tx| events::to_wake(tx, now, WOKEN_AT_ONCE)).await?;
        let count = woken.len();
        let looks = stream::iter(woken).map(|wake| async move { self.look_for(wake).await }).buffer_unordered(LOOKS_AT_ONCE);
        let done: Vec<Result<(), StoreError>> = looks.collect().await;
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }

    async fn look_for(&self, wake: WakeRow) -> Result<(), StoreError> {
        let settled = match self.look_at_key(&wake.keystore_id, &wake.cloud_key_id).await {
            Ok(settled) => settled,
            Err(StepError::Store(error @ (StoreError::Closed | StoreError::InUse(_)))) => return Err(error),
            Err(error) => {
                tracing::warn!(keystore = %wake.keystore_id, key = wake.cloud_key_id, ?error, "a key to which something was done could not be looked at");
                false
            }
        };
        let until = self.now().plus_micros(rest(wake.tries));
        self.parts()
            .store
            .write("events.looked", move |tx| if settled || wake.tries >= TRIES { events::looked(tx, &wake) } else { events::rest(tx, &wake, until) })
            .await
    }
}

/// Keeps an event for each key that it is about, and wakes a look at it. An alias is moved away from a key that the event does not name: whose alias it was is known here.
fn keep(tx: &mut Tx<'_>, keystore: &KeystoreId, event: &CloudEvent, now: Timestamp) -> Result<(), StoreError> {
    let mut about: Vec<String> = event.keys.iter().map(|key| key.0.clone()).collect();
    if let Some(alias) = &event.alias
        && let Some(lineage) = lineages::by_alias(tx, keystore, alias)?
        && let Some(id) = keys::by_id(tx, &lineage.current_key_id)?.and_then(|key| key.cloud_key_id)
        && !about.contains(&id)
    {
        about.push(id);
    }
    for id in about {
        let key = keys::by_cloud_key(tx, keystore, &id)?;
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
            happened_at: event.at,
            who: event.who.clone(),
            origin: event.from.clone(),
            request: event.request.clone(),
            is_own: event.is_own,
            heard_at: now,
        };
        if events::keep(tx, &row)? && wakes(tx, key.as_ref(), event)? {
            events::wake(tx, keystore, &id, now)?;
        }
    }
    Ok(())
}

/// Whether an event is worth a look. Keystead's own calls are not, as far as its operations explain them.
fn wakes(tx: &mut Tx<'_>, key: Option<&KeyRow>, event: &CloudEvent) -> Result<bool, StoreError> {
    let Some(row) = key.filter(|_| event.is_own) else { return Ok(true) };
    let heard = cause::Heard { name: &event.name, alias: "", at: event.at, is_own: true };
    Ok(locks::holder(tx, row.id.as_str())?.is_none() && !cause::is_explained(&heard, row.updated_at))
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
