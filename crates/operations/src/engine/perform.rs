//! A step turned into calls. Each answers what was learnt of the key; the run writes it down.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use keystead_cloud::{Call, Cloud, CloudKeyId, Kind, NewCloudKey, Observed, OwnTags, Reply};
use keystead_domain::{Alias, KeyId, OperationId, RegionRole, Timestamp, VersionId, key::deletion::WaitingDays, tags::TagChange, time::SECOND};
use keystead_store::{
    StoreError,
    keys::{self, CloudFacts, KeyRow},
    keystores::{self, KeystoreRow},
    locks,
    versions::MaterialFacts,
    views,
};

use super::{
    Engine,
    call::{Lease, StepError},
};
use crate::{
    step::Step,
    sync::{View, drift::own_tags},
    words::Who,
};

/// For how long after its creation a key may not be visible everywhere (AWS KMS Developer Guide, "Eventual consistency").
const NEW_KEY: i64 = 300 * SECOND;

/// Where an operation works: the keystore and its cloud.
pub(super) struct Bench {
    pub(super) keystore: KeystoreRow,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) operation: OperationId,
    /// Since when the operation runs.
    pub(super) began: Timestamp,
    /// Whether a call of this step has had an effect.
    pub(super) touched: Arc<AtomicBool>,
    /// Under which lease; a look needs none.
    pub(super) lease: Option<Lease>,
}

impl Bench {
    /// One for looks outside of any operation. The id names none; it is only there because a bench has one.
    pub(super) fn to_look(keystore: KeystoreRow, cloud: Arc<dyn Cloud>, now: Timestamp) -> Self {
        Self { keystore, cloud, operation: OperationId::new(now, [0; 10]), began: now, touched: Arc::default(), lease: None }
    }

    /// The number of the lease; 0 where there is none.
    pub(super) fn fence(&self) -> i64 {
        self.lease.as_ref().map_or(0, |lease| lease.fence.load(Ordering::SeqCst))
    }
}

/// What came of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// What was learnt of which keys.
    pub(super) facts: Vec<(KeyId, CloudFacts)>,
    /// What was learnt of which versions' copies.
    pub(super) materials: Vec<(VersionId, MaterialFacts)>,
    /// Pending versions that turned out to be rotated in.
    pub(super) rotated_in: Vec<VersionId>,
    /// Import parameters that were used up: of which key, fetched when.
    pub(super) spent: Vec<(KeyId, Timestamp)>,
    /// The cloud's id of the request that had the effect.
    pub(super) request_id: Option<String>,
    /// More, for journal and audit log.
    pub(super) details: Vec<(Cow<'static, str>, String)>,
}

impl Outcome {
    pub(super) fn of<T>(reply: Reply<T>) -> Self {
        Self { request_id: reply.request_id, ..Self::default() }
    }

    pub(super) fn facts(mut self, key: &KeyId, facts: CloudFacts) -> Self {
        self.facts.push((key.clone(), facts));
        self
    }

    pub(super) fn material(mut self, version: &VersionId, facts: MaterialFacts) -> Self {
        self.materials.push((version.clone(), facts));
        self
    }

    pub(super) fn rotated_in(mut self, version: &VersionId) -> Self {
        self.rotated_in.push(version.clone());
        self
    }

    /// This, and what came of the same step after it: the later request counts.
    pub(super) fn and(mut self, later: Self) -> Self {
        self.materials.extend(later.materials);
        self.rotated_in.extend(later.rotated_in);
        self.spent.extend(later.spent);
        self.facts.extend(later.facts);
        Self { materials: self.materials, rotated_in: self.rotated_in, spent: self.spent, facts: self.facts, ..later }
    }

    pub(super) fn detail(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }
}

