//! CreateAlias, UpdateAlias, DeleteAlias. Each needs permission on the alias and on the keys behind it (cloud-byok.md, section 2.12).

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::realm::{Alias, Naming};

pub(crate) fn create(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let name = read_new_name(scene)?;
    let alias_arn = scene.call.place.alias_arn(name);
    scene.authorize(&alias_arn)?;
    let target = open_target(scene)?;
    scene.touched.push(alias_arn.clone());
    if scene.realm().alias(name).is_some() {
        return Err(AwsError::new(Code::AlreadyExists, format!("An alias with the name {alias_arn} already exists")));
    }
    check_room(scene, &target)?;
    let (created, visible_at) = (scene.now, scene.visible_at());
    scene.realm().put_alias(name, Alias { target, previous: None, visible_at, created, updated: created });
    Ok(Stage::Done(None))
}

/// UpdateAlias moves an alias to a key of the same kind and usage. The key it leaves may be in any state.
pub(crate) fn update(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let name = read_name(scene)?;
    let alias_arn = scene.call.place.alias_arn(name);
    scene.authorize(&alias_arn)?;
    let (created, old) = existing(scene, name)?;
    scene.authorize(&scene.call.place.key_arn(&old))?;
    let target = open_target(scene)?;
    scene.touched.push(alias_arn);
    if target != old {
        check_same_kind(scene, &old, &target)?;
        check_room(scene, &target)?;
    }
    let (updated, visible_at) = (scene.now, scene.visible_at());
    let realm = scene.realm();
    realm.remove_alias(name);
    realm.put_alias(name, Alias { target, previous: Some(old), visible_at, created, updated });
    Ok(Stage::Done(None))
}

pub(crate) fn delete(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let name = read_name(scene)?;
    let alias_arn = scene.call.place.alias_arn(name);
    scene.authorize(&alias_arn)?;
    let (_, target) = existing(scene, name)?;
    let key_arn = scene.call.place.key_arn(&target);
    scene.authorize(&key_arn)?;
    scene.touched.extend([alias_arn, key_arn]);
    scene.realm().remove_alias(name);
    Ok(Stage::Done(None))
}

fn read_name<'a>(scene: &Scene<'a>) -> Result<&'a str, AwsError> {
    let name = scene.request().required_text("AliasName", 1, 256)?;
    let in_model = |c: char| c.is_ascii_alphanumeric() || ":/_-".contains(c);
    if !name.chars().all(in_model) {
        return Err(AwsError::constraint("AliasName", Some(name), "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"));
    }
    if name.strip_prefix("alias/").is_none_or(str::is_empty) {
        let help = "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";
        return Err(AwsError::new(Code::Validation, format!("Alias must start with the prefix \"alias/\". {help}")));
    }
    Ok(name)
}

/// A name that a new alias may have: the model's pattern allows a colon, the service does not; `alias/aws/` is AWS's own.
fn read_new_name<'a>(scene: &Scene<'a>) -> Result<&'a str, AwsError> {
    let name = read_name(scene)?;
    if name.contains(':') {
        return Err(AwsError::new(Code::Validation, format!("{name} contains invalid characters for an alias")));
    }
    if name.starts_with("alias/aws/") {
        return Err(AwsError::new(Code::InvalidAliasName, "Alias names that begin with alias/aws/ are reserved."));
    }
    Ok(name)
}

/// When the alias was made, and its present target.
fn existing(scene: &mut Scene<'_>, name: &str) -> Result<(i64, String), AwsError> {
    let (now, arn) = (scene.now, scene.call.place.alias_arn(name));
    let found = scene.realm().alias(name).filter(|alias| alias.target_at(now).is_some());
    found.map(|alias| (alias.created, alias.target.clone())).ok_or_else(|| AwsError::new(Code::NotFound, format!("Alias {arn} is not found.")))
}

fn open_target(scene: &mut Scene<'_>) -> Result<String, AwsError> {
    let (now, operation) = (scene.now, scene.call.operation.name);
    let target = scene.find("TargetKeyId", Naming::KeyOnly)?;
    scene.key(&target)?.check(operation, now)?;
    Ok(target)
}

fn check_room(scene: &mut Scene<'_>, target: &str) -> Result<(), AwsError> {
    let max = scene.world.settings.aliases_per_key_max;
    if scene.realm().aliases_of(target) < max {
        return Ok(());
    }
    Err(AwsError::new(Code::LimitExceeded, format!("The maximum number of aliases of a KMS key ({max}) has been reached.")))
}

fn check_same_kind(scene: &mut Scene<'_>, old: &str, new: &str) -> Result<(), AwsError> {
    let kind = |scene: &mut Scene<'_>, id: &str| scene.key(id).map(|key| (key.spec.name, key.usage.name()));
    let (from, to) = (kind(scene, old)?, kind(scene, new)?);
    // Two specs of one type may follow each other (RSA_2048 to RSA_4096); symmetric, HMAC, RSA and ECC may not mix.
    let family = |spec: &'static str| spec.split('_').next();
    if family(from.0) == family(to.0) && from.1 == to.1 {
        return Ok(());
    }
    let message = format!("The current KMS key is {}, {}; the new one is {}, {}. They must be of one type and usage.", from.0, from.1, to.0, to.1);
    Err(AwsError::new(Code::Validation, message))
}
