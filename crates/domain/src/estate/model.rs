//! A model of the house for tests: what is, changed by changes.

use proptest::prelude::*;

use super::*;
use crate::{KeyId, KeyState, KeystoreId, RegionRole};

pub const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

/// A key of which nothing is said.
pub fn key(name: &str) -> WantedKey {
    WantedKey {
        name: Name::parse(name).expect("a name"),
        keystore: Some("eu".to_owned()),
        spec: None,
        usage: None,
        origin: None,
        multi_region: None,
        exportable: None,
        description: None,
        aliases: None,
        tags: None,
        state: None,
        expires: None,
        expiry_policy: None,
        rotation: None,
        replicas: Vec::new(),
        deleted: None,
    }
}

pub fn replica(keystore: &str) -> WantedReplica {
    WantedReplica { keystore: keystore.to_owned(), name: None, description: None, aliases: None, tags: None, deleted: None }
}

pub fn keystore(name: &str) -> StandingKeystore {
    let location = AwsLocation { region: format!("{name}-1"), account: "123456789012".to_owned(), role_arn: None, external_id: None };
    StandingKeystore {
        id: KeystoreId::new(NOW, [name.as_bytes()[0]; 10]),
        name: name.to_owned(),
        cloud: "aws".to_owned(),
        location,
        warm: false,
        drift: None,
        alerts: AlertChannels::All,
        rotation: None,
    }
}

/// A house with the keystores `eu` and `us`.
pub fn house() -> Standing {
    Standing { keystores: vec![keystore("eu"), keystore("us")], ..Standing::default() }
}

fn made(number: usize, name: String, keystore: String) -> StandingKey {
    let mut tail = [0; 10];
    tail[..8].copy_from_slice(&(number as u64).to_be_bytes());
    StandingKey {
        id: KeyId::new(NOW, tail),
        revision: 1,
        name,
        keystore,
        state: KeyState::Active,
        spec: KeySpec::Aes256,
        usage: KeyUsage::Encrypt,
        origin: Origin::Generated,
        role: RegionRole::Single,
        primary: None,
        exportable: true,
        description: String::new(),
        aliases: Aliases::default(),
        tags: Tags::default(),
        expires: None,
        span: None,
        expiry_policy: ExpiryPolicy::Alert,
        rotation: None,
    }
}

/// Does a change, with the rules of the house: an alias has one key, a name too.
pub fn perform(standing: &mut Standing, change: &Change) {
    let subject = change.subject.clone();
    let position = standing.keys.iter().position(|key| Some(&key.id) == change.key.as_ref() || (change.key.is_none() && key.name == subject.name()));
    match &change.action {
        Action::CreateKeystore(place) => {
            standing.keystores.push(StandingKeystore { cloud: place.cloud.clone(), location: place.location.clone(), ..keystore(subject.name()) });
        }
        Action::SetWarm(on) => of_keystore(standing, &subject).warm = *on,
        Action::SetDrift(drift) => of_keystore(standing, &subject).drift = Some(*drift),
        Action::SetAlerts(channels) => of_keystore(standing, &subject).alerts = channels.clone(),
        Action::SetRotation(wish) => *rotation_of(standing, &subject) = Some((**wish).clone()),
        Action::ClearRotation => *rotation_of(standing, &subject) = None,
        Action::CreateKey(new) => create(standing, new),
        Action::AddReplica(new) => add_replica(standing, new),
        Action::Update(update) => {
            let position = position.expect("the key is there");
            let changed = updated(&standing.keys[position], update);
            demand_free(standing, &changed);
            standing.keys[position] = changed;
        }
        Action::CancelDeletion => standing.keys[position.expect("is there")].state = KeyState::Inactive,
        Action::Activate => standing.keys[position.expect("is there")].state = KeyState::Active,
        Action::Deactivate => standing.keys[position.expect("is there")].state = KeyState::Inactive,
        Action::ScheduleDeletion(_) => standing.keys[position.expect("is there")].state = KeyState::PendingDeletion,
    }
}

fn of_keystore<'a>(standing: &'a mut Standing, subject: &Subject) -> &'a mut StandingKeystore {
    standing.keystores.iter_mut().find(|keystore| keystore.name == subject.name()).expect("the keystore is there")
}

fn rotation_of<'a>(standing: &'a mut Standing, subject: &Subject) -> &'a mut Option<Wish> {
    match subject {
        Subject::Default => &mut standing.rotation,
        Subject::Keystore(_) => &mut of_keystore(standing, subject).rotation,
        Subject::Key(name, _) => &mut standing.keys.iter_mut().find(|key| key.name == *name).expect("the key is there").rotation,
    }
}

fn demand_free(standing: &Standing, key: &StandingKey) {
    for other in standing.keys.iter().filter(|other| other.id != key.id && other.keystore == key.keystore) {
        assert!(other.aliases.iter().all(|alias| !key.aliases.contains(alias)), "an alias of {} is taken by {}", other.name, key.name);
    }
    assert!(!standing.keys.iter().any(|other| other.id != key.id && other.name == key.name), "{} is taken", key.name);
}

