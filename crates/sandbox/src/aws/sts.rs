//! AWS Security Token Service: AssumeRole and GetCallerIdentity (cloud-byok.md, section 2.11; STS API reference 2011-06-15).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zeroize::Zeroizing;

use super::call::{Operation, Scene, Service, Stage};
use super::errors::{AwsError, Code};
use super::iam::{Decision, Role, SessionKeys};
use crate::calendar::rfc3339;
use crate::clock::{Micros, SECOND};
use crate::config::SecretAccessKey;
use crate::random;

/// Length of a session when none is asked for, and the most for a role that was reached through another role.
const ONE_HOUR: i64 = 3_600;

/// What STS can do here.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "AssumeRole", service: Service::Sts, read_only: false, run: assume_role },
    Operation { name: "GetCallerIdentity", service: Service::Sts, read_only: true, run: get_caller_identity },
];

/// GetCallerIdentity needs no permission and cannot be denied.
fn get_caller_identity(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let caller = &scene.call.caller;
    Ok(json!({"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}).into())
}

fn assume_role(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let request = scene.request();
    let role_arn = request.required_text("RoleArn", 20, 2048)?;
    let session_name = session_name(request.required_text("RoleSessionName", 2, 64)?)?;
    let external_id = request.text("ExternalId", 2, 1224)?;
    let seconds = duration(request.text("DurationSeconds", 0, 16)?)?;
    scene.touched.push(role_arn.to_owned());
    let role = permitted_role(scene, role_arn, external_id)?;
    check_duration(scene, role, seconds)?;
    let session_arn = role.session_arn(session_name);
    let role_id = format!("{}:{session_name}", role.role_id);
    let keys = new_keys()?;
    let expires = scene.now + seconds * SECOND;
    scene.world.iam.open_session(role_arn, session_name, &keys, expires, scene.now);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret.expose(), "SessionToken": keys.token.as_str(), "Expiration": rfc3339(expires)
        },
        "AssumedRoleUser": {"AssumedRoleId": role_id, "Arn": session_arn}
    })
    .into())
}

fn session_name(name: &str) -> Result<&str, AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let rule = "Member must satisfy regular expression pattern: [\\w+=,.@-]*";
    if name.chars().all(allowed) { Ok(name) } else { Err(AwsError::constraint("RoleSessionName", Some(name), rule)) }
}

fn duration(text: Option<&str>) -> Result<i64, AwsError> {
    let Some(text) = text else { return Ok(ONE_HOUR) };
    let refused = |rule: &str| AwsError::constraint("DurationSeconds", Some(text), rule);
    match text.parse::<i64>() {
        Ok(seconds) if seconds < 900 => Err(refused("Member must have value greater than or equal to 900")),
        Ok(seconds) if seconds > 43_200 => Err(refused("Member must have value less than or equal to 43200")),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err(refused("Member must be a number")),
    }
}

/// The role, if it trusts the caller, the ExternalId is right, and the caller's own policy lets it. A role that names its caller needs no permission beside
/// within one account. A wrong ExternalId is told like any other refusal.
fn permitted_role<'s>(scene: &'s Scene<'_>, role_arn: &str, external_id: Option<&str>) -> Result<&'s Role, AwsError> {
    let caller = &scene.call.caller;
    let permitted = |role: &&Role| {
        let (by_name, by_account) = (role.trusts_by_name(caller), role.trusts_account(caller));
        let trusted = match caller.decide("sts:AssumeRole", role_arn) {
            Decision::Allowed => by_name || by_account,
            Decision::NotAllowed => by_name && role.account == caller.account,
            Decision::Denied => false,
        };
        trusted && (role.seed.external_id.is_none() || role.seed.external_id.as_deref() == external_id)
    };
    let denied = || format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}", caller.arn);
    scene.world.iam.role(role_arn).filter(permitted).ok_or_else(|| AwsError::new(Code::AccessDenied, denied()))
}

fn check_duration(scene: &Scene<'_>, role: &Role, seconds: Micros) -> Result<(), AwsError> {
    let refused = |message: &str| Err(AwsError::new(Code::Validation, message));
    if scene.call.caller.role.is_some() && seconds > ONE_HOUR {
        return refused("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
    }
    if seconds > i64::from(role.seed.max_session_seconds) {
        return refused("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
    }
    Ok(())
}

fn new_keys() -> Result<SessionKeys, AwsError> {
    Ok(SessionKeys {
        access_key: format!("ASIA{}", random::letters(16)?),
        secret: SecretAccessKey::new(STANDARD.encode(random::bytes::<30>()?)),
        token: Zeroizing::new(STANDARD.encode(random::bytes::<192>()?)),
    })
}
