//! What a key says of itself, and the two of its facts that anybody may rewrite: description and policy.

use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::super::policy;
use super::key::epoch;
use super::realm::Naming;

impl Scene<'_> {
    /// `KeyMetadata` of a key that was found before.
    pub(crate) fn metadata(&mut self, key_id: &str) -> Result<Value, AwsError> {
        let (now, place) = (self.now, &self.call.place);
        let family = self.world.families.get(&(place.account.clone(), key_id.to_owned())).cloned();
        Ok(self.key(key_id)?.metadata(family.as_ref(), now))
    }
}

pub(crate) fn describe_key(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let key_id = scene.find("KeyId", Naming::AliasToo)?;
    Ok(json!({"KeyMetadata": scene.metadata(&key_id)?}).into())
}

pub(crate) fn update_description(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let description = scene.request().required_text("Description", 0, 8_192)?;
    scene.open(Naming::KeyOnly)?.description = description.to_owned();
    Ok(Stage::Done(None))
}

pub(crate) fn get_policy(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    check_policy_name(scene)?;
    let key = scene.open(Naming::KeyOnly)?;
    Ok(json!({"Policy": &*key.policy, "PolicyName": "default"}).into())
}

pub(crate) fn list_policies(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    scene.open(Naming::KeyOnly)?;
    Ok(json!({"PolicyNames": ["default"], "Truncated": false}).into())
}

pub(crate) fn put_policy(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    check_policy_name(scene)?;
    let request = scene.request();
    let text = request.required_text("Policy", 1, 131_072)?;
    let bypass = request.flag("BypassPolicyLockoutSafetyCheck")?;
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    policy::check(text, &scene.call.caller, bypass)?;
    scene.key(&key_id)?.policy = text.into();
    Ok(Stage::Done(None))
}

/// The only policy of a key is called `default`.
fn check_policy_name(scene: &Scene<'_>) -> Result<(), AwsError> {
    match scene.request().text("PolicyName", 1, 128)? {
        None | Some("default") => Ok(()),
        Some(other) => Err(AwsError::new(Code::NotFound, format!("No such policy exists: {other}"))),
    }
}

/// GetKeyLastUsage: the last successful cryptographic operation.
pub(crate) fn last_usage(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let key = scene.open(Naming::KeyOnly)?;
    let usage = key.last_use.as_ref().map_or_else(
        || json!({}),
        |used| json!({"Operation": used.operation, "Timestamp": epoch(used.at), "CloudTrailEventId": used.event_id, "KmsRequestId": used.request_id}),
    );
    Ok(json!({"KeyId": key.id, "KeyLastUsage": usage, "TrackingStartDate": epoch(key.created), "KeyCreationDate": epoch(key.created)}).into())
}
