//! How the schedule begins an operation that nobody asked for, and lets a key rest on which it failed.

use keystead_store::{StoreError, Tx, attempts, due::Task, keys, keys::KeyRow};

use super::{choose::Chosen, pause::pause};
use crate::{Engine, Saga, words::Who};

impl Engine {
    /// Chance, for pauses and turns.
    pub(super) fn draw_jitter(&self) -> u16 {
        let mut bytes = [0; 2];
        self.parts().random.fill(&mut bytes);
        u16::from_le_bytes(bytes)
    }

    /// Begins an operation; `false` when another one has the key, or when the key's rows do not allow it: then the key rests.
    pub(super) async fn begin(
        &self,
        task: Task,
        Chosen { keystore, key }: &Chosen,
        saga: Saga,
        rule: &str,
        mut also: impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let intent = self.intend(&saga, keystore, &Who::system(), rule, None);
        let (seen, jitter) = (key.clone(), self.draw_jitter());
        let written = self
            .parts()
            .store
            .write("schedule.intent", move |tx| {
                let operation = intent.write(tx)?;
                // Behind the lock nobody changes the key any more; since the look, somebody may have.
                if keys::by_id(tx, &seen.id)?.is_none_or(|now| now.revision != seen.revision) {
                    return Err(StoreError::MovedOn("key"));
                }
                also(tx)?;
                // The pause is drawn before it is known whether there will be one: whoever ends the operation then decides nothing.
                let failures = attempts::failures(tx, &seen.id, task)?;
                attempts::begin(tx, &seen.id, task, &operation.id, pause(failures.saturating_add(1), jitter))?;
                Ok(operation)
            })
            .await;
        match written {
            Ok(operation) => {
                self.start(operation);
                Ok(true)
            }
            // Somebody else has the key, or changed it: the next look sees what is to be done then.
            Err(StoreError::MovedOn(_)) => Ok(false),
            Err(error) if error.is_unique("locks") => Ok(false),
            Err(error @ (StoreError::Unique { .. } | StoreError::Corrupt(_) | StoreError::Database(_))) => {
                tracing::error!(key = %key.id, %error, "what is due on a key cannot be written; the key rests");
                self.rest(task, key).await.map(|()| false)
            }
            Err(error) => Err(error),
        }
    }

    /// A key about which something that is due cannot be read rests, and holds up no other.
    pub(super) async fn or_rest(&self, task: Task, key: &KeyRow, begun: Result<bool, StoreError>) -> Result<bool, StoreError> {
        match begun {
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(key = %key.id, %error, "what is due on a key cannot be read; the key rests");
                self.rest(task, key).await.map(|()| false)
            }
            begun => begun,
        }
    }

    /// Lets a key rest behind a failure for which there is no operation.
    pub(super) async fn rest(&self, task: Task, key: &KeyRow) -> Result<(), StoreError> {
        let (id, now, jitter) = (key.id.clone(), self.now(), self.draw_jitter());
        let resting = move |tx: &mut Tx<'_>| {
            let failures = attempts::failures(tx, &id, task)?;
            attempts::rest(tx, &id, task, now.plus_micros(pause(failures.saturating_add(1), jitter)))
        };
        self.parts().store.write("schedule.rest", resting).await
    }
}
