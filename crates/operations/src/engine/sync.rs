//! The three steps of a sync: list the aliases, look at every key, look for those that have vanished. Each call waits for its own quota, many are in flight, and no
//! more than one page of ids is in memory (FT-056).

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use keystead_cloud::{Call, CloudError, CloudKeyId, Grant, Kind, Page, Retry};
use keystead_domain::{Aliases, KeyId};
use keystead_store::{
    StoreError, Tx,
    keys::KeyRow,
    operations,
    syncs::{self, Counts, SyncRow},
    views,
};
use tokio::sync::mpsc;

use super::{
    Engine, Point,
    call::StepError,
    perform::{Bench, Outcome},
};
use crate::{
    step::Step,
    sync::{GRANTS_KEPT, Keeper, Kept, STRANGERS_NAMED, Seen, Sight, Sighting, Stranger},
    words::Who,
};

/// Keys that are looked at side by side: enough to fill the tightest quota, ListGrants with 100 a second, from half a second away, and the widest from next door.
const IN_FLIGHT: usize = 128;
/// Keys that are written in one transaction.
const BATCH: usize = 200;
/// Rows looked through at once for those that have vanished.
const ROWS: u32 = 200;
/// Of those, how many are looked for in the cloud side by side.
const LOOKS_AT_ONCE: usize = 16;
/// Tries of one look whose answer was lost. Throttling is waited out without end.
const TRIES: u32 = 6;
/// The first pause between them, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the looks hand to who writes.
enum Note {
    /// A key was seen.
    Seen(Sighting),
    /// A page is through; the next begins here.
    Page(Option<String>),
}

impl Engine {
    /// Lists the aliases of all keys, for the while of the sync.
    pub(super) async fn list_aliases(&self, bench: &Bench) -> Result<Outcome, StepError> {
        let step = Step::ListAliases.name();
        let sync = self.sync(bench).await?;
        if sync.step != step {
            return Ok(Outcome::default());
        }
        let mut marker = sync.marker;
        let mut count = 0;
        loop {
            let page = self.page_of_aliases(bench, &mut marker).await?;
            count += page.items.len();
            let (is_first, next) = (marker.is_none(), page.next.clone());
            let (id, keystore, fence) = (bench.operation.clone(), bench.keystore.id.clone(), bench.fence());
            let goes_on = if next.is_some() { step } else { Step::InspectKeys.name() };
            self.note("sync.aliases", move |tx| {
                if is_first {
                    syncs::drop_aliases(tx, &keystore)?;
                }
                page.items.iter().try_for_each(|at| syncs::add_alias(tx, &keystore, &at.key.0, at.alias.as_str()))?;
                syncs::go_on(tx, &id, fence, goes_on, page.next.as_deref())
            })
            .await?;
            match next {
                Some(next) => marker = Some(next),
                None => return Ok(Outcome::default().detail("aliases", count.to_string())),
            }
        }
    }

    /// A marker of an earlier life that the cloud no longer takes means the beginning.
    async fn page_of_aliases(&self, bench: &Bench, marker: &mut Option<String>) -> Result<Page<keystead_cloud::Pointing>, StepError> {
        match self.look_patiently(bench, Call::ListAliases, || bench.cloud.list_aliases(marker.as_deref())).await {
            Err(StepError::Cloud(error)) if error.kind == Kind::BadInput && marker.is_some() => {
                *marker = None;
                self.look_patiently(bench, Call::ListAliases, || bench.cloud.list_aliases(None)).await
            }
            other => other,
        }
    }

    /// Looks at every key, page by page, and writes what was seen.
    pub(super) async fn inspect_keys(&self, bench: &Bench, who: &Who) -> Result<Outcome, StepError> {
        let sync = self.sync(bench).await?;
        if sync.step == Step::InspectKeys.name() {
            let (notes, written) = mpsc::channel(BATCH);
            tokio::try_join!(self.look_at_keys(bench, sync.marker, notes), self.write_down(bench, who, written))?;
        }
        let counts = self.sync(bench).await?.counts;
        let told = [
            ("found", counts.found()),
            ("new", counts.fresh),
            ("changed", counts.changed),
            ("own", counts.own),
            ("different", counts.different),
            ("elsewhere", counts.elsewhere),
            ("unknown", counts.unknown),
            ("left_out", counts.left_out),
        ];
        Ok(told.into_iter().fold(Outcome::default(), |outcome, (name, count)| outcome.detail(name, count.to_string())))
    }

