//! The schedule: ticks that look and wake. What is to be done is found in the database and in the cloud, never in a tick.
//!
//! A look takes on a bounded number of keys, of all keystores in turn, and comes again soon when more is due: what a downtime left behind is made up for without
//! a stampede. A key on which it failed rests, longer each time, until it succeeds.

mod begin;
mod ceremonies;
mod choose;
pub mod drift;
pub mod drills;
mod expiry;
pub mod forecast;
mod health;
mod listen;
pub mod overrule;
mod pause;
pub mod rehearsals;
mod rotation;
mod successor;
mod turns;
pub mod warm;
pub mod waves;

use std::time::Duration;

use keystead_domain::time::{DAY, SECOND};
use keystead_store::{StoreError, due::Task, events, keystores, schedules, uses};
pub use rotation::{Turn, turn_of};
pub(crate) use successor::Born;
pub use successor::PreparedSuccessor;

use crate::{Engine, Saga, saga::clean_up_key::CleanUpKey, stored::Stored};

/// How often operations that are due are looked for, in real time.
const TICK: Duration = Duration::from_millis(200);
/// How often leases are prolonged, in ticks.
const TICKS_A_LEASE: u32 = 50;
/// How often periodic tasks are looked for, in real time: often enough for a demo whose clock jumps by days.
const LOOK: Duration = Duration::from_secs(2);
/// How often due keys are looked for: as often as the shortest pause. A look that left something behind is followed by the next [`LOOK`].
const DUE_EVERY: i64 = 60 * SECOND;
/// How often leftovers are looked for.
const SWEEP_EVERY: i64 = DAY;
/// The name of the look at due keys, as nodes share it.
const DUE: &str = "due";

/// What a look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Looked {
    /// How many keys it did something about.
    acted: usize,
    /// Whether more is due.
    more: bool,
}

impl Looked {
    fn and(self, other: Self) -> Self {
        Self { acted: self.acted + other.acted, more: self.more || other.more }
    }
}

impl Engine {
    /// Runs the schedule until the process ends. A cloud that answers slowly holds up neither the operations nor, in a sweep, the look at due keys.
    pub async fn run_schedule(self) {
        tokio::join!(
            self.keep_running(),
            self.keep_looking(),
            self.keep_sweeping(),
            self.keep_warm(),
            self.keep_checking(),
            self.keep_listening(),
            self.keep_awake()
        );
    }

    async fn keep_running(&self) {
        let mut ticks: u32 = 0;
        loop {
            tokio::time::sleep(TICK).await;
            ticks = ticks.wrapping_add(1);
            told(self.tick(ticks).await);
        }
    }

    async fn tick(&self, ticks: u32) -> Result<(), StoreError> {
        if ticks.is_multiple_of(TICKS_A_LEASE) && self.in_hand() > 0 {
            self.renew_leases().await?;
        }
        self.take_due().await.map(drop)
    }

    async fn keep_looking(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            told(self.look_at_waves().await.map(drop));
            told(self.look_at_rehearsals().await.map(drop));
            told(self.look_at_drills().await.map(drop));
            told(self.look_if_due().await);
            told(self.look_through_keystores().await);
            told(self.mend_drift().await.map(drop));
        }
    }

    async fn keep_listening(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            told(self.listen().await.map(drop));
        }
    }

    async fn keep_awake(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let looked = self.look_at_woken().await;
            // As long as there is something to look at nobody sleeps.
            while matches!(looked, Ok(1..)) && matches!(self.look_at_woken().await, Ok(1..)) {}
            told(looked.map(drop));
        }
    }

    async fn keep_sweeping(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            told(self.sweep_if_due().await);
        }
    }

    /// Looks at due keys, if it is time to and no other node does.
    async fn look_if_due(&self) -> Result<(), StoreError> {
        if !self.takes(DUE, DUE_EVERY).await? {
            return Ok(());
        }
        let wiped = self.look_at_ceremonies().await?;
        let looked = wiped.and(self.look_at_countdowns().await?).and(self.look_at_ends().await?).and(self.look_at_turns().await?);
        // What is left behind because nothing has room for it can wait for the next look.
        if looked.more && looked.acted > 0 {
            let now = self.now();
            self.parts().store.write("schedules.hasten", move |tx| schedules::hasten(tx, DUE, now)).await?;
        }
        Ok(())
    }

    async fn sweep_if_due(&self) -> Result<(), StoreError> {
        if self.takes("sweep", SWEEP_EVERY).await? {
            let before = self.now().plus_micros(-listen::KEPT);
            self.sweep_all().await;
            while self.parts().store.write("events.forget_before", move |tx| events::forget_before(tx, before)).await? {}
            while self.parts().store.write("uses.forget_before", move |tx| uses::forget_before(tx, before)).await? {}
        }
        Ok(())
    }

    async fn takes(&self, name: &'static str, every: i64) -> Result<bool, StoreError> {
        let now = self.now();
        // A look first: most of the time nothing is due, and a look costs no commit.
        let due = self.parts().store.read("schedules.is_due", move |tx| schedules::is_due(tx, name, now)).await?;
        if !due {
            return Ok(false);
        }
        self.parts().store.write("schedules.take", move |tx| schedules::take(tx, name, now, now.plus_micros(every))).await
    }

    /// One look of the daily clean-up (CM-061): keys whose countdown has ended. Answers how many operations it began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn clean_up(&self) -> Result<usize, StoreError> {
        self.look_at_countdowns().await.map(|looked| looked.acted)
    }

    async fn look_at_countdowns(&self) -> Result<Looked, StoreError> {
        let choice = self.choose(Task::CleanUp, self.now(), |_| true).await?;
        let mut acted = 0;
        for one in choice.chosen {
            let saga = Saga::CleanUpKey(CleanUpKey { key: Stored(one.key.id.clone()), lineage: Stored(one.key.lineage_id.clone()) });
            acted += usize::from(self.begin(Task::CleanUp, &one, saga, "grace-period-ended", |_| Ok(())).await?);
        }
        Ok(Looked { acted, more: choice.more })
    }

    /// Looks for leftovers in every keystore. One that cannot be reached is told and looked at the next time.
    pub async fn sweep_all(&self) -> usize {
        let Ok(active) = self.parts().store.read("keystores.active", keystores::active).await else { return 0 };
        let mut looked_at = 0;
        for keystore in active {
            match self.sweep_keystore(&keystore).await {
                Ok(()) => looked_at += 1,
                Err(error) => tracing::warn!(keystore = %keystore.name, ?error, "leftovers could not be looked for"),
            }
        }
        looked_at
    }
}

fn told(outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "the schedule could not look");
    }
}
