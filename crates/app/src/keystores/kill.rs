//! The kill switch over a selection: every matching key of a keystore, each by a kill of its own. All intents are written before the first call (FT-019).

use std::{collections::BTreeSet, time::Instant};

use keystead_domain::{Invalid, KeyId, KeyState, Tags};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Saga,
    kill::{self, Pace},
    saga::kill_key::KillKey,
};
use keystead_store::{StoreError, Tx, drills, keys, keys::KeyRow, keystores::KeystoreRow, locks};

use crate::{
    App, Error, Request, Started,
    error::TxError,
    keys::{
        copy::nth,
        dependants::Dependants,
        kill::{BRING_BACK, KILL, awaited, let_nothing_bring_any_back},
        make_way,
    },
    permit, who,
};

/// How many kills one request begins: their intents are one transaction.
pub const KILLS_MAX: usize = 1_000;

/// Which keys of a keystore are killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Those that have all of these tags; none: all keys.
    pub tags: Tags,
    /// Whether predecessors go along.
    pub lineage: bool,
}

impl Selection {
    fn takes(&self, key: &KeyRow) -> bool {
        let is_asked_for = self.lineage || key.state == KeyState::Active;
        is_asked_for && self.has_tags(key)
    }

    /// Of a key that is out of use: whether it shall stay so.
    fn keeps_out(&self, key: &KeyRow) -> bool {
        (self.lineage || key.is_current) && self.has_tags(key)
    }

    fn has_tags(&self, key: &KeyRow) -> bool {
        self.tags.iter().all(|(name, value)| key.tags.get(name) == Some(value))
    }
}

/// What a kill of a selection would do.
#[derive(Debug, Clone)]
pub struct KillPlan {
    /// How many kills.
    pub kills: usize,
    /// Every key that is taken out of use.
    pub reached: Vec<KeyRow>,
    /// Keys that another operation has in hand, with its id: their kills are not begun. One that is out of use, and is being brought back, is among them.
    pub left: Vec<(KeyRow, String)>,
    /// How long each account and Region takes under the quotas.
    pub paces: Vec<Pace>,
    /// Who depends on the keys that are taken out of use.
    pub dependants: Dependants,
}

/// A kill that can be begun.
struct Planned {
    key: KeyRow,
    saga: KillKey,
    reached: Vec<KeyRow>,
}

/// What can be begun now, and what cannot.
#[derive(Default)]
struct Plan {
    kills: Vec<Planned>,
    left: Vec<(KeyRow, String)>,
}

impl App {
    /// What a kill of these keys would do, and how long it would take. Nothing is changed.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for too many keys.
    pub async fn plan_keystore_kill(&self, principal: &Principal, id_or_name: &str, selection: &Selection) -> Result<KillPlan, Error> {
        let keystore = self.active_keystore(principal, id_or_name).await?;
        let selection = selection.clone();
        let plan = self.store().read("kill.plan", move |tx| plan(tx, &keystore, &selection)).await?;
        check_count(&plan)?;
        let kills = plan.kills.len();
        let reached: Vec<KeyRow> = plan.kills.into_iter().flat_map(|planned| planned.reached).collect();
        let paces = self.engine.kill_paces(&reached).await?;
        let dependants = self.dependants(reached.clone()).await?;
        Ok(KillPlan { kills, reached, left: plan.left, paces, dependants })
    }

    /// Kills these keys. What has one in hand makes way, as far as it can; a key that it still has 20 seconds later is left, and named. The others begin at once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for too many keys.
    pub async fn kill_keystore(
        &self,
        principal: &Principal,
        request: &Request,
        id_or_name: &str,
        selection: &Selection,
    ) -> Result<(Vec<Started>, Vec<(KeyRow, String)>), Error> {
        if let Some(earlier) = self.earlier_many(principal, request).await? {
            return Ok((earlier, Vec::new()));
        }
        let keystore = self.active_keystore(principal, id_or_name).await?;
        let (until, mut started) = (make_way::patience(), Vec::<Started>::new());
        loop {
            let (begun, left) = match self.begin_kills(principal, request, &keystore, selection, started.len()).await {
                Err(Error::Busy { operation, .. }) if Instant::now() < until => {
                    self.make_way(principal, &[operation], until).await?;
                    continue;
                }
                begun => begun?,
            };
            started.extend(begun);
            let ours: BTreeSet<String> = started.iter().filter_map(|one| one.operation.as_ref()).map(|operation| operation.id.to_string()).collect();
            let left: Vec<(KeyRow, String)> = left.into_iter().filter(|(_, holder)| !ours.contains(holder)).collect();
            if left.is_empty() || Instant::now() >= until {
                return Ok((started, left));
            }
            let holders: Vec<String> = left.iter().map(|(_, holder)| holder.clone()).collect();
            self.make_way(principal, &holders, until).await?;
        }
    }

