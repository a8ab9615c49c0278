//! The schedule's checks: every keystore is asked, as often as the configuration says, whether its cloud answers and permits what is needed (FX-042).

use std::time::Duration;

use keystead_domain::{
    health::{CheckOutcome, next_check},
    time::SECOND,
};
use keystead_store::{StoreError, checks, keystores::KeystoreRow, schedules};

use super::{LOOK, told};
use crate::{
    Engine,
    health::{Checked, in_words},
    words::{self, Who},
};

/// How many keystores are checked side by side.
const AT_ONCE: u32 = 16;
/// How long one may take: some thirty calls, which take a few seconds. The round waits for its slowest.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon one is asked again whose cloud did not answer for the first time, in microseconds: it may have been the weather of a moment.
const AGAIN: i64 = 300 * SECOND;

impl Engine {
    pub(super) async fn keep_checking(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            told(self.check_keystores().await.map(drop));
        }
    }

    /// Checks the keystores that are due, a bounded number. Answers how many.
    ///
    /// # Errors
    /// What the store says.
    pub async fn check_keystores(&self) -> Result<usize, StoreError> {
        let Some(every) = self.parts().settings.check_micros else { return Ok(0) };
        let now = self.now();
        let due = self.parts().store.read("checks.due", move |tx| checks::due(tx, now, AT_ONCE)).await?;
        let checks = due.iter().map(|keystore| self.check_if_free(keystore, every));
        // What one of them meets is no reason to let the others go.
        let done: Vec<bool> = futures::future::join_all(checks).await.into_iter().collect::<Result<_, _>>()?;
        Ok(done.into_iter().filter(|done| *done).count())
    }

    /// Checks a keystore unless another node does; `false` then.
    async fn check_if_free(&self, keystore: &KeystoreRow, every: i64) -> Result<bool, StoreError> {
        let (now, name) = (self.now(), checks::schedule_name(&keystore.id));
        let next = next_check(keystore.id.as_str(), every, now);
        if !self.parts().store.write("schedules.take", move |tx| schedules::take(tx, &name, now, next)).await? {
            return Ok(false);
        }
        let checked = Checked::within(PATIENCE, self.probe(keystore)).await;
        let parts = self.parts();
        let words = words::entry(parts.random.as_ref(), self.now(), &keystore.account_id, &Who::system(), "keystore.check", "checks-are-scheduled");
        let entry = in_words(words.keystore(&keystore.id, &keystore.name), &checked.probed);
        let row = self.keep_check(keystore, &checked, entry, true).await?;
        if row.outcome == CheckOutcome::Unreachable && row.failures == 1 {
            let (name, soon) = (checks::schedule_name(&keystore.id), self.now().plus_micros(AGAIN));
            parts.store.write("schedules.hasten", move |tx| schedules::hasten(tx, &name, soon)).await?;
        }
        Ok(true)
    }
}
