//! The two steps of a restore: look which keys have lost their material, and begin an upload for each, the most important first. Warm keys, whose import parameters are
//! here already, go in a lane of their own: another quota is theirs, and they do not wait for cold ones (FX-003, FX-029).

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, stream, stream::FuturesUnordered};
use keystead_cloud::{Call, CloudKeyId};
use keystead_domain::{Event, KeyId, OperationId, RegionRole, Verdict, key::importance::Importance, verdict};
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyRow},
    keystores::KeystoreRow,
    operations,
    restores::{self, Loss, LostRow, RestoreRow},
};

use super::{
    Engine,
    call::StepError,
    perform::{Bench, Outcome},
    sync::allowed,
};
use crate::{Problem, Saga, family, restore::WARM_MARGIN, saga::upload_key::UploadKey, stored::Stored, words::Who};

/// Keys that are looked at in one go, and written down in one transaction.
const PAGE: u32 = 500;
/// How many of them side by side: enough to fill the quota of DescribeKey, 2,000 a second, from 60 ms away.
const LOOKS: usize = 128;
/// Warm keys that are given back side by side: enough to fill the quota of ImportKeyMaterial, 15 a second, when each takes four seconds.
const WARM: usize = 64;
/// Cold ones: GetParametersForImport goes out once a second, and what comes behind it shall not hold up the next.
const COLD: usize = 16;
/// How many uploads may wait for something themselves before no more are begun.
const UNFINISHED_MAX: usize = 128;
/// How long one look at an upload waits for its end.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same of one that nobody here has in hand.
const GLANCE: Duration = Duration::from_millis(100);
/// How often, a second apart, an upload is tried while another operation has the key.
const TRIES: u32 = 60;

/// What a look showed of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Well,
    Hidden,
    Lost(Loss),
}

/// What came of the try to begin an upload.
enum Begun {
    Upload(OperationId),
    /// It was settled otherwise: refused, or by another life.
    Settled,
    /// Another operation has the key.
    Busy,
}

impl Engine {
    /// Looks at every key whose material should be there, and notes those that have lost it.
    pub(super) async fn find_lost(&self, bench: &Bench) -> Result<Outcome, StepError> {
        loop {
            let after = self.restore(bench).await?.after;
            let (keystore, now) = (bench.keystore.id.clone(), self.now());
            let rows = self.parts.store.read("restores.candidates", move |tx| restores::candidates(tx, &keystore, now, &after, PAGE)).await?;
            let Some(last) = rows.last().map(|row| row.id.clone()) else { break };
            let looks = stream::iter(rows).map(|row| async move { self.find(bench, &row).await.map(|found| (row, found)) });
            let found: Vec<(KeyRow, Found)> = looks.buffer_unordered(LOOKS).try_collect().await?;
            self.keep_found(bench, last, found).await?;
        }
        let id = bench.operation.clone();
        let tally = self.parts.store.read("restores.tally", move |tx| restores::tally(tx, &id)).await?;
        let looked = self.restore(bench).await?.looked;
        Ok(Outcome::default().detail("looked", looked.to_string()).detail("lost", tally.waiting.to_string()).detail("gone", tally.gone.to_string()))
    }

    async fn restore(&self, bench: &Bench) -> Result<RestoreRow, StepError> {
        let id = bench.operation.clone();
        let found = self.parts.store.read("restores.of", move |tx| restores::of(tx, &id)).await?;
        Ok(found.ok_or_else(|| StoreError::Corrupt("a restore without a row".to_owned()))?)
    }