impl Engine {
    /// Does a step. `unknown` says that it may have been done already, without an answer.
    pub(super) async fn perform(&self, bench: &Bench, step: &Step, unknown: bool, who: &Who) -> Result<Outcome, StepError> {
        match step {
            Step::CreateCloudKey(key) => self.create_cloud_key(bench, &self.key(key).await?, unknown).await,
            Step::ReplicateCloudKey { replica, primary } => self.replicate_cloud_key(bench, replica, primary).await,
            Step::Promote { from, to } => self.promote(bench, from, to).await,
            Step::AbandonCloudKey(key) => self.abandon_cloud_key(bench, key).await,
            Step::ImportMaterial(key, expires) => self.import_materials(bench, &self.key(key).await?, *expires).await,
            Step::ImportPending { key, version, expires } => self.import_pending(bench, key, version, *expires).await,
            Step::DeletePending(key, version) => self.delete_pending(bench, key, version).await,
            Step::RotateIn(key, version) => self.rotate_in(bench, key, version).await,
            // Each of them has a bench of its own, which the run makes.
            Step::Together(_) => Ok(Outcome::default()),
            Step::CutOff(key) => self.cut_off(bench, key).await,
            Step::Empty(key) => self.empty(bench, key).await,
            Step::ConfirmDark(key) => self.confirm_dark(bench, key).await,
            Step::Enable(key) => self.enable(bench, key).await,
            Step::Disable(key) => self.disable(bench, key).await,
            Step::ConfirmEnabled(key) => self.confirm_enabled(bench, key).await,
            Step::DisableBefore(key, end) => self.disable_before(bench, key, *end).await,
            Step::DeleteMaterial(key) => self.delete_materials(bench, key).await,
            Step::PointAlias { alias, to, from } => self.point_alias(bench, alias, to, from.as_ref()).await,
            Step::TakeAlias { alias, to, from } => self.take_alias(bench, alias, to, from).await,
            Step::TagOwn(key) => self.tag_own(bench, key).await,
            Step::RemoveAlias(alias, key) => self.remove_alias(bench, alias, key).await,
            Step::ChangeTags(key, change) => self.change_tags(bench, key, change).await,
            Step::Describe(key, text) => self.describe(bench, key, text).await,
            Step::ScheduleDeletion(key, days) => self.schedule_deletion(bench, key, *days).await,
            Step::CancelDeletion(key) => self.cancel_deletion(bench, key).await,
            Step::ConfirmGone(key) => self.confirm_gone(bench, key).await,
            Step::FindStray(key) => self.find_stray(bench, key).await,
            Step::Sweep => self.sweep(bench).await,
            Step::ListAliases => self.list_aliases(bench).await,
            Step::InspectKeys => self.inspect_keys(bench, who).await,
            Step::FindVanished => self.find_vanished(bench, who).await,
            Step::FindLost => self.find_lost(bench).await,
            Step::GiveBack => self.give_back(bench, who).await,
        }
    }

    pub(super) async fn key(&self, id: &KeyId) -> Result<KeyRow, StepError> {
        let wanted = id.clone();
        let row = self.parts.store.read("keys.by_id", move |tx| keys::by_id(tx, &wanted)).await?;
        row.ok_or_else(|| StepError::Missing(id.clone()))
    }

    /// Whether the cloud may not show a key everywhere yet.
    pub(super) fn is_new(&self, key: &KeyRow) -> bool {
        self.now().as_micros() - key.created_at.as_micros() < NEW_KEY
    }

    /// The cloud's id of a key that must have one by now.
    pub(super) async fn cloud_id(&self, id: &KeyId) -> Result<CloudKeyId, StepError> {
        let cloud_id = self.key(id).await?.cloud_key_id;
        cloud_id.map(CloudKeyId).ok_or_else(|| StepError::Missing(id.clone()))
    }

    async fn create_cloud_key(&self, bench: &Bench, key: &KeyRow, unknown: bool) -> Result<Outcome, StepError> {
        if unknown && let Some(found) = self.find_made_by(bench, &bench.operation).await?.into_iter().find(|found| !found.pending_deletion) {
            return Ok(Outcome::default().facts(&key.id, created(found.id.0, found.arn)).detail("adopted", "true"));
        }
        let reply = self.call(bench, Call::CreateKey, bench.cloud.create_key(&order(bench, key))).await?;
        let made = reply.value.clone();
        Ok(Outcome::of(reply).facts(&key.id, created(made.id.0, made.arn.clone())).detail("cloud_key", made.arn))
    }

    /// Every cloud key that this operation made: the one that the row names, and those that lost answers left behind.
    async fn abandon_cloud_key(&self, bench: &Bench, id: &KeyId) -> Result<Outcome, StepError> {
        let named = self.key(id).await?.cloud_key_id.map(CloudKeyId);
        let lost = self.find_made_by(bench, &bench.operation).await?.into_iter().filter(|found| !found.pending_deletion).map(|found| found.id);
        for cloud_id in named.into_iter().chain(lost) {
            self.abandon(bench, &cloud_id).await?;
        }
        Ok(Outcome::default())
    }

    async fn enable(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let reply = self.call(bench, Call::Enable, bench.cloud.enable(&id)).await?;
        let seen = self.look_until(bench, &id, |seen| seen.enabled).await?;
        Ok(Outcome::of(reply).facts(key, facts_but_material(&seen)))
    }

    pub(super) async fn disable(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let tried = self.call(bench, Call::Disable, bench.cloud.disable(&id)).await;
        let reply = match tried {
            // An empty key cannot be disabled at AWS, and cannot be used either: what was wanted is so.
            Err(StepError::Cloud(error)) if error.kind == Kind::WrongState => {
                let seen = self.observe(bench, &id).await?;
                if seen.enabled || seen.material_present != Some(false) {
                    return Err(StepError::Cloud(error));
                }
                return Ok(Outcome::default().facts(key, facts_of(&seen)));
            }
            other => other?,
        };
        Ok(Outcome::of(reply).facts(key, CloudFacts { raw_state: Some("Disabled".to_owned()), enabled: Some(false), ..CloudFacts::default() }))
    }

