//! What the schedule does about the end of material (`capabilities.md`, decision 5): extend, renew, warn, and look at what the cloud has forgotten by itself.

use futures::{StreamExt, stream};
use keystead_domain::{
    Custody, KeyState, Timestamp,
    key::expiry::{self, ExpiryPolicy},
    time::DAY,
};
use keystead_store::{StoreError, due, due::Task, keys::KeyRow};

use super::{Looked, choose::Chosen};
use crate::{Engine, Saga, engine::call::StepError, family, saga::upload_key::UploadKey, stored::Stored, words, words::Who};

/// How many warnings one look gives at most.
const WARNINGS_AT_ONCE: u32 = 500;
/// How many keys are looked at in the cloud at the same time.
const LOOKS_SIDE_BY_SIDE: usize = 16;

impl Engine {
    /// One look at keys whose policy acts or warns before their material expires, and at those that have expired. Answers how many operations it began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_expiry(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let acting = self.act_on_expiry(now).await?;
        self.warn_of_expiry(now, acting.more).await?;
        self.look_at_expired(now).await?;
        Ok(acting.acted)
    }

    /// The same, for the schedule: whether to come again soon counts in the warnings and the looks.
    pub(super) async fn look_at_ends(&self) -> Result<Looked, StoreError> {
        let now = self.now();
        let acting = self.act_on_expiry(now).await?;
        Ok(acting.and(self.warn_of_expiry(now, acting.more).await?).and(self.look_at_expired(now).await?))
    }

    async fn act_on_expiry(&self, now: Timestamp) -> Result<Looked, StoreError> {
        // While the vault is sealed no renewal can begin. That is nobody's failure: the key does not rest, and what can be extended is not held up.
        let is_sealed = self.parts().vault.is_sealed();
        let choice = self.choose(Task::Expiry, now, |key| !(is_sealed && is_renewed(key))).await?;
        let mut acted = 0;
        for one in choice.chosen {
            let begun = if is_renewed(&one.key) { self.renew_by_itself(&one, now).await } else { self.extend(&one, now).await };
            acted += usize::from(self.or_rest(Task::Expiry, &one.key, begun).await?);
        }
        Ok(Looked { acted, more: choice.more })
    }

    async fn extend(&self, one: &Chosen, now: Timestamp) -> Result<bool, StoreError> {
        let expires = one.key.expiry_span.map(|span| expiry::renewed(span, now));
        let replicas = family::ids(&self.followers(&one.key).await?);
        let saga = Saga::UploadKey(UploadKey { key: Stored(one.key.id.clone()), expires: expires.map(Into::into), replicas });
        self.begin(Task::Expiry, one, saga, "expiry-policy-extend", |_| Ok(())).await
    }

    async fn renew_by_itself(&self, one: &Chosen, now: Timestamp) -> Result<bool, StoreError> {
        match self.prepare_successor(&one.key, &Who::system(), now).await {
            Ok(prepared) => {
                let saga = prepared.saga();
                self.begin(Task::Expiry, one, saga, "expiry-policy-renew", move |tx| prepared.write(tx)).await
            }
            Err(StepError::Vault(error)) if error.passes() => Ok(false),
            Err(StepError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(key = %one.key.id, ?error, "a renewal that is due could not begin");
                self.rest(Task::Expiry, &one.key).await.map(|()| false)
            }
        }
    }

    /// Tells of each end of material that nobody has moved, on each of the days that are set: an alert, an entry in the key's history, a line in the log. While
    /// a downtime is being made up for, what a policy will move in a moment is not told.
    async fn warn_of_expiry(&self, now: Timestamp, behind: bool) -> Result<Looked, StoreError> {
        let late = if behind { DAY } else { expiry::LATE };
        let days_before = self.parts().settings.alerts.days_before.clone();
        let due = self.parts().store.read("due.alerts", move |tx| due::alerts(tx, now, late, &days_before, WARNINGS_AT_ONCE)).await?;
        let more = due.len() == WARNINGS_AT_ONCE as usize;
        let mut acted = 0;
        for key in due {
            acted += usize::from(self.warn(&key, now).await?);
        }
        Ok(Looked { acted, more })
    }

    async fn warn(&self, key: &KeyRow, now: Timestamp) -> Result<bool, StoreError> {
        let Some(expires) = key.expires_at else { return Ok(false) };
        let Some(days) = expiry::alert_due(expires, &self.parts().settings.alerts.days_before, now) else { return Ok(false) };
        let alert = self.telling_of_end(key, expires, Some(days));
        let entry = words::entry(self.parts().random.as_ref(), now, &key.account_id, &Who::system(), "key.expiry-alert", "expiry-policy-alert")
            .key(key)
            .detail("expires_at_micros", expires.as_micros().to_string())
            .detail("days_before", days.to_string())
            .done();
        let told = self.parts().store.write("schedule.alert", move |tx| {
            let first = alert.write(tx)?;
            if first {
                tx.audit(entry.clone());
            }
            Ok::<_, StoreError>(first)
        });
        let first = told.await?;
        if first {
            tracing::warn!(key = %key.id, name = key.name, days, policy = key.expiry_policy.as_str(), "material expires soon, and nothing has moved its end");
        }
        Ok(first)
    }

    /// Looks at keys whose material the cloud has forgotten by itself, so that the row says what is so.
    async fn look_at_expired(&self, now: Timestamp) -> Result<Looked, StoreError> {
        let choice = self.choose(Task::Expired, now, |_| true).await?;
        let looks: Vec<Result<(), StoreError>> =
            stream::iter(choice.chosen).map(|one| async move { self.look_once(&one.key).await }).buffer_unordered(LOOKS_SIDE_BY_SIDE).collect().await;
        let acted = looks.len();
        looks.into_iter().collect::<Result<(), _>>()?;
        Ok(Looked { acted, more: choice.more })
    }

    /// Looks at one key. It then rests, whatever was seen: a cloud that cannot be reached, or that still shows the material, is not asked again at once, and a row
    /// that says what is so is not due any more.
    async fn look_once(&self, key: &KeyRow) -> Result<(), StoreError> {
        if let Err(error) = self.look_at(key).await {
            tracing::warn!(key = %key.id, ?error, "a key whose material should have expired could not be looked at");
        }
        self.rest(Task::Expired, key).await
    }
}

/// Whether a key's policy renews it. A replaced key has its successor already; what it encrypted shall go on opening, so it is extended. A primary that was promoted gets
/// new material of its own.
fn is_renewed(key: &KeyRow) -> bool {
    key.expiry_policy == ExpiryPolicy::Renew && key.state == KeyState::Active && key.is_current && key.ties.custody_to_come() == Custody::Own
}