    /// Looks at a key. That it is gone is believed when the cloud says so twice.
    async fn find(&self, bench: &Bench, row: &KeyRow) -> Result<Found, StepError> {
        let id = CloudKeyId(row.cloud_key_id.clone().ok_or_else(|| StepError::Missing(row.id.clone()))?);
        for pause in [0, 200] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            match allowed(self.look_patiently(bench, Call::Observe, || bench.cloud.observe(&id)).await)? {
                None => return Ok(Found::Hidden),
                Some(None) => {}
                // What counts down is told by the sync; its material would go with it.
                Some(Some(seen)) if seen.material_present != Some(false) || seen.is_ending() => return Ok(Found::Well),
                Some(Some(_)) => return Ok(Found::Lost(Loss::Material)),
            }
        }
        Ok(Found::Lost(Loss::Key))
    }

    async fn keep_found(&self, bench: &Bench, last: KeyId, found: Vec<(KeyRow, Found)>) -> Result<(), StepError> {
        let (id, fence) = (bench.operation.clone(), bench.fence());
        self.note("restore.found", move |tx| {
            for (row, found) in &found {
                if let Found::Lost(loss) = found {
                    restores::add(tx, &id, &row.id, Importance::of(&row.tags).get(), *loss)?;
                }
            }
            let hidden = found.iter().filter(|(_, found)| *found == Found::Hidden).count();
            restores::go_on(tx, &id, fence, &last, found.len() as i64, hidden as i64)
        })
        .await
    }

    /// Gives every key that was noted its material back. Uploads that an earlier life began come first.
    pub(super) async fn give_back(&self, bench: &Bench, who: &Who) -> Result<Outcome, StepError> {
        let id = bench.operation.clone();
        let begun = self.parts.store.read("restores.begun", move |tx| restores::begun(tx, &id)).await?;
        let unfinished = AtomicUsize::new(0);
        let waits = stream::iter(begun).map(|lost| self.give_back_one(bench, who, lost, &unfinished));
        waits.buffer_unordered(UNFINISHED_MAX).try_collect::<Vec<()>>().await?;
        loop {
            tokio::try_join!(self.lane(bench, who, true, &unfinished), self.lane(bench, who, false, &unfinished))?;
            let id = bench.operation.clone();
            let tally = self.parts.store.read("restores.tally", move |tx| restores::tally(tx, &id)).await?;
            // A key may have become warm, or cold, between the two lanes.
            if tally.waiting > 0 {
                continue;
            }
            if tally.running > 0 {
                return Err(StepError::Unfinished(usize::try_from(tally.running).unwrap_or(usize::MAX)));
            }
            return Ok(Outcome::default().detail("restored", tally.restored.to_string()).detail("failed", tally.failed.to_string()));
        }
    }

    /// Goes through the warm keys that wait, or through the cold ones.
    async fn lane(&self, bench: &Bench, who: &Who, warm: bool, unfinished: &AtomicUsize) -> Result<(), StepError> {
        let width = if warm { WARM } else { COLD };
        let mut in_flight = FuturesUnordered::new();
        let mut after = (0, String::new());
        loop {
            let rows = self.waiting(bench, warm, after.clone()).await?;
            let Some(last) = rows.last() else { break };
            after = (last.importance, last.key_id.to_string());
            for lost in rows {
                while in_flight.len() >= width {
                    in_flight.try_next().await?;
                }
                // Begun one after the other, so that the order holds; one that another operation has is begun aside, when it is let go.
                match self.try_begin_upload(bench, who, &lost.key_id).await? {
                    Begun::Upload(upload) => in_flight.push(self.give_back_one(bench, who, LostRow { upload_id: Some(upload), ..lost }, unfinished)),
                    Begun::Busy => in_flight.push(self.give_back_one(bench, who, lost, unfinished)),
                    Begun::Settled => {}
                }
            }
        }
        in_flight.try_collect().await
    }

    async fn waiting(&self, bench: &Bench, warm: bool, (importance, key): (u32, String)) -> Result<Vec<LostRow>, StepError> {
        let (id, until) = (bench.operation.clone(), self.now().plus_micros(WARM_MARGIN));
        let read = move |tx: &mut Tx<'_>| restores::waiting(tx, &id, warm, until, (importance, &key), PAGE);
        Ok(self.parts.store.read("restores.waiting", read).await?)
    }

    /// Begins the upload of a key, unless it has begun, and waits for its end. One that waits for something itself is left, and counted.
    async fn give_back_one(&self, bench: &Bench, who: &Who, lost: LostRow, unfinished: &AtomicUsize) -> Result<(), StepError> {
        let upload = match lost.upload_id {
            Some(upload) => upload,
            None => match self.begin_upload(bench, who, &lost.key_id).await? {
                Some(upload) => upload,
                None => return Ok(()),
            },
        };
        loop {
            let is_here = self.has_in_hand(&upload);
            let ended = self.wait(&upload, if is_here { PATIENCE } else { GLANCE }).await?.is_none_or(|row| row.state != "RUNNING");
            if ended {
                return Ok(());
            }
            if !is_here && !self.has_in_hand(&upload) {
                let count = unfinished.fetch_add(1, Ordering::SeqCst) + 1;
                return if count < UNFINISHED_MAX { Ok(()) } else { Err(StepError::Unfinished(count)) };
            }
        }
    }

    /// Begins the upload of a key, once no other operation has it. `None`: there is nothing to wait for.
    async fn begin_upload(&self, bench: &Bench, who: &Who, key: &KeyId) -> Result<Option<OperationId>, StepError> {
        for _ in 0..TRIES {
            match self.try_begin_upload(bench, who, key).await? {
                Begun::Upload(upload) => return Ok(Some(upload)),
                Begun::Settled => return Ok(None),
                Begun::Busy => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        let problem =
            Problem::new("busy", "Another operation has had the key for too long.", "Wait for its end, then restore again, or `keystead key upload` it.");
        self.refuse_upload(bench, key, &problem).await.map(|()| None)
    }

    async fn try_begin_upload(&self, bench: &Bench, who: &Who, key: &KeyId) -> Result<Begun, StepError> {
        let row = self.led_by(self.key(key).await?).await?;
        if !matches!(verdict(row.state, Event::Upload), Verdict::To(_) | Verdict::Stay) || row.ties.custody.refusal(Event::Upload).is_some() {
            let detail = format!("{} is {} by now.", row.name, row.state.as_str());
            let problem = Problem::new("wrong-state", detail, "Look at it: `keystead key show`. An activation gives it its material back.");
            return self.refuse_upload(bench, key, &problem).await.map(|()| Begun::Settled);
        }
        let keystore = self.keystore_of(bench, &row).await?;
        let replicas = family::ids(&self.followers(&row).await?);
        let saga = Saga::UploadKey(UploadKey { key: Stored(row.id.clone()), expires: row.expires_at.map(Into::into), replicas });
        let intent = self.intend(&saga, &keystore, who, "keystore-restore", None).detail("restore", bench.operation.as_str());
        let (restore, fence, lost, until) = (bench.operation.clone(), bench.fence(), key.clone(), self.now());
        let written = self.note("restore.upload", move |tx| {
            let operation = intent.write(tx)?;
            // Behind the lock nobody changes the key any more; since the look, somebody may have.
            if keys::by_id(tx, &row.id)?.is_none_or(|now| now.state != row.state || now.expires_at != row.expires_at) {
                return Err(StoreError::MovedOn("key"));
            }
            if !operations::is_held(tx, &restore, fence, until)? {
                return Err(StoreError::MovedOn("operation lease"));
            }
            restores::settle(tx, &restore, &lost, Ok(&operation.id))?;
            Ok(operation)
        });
        match written.await {
            Ok(operation) => {
                let id = operation.id.clone();
                self.start(operation);
                Ok(Begun::Upload(id))
            }
            Err(StepError::Store(StoreError::MovedOn("restore of a key"))) => Ok(Begun::Settled),
            Err(StepError::Store(StoreError::MovedOn("key" | "family of Regions"))) => Ok(Begun::Busy),
            Err(StepError::Store(error)) if error.is_unique("locks") => Ok(Begun::Busy),
            Err(error) => Err(error),
        }
    }

    /// Who gives a key its material: of a replica its primary, which takes the whole family along.
    async fn led_by(&self, row: KeyRow) -> Result<KeyRow, StepError> {
        match (&row.ties.role, &row.ties.primary) {
            (RegionRole::Replica, Some(primary)) => self.key(primary).await,
            _ => Ok(row),
        }
    }

    async fn keystore_of(&self, bench: &Bench, row: &KeyRow) -> Result<KeystoreRow, StepError> {
        if row.keystore_id == bench.keystore.id { Ok(bench.keystore.clone()) } else { Ok(self.site(&row.keystore_id).await?.keystore) }
    }

    async fn refuse_upload(&self, bench: &Bench, key: &KeyId, problem: &Problem) -> Result<(), StepError> {
        let (restore, key, problem) = (bench.operation.clone(), key.clone(), problem.to_json());
        match self.note("restore.refused", move |tx| restores::settle(tx, &restore, &key, Err(&problem))).await {
            Err(StepError::Store(StoreError::MovedOn("restore of a key"))) => Ok(()),
            other => other,
        }
    }
}