    async fn look_at_keys(&self, bench: &Bench, mut marker: Option<String>, notes: mpsc::Sender<Note>) -> Result<(), StepError> {
        loop {
            let page = match self.look_patiently(bench, Call::List, || bench.cloud.list_keys(marker.as_deref())).await {
                Err(StepError::Cloud(error)) if error.kind == Kind::BadInput && marker.is_some() => {
                    self.begin_anew(bench).await?;
                    marker = None;
                    continue;
                }
                other => other?,
            };
            let fresh = self.not_seen_yet(bench, page.items).await?;
            let mut looks = stream::iter(fresh).map(|id| self.see(bench, id)).buffer_unordered(IN_FLIGHT);
            while let Some(sighting) = looks.try_next().await? {
                hand(&notes, Note::Seen(sighting)).await?;
            }
            hand(&notes, Note::Page(page.next.clone())).await?;
            match page.next {
                Some(next) => marker = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The marker is no longer taken: the list begins anew, and what has been kept is not looked at again.
    async fn begin_anew(&self, bench: &Bench) -> Result<(), StepError> {
        let (id, fence) = (bench.operation.clone(), bench.fence());
        self.note("sync.begin_anew", move |tx| syncs::begin_anew(tx, &id, fence)).await
    }

    /// Of a page that an earlier life began, what it did not keep.
    async fn not_seen_yet(&self, bench: &Bench, ids: Vec<CloudKeyId>) -> Result<Vec<CloudKeyId>, StepError> {
        let (keystore, operation) = (bench.keystore.id.clone(), bench.operation.clone());
        let listed: Vec<String> = ids.iter().map(|id| id.0.clone()).collect();
        let seen = self.parts.store.read("views.seen", move |tx| views::seen(tx, &keystore, &operation, &listed)).await?;
        let seen: std::collections::HashSet<String> = seen.into_iter().collect();
        Ok(ids.into_iter().filter(|id| !seen.contains(&id.0)).collect())
    }

    async fn write_down(&self, bench: &Bench, who: &Who, mut notes: mpsc::Receiver<Note>) -> Result<(), StepError> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut strange = Kept::default();
        while let Some(note) = notes.recv().await {
            match note {
                Note::Seen(sighting) => {
                    batch.push(sighting);
                    if batch.len() == BATCH {
                        self.keep(bench, who, std::mem::take(&mut batch), &mut strange).await?;
                    }
                }
                Note::Page(next) => {
                    self.keep(bench, who, std::mem::take(&mut batch), &mut strange).await?;
                    self.turn_page(bench, next, std::mem::take(&mut strange)).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes a batch. What has no row is remembered until its page is through.
    async fn keep(&self, bench: &Bench, who: &Who, batch: Vec<Sighting>, strange: &mut Kept) -> Result<(), StepError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (keeper, operation, fence) = (self.keeper(bench, who).await?, bench.operation.clone(), bench.fence());
        let kept = self
            .note("sync.keep", move |tx| {
                let mut kept = Kept::default();
                batch.iter().try_for_each(|sighting| keeper.keep(tx, sighting, &mut kept))?;
                syncs::count(tx, &operation, fence, &kept.counts)?;
                Ok(kept)
            })
            .await?;
        strange.strange.elsewhere += kept.strange.elsewhere;
        strange.strange.unknown += kept.strange.unknown;
        strange.strange.left_out += kept.strange.left_out;
        strange.strangers.extend(kept.strangers);
        Ok(())
    }

    async fn turn_page(&self, bench: &Bench, next: Option<String>, strange: Kept) -> Result<(), StepError> {
        let (id, fence) = (bench.operation.clone(), bench.fence());
        let step = if next.is_some() { Step::InspectKeys.name() } else { Step::FindVanished.name() };
        self.note("sync.page", move |tx| {
            syncs::count(tx, &id, fence, &strange.strange)?;
            name_strangers(tx, &id, fence, &strange.strangers)?;
            syncs::go_on(tx, &id, fence, step, next.as_deref())
        })
        .await
    }

    async fn keeper(&self, bench: &Bench, who: &Who) -> Result<Keeper, StepError> {
        let id = bench.operation.clone();
        let row = self.parts.store.read("operations.by_id", move |tx| operations::by_id(tx, &id)).await?;
        let began = row.ok_or_else(|| StoreError::Corrupt("a sync without an operation".to_owned()))?.created_at;
        let (keystore, operation, random) = (bench.keystore.clone(), Some(bench.operation.clone()), self.parts.random.clone());
        Ok(Keeper { engine: self.clone(), keystore, operation, began, who: who.clone(), now: self.now(), random })
    }

    async fn sync(&self, bench: &Bench) -> Result<SyncRow, StepError> {
        let id = bench.operation.clone();
        let found = self.parts.store.read("syncs.of", move |tx| syncs::of(tx, &id)).await?;
        Ok(found.ok_or_else(|| StoreError::Corrupt("a sync without a row".to_owned()))?)
    }

    /// Looks at one key: what it is, and, of the account's own, its tags, policy and grants.
    pub(super) async fn see(&self, bench: &Bench, id: CloudKeyId) -> Result<Sighting, StepError> {
        let at = self.now();
        let seen = match allowed(self.look_patiently(bench, Call::Observe, || bench.cloud.inspect(&id)).await)? {
            None => Sight::Hidden,
            Some(None) => Sight::Gone,
            Some(Some(key)) if !key.is_customers => Sight::LeftOut,
            Some(Some(key)) => {
                let (tags, policy, grants) = tokio::try_join!(self.tags_of(bench, &id), self.policy_of(bench, &id), self.grants_of(bench, &id))?;
                let is_own = tags.as_ref().is_some_and(|tags| bench.cloud.is_own(tags));
                Sight::Key(Box::new(Seen { key, tags, policy, grants, is_own, aliases: Aliases::default() }))
            }
        };
        Ok(Sighting { id: id.0, at, seen })
    }

    async fn tags_of(&self, bench: &Bench, id: &CloudKeyId) -> Result<Option<Vec<(String, String)>>, StepError> {
        let (mut tags, mut marker) = (Vec::new(), None::<String>);
        loop {
            let page = self.look_patiently(bench, Call::ListTags, || bench.cloud.tags(id, marker.as_deref())).await;
            let Some(page) = allowed(page)? else { return Ok(None) };
            tags.extend(page.items);
            match page.next {
                Some(next) => marker = Some(next),
                None => return Ok(Some(tags)),
            }
        }
    }

    async fn policy_of(&self, bench: &Bench, id: &CloudKeyId) -> Result<Option<String>, StepError> {
        allowed(self.look_patiently(bench, Call::GetPolicy, || bench.cloud.policy(id)).await)
    }

    /// How many grants a key has, and the first of them: there may be fifty thousand.
    async fn grants_of(&self, bench: &Bench, id: &CloudKeyId) -> Result<Option<(u64, Vec<Grant>)>, StepError> {
        let (mut count, mut grants, mut marker) = (0, Vec::new(), None::<String>);
        loop {
            let page = self.look_patiently(bench, Call::ListGrants, || bench.cloud.grants(id, marker.as_deref())).await;
            let Some(page) = allowed(page)? else { return Ok(None) };
            count += page.items.len() as u64;
            let room = GRANTS_KEPT.saturating_sub(grants.len());
            grants.extend(page.items.into_iter().take(room));
            match page.next {
                Some(next) => marker = Some(next),
                None => return Ok(Some((count, grants))),
            }
        }
    }

    /// Looks for the keys that the list did not show.
    pub(super) async fn find_vanished(&self, bench: &Bench, who: &Who) -> Result<Outcome, StepError> {
        let mut after = String::new();
        loop {
            let (keystore, operation, from) = (bench.keystore.id.clone(), bench.operation.clone(), after.clone());
            let rows = self.parts.store.read("views.unseen", move |tx| views::unseen(tx, &keystore, &operation, &from, ROWS)).await?;
            let Some(last) = rows.last() else { break };
            after = last.id.to_string();
            stream::iter(rows).map(|row| self.end_if_gone(bench, who, row)).buffer_unordered(LOOKS_AT_ONCE).try_collect::<Vec<()>>().await?;
        }
        let (keeper, now) = (self.keeper(bench, who).await?, self.now());
        self.note("sync.strangers", move |tx| keystead_store::drifts::end_unseen(tx, &keeper.keystore.id, keeper.began, now)).await?;
        let counts = self.sync(bench).await?.counts;
        Ok(Outcome::default().detail("vanished", counts.vanished.to_string()))
    }

    async fn end_if_gone(&self, bench: &Bench, who: &Who, row: KeyRow) -> Result<(), StepError> {
        if !self.has_gone(bench, &row.id).await? {
            return Ok(());
        }
        let (keeper, operation, fence) = (self.keeper(bench, who).await?, bench.operation.clone(), bench.fence());
        self.note("sync.gone", move |tx| {
            let vanished = i64::from(keeper.gone(tx, &row)?);
            syncs::count(tx, &operation, fence, &Counts { vanished, ..Counts::default() })
        })
        .await
    }

    /// Whether the cloud says twice that it has no such key. What may not be looked at is not gone.
    async fn has_gone(&self, bench: &Bench, key: &KeyId) -> Result<bool, StepError> {
        let id = self.cloud_id(key).await?;
        self.is_gone(bench, &id).await
    }

    pub(super) async fn is_gone(&self, bench: &Bench, id: &CloudKeyId) -> Result<bool, StepError> {
        for pause in [0, 200] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if !matches!(allowed(self.look_patiently(bench, Call::Observe, || bench.cloud.observe(id)).await)?, Some(None)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks again where a look was throttled, or its answer lost: a sync of thousands of looks must not begin a page anew because of one.
    pub(super) async fn look_patiently<T, F: Future<Output = Result<T, CloudError>>>(
        &self,
        bench: &Bench,
        call: Call,
        ask: impl Fn() -> F,
    ) -> Result<T, StepError> {
        let (mut pause, longest) = PAUSES;
        let mut tries = 1;
        loop {
            match self.look(bench, call, ask()).await {
                Err(StepError::Cloud(error)) if error.kind == Kind::Throttled => {}
                Err(StepError::Cloud(error)) if error.retry == Retry::Backoff && error.kind != Kind::Unreachable && tries < TRIES => tries += 1,
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// A write of a step's own, between two places at which the harness may let the process die.
    pub(super) async fn note<T, F>(&self, name: &'static str, function: F) -> Result<T, StepError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.reach(Point::BeforeWrite(name))?;
        let written = self.parts.store.write(name, function).await?;
        self.reach(Point::AfterWrite(name))?;
        Ok(written)
    }
}

/// Who writes is gone only behind an error of its own, which then is the answer.
async fn hand(notes: &mpsc::Sender<Note>, note: Note) -> Result<(), StepError> {
    notes.send(note).await.map_err(|_| StepError::Store(StoreError::Closed))
}

/// What may not be looked at is no failure of a sync.
pub(super) fn allowed<T>(looked: Result<T, StepError>) -> Result<Option<T>, StepError> {
    match looked {
        Err(StepError::Cloud(error)) if error.kind == Kind::AccessDenied => Ok(None),
        other => other.map(Some),
    }
}

fn name_strangers(tx: &mut Tx<'_>, operation: &keystead_domain::OperationId, fence: i64, more: &[Stranger]) -> Result<(), StoreError> {
    if more.is_empty() {
        return Ok(());
    }
    let kept = syncs::of(tx, operation)?.map(|sync| sync.strangers).unwrap_or_default();
    let mut named: Vec<Stranger> = serde_json::from_str(&kept).unwrap_or_default();
    named.extend(more.iter().cloned());
    named.truncate(STRANGERS_NAMED);
    syncs::set_strangers(tx, operation, fence, &serde_json::to_string(&named).unwrap_or_else(|_| "[]".to_owned()))
}
