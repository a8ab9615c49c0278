//! CreateKey.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::super::policy;
use super::family::Family;
use super::key::{Held, Key, Origin, Part};
use super::material;
use super::spec::{Material, SPECS, Spec, USAGES, Usage, spec};
use super::tags::read_tags;
use crate::random;
use crate::secret::Secret;

/// A checked order for a key.
struct Order {
    spec: &'static Spec,
    usage: Usage,
    origin: Origin,
    multi_region: bool,
    description: String,
    policy: String,
    tags: BTreeMap<String, String>,
}

/// There is no idempotency token: the same request twice makes two keys.
pub(crate) fn create_key(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let order = read_order(scene)?;
    scene.authorize("*")?;
    if !order.tags.is_empty() {
        scene.authorize_action("kms:TagResource", &scene.call.place.key_arn("*"))?;
    }
    check_room(scene)?;
    match (order.origin, order.spec.material) {
        (Origin::External, _) => place_key(scene, order, None),
        (Origin::AwsKms, Material::Rsa(_)) => Ok(make_slowly(scene, order)),
        (Origin::AwsKms, _) => {
            let bytes = material::generate(order.spec, scene.call.place.partition())?;
            place_key(scene, order, Some(bytes))
        }
    }
}

/// Refuses when the account has all the keys it may have in this Region.
pub(crate) fn check_room(scene: &mut Scene<'_>) -> Result<(), AwsError> {
    let max = scene.world.settings.keys_max;
    if scene.realm().keys.len() < max {
        return Ok(());
    }
    Err(AwsError::new(Code::LimitExceeded, format!("The maximum number of KMS keys in this Region ({max}) has been reached.")))
}

fn make_slowly(scene: &Scene<'_>, order: Order) -> Stage {
    let partition = scene.call.place.partition();
    Stage::Heavy(Box::new(move || {
        let bytes = material::generate(order.spec, partition)?;
        Ok(Box::new(move |scene: &mut Scene<'_>| match place_key(scene, order, Some(bytes))? {
            Stage::Done(reply) => Ok(reply),
            Stage::Heavy(_) => Err(AwsError::internal("a key was not placed at once")),
        }))
    }))
}

fn read_order(scene: &Scene<'_>) -> Result<Order, AwsError> {
    let (request, call) = (scene.request(), scene.call);
    let (spec, usage) = read_kind(scene)?;
    let origin = match request.choice("Origin", &["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"])? {
        None | Some("AWS_KMS") => Origin::AwsKms,
        Some("EXTERNAL") => Origin::External,
        Some(other) => return Err(AwsError::new(Code::UnsupportedOperation, format!("Origin {other} is not supported."))),
    };
    let policy = match request.text("Policy", 1, 131_072)? {
        None => policy::default_policy(&call.place),
        Some(policy) => {
            policy::check(policy, &call.caller, request.flag("BypassPolicyLockoutSafetyCheck")?)?;
            policy.to_owned()
        }
    };
    Ok(Order {
        spec,
        usage,
        origin,
        multi_region: request.flag("MultiRegion")?,
        description: request.text("Description", 0, 8_192)?.unwrap_or_default().to_owned(),
        policy,
        tags: read_tags(request, &BTreeMap::new())?,
    })
}

fn read_kind(scene: &Scene<'_>) -> Result<(&'static Spec, Usage), AwsError> {
    let request = scene.request();
    let names: Vec<&'static str> = SPECS.iter().map(|spec| spec.name).collect();
    let named = match request.choice("KeySpec", &names)? {
        None => request.choice("CustomerMasterKeySpec", &names)?,
        named => named,
    };
    let spec = spec(named.unwrap_or("SYMMETRIC_DEFAULT")).ok_or_else(|| AwsError::internal("a key spec without a row"))?;
    let usage = match request.choice("KeyUsage", &USAGES.map(Usage::name))? {
        Some(name) => USAGES.into_iter().find(|usage| usage.name() == name),
        None if spec.is_symmetric() => Some(Usage::EncryptDecrypt),
        None => None,
    };
    let missing = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.";
    let usage = usage.ok_or_else(|| AwsError::new(Code::Validation, missing))?;
    if spec.algorithms(usage).is_empty() {
        return Err(AwsError::new(Code::Validation, format!("KeyUsage {} is not compatible with KeySpec {}", usage.name(), spec.name)));
    }
    Ok((spec, usage))
}

fn place_key(scene: &mut Scene<'_>, order: Order, bytes: Option<Secret>) -> Result<Stage, AwsError> {
    let place = scene.call.place.clone();
    let id = if order.multi_region { format!("mrk-{}", random::uuid()?.replace('-', "")) } else { random::uuid()? };
    let first = bytes.map(|bytes| {
        let material_id = material::identity(&id, &bytes);
        Held { id: material_id, part: Part::Current, description: None, bytes: Some(bytes), expires: None, rotated: None }
    });
    let key = Key {
        id: id.clone(),
        created: scene.now,
        visible_at: scene.visible_at(),
        ready_at: scene.now,
        spec: order.spec,
        usage: order.usage,
        origin: order.origin,
        multi_region: order.multi_region,
        description: order.description,
        policy: order.policy.into(),
        tags: order.tags,
        disabled: false,
        dark_at: 0,
        countdown: None,
        forced: None,
        materials: first.into_iter().collect(),
        rotations: 0,
        rotating: None,
        last_use: None,
        grants: Vec::new(),
        guise: None,
        place,
    };
    scene.touched.push(key.arn());
    if order.multi_region {
        let family = Family::new(&key.place.region);
        scene.world.families.insert((key.place.account.clone(), id.clone()), family);
    }
    scene.realm().keys.insert(id.clone(), key);
    Ok(json!({"KeyMetadata": scene.metadata(&id)?}).into())
}