    /// What somebody has disabled in the cloud is theirs to enable.
    async fn confirm_enabled(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let seen = self.observe(bench, &id).await?;
        if seen.enabled { Ok(Outcome::default().detail("state", seen.raw_state)) } else { Err(StepError::NotEnabled(seen.raw_state)) }
    }

    async fn disable_before(&self, bench: &Bench, key: &KeyId, end: Timestamp) -> Result<Outcome, StepError> {
        if self.now() >= end { Err(StepError::TooLate(end)) } else { self.disable(bench, key).await }
    }

    async fn point_alias(&self, bench: &Bench, alias: &Alias, to: &KeyId, from: Option<&KeyId>) -> Result<Outcome, StepError> {
        let to = self.cloud_id(to).await?;
        let from = match from {
            Some(from) => Some(self.cloud_id(from).await?),
            None => None,
        };
        let call = if from.is_some() { Call::UpdateAlias } else { Call::CreateAlias };
        let reply = self.call(bench, call, bench.cloud.point_alias(alias, &to, from.as_ref())).await?;
        Ok(Outcome::of(reply).detail("alias", alias.with_prefix()))
    }

    async fn take_alias(&self, bench: &Bench, alias: &Alias, to: &KeyId, from: &str) -> Result<Outcome, StepError> {
        let (to, from) = (self.cloud_id(to).await?, CloudKeyId(from.to_owned()));
        let reply = self.call(bench, Call::UpdateAlias, bench.cloud.point_alias(alias, &to, Some(&from))).await?;
        Ok(Outcome::of(reply).detail("alias", alias.with_prefix()).detail("from", from.0))
    }

    /// The operation that made the key is named as the last look saw it; where no look did, this one stands in its place.
    async fn tag_own(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let (id, row, wanted) = (self.cloud_id(key).await?, self.key(key).await?, key.clone());
        let view = self.parts.store.read("views.of", move |tx| views::of(tx, &wanted)).await?;
        let seen = view.map(|view| own_tags(&View::read(&view.facts))).unwrap_or_default();
        let operation = seen.get("keystead:operation").cloned().unwrap_or_else(|| bench.operation.to_string());
        let own = OwnTags { key: row.id.to_string(), operation, installation: row.account_id.to_string() };
        Ok(Outcome::of(self.call(bench, Call::Tag, bench.cloud.tag_own(&id, &own)).await?))
    }

    async fn remove_alias(&self, bench: &Bench, alias: &Alias, key: &KeyId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let reply = self.call(bench, Call::DeleteAlias, bench.cloud.remove_alias(alias, &id)).await?;
        Ok(Outcome::of(reply).detail("alias", alias.with_prefix()))
    }

