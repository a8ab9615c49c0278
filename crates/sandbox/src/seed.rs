//! Keys in plenty, for who has to look through them: made at once, without a call each. They share what is alike, so that a hundred thousand fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::aws::errors::AwsError;
use crate::aws::kms::family::Family;
use crate::aws::kms::key::{Guise, Held, Key, Origin, Part};
use crate::aws::kms::material;
use crate::aws::kms::realm::Alias;
use crate::aws::kms::spec::{Usage, spec};
use crate::aws::policy::default_policy;
use crate::aws::regions::Place;
use crate::clock::Micros;
use crate::random;
use crate::world::World;

/// An order for keys with material of AWS. The first is called `STEM-000000`, by its alias and its description.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeySeed {
    account: String,
    region: String,
    stem: String,
    pub(crate) count: usize,
    /// How many aliases each has; one, when left out.
    #[serde(default = "one")]
    aliases: usize,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Whether the first is called `STEM` and nothing behind it.
    #[serde(default)]
    exact: bool,
    /// Regions of replicas; with one, the keys are multi-Region primaries.
    #[serde(default)]
    replicas: Vec<String>,
    /// Shown as `KeySpec`; nobody can use such a key here.
    shown_spec: Option<String>,
    /// Whether they are AWS's own, as of a service.
    #[serde(default)]
    aws_managed: bool,
}

impl KeySeed {
    /// An order for keys with one alias each.
    pub(crate) fn new(account: &str, region: &str, stem: &str, count: usize) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            stem: stem.to_owned(),
            count,
            aliases: one(),
            tags: BTreeMap::new(),
            exact: false,
            replicas: Vec::new(),
            shown_spec: None,
            aws_managed: false,
        }
    }
}

fn one() -> usize {
    1
}

/// Makes them.
pub(crate) fn seed(world: &mut World, order: KeySeed, now: Micros) -> Result<(), String> {
    let place = Place { account: order.account.clone(), region: order.region.clone() };
    let policy: Arc<str> = default_policy(&place).into();
    (0..order.count).try_for_each(|number| one_key(world, &order, &place, &policy, number, now)).map_err(|error| error.message)
}

fn one_key(world: &mut World, order: &KeySeed, place: &Place, policy: &Arc<str>, number: usize, now: Micros) -> Result<(), AwsError> {
    let name = if order.exact && number == 0 { order.stem.clone() } else { format!("{}-{number:06}", order.stem) };
    let id = if order.replicas.is_empty() { random::uuid()? } else { format!("mrk-{}", random::uuid()?.replace('-', "")) };
    let mut places = vec![place.clone()];
    places.extend(order.replicas.iter().map(|region| Place { region: region.clone(), ..place.clone() }));
    for there in &places {
        let key = Key { place: there.clone(), ..key(order, &id, &name, place, policy, now)? };
        world.realm_mut(there).keys.insert(id.clone(), key);
    }
    if !order.replicas.is_empty() {
        let mut family = Family::new(&place.region);
        family.replicas.extend(order.replicas.iter().cloned());
        world.families.insert((place.account.clone(), id.clone()), family);
    }
    for number in 0..order.aliases {
        let prefix = if order.aws_managed { "alias/aws/" } else { "alias/" };
        let alias = if number == 0 { format!("{prefix}{name}") } else { format!("{prefix}{name}/{number}") };
        world.realm_mut(place).put_alias(&alias, Alias { target: id.clone(), previous: None, visible_at: now, created: now, updated: now });
    }
    Ok(())
}

fn key(order: &KeySeed, id: &str, name: &str, place: &Place, policy: &Arc<str>, now: Micros) -> Result<Key, AwsError> {
    let kind = spec("SYMMETRIC_DEFAULT").ok_or_else(|| AwsError::internal("a key spec without a row"))?;
    let bytes = material::generate(kind, place.partition())?;
    let held = Held { id: material::identity(id, &bytes), part: Part::Current, description: None, bytes: Some(bytes), expires: None, rotated: None };
    let guise = Guise { manager: if order.aws_managed { "AWS" } else { "CUSTOMER" }, spec: order.shown_spec.clone().unwrap_or_else(|| kind.name.to_owned()) };
    Ok(Key {
        id: id.to_owned(),
        place: place.clone(),
        created: now,
        visible_at: now,
        ready_at: now,
        spec: kind,
        usage: Usage::EncryptDecrypt,
        origin: Origin::AwsKms,
        multi_region: !order.replicas.is_empty(),
        description: name.to_owned(),
        policy: Arc::clone(policy),
        tags: order.tags.clone(),
        disabled: false,
        dark_at: 0,
        countdown: None,
        forced: None,
        materials: vec![held],
        rotations: 0,
        rotating: None,
        last_use: None,
        grants: Vec::new(),
        guise: (order.aws_managed || order.shown_spec.is_some()).then(|| Box::new(guise)),
    })
}