    /// Begins the kills of all keys of a selection that nobody has in hand, the first so many behind those that this request has begun; and names the others.
    async fn begin_kills(
        &self,
        principal: &Principal,
        request: &Request,
        keystore: &KeystoreRow,
        selection: &Selection,
        behind: usize,
    ) -> Result<(Vec<Started>, Vec<(KeyRow, String)>), Error> {
        let proof = permit(principal, Action::ManageKeys, &keystore.account_id, ())?;
        let nothing = self.entry(principal, KILL, proof.rule).keystore(&keystore.id, &keystore.name).detail("no_op", "true").done();
        let (engine, who, request, selection, keystore) = (self.engine.clone(), who(principal), request.clone(), selection.clone(), keystore.clone());
        let written = self.store().write("keystores.kill", move |tx| {
            // Before it is looked who brings a key back just now, so that nothing begins unseen.
            keep_out(tx, &keystore, &selection)?;
            let plan = plan(tx, &keystore, &selection)?;
            let idle = drilled(tx, &keystore, &selection)?;
            if let Some((key, operation)) = engine.overrule_drills(tx, &idle, &who.name)? {
                return Err(Error::Busy { name: key.name, operation: operation.to_string() }.into());
            }
            check_count(&plan).map_err(Error::from)?;
            let mut begun = Vec::new();
            for (at, planned) in plan.kills.into_iter().enumerate() {
                let saga = Saga::KillKey(planned.saga);
                let intent = engine.intend(&saga, &keystore, &who, proof.rule, nth(&request, behind + at));
                let intent = intent.detail("name", planned.key.name.clone()).detail("selection", keystore.name.clone());
                begun.push((intent.write(tx)?, planned.key));
            }
            if begun.is_empty() && behind == 0 {
                tx.audit(nothing.clone());
            }
            Ok::<_, TxError>((begun, plan.left))
        });
        let (begun, left) = written.await?;
        let started = begun.into_iter().map(|(operation, key)| {
            self.engine.start(operation.clone());
            Started { operation: Some(operation), key: Some(key) }
        });
        Ok((started.collect(), left))
    }
}

/// Looks what a selection reaches. What one kill takes along is not killed a second time; keys in use come first, and take their predecessors along.
fn plan(tx: &mut Tx<'_>, keystore: &KeystoreRow, selection: &Selection) -> Result<Plan, StoreError> {
    let mut keys: Vec<KeyRow> = keys::usable_in(tx, &keystore.id)?.into_iter().filter(|key| selection.takes(key)).collect();
    keys.sort_by_key(|key| key.state != KeyState::Active);
    let (mut found, mut covered) = (Plan::default(), BTreeSet::<KeyId>::new());
    for key in keys {
        if covered.contains(&key.id) {
            continue;
        }
        let mut reached = kill::reached(tx, &key, selection.lineage)?;
        reached.usable.retain(|other| !covered.contains(&other.id));
        if let Some(operation) = busy(tx, &reached.usable)? {
            found.left.push((key, operation));
            continue;
        }
        covered.extend(reached.usable.iter().map(|other| other.id.clone()));
        if let Some(saga) = reached.saga(&key.id) {
            found.kills.push(Planned { key, saga, reached: reached.usable });
        }
    }
    for (id, operation) in locks::on_idle(tx, &keystore.id, BRING_BACK)? {
        let coming = keys::by_id(tx, &id)?.filter(|key| selection.keeps_out(key));
        found.left.extend(coming.map(|key| (key, operation.to_string())));
    }
    Ok(found)
}

/// What waits in applies and batches to bring a key of the selection back fails, of those in use and of those that are out of use already. Most of the time nothing
/// waits, and then nothing is walked through.
fn keep_out(tx: &mut Tx<'_>, keystore: &KeystoreRow, selection: &Selection) -> Result<(), StoreError> {
    let awaited = awaited(tx)?;
    if awaited.is_empty() {
        return Ok(());
    }
    let mut asked: Vec<KeyRow> = keys::usable_in(tx, &keystore.id)?.into_iter().filter(|key| selection.takes(key)).collect();
    asked.extend(keys::idle_in(tx, &keystore.id)?.into_iter().filter(|key| selection.keeps_out(key)));
    let_nothing_bring_any_back(tx, awaited, &asked, selection.lineage)
}

/// Keys of a selection that a drill has taken out of use: they shall stay so.
fn drilled(tx: &mut Tx<'_>, keystore: &KeystoreRow, selection: &Selection) -> Result<Vec<KeyId>, StoreError> {
    let mut found = Vec::new();
    for id in drills::open_victims(tx, &keystore.id)? {
        found.extend(keys::by_id(tx, &id)?.filter(|key| key.state == KeyState::Inactive && selection.has_tags(key)).map(|key| key.id));
    }
    Ok(found)
}

/// The operation that has one of these in hand.
fn busy(tx: &mut Tx<'_>, keys: &[KeyRow]) -> Result<Option<String>, StoreError> {
    for key in keys {
        if let Some(operation) = locks::holder(tx, key.id.as_str())? {
            return Ok(Some(operation.to_string()));
        }
    }
    Ok(None)
}

fn check_count(plan: &Plan) -> Result<(), Invalid> {
    if plan.kills.len() <= KILLS_MAX {
        return Ok(());
    }
    let reason = format!("select {} keys, and one request kills {KILLS_MAX} at most", plan.kills.len());
    Err(Invalid::new("tags", reason, "Name a tag that fewer keys have, and repeat for the others."))
}
