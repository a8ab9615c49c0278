//! What exists, as an estate: a plan of it is empty. Keys that count down to their deletion, and pointers to keys that are a cloud's own, are not in it.

use std::collections::BTreeMap;

use keystead_domain::{
    AlertChannels, Invalid, KeyId, KeyState, Name, RegionRole,
    estate::{Estate, Origin, Place, RotationWish, Standing, StandingKey, StandingKeystore, WantedEnd, WantedKey, WantedKeystore, WantedReplica, WantedState},
    key::expiry::ExpiryPolicy,
    rotation::Wish,
    time::SECOND,
};
use keystead_identity::{Action, Principal};

use super::standing::Read;
use crate::{App, Error, permit};

impl App {
    /// Everything that exists, or what exists in one keystore, as an estate.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a keystore that is not there.
    pub async fn export_estate(&self, principal: &Principal, keystore: Option<&str>) -> Result<Estate, Error> {
        permit(principal, Action::Read, &principal.account, ())?;
        let only = match keystore {
            Some(keystore) => Some(self.active_keystore(principal, keystore).await?.name),
            None => None,
        };
        let Read { mut standing, keys, .. } = self.standing(&principal.account).await?;
        standing.keys.retain(|key| keys.get(&key.id).is_some_and(|row| row.origin != "cloud"));
        Ok(estate(&standing, only.as_deref())?)
    }
}

fn estate(standing: &Standing, only: Option<&str>) -> Result<Estate, Invalid> {
    let is_asked = |name: &str| only.is_none_or(|only| only == name);
    let mut replicas: BTreeMap<&KeyId, Vec<&StandingKey>> = BTreeMap::new();
    for key in standing.keys.iter().filter(|key| is_shown(key)) {
        replicas.entry(key.primary.as_ref().unwrap_or(&key.id)).or_default().extend(Some(key).filter(|key| key.role == RegionRole::Replica));
    }
    let keys = standing.keys.iter().filter(|key| is_shown(key) && key.role != RegionRole::Replica && is_asked(&key.keystore));
    Ok(Estate {
        keystores: standing.keystores.iter().filter(|keystore| is_asked(&keystore.name)).map(of_keystore).collect::<Result<_, _>>()?,
        keys: keys.map(|key| of_key(key, replicas.get(&key.id).map_or(&[], Vec::as_slice))).collect::<Result<_, _>>()?,
        rotation: standing.rotation.clone().filter(|_| only.is_none()).map(policy),
    })
}

fn is_shown(key: &StandingKey) -> bool {
    matches!(key.state, KeyState::Active | KeyState::Inactive)
}

fn policy(wish: Wish) -> RotationWish {
    RotationWish::Policy(Box::new(wish))
}

fn of_keystore(keystore: &StandingKeystore) -> Result<WantedKeystore, Invalid> {
    Ok(WantedKeystore {
        name: Name::parse(&keystore.name)?,
        place: Some(Place { cloud: keystore.cloud.clone(), location: keystore.location.clone() }),
        warm: keystore.warm.then_some(true),
        drift: keystore.drift,
        alerts: Some(keystore.alerts.clone()).filter(|channels| *channels != AlertChannels::All),
        rotation: keystore.rotation.clone().map(policy),
    })
}

fn of_key(key: &StandingKey, replicas: &[&StandingKey]) -> Result<WantedKey, Invalid> {
    Ok(WantedKey {
        name: Name::parse(&key.name)?,
        keystore: Some(key.keystore.clone()),
        spec: Some(key.spec),
        usage: Some(key.usage),
        origin: Some(key.origin).filter(|origin| *origin != Origin::Generated),
        multi_region: (key.role == RegionRole::Primary).then_some(true),
        exportable: (!key.exportable).then_some(false),
        description: Some(key.description.clone()).filter(|text| !text.is_empty()),
        aliases: Some(key.aliases.clone()).filter(|aliases| !aliases.is_empty()),
        tags: Some(key.tags.clone()).filter(|tags| !tags.is_empty()),
        state: Some(if key.state == KeyState::Active { WantedState::Active } else { WantedState::Inactive }),
        expires: end(key),
        expiry_policy: key.expires.map(|_| key.expiry_policy),
        rotation: key.rotation.clone().map(policy),
        replicas: replicas.iter().map(|replica| of_replica(replica)).collect::<Result<_, _>>()?,
        deleted: None,
    })
}

fn of_replica(replica: &StandingKey) -> Result<WantedReplica, Invalid> {
    Ok(WantedReplica {
        keystore: replica.keystore.clone(),
        name: Some(Name::parse(&replica.name)?),
        description: Some(replica.description.clone()).filter(|text| !text.is_empty()),
        aliases: Some(replica.aliases.clone()),
        tags: Some(replica.tags.clone()),
        deleted: None,
    })
}

const MINUTE: i64 = 60 * SECOND;

/// A date that Keystead itself moves is written as the span of life: the date of today would be an old one soon.
fn end(key: &StandingKey) -> Option<WantedEnd> {
    let expires = key.expires?;
    match key.span {
        Some(span) if key.expiry_policy != ExpiryPolicy::Alert => Some(WantedEnd::Lives(((span + 30 * SECOND) / MINUTE).max(1) * MINUTE)),
        _ => Some(WantedEnd::At(expires)),
    }
}