fn create(standing: &mut Standing, new: &NewKey) {
    assert!(standing.keystore(&new.keystore).is_some(), "the keystore is there");
    let key = StandingKey {
        spec: new.spec,
        usage: new.usage,
        role: if new.multi_region { RegionRole::Primary } else { RegionRole::Single },
        exportable: new.exportable,
        description: new.description.clone(),
        aliases: new.aliases.clone(),
        tags: new.tags.clone(),
        expires: new.expires.at(NOW),
        span: new.expires.at(NOW).map(|at| at.as_micros() - NOW.as_micros()),
        expiry_policy: new.expiry_policy,
        ..made(standing.keys.len(), new.name.to_string(), new.keystore.clone())
    };
    demand_free(standing, &key);
    standing.keys.push(key);
}

fn add_replica(standing: &mut Standing, new: &NewReplica) {
    let primary = standing.keys.iter().find(|key| key.name == new.primary).cloned().expect("the primary is there");
    assert!(primary.state == KeyState::Active && primary.role == RegionRole::Primary);
    let name = new.name.as_ref().map_or(format!("{}_{}", primary.name, new.keystore), ToString::to_string);
    let number = standing.keys.len();
    let key = StandingKey {
        role: RegionRole::Replica,
        primary: Some(primary.id.clone()),
        aliases: new.aliases.clone().unwrap_or_else(|| primary.aliases.clone()),
        description: new.description.clone().unwrap_or_else(|| primary.description.clone()),
        tags: new.tags.clone().unwrap_or_else(|| primary.tags.clone()),
        ..made(number, name, new.keystore.clone())
    };
    demand_free(standing, &key);
    standing.keys.push(key);
}

fn updated(key: &StandingKey, update: &KeyUpdate) -> StandingKey {
    assert!(matches!(key.state, KeyState::Active | KeyState::Inactive), "{} cannot be changed", key.name);
    let at = update.expires.map(|end| end.at(NOW));
    StandingKey {
        aliases: update.aliases.clone().unwrap_or_else(|| key.aliases.clone()),
        description: update.description.clone().unwrap_or_else(|| key.description.clone()),
        tags: update.tags.clone().unwrap_or_else(|| key.tags.clone()),
        expires: at.unwrap_or(key.expires),
        span: at.map_or(key.span, |at| at.map(|at| at.as_micros() - NOW.as_micros())),
        expiry_policy: update.expiry_policy.unwrap_or(key.expiry_policy),
        exportable: key.exportable && !update.forbids_export,
        ..key.clone()
    }
}

/// Does all of it in order, each behind what it waits for.
pub fn perform_all(standing: &mut Standing, changes: &[Change]) {
    for (place, change) in changes.iter().enumerate() {
        assert!(change.waits_for.iter().all(|before| *before < place), "{change:?} waits for what comes behind it");
        perform(standing, change);
    }
}

fn wanted_key(number: usize) -> impl Strategy<Value = WantedKey> {
    let aliases = proptest::option::of(proptest::collection::vec(0..4u8, 0..3));
    let ends = proptest::option::of(prop_oneof![Just(WantedEnd::Never), Just(WantedEnd::Lives(90 * crate::time::DAY)), Just(WantedEnd::At(NOW.plus_days(30)))]);
    let states = proptest::option::weighted(0.4, prop_oneof![Just(WantedState::Active), Just(WantedState::Inactive)]);
    let replicas = proptest::option::weighted(0.3, proptest::option::of(0..4u8));
    let policies = proptest::option::of(prop_oneof![Just(ExpiryPolicy::Alert), Just(ExpiryPolicy::Extend)]);
    (aliases, ends, states, replicas, policies, proptest::option::of(0..3u8), proptest::bool::weighted(0.1), any::<bool>()).prop_map(
        move |(aliases, expires, state, replicas, expiry_policy, tag, is_going, rotates)| WantedKey {
            multi_region: Some(true),
            aliases: aliases.map(|aliases| Aliases::parse(aliases.iter().map(|n| format!("alias-{n}"))).expect("aliases")),
            tags: tag.map(|tag| Tags::parse([("tag".to_owned(), tag.to_string())]).expect("tags")),
            description: tag.map(|tag| format!("text {tag}")),
            expires,
            state,
            expiry_policy,
            rotation: Some(if rotates {
                RotationWish::Policy(Box::new(Wish { every: Some(90 * crate::time::DAY), ..Wish::default() }))
            } else {
                RotationWish::Inherit
            }),
            replicas: replicas
                .into_iter()
                .map(|alias| WantedReplica { aliases: Some(Aliases::parse(alias.map(|n| format!("alias-{n}"))).expect("aliases")), ..replica("us") })
                .collect(),
            deleted: is_going.then_some(WaitingDays::LONGEST),
            ..key(&format!("key-{number}"))
        },
    )
}

/// An estate of a few keys that fight for a few aliases.
pub fn estates() -> impl Strategy<Value = Estate> {
    (wanted_key(0), wanted_key(1), wanted_key(2), wanted_key(3), 1..=4usize).prop_map(|(a, b, c, d, count)| {
        let keys = [a, b, c, d].into_iter().take(count).collect();
        Estate { keys, ..Estate::default() }
    })
}
