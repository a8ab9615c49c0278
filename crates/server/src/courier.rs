//! The courier: takes what is due on each channel, sends it as one message, and notes what became of it. Of several nodes one sends.

use std::{sync::Arc, time::Duration};

use keystead_domain::{
    Timestamp,
    alert::Alert,
    time::{DAY, SECOND},
};
use keystead_notify::{Channel, NotifyError};
use keystead_operations::{Engine, words, words::Who};
use keystead_store::{
    StoreError,
    alerts::AlertRow,
    channels::{self, Batch},
};

/// How often it is looked whether something is to be sent, in real time.
const LOOK: Duration = Duration::from_secs(1);
/// How long one message may take, in real time: less than the lease, so that no second node sends it meanwhile.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long a node has a channel to itself, in microseconds.
const LEASE: i64 = 60 * SECOND;
/// The first pause behind a failure, and the longest, in microseconds.
const PAUSE: i64 = 60 * SECOND;
const PAUSE_MAX: i64 = 3600 * SECOND;
/// For how long a message is tried, in microseconds.
const GIVE_UP: i64 = 3 * DAY;

/// What became of a look at a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Nothing was due, or another node sends.
    Nothing,
    /// A message with so many alerts was taken.
    Delivered(usize),
    /// A message was not taken; it is tried again later.
    Failed,
    /// A message was not taken, and will not be tried again.
    GivenUp,
}

/// Sends alerts.
#[derive(Clone)]
pub struct Courier {
    engine: Engine,
    channels: Arc<Vec<(String, Channel)>>,
}

impl Courier {
    /// A courier for these channels.
    pub fn new(engine: Engine, channels: Vec<(String, Channel)>) -> Self {
        Self { engine, channels: Arc::new(channels) }
    }

    /// Sends until the process ends, the channels side by side: one that answers slowly holds up no other.
    pub async fn run(self) {
        let each = (0..self.channels.len()).map(|index| {
            let courier = self.clone();
            async move {
                loop {
                    tokio::time::sleep(LOOK).await;
                    if let Err(error) = courier.send_on(index).await {
                        tracing::warn!(channel = courier.channels[index].0, %error, "what was sent, or is to be sent, could not be read or noted");
                    }
                }
            }
        });
        let mut tasks: tokio::task::JoinSet<()> = each.collect();
        while tasks.join_next().await.is_some() {}
    }

    /// One look at every channel.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look(&self) -> Result<Vec<Sent>, StoreError> {
        let mut sent = Vec::new();
        for index in 0..self.channels.len() {
            sent.push(self.send_on(index).await?);
        }
        Ok(sent)
    }

    async fn send_on(&self, index: usize) -> Result<Sent, StoreError> {
        let (name, channel) = &self.channels[index];
        let Some(batch) = self.lease(name).await? else { return Ok(Sent::Nothing) };
        let alerts = batch.alerts.iter().map(alert_of).collect::<Result<Vec<_>, _>>()?;
        let sent = match tokio::time::timeout(PATIENCE, channel.send(&batch.name, &alerts, self.engine.now())).await {
            // A message whose alerts are all gone is none.
            _ if alerts.is_empty() => Ok(()),
            Ok(sent) => sent,
            Err(_) => Err(NotifyError::Unreachable("it takes too long".to_owned())),
        };
        match sent {
            Ok(()) => self.note_delivered(name, batch).await,
            Err(error) => self.note_failed(name, batch, &error).await,
        }
    }

    async fn lease(&self, channel: &str) -> Result<Option<Batch>, StoreError> {
        let (store, now, name) = (&self.engine.parts().store, self.engine.now(), channel.to_owned());
        let wanted = name.clone();
        if !store.read("channels.is_due", move |tx| channels::is_due(tx, &wanted, now)).await? {
            return Ok(None);
        }
        let mut random = [0; 16];
        self.engine.parts().random.fill(&mut random);
        let fresh = format!("msg_{:032x}", u128::from_be_bytes(random));
        store.write("channels.lease", move |tx| channels::lease(tx, &name, now, now.plus_micros(LEASE), &fresh)).await
    }

    async fn note_delivered(&self, channel: &str, batch: Batch) -> Result<Sent, StoreError> {
        let (name, now, count) = (channel.to_owned(), self.engine.now(), batch.alerts.len());
        tracing::info!(channel, alerts = count, message = batch.name, "alerts delivered");
        self.engine.parts().store.write("channels.delivered", move |tx| channels::delivered(tx, &name, &batch, now)).await?;
        Ok(Sent::Delivered(count))
    }

    async fn note_failed(&self, channel: &str, batch: Batch, error: &NotifyError) -> Result<Sent, StoreError> {
        let now = self.engine.now();
        let is_over = now.as_micros() - batch.since.as_micros() >= GIVE_UP;
        tracing::warn!(channel, alerts = batch.alerts.len(), message = batch.name, %error, mend = error.mend(), is_over, "alerts could not be delivered");
        let (name, text, until) = (channel.to_owned(), error.to_string(), now.plus_micros(pause(batch.failures)));
        let entry = is_over.then(|| self.giving_up(channel, &batch, &text, now)).flatten();
        let noted = self.engine.parts().store.write("channels.failed", move |tx| {
            channels::failed(tx, &name, &batch, &text, until)?;
            if is_over {
                channels::give_up(tx, &name, &batch)?;
                entry.iter().for_each(|entry| tx.audit(entry.clone()));
            }
            Ok::<_, StoreError>(())
        });
        noted.await.map(|()| if is_over { Sent::GivenUp } else { Sent::Failed })
    }

    /// The entry of the audit log: what nobody was told.
    fn giving_up(&self, channel: &str, batch: &Batch, why: &str, now: Timestamp) -> Option<keystead_audit::Entry> {
        let account = &batch.alerts.first()?.account_id;
        let entry = words::entry(self.engine.parts().random.as_ref(), now, account, &Who::system(), "alert.give-up", "three-days-are-enough")
            .outcome(keystead_audit::Outcome::Failed)
            .detail("channel", channel)
            .detail("message", batch.name.clone())
            .detail("why", why);
        Some(batch.alerts.iter().fold(entry, |entry, alert| entry.subject("alert", alert.id.as_str(), "")).done())
    }
}

/// How long a channel rests behind a failure that followed so many others: a minute, doubled each time, at most an hour.
fn pause(failures: u32) -> i64 {
    PAUSE.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX)
}

fn alert_of(row: &AlertRow) -> Result<Alert, StoreError> {
    let facts = serde_json::from_str(&row.facts).map_err(|_| StoreError::Corrupt("an alert's facts".to_owned()))?;
    Ok(Alert { id: row.id.clone(), kind: row.kind, at: row.created_at, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_minute_to_an_hour() {
        assert_eq!([0, 1, 5, 6, 99].map(|failures| pause(failures) / SECOND), [60, 120, 1920, 3600, 3600]);
    }
}
