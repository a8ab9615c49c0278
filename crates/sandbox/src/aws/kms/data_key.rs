//! GenerateDataKey and GenerateDataKeyWithoutPlaintext: fresh bytes, encrypted under a symmetric key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::call::{Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::encrypt::seal;
use super::spec::Usage;
use crate::random;
use crate::secret::Secret;

pub(crate) fn generate(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let (mut reply, data_key) = make(scene)?;
    reply["Plaintext"] = json!(STANDARD.encode(&*data_key));
    Ok(reply.into())
}

pub(crate) fn generate_without_plaintext(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    make(scene).map(|(reply, _)| reply.into())
}

fn make(scene: &mut Scene<'_>) -> Result<(Value, Secret), AwsError> {
    let request = scene.request();
    let len = read_len(scene)?;
    let context = request.text_map("EncryptionContext")?;
    let action = format!("kms:{}", scene.call.operation.name);
    let key_id = scene.find_usable(request.required_text("KeyId", 1, 2_048)?, Usage::EncryptDecrypt, &action)?;
    let key = scene.key(&key_id)?;
    if !key.spec.is_symmetric() {
        let message = format!("{} key spec is {} which is not valid for {}.", key.arn(), key.spec.name, scene.call.operation.name);
        return Err(AwsError::new(Code::InvalidKeyUsage, message));
    }
    let arn = key.arn();
    scene.end_dry_run()?;
    let data_key = Secret::from(random::vec(len)?);
    let (blob, material_id) = seal(scene, &key_id, &context, &data_key)?;
    scene.note_use(&key_id)?;
    Ok((json!({"KeyId": arn, "CiphertextBlob": STANDARD.encode(blob), "KeyMaterialId": material_id}), data_key))
}

fn read_len(scene: &Scene<'_>) -> Result<usize, AwsError> {
    let request = scene.request();
    let spec = request.choice("KeySpec", &["AES_256", "AES_128"])?;
    let number = request.integer("NumberOfBytes", 1, 1_024)?.and_then(|number| usize::try_from(number).ok());
    match (spec, number) {
        (Some("AES_256"), None) => Ok(32),
        (Some(_), None) => Ok(16),
        (None, Some(number)) => Ok(number),
        _ => Err(AwsError::new(Code::Validation, "Please specify either number of bytes or key spec.")),
    }
}
