//! The kill switch over a selection: every matching key of a keystore, each by a kill of its own. All intents are written before the first call (FT-019).

use std::{collections::BTreeSet, time::Instant};

use keystead_domain::{Invalid, KeyId, KeyState, Tags, time::SECOND};
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
        kill::{BRING_BACK, KILL, awaited, coming_back, let_nothing_bring_any_back},
        make_way,
    },
    permit, who,
};

/// How many kills one request begins: their intents are one transaction.
pub const KILLS_MAX: usize = 1_000;
/// For how long a request may still be at work on its kills, in microseconds: it waits for keys, and begins more.
const IN_HAND: i64 = 60 * SECOND;

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

/// One look of a request at what it can begin.
#[derive(Debug, Clone, Default)]
struct Round {
    /// The kills that the request has begun already.
    ours: BTreeSet<String>,
    /// Whether nothing is waited for any more.
    is_last: bool,
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
        let plan = self.store().read("kill.plan", move |tx| plan(tx, &keystore, &selection, &Round::default())).await?;
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
        let mut started = self.earlier_many(principal, request).await?.unwrap_or_default();
        if !self.is_in_hand(&started) && !started.is_empty() {
            return Ok((started, Vec::new()));
        }
        let keystore = self.active_keystore(principal, id_or_name).await?;
        let until = make_way::patience();
        let mut left = Vec::new();
        loop {
            let round = Round { ours: ids(&started), is_last: Instant::now() >= until };
            let went_on = match self.begin_kills(principal, request, &keystore, selection, &round).await {
                Ok((begun, now_left)) => {
                    started.extend(begun);
                    left = now_left;
                    if left.is_empty() || round.is_last {
                        return Ok((started, left));
                    }
                    let holders: Vec<String> = left.iter().map(|(_, holder)| holder.clone()).collect();
                    self.make_way(principal, &holders, until).await
                }
                Err(error) => Err(error),
            };
            match went_on {
                Ok(()) => {}
                Err(error) if started.is_empty() => return Err(error),
                // What has begun is told, whatever became of the rest.
                Err(error) => {
                    tracing::warn!(keystore = %keystore.id, ?error, "not all kills of a keystore could be begun");
                    return Ok((started, left));
                }
            }
        }
    }

    /// Whether the request that began these may still be at work: then the same request again goes on with it. One of yesterday is answered as it was.
    fn is_in_hand(&self, started: &[Started]) -> bool {
        let newest = started.iter().filter_map(|one| one.operation.as_ref()).map(|operation| operation.created_at).max();
        newest.is_some_and(|at| self.now().as_micros() - at.as_micros() < IN_HAND)
    }

    /// Begins the kills of all keys of a selection that nobody has in hand; and names the others.
    async fn begin_kills(
        &self,
        principal: &Principal,
        request: &Request,
        keystore: &KeystoreRow,
        selection: &Selection,
        round: &Round,
    ) -> Result<(Vec<Started>, Vec<(KeyRow, String)>), Error> {
        let proof = permit(principal, Action::ManageKeys, &keystore.account_id, ())?;
        let nothing = self.entry(principal, KILL, proof.rule).keystore(&keystore.id, &keystore.name).detail("no_op", "true").done();
        let (engine, who, request, selection, keystore) = (self.engine.clone(), who(principal), request.clone(), selection.clone(), keystore.clone());
        let (round, behind) = (round.clone(), round.ours.len());
        let written = self.store().write("keystores.kill", move |tx| {
            // Before it is looked who brings a key back just now, so that nothing begins unseen.
            keep_out(tx, &keystore, &selection)?;
            let mut plan = plan(tx, &keystore, &selection, &round)?;
            for id in drilled(tx, &keystore, &selection)? {
                // A drill that brings its key back just now holds up no other kill.
                let restoring = engine.overrule_drills(tx, &[id], &who.name)?.map(|(key, operation)| (key, operation.to_string()));
                plan.left.extend(restoring);
            }
            check_count(&plan).map_err(Error::from)?;
            let mut begun = Vec::new();
            for (at, planned) in plan.kills.into_iter().enumerate() {
                let saga = Saga::KillKey(planned.saga);
                let intent = engine.intend(&saga, &keystore, &who, proof.rule, nth(&request, behind + at));
                let intent = intent.detail("name", planned.key.name.clone()).detail("selection", keystore.name.clone());
                begun.push((intent.write(tx)?, planned.key));
            }
            if begun.is_empty() && behind == 0 && plan.left.is_empty() {
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
fn plan(tx: &mut Tx<'_>, keystore: &KeystoreRow, selection: &Selection, round: &Round) -> Result<Plan, StoreError> {
    let mut keys: Vec<KeyRow> = keys::usable_in(tx, &keystore.id)?.into_iter().filter(|key| selection.takes(key)).collect();
    keys.sort_by_key(|key| key.state != KeyState::Active);
    let (mut found, mut covered) = (Plan::default(), BTreeSet::<KeyId>::new());
    for key in keys {
        if covered.contains(&key.id) {
            continue;
        }
        let mut reached = kill::reached(tx, &key, selection.lineage)?;
        reached.usable.retain(|other| !covered.contains(&other.id));
        leave_to(tx, &round.ours, &mut reached.usable)?;
        if let Some(operation) = busy(tx, &reached.usable)? {
            found.left.push((key, operation));
            continue;
        }
        // A copy elsewhere, or a predecessor, that is brought back just now would be in use behind the kill. Its operation is turned round first; if that takes too long, the rest
        // is killed without it.
        if let Some(coming) = coming_back(tx, &reached.idle)? {
            found.left.push(coming);
            if !round.is_last {
                continue;
            }
        }
        covered.extend(reached.usable.iter().map(|other| other.id.clone()));
        if let Some(saga) = reached.saga(&key.id) {
            found.kills.push(Planned { key, saga, reached: reached.usable });
        }
    }
    for (id, operation) in locks::on_idle(tx, &keystore.id, BRING_BACK)? {
        let coming = keys::by_id(tx, &id)?.filter(|key| selection.keeps_out(key));
        found.left.extend(coming.map(|key| (key, operation.to_string())).filter(|coming| !found.left.contains(coming)));
    }
    Ok(found)
}

/// Leaves away what these operations, kills of the same request, have in hand.
fn leave_to(tx: &mut Tx<'_>, ours: &BTreeSet<String>, keys: &mut Vec<KeyRow>) -> Result<(), StoreError> {
    if ours.is_empty() {
        return Ok(());
    }
    let mut others = Vec::new();
    for key in keys.drain(..) {
        if !locks::holder(tx, key.id.as_str())?.is_some_and(|holder| ours.contains(holder.as_str())) {
            others.push(key);
        }
    }
    *keys = others;
    Ok(())
}

/// The operations of these.
fn ids(started: &[Started]) -> BTreeSet<String> {
    started.iter().filter_map(|one| one.operation.as_ref()).map(|operation| operation.id.to_string()).collect()
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
