//! GenerateMac and VerifyMac under HMAC keys.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::spec::Usage;

const ALGORITHMS: &[&str] = &["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"];

/// What both need: the keyed hash, the message and the names for the answer.
struct Prepared {
    key_id: String,
    arn: String,
    algorithm: &'static str,
    key: hmac::Key,
    message: Vec<u8>,
}

fn prepare(scene: &mut Scene<'_>) -> Result<Prepared, AwsError> {
    let request = scene.request();
    let message = request.required_blob("Message", 4_096)?;
    let algorithm = request.required_choice("MacAlgorithm", ALGORITHMS)?;
    let action = format!("kms:{}", scene.call.operation.name);
    let key_id = scene.find_usable(request.required_text("KeyId", 1, 2_048)?, Usage::GenerateVerifyMac, &action)?;
    let key = scene.key(&key_id)?;
    key.check_algorithm(algorithm)?;
    let hash = match algorithm {
        "HMAC_SHA_224" => hmac::HMAC_SHA224,
        "HMAC_SHA_256" => hmac::HMAC_SHA256,
        "HMAC_SHA_384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    scene.end_dry_run()?;
    let key = scene.key(&key_id)?;
    Ok(Prepared { arn: key.arn(), key: hmac::Key::new(hash, key.usable_bytes()?), key_id, algorithm, message })
}

pub(crate) fn generate(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let prepared = prepare(scene)?;
    let mac = hmac::sign(&prepared.key, &prepared.message);
    scene.note_use(&prepared.key_id)?;
    Ok(json!({"KeyId": prepared.arn, "Mac": STANDARD.encode(mac.as_ref()), "MacAlgorithm": prepared.algorithm}).into())
}

pub(crate) fn verify(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let mac = scene.request().required_blob("Mac", 6_144)?;
    let prepared = prepare(scene)?;
    hmac::verify(&prepared.key, &prepared.message, &mac).map_err(|_| AwsError::new(Code::InvalidMac, ""))?;
    scene.note_use(&prepared.key_id)?;
    Ok(json!({"KeyId": prepared.arn, "MacValid": true, "MacAlgorithm": prepared.algorithm}).into())
}
