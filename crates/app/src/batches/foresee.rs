//! What an action would come to for one key: by the same rules that its own command goes by, without a word to the audit log, and with nothing drawn, written or called.

use keystead_cloud::Prices;
use keystead_domain::{KeyId, KeystoreId, Verdict, VersionId, rotation::Strategy};
use keystead_identity::Principal;
use keystead_operations::{
    Saga,
    saga::{
        renew_key::{RenewKey, RenewedReplica},
        rotate_in_place::{NewVersion, RotateInPlace},
    },
    step::Step,
    stored::Stored,
};
use keystead_store::keys::KeyRow;

use super::BatchAction;
use crate::{
    App, Error,
    keys::lifecycle::{Ask, check_current, judge},
};

/// What an action would come to.
pub(crate) enum Foreseen {
    /// Steps, each in a keystore.
    Changes(Work),
    /// Nothing would be done.
    AlreadySo,
    /// It would be refused.
    Refused(Error),
}

/// What would be done for one key.
pub(crate) struct Work {
    /// The steps, each in the keystore of the key that it is about.
    pub steps: Vec<(KeystoreId, Step)>,
    /// How many keys more, or less, its cloud would charge for.
    pub keys_charged: i64,
}

impl App {
    pub(super) async fn foresee(&self, principal: &Principal, key: &KeyRow, action: &BatchAction) -> Result<Foreseen, Error> {
        match action {
            BatchAction::Update(change) => match change.of(key) {
                Err(refused) => Ok(Foreseen::Refused(refused.into())),
                Ok(change) => Ok(match self.judge_update(key, change).await? {
                    Err((_, error)) => Foreseen::Refused(error),
                    Ok(None) => Foreseen::AlreadySo,
                    Ok(Some(saga)) => self.work(key, &Saga::UpdateKey(Box::new(saga)), 0).await?,
                }),
            },
            BatchAction::Rotate if self.rotation_strategy(principal, key.id.as_str()).await? == Strategy::InPlace => {
                self.foresee_ask(principal, key, Ask::RotateInPlace).await
            }
            other => match other.ask() {
                Some(ask) => self.foresee_ask(principal, key, ask).await,
                None => Err(Error::Internal("an action that is no event".to_owned())),
            },
        }
    }

    async fn foresee_ask(&self, principal: &Principal, key: &KeyRow, ask: Ask) -> Result<Foreseen, Error> {
        match judge(key, ask) {
            Err((_, error)) => return Ok(Foreseen::Refused(*error)),
            Ok(Verdict::NoOp) => return Ok(Foreseen::AlreadySo),
            Ok(_) => {}
        }
        let primary = match self.judge_reach(key, ask.event()).await? {
            Ok(primary) => primary,
            Err(error) => return Ok(Foreseen::Refused(error)),
        };
        match ask {
            Ask::Renew | Ask::Rotate => self.foresee_successor(principal, key).await,
            Ask::RotateInPlace => self.foresee_in_place(key).await,
            _ => {
                let (saga, _) = self.plan(principal, key, primary.as_ref(), ask).await?;
                let keys_charged = match ask {
                    Ask::ScheduleDeletion(_) => -1,
                    Ask::CancelDeletion => 1,
                    _ => 0,
                };
                self.work(key, &saga, keys_charged).await
            }
        }
    }

    /// A successor is not drawn to be foreseen: its steps are those of the key itself.
    async fn foresee_successor(&self, principal: &Principal, key: &KeyRow) -> Result<Foreseen, Error> {
        if let Err(refused) = check_current(key) {
            return Ok(Foreseen::Refused(refused.into()));
        }
        if key.ties.is_copy()
            && let Err(refused) = self.judge_follow(principal, key).await?
        {
            return Ok(Foreseen::Refused(refused.into()));
        }
        let followers = self.engine.followers(key).await?;
        let replicas: Vec<RenewedReplica> = followers.iter().map(replica_of).collect();
        let charged = 1 + replicas.len() as i64;
        let RenewedReplica { predecessor, successor, lineage, aliases } = replica_of(key);
        let saga = RenewKey { predecessor, successor, lineage, aliases, expires: None, grace: None, replicas, adopts: false };
        self.work(key, &Saga::RenewKey(saga), charged).await
    }

    async fn foresee_in_place(&self, key: &KeyRow) -> Result<Foreseen, Error> {
        let turnable = self.engine.turnable(key).await?;
        if let Err(refused) = turnable.check_left() {
            return Ok(Foreseen::Refused(refused.into()));
        }
        let member = |key: &KeyId| NewVersion { key: Stored(key.clone()), version: Stored(VersionId::new(self.now(), [0; 10])) };
        let followers = self.engine.followers(key).await?;
        let replicas: Vec<NewVersion> = followers.iter().map(|replica| member(&replica.id)).collect();
        let charged = self.prices_of(&key.keystore_id).await?.is_some_and(|prices| turnable.rotations_done < prices.rotations_charged);
        let keys_charged = if charged { 1 + replicas.len() as i64 } else { 0 };
        let saga = RotateInPlace { rotated: member(&key.id), replicas, lineage: Stored(key.lineage_id.clone()), expires: None };
        self.work(key, &Saga::RotateInPlace(saga), keys_charged).await
    }

    async fn prices_of(&self, keystore: &KeystoreId) -> Result<Option<Prices>, Error> {
        Ok(self.engine.capabilities_of(keystore).await?.and_then(|capabilities| capabilities.prices))
    }

    pub(crate) async fn work(&self, key: &KeyRow, saga: &Saga, keys_charged: i64) -> Result<Foreseen, Error> {
        let followers = self.engine.followers(key).await?;
        let place = |step: &Step| {
            let follower = followers.iter().find(|follower| Some(&follower.id) == step.key());
            follower.unwrap_or(key).keystore_id.clone()
        };
        let steps = saga.shape().steps().into_iter().map(|planned| (place(&planned.step), planned.step)).collect();
        Ok(Foreseen::Changes(Work { steps, keys_charged }))
    }
}

fn replica_of(key: &KeyRow) -> RenewedReplica {
    let id = Stored(key.id.clone());
    RenewedReplica { predecessor: id.clone(), successor: id, lineage: Stored(key.lineage_id.clone()), aliases: key.aliases.clone().into() }
}