    async fn change_tags(&self, bench: &Bench, key: &KeyId, change: &TagChange) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let call = if change.set.is_empty() { Call::Untag } else { Call::Tag };
        Ok(Outcome::of(self.call(bench, call, bench.cloud.change_tags(&id, change)).await?))
    }

    async fn describe(&self, bench: &Bench, key: &KeyId, text: &str) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        Ok(Outcome::of(self.call(bench, Call::Describe, bench.cloud.describe(&id, text)).await?))
    }

    async fn schedule_deletion(&self, bench: &Bench, key: &KeyId, days: WaitingDays) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let reply = match self.call(bench, Call::ScheduleDeletion, bench.cloud.schedule_deletion(&id, days)).await {
            Err(StepError::Cloud(error)) if error.kind == Kind::NotFound && !self.is_new(&self.key(key).await?) => {
                return self.count_down_alone(bench, key, days).await;
            }
            other => other?,
        };
        let (raw_state, deletion_at) = match reply.value {
            Some(at) => ("PendingDeletion", at),
            None => ("PendingReplicaDeletion", self.behind_replicas(key, days).await?),
        };
        let facts = CloudFacts { raw_state: Some(raw_state.to_owned()), enabled: Some(false), deletion_at: Some(Some(deletion_at)), ..CloudFacts::default() };
        Ok(Outcome::of(reply).facts(key, facts))
    }

    /// Somebody deleted the key in the cloud. The countdown then runs here alone: the material stays for as long as people expect, and the key is not stuck.
    async fn count_down_alone(&self, bench: &Bench, key: &KeyId, days: WaitingDays) -> Result<Outcome, StepError> {
        let Outcome { facts, .. } = self.confirm_gone(bench, key).await?;
        let gone = facts.into_iter().next().map_or_else(CloudFacts::default, |(_, gone)| gone);
        let deletion_at = Some(Some(self.now().plus_days(i64::from(days.get()))));
        Ok(Outcome::default().facts(key, CloudFacts { deletion_at, ..gone }).detail("already_gone", "true"))
    }

    async fn cancel_deletion(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let reply = self.call(bench, Call::CancelDeletion, bench.cloud.cancel_deletion(&id)).await?;
        let seen = self.look_until(bench, &id, |seen| !seen.is_ending()).await?;
        Ok(Outcome::of(reply).facts(key, facts_but_material(&seen)))
    }

    /// Looks twice, a moment apart: one "not found" may be the cloud's own delay.
    async fn confirm_gone(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        for pause in [0, 200] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if let Some(seen) = self.look(bench, Call::Observe, bench.cloud.observe(&id)).await? {
                return Err(StepError::NotYet(seen.raw_state));
            }
        }
        let gone = CloudFacts { raw_state: Some("Deleted".to_owned()), enabled: Some(false), material_present: Some(false), ..CloudFacts::default() };
        Ok(Outcome::default().facts(key, gone))
    }

    /// Looks at a key and keeps what the cloud shows; for what the cloud does by itself.
    ///
    /// # Errors
    /// The cloud's or the store's.
    pub async fn look_at(&self, key: &KeyRow) -> Result<(), StepError> {
        if key.is_in_vault() {
            return Ok(());
        }
        let wanted = key.keystore_id.clone();
        let keystore = self.parts.store.read("keystores.by_id", move |tx| keystores::by_id(tx, &wanted)).await?;
        let keystore = keystore.ok_or_else(|| StepError::Missing(key.id.clone()))?;
        let cloud = self.parts.clouds.connect(&keystore).await?;
        let bench = Bench::to_look(keystore, cloud, self.now());
        let seen = self.observe(&bench, &self.cloud_id(&key.id).await?).await?;
        let (row, now) = (key.clone(), self.now());
        let has_expired = key.material_present && seen.material_present == Some(false);
        let end = key.expires_at.filter(|end| has_expired && *end <= now).map(|end| self.telling_of_end(key, end, None));
        let kept = self.parts.store.write("keys.keep_facts", move |tx| {
            // An operation may have gone on since the row was read: what it learnt is newer than what was seen here.
            let unchanged = keys::by_id(tx, &row.id)?.is_some_and(|now| now.revision == row.revision);
            if unchanged && locks::holder(tx, row.id.as_str())?.is_none() {
                end.iter().try_for_each(|end| end.write(tx).map(drop))?;
                keys::keep_facts(tx, &row.id, &facts_but_material(&seen), now)
            } else {
                Ok::<_, StoreError>(())
            }
        });
        Ok(kept.await?)
    }

    pub(super) async fn observe(&self, bench: &Bench, id: &CloudKeyId) -> Result<Observed, StepError> {
        self.look(bench, Call::Observe, bench.cloud.observe(id)).await?.ok_or(StepError::Gone)
    }

    /// Looks until the cloud shows what was just done. It is eventually consistent: a few looks, each a little later.
    pub(super) async fn look_until(&self, bench: &Bench, id: &CloudKeyId, shows: impl Fn(&Observed) -> bool) -> Result<Observed, StepError> {
        for pause in [20, 50, 100, 200, 400, 800] {
            let seen = self.observe(bench, id).await?;
            if shows(&seen) {
                return Ok(seen);
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(StepError::NotVisible)
    }
}

/// The same without the id of the material: which one a key shall have is learnt where Keystead imports or rotates one, and not by looking.
fn facts_but_material(seen: &Observed) -> CloudFacts {
    CloudFacts { material_id: None, ..facts_of(seen) }
}

/// What is ordered of the cloud for a row.
pub(super) fn order(bench: &Bench, key: &KeyRow) -> NewCloudKey {
    NewCloudKey {
        spec: key.spec,
        usage: key.usage,
        description: key.description.clone(),
        tags: key.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        own: OwnTags { key: key.id.to_string(), operation: bench.operation.to_string(), installation: key.account_id.to_string() },
        multi_region: key.ties.role != RegionRole::Single,
    }
}

pub(super) fn created(id: String, arn: String) -> CloudFacts {
    CloudFacts {
        identity: Some((id, arn)),
        raw_state: Some("PendingImport".to_owned()),
        enabled: Some(false),
        material_present: Some(false),
        ..CloudFacts::default()
    }
}

pub(super) fn facts_of(seen: &Observed) -> CloudFacts {
    CloudFacts {
        raw_state: Some(seen.raw_state.clone()),
        enabled: Some(seen.enabled),
        material_present: seen.material_present,
        material_id: seen.material_id.clone(),
        deletion_at: Some(seen.deletion_at),
        ..CloudFacts::default()
    }
}
