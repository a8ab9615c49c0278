//! GetParametersForImport: a wrapping key, and a token that belongs to it and to one key. A key may have any number of sets outstanding; whether AWS lets one
//! set serve two imports is not documented, here it does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::key::{Key, Origin, epoch};
use super::realm::Naming;
use super::token::{ImportToken, PARAMETERS_LIFE, Purpose};
use super::unwrap::{ALGORITHMS, WRAPPING_SPECS, suits, wrapping, wrapping_size};
use crate::pool::{Handle, Pair, RsaSize};

/// What was asked for.
struct Asked {
    key_arn: String,
    algorithm: &'static str,
    wrapping_spec: &'static str,
    size: RsaSize,
}

pub(crate) fn get_parameters(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let asked = read(scene)?;
    if let Some((handle, pair)) = scene.pool.ready(asked.size) {
        return issue(scene, &asked, handle, &pair).map(Stage::from);
    }
    let pool = scene.pool.clone();
    Ok(Stage::Heavy(Box::new(move || {
        let (handle, pair) = pool.wait(asked.size).ok_or_else(|| AwsError::internal("no RSA pair could be made"))?;
        Ok(Box::new(move |scene: &mut Scene<'_>| issue(scene, &asked, handle, &pair).map(Some)))
    })))
}

fn read(scene: &mut Scene<'_>) -> Result<Asked, AwsError> {
    let request = scene.request();
    let algorithm = request.required_choice("WrappingAlgorithm", ALGORITHMS)?;
    let wrapping_spec = request.required_choice("WrappingKeySpec", WRAPPING_SPECS)?;
    let (now, operation) = (scene.now, scene.call.operation.name);
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let key = scene.key(&key_id)?;
    require_external(key)?;
    key.check(operation, now)?;
    let size = wrapping_size(wrapping_spec)?;
    if !suits(wrapping(algorithm)?, size, key.spec, key.place.partition()) {
        let message = format!("Wrapping algorithm {algorithm} with {wrapping_spec} is not supported for key spec {}.", key.spec.name);
        return Err(AwsError::new(Code::UnsupportedOperation, message));
    }
    Ok(Asked { key_arn: key.arn(), algorithm, wrapping_spec, size })
}

/// Refuses a key whose material cannot be imported.
pub(crate) fn require_external(key: &Key) -> Result<(), AwsError> {
    match key.origin {
        Origin::External => Ok(()),
        Origin::AwsKms => {
            let message = format!("{} origin is {} which is not valid for this operation.", key.arn(), key.origin.name());
            Err(AwsError::new(Code::UnsupportedOperation, message))
        }
    }
}

fn issue(scene: &Scene<'_>, asked: &Asked, handle: Handle, pair: &Pair) -> Result<Value, AwsError> {
    let expires = scene.now + PARAMETERS_LIFE;
    let token = ImportToken {
        key_arn: asked.key_arn.clone(),
        algorithm: asked.algorithm.to_owned(),
        wrapping_spec: asked.wrapping_spec.to_owned(),
        pair: handle.0,
        expires,
    };
    let content = serde_json::to_vec(&token).map_err(|_| AwsError::internal("an import token could not be written"))?;
    let sealed = scene.world.seal.close(Purpose::ImportToken, &content)?;
    Ok(json!({
        "KeyId": asked.key_arn,
        "ImportToken": STANDARD.encode(sealed),
        "PublicKey": STANDARD.encode(pair.public()),
        "ParametersValidTo": epoch(expires),
    }))
}
