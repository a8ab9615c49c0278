//! What exists as it stands in files: the same shape that is read.

use std::collections::BTreeMap;

use keystead_domain::{
    KeySpec, KeyUsage, Tags,
    alert_channels::EVERY,
    estate::{self, Origin, Place, RotationWish, WantedEnd, WantedKey, WantedKeystore, WantedReplica, WantedState},
    key::expiry::ExpiryPolicy,
};

use super::{
    estate::{Estate, EstateDrift, EstateKey, EstateKeystore, EstateReplica, EstateRotation},
    tags::{self, GivenTags},
    time::{rfc3339, span},
};

impl From<estate::Estate> for Estate {
    fn from(estate: estate::Estate) -> Self {
        Self {
            version: Some(estate::VERSION),
            rotation: estate.rotation.map(Into::into),
            keystores: estate.keystores.into_iter().map(Into::into).collect(),
            keys: estate.keys.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<WantedKeystore> for EstateKeystore {
    fn from(keystore: WantedKeystore) -> Self {
        let place: BTreeMap<&str, String> = keystore.place.iter().flat_map(Place::told).collect();
        let said = |field: &str| place.get(field).cloned();
        Self {
            name: keystore.name.to_string(),
            cloud: said("cloud"),
            region: said("region"),
            account: said("account"),
            role_arn: said("role_arn"),
            external_id: said("external_id"),
            warm: keystore.warm,
            drift: keystore
                .drift
                .map(|drift| EstateDrift { every: drift.every.map_or("never".to_owned(), span), auto_repair: Some(drift.auto_repair.as_str().to_owned()) }),
            alerts: keystore.alerts.map(|channels| channels.to_list().unwrap_or_else(|| vec![EVERY.to_owned()])),
            rotation: keystore.rotation.map(Into::into),
        }
    }
}

impl From<RotationWish> for EstateRotation {
    fn from(wish: RotationWish) -> Self {
        let wish = match wish {
            RotationWish::Inherit => return Self { strategy: Some("inherit".to_owned()), ..Self::default() },
            RotationWish::Policy(wish) => *wish,
        };
        Self {
            strategy: Some(if wish.off { "none" } else { wish.strategy.as_str() }.to_owned()),
            every: wish.every.map(span),
            cron: wish.cron,
            zone: wish.zone,
            start: wish.start.map(rfc3339),
            window: wish.window,
            notice: wish.notice.map(span),
            grace: wish.grace.map(span),
        }
    }
}

impl From<WantedKey> for EstateKey {
    fn from(key: WantedKey) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            name: key.name.to_string(),
            keystore: key.keystore,
            spec: key.spec.map(KeySpec::as_str).map(text),
            usage: key.usage.map(KeyUsage::as_str).map(text),
            origin: key.origin.map(Origin::as_str).map(text),
            multi_region: key.multi_region,
            exportable: key.exportable,
            description: key.description,
            aliases: key.aliases.map(|aliases| aliases.to_strings()),
            tags: key.tags.as_ref().map(given_tags),
            state: key.state.map(WantedState::as_str).map(text),
            expires: key.expires.map(|end| match end {
                WantedEnd::Never => "never".to_owned(),
                WantedEnd::At(time) => rfc3339(time),
                WantedEnd::Lives(micros) => span(micros),
            }),
            expiry_policy: key.expiry_policy.map(ExpiryPolicy::as_str).map(text),
            rotation: key.rotation.map(Into::into),
            replicas: key.replicas.into_iter().map(Into::into).collect(),
            deleted: key.deleted.is_some(),
            waiting_days: key.deleted.map(|days| u32::from(days.get())),
        }
    }
}

impl From<WantedReplica> for EstateReplica {
    fn from(replica: WantedReplica) -> Self {
        Self {
            keystore: replica.keystore,
            name: replica.name.map(|name| name.to_string()),
            description: replica.description,
            aliases: replica.aliases.map(|aliases| aliases.to_strings()),
            tags: replica.tags.as_ref().map(given_tags),
            deleted: replica.deleted.is_some(),
            waiting_days: replica.deleted.map(|days| u32::from(days.get())),
        }
    }
}

fn given_tags(tags: &Tags) -> GivenTags {
    GivenTags::of(tags::of(tags))
}
