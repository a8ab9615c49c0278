//! GetPublicKey, Sign and Verify under RSA and elliptic-curve keys. The public key is the one end-to-end proof that an asymmetric import took our key.

use aws_lc_rs::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::call::{Finish, Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::asymmetric;
use super::realm::Naming;
use super::spec::{SPECS, Spec, Usage};
use crate::secret::Secret;

pub(crate) fn get_public_key(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let key = scene.open(Naming::AliasToo)?;
    let (arn, spec, usage, material) = (key.arn(), key.spec, key.usage, key.usable_bytes()?.clone());
    Ok(Stage::Heavy(Box::new(move || {
        let unsupported = || AwsError::new(Code::UnsupportedOperation, format!("{arn} key spec is {}; it has no public key.", spec.name));
        let public = asymmetric::public_key(spec, &material).ok_or_else(unsupported)?;
        let reply = json!({
            "KeyId": arn,
            "PublicKey": STANDARD.encode(public),
            "KeySpec": spec.name,
            "CustomerMasterKeySpec": spec.name,
            "KeyUsage": usage.name(),
            (usage.algorithms_member()): spec.algorithms(usage),
        });
        let finish: Finish = Box::new(move |_| Ok(Some(reply)));
        Ok(finish)
    })))
}

/// What Sign and Verify need.
struct Prepared {
    key_id: String,
    arn: String,
    spec: &'static Spec,
    algorithm: &'static str,
    material: Secret,
    digest: Digest,
}

fn prepare(scene: &mut Scene<'_>) -> Result<Prepared, AwsError> {
    let request = scene.request();
    let message = request.required_blob("Message", 4_096)?;
    let is_digest = request.choice("MessageType", &["RAW", "DIGEST"])? == Some("DIGEST");
    let mut known: Vec<&'static str> = SPECS.iter().flat_map(|spec| spec.algorithms(Usage::SignVerify)).copied().collect();
    known.sort_unstable();
    known.dedup();
    let algorithm = request.required_choice("SigningAlgorithm", &known)?;
    let action = format!("kms:{}", scene.call.operation.name);
    let key_id = scene.find_usable(request.required_text("KeyId", 1, 2_048)?, Usage::SignVerify, &action)?;
    let key = scene.key(&key_id)?;
    key.check_algorithm(algorithm)?;
    let wrong_len = || AwsError::new(Code::Validation, format!("Digest is invalid length for algorithm {algorithm}."));
    let digest = asymmetric::hash(key.spec, algorithm, &message, is_digest).ok_or_else(wrong_len)?;
    scene.end_dry_run()?;
    let key = scene.key(&key_id)?;
    Ok(Prepared { arn: key.arn(), spec: key.spec, material: key.usable_bytes()?.clone(), key_id, algorithm, digest })
}

pub(crate) fn sign(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let prepared = prepare(scene)?;
    Ok(Stage::Heavy(Box::new(move || {
        let Prepared { key_id, arn, spec, algorithm, material, digest } = prepared;
        let signature = asymmetric::sign(spec, &material, algorithm, &digest).map_err(|_| AwsError::internal("signing failed"))?;
        let finish: Finish = Box::new(move |scene| {
            scene.note_use(&key_id)?;
            Ok(Some(json!({"KeyId": arn, "Signature": STANDARD.encode(signature), "SigningAlgorithm": algorithm})))
        });
        Ok(finish)
    })))
}

pub(crate) fn verify(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let signature = scene.request().required_blob("Signature", 6_144)?;
    let prepared = prepare(scene)?;
    Ok(Stage::Heavy(Box::new(move || {
        let Prepared { key_id, arn, spec, algorithm, material, digest } = prepared;
        asymmetric::verify(spec, &material, algorithm, &digest, &signature).map_err(|_| AwsError::new(Code::InvalidSignature, ""))?;
        let finish: Finish = Box::new(move |scene| {
            scene.note_use(&key_id)?;
            Ok(Some(json!({"KeyId": arn, "SignatureValid": true, "SigningAlgorithm": algorithm})))
        });
        Ok(finish)
    })))
}
