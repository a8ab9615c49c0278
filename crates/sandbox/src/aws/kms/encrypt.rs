//! Encrypt, Decrypt, ReEncrypt. Decrypt needs no key id for a symmetric ciphertext: the blob names key and material.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::call::{Finish, Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::asymmetric;
use super::cipher::{self, Blob, Context};
use super::spec::Usage;
use crate::random::NoRandomness;
use crate::secret::Secret;

/// Longest plaintext and longest ciphertext, in bytes.
const PLAINTEXT_BYTES_MAX: usize = 4_096;
const CIPHERTEXT_BYTES_MAX: usize = 6_144;
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
/// The values of `EncryptionAlgorithm` in AWS's model.
const ALGORITHMS: &[&str] = &[SYMMETRIC, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"];

fn algorithm(scene: &Scene<'_>, member: &str) -> Result<&'static str, AwsError> {
    Ok(scene.request().choice(member, ALGORITHMS)?.unwrap_or(SYMMETRIC))
}

/// Encrypts under the current material of a symmetric key; gives the material's id along.
pub(crate) fn seal(scene: &mut Scene<'_>, key_id: &str, context: &Context<'_>, plaintext: &[u8]) -> Result<(Vec<u8>, String), AwsError> {
    let key = scene.key(key_id)?;
    let material = key.usable_bytes()?;
    let material_id = key.current().map(|held| held.id.clone()).unwrap_or_default();
    let blob = cipher::seal(&key.id, &material_id, material, context, plaintext).map_err(|NoRandomness| AwsError::internal("encryption failed"))?;
    Ok((blob, material_id))
}

pub(crate) fn encrypt(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let request = scene.request();
    let plaintext = zeroize::Zeroizing::new(request.required_blob("Plaintext", PLAINTEXT_BYTES_MAX)?);
    let algorithm = algorithm(scene, "EncryptionAlgorithm")?;
    let context = request.text_map("EncryptionContext")?;
    let key_id = scene.find_usable(request.required_text("KeyId", 1, 2_048)?, Usage::EncryptDecrypt, "kms:Encrypt")?;
    let key = scene.key(&key_id)?;
    key.check_algorithm(algorithm)?;
    let (arn, spec) = (key.arn(), key.spec);
    scene.end_dry_run()?;
    if algorithm == SYMMETRIC {
        let (blob, _) = seal(scene, &key_id, &context, &plaintext)?;
        scene.note_use(&key_id)?;
        return Ok(encrypted(&arn, algorithm, &blob).into());
    }
    let most = asymmetric::encrypt_max(spec, algorithm);
    if plaintext.len() > most {
        let message = format!("Algorithm {algorithm} and key spec {} cannot encrypt data larger than {most} bytes.", spec.name);
        return Err(AwsError::new(Code::Validation, message));
    }
    let material = scene.key(&key_id)?.usable_bytes()?.clone();
    Ok(Stage::Heavy(Box::new(move || {
        let blob = asymmetric::encrypt(&material, algorithm, &plaintext).map_err(|_| AwsError::internal("encryption failed"))?;
        let finish: Finish = Box::new(move |scene| {
            scene.note_use(&key_id)?;
            Ok(Some(encrypted(&arn, algorithm, &blob)))
        });
        Ok(finish)
    })))
}

fn encrypted(arn: &str, algorithm: &str, blob: &[u8]) -> Value {
    json!({"KeyId": arn, "CiphertextBlob": STANDARD.encode(blob), "EncryptionAlgorithm": algorithm})
}

fn invalid_ciphertext() -> AwsError {
    AwsError::new(Code::InvalidCiphertext, "")
}

fn incorrect_key() -> AwsError {
    AwsError::new(Code::IncorrectKey, "The key ID in the request does not identify a CMK that can perform this operation.")
}

/// What a symmetric ciphertext opened to.
struct Opened {
    plaintext: Secret,
    key_id: String,
    material_id: String,
}

/// Opens a symmetric ciphertext. With a named key, it must be the one that encrypted.
fn open(scene: &mut Scene<'_>, blob: &[u8], key_member: &str, context: &Context<'_>, action: &str) -> Result<Opened, AwsError> {
    let blob = Blob::parse(blob).ok_or_else(invalid_ciphertext)?;
    let key_id = match scene.request().text(key_member, 1, 2_048)? {
        Some(name) => {
            let key_id = scene.find_usable(name, Usage::EncryptDecrypt, action)?;
            if key_id != blob.key_id || !scene.key(&key_id)?.spec.is_symmetric() {
                return Err(incorrect_key());
            }
            key_id
        }
        None => find_by_blob(scene, blob.key_id, action)?,
    };
    let material = scene.key(&key_id)?.material(&blob.material_id).and_then(|held| held.bytes.as_ref());
    let plaintext = material.and_then(|material| blob.open(material, context)).ok_or_else(invalid_ciphertext)?;
    Ok(Opened { plaintext: plaintext.into(), key_id, material_id: blob.material_id })
}

/// A key that only the ciphertext names: whether it exists is not told.
fn find_by_blob(scene: &mut Scene<'_>, key_id: &str, action: &str) -> Result<String, AwsError> {
    let unknown = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";
    scene.find_usable(key_id, Usage::EncryptDecrypt, action).map_err(|error| match error.code {
        Code::NotFound | Code::AccessDenied => AwsError::new(Code::AccessDenied, unknown),
        _ => error,
    })
}

pub(crate) fn decrypt(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let request = scene.request();
    let blob = request.required_blob("CiphertextBlob", CIPHERTEXT_BYTES_MAX)?;
    let algorithm = algorithm(scene, "EncryptionAlgorithm")?;
    if algorithm != SYMMETRIC {
        return decrypt_rsa(scene, blob, algorithm);
    }
    let opened = open(scene, &blob, "KeyId", &request.text_map("EncryptionContext")?, "kms:Decrypt")?;
    scene.end_dry_run()?;
    scene.note_use(&opened.key_id)?;
    Ok(json!({
        "KeyId": scene.call.place.key_arn(&opened.key_id),
        "Plaintext": STANDARD.encode(&*opened.plaintext),
        "EncryptionAlgorithm": SYMMETRIC,
        "KeyMaterialId": opened.material_id,
    })
    .into())
}

fn decrypt_rsa(scene: &mut Scene<'_>, blob: Vec<u8>, algorithm: &'static str) -> Result<Stage, AwsError> {
    let key_id = scene.find_usable(scene.request().required_text("KeyId", 1, 2_048)?, Usage::EncryptDecrypt, "kms:Decrypt")?;
    let key = scene.key(&key_id)?;
    key.check_algorithm(algorithm)?;
    let (arn, material) = (key.arn(), key.usable_bytes()?.clone());
    scene.end_dry_run()?;
    Ok(Stage::Heavy(Box::new(move || {
        let plaintext = asymmetric::decrypt(&material, algorithm, &blob).map_err(|_| invalid_ciphertext())?;
        let finish: Finish = Box::new(move |scene| {
            scene.note_use(&key_id)?;
            Ok(Some(json!({"KeyId": arn, "Plaintext": STANDARD.encode(&*plaintext), "EncryptionAlgorithm": algorithm})))
        });
        Ok(finish)
    })))
}

/// ReEncrypt, between symmetric keys only: under RSA keys it is not simulated.
pub(crate) fn re_encrypt(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let request = scene.request();
    let blob = request.required_blob("CiphertextBlob", CIPHERTEXT_BYTES_MAX)?;
    let algorithms = [algorithm(scene, "SourceEncryptionAlgorithm")?, algorithm(scene, "DestinationEncryptionAlgorithm")?];
    if algorithms != [SYMMETRIC; 2] {
        return Err(AwsError::new(Code::UnsupportedOperation, "The sandbox re-encrypts between symmetric keys only."));
    }
    let to = scene.find_usable(request.required_text("DestinationKeyId", 1, 2_048)?, Usage::EncryptDecrypt, "kms:ReEncryptTo")?;
    scene.key(&to)?.check_algorithm(SYMMETRIC)?;
    let opened = open(scene, &blob, "SourceKeyId", &request.text_map("SourceEncryptionContext")?, "kms:ReEncryptFrom")?;
    scene.end_dry_run()?;
    let (sealed, to_material) = seal(scene, &to, &request.text_map("DestinationEncryptionContext")?, &opened.plaintext)?;
    scene.note_use(&opened.key_id)?;
    scene.note_use(&to)?;
    let place = &scene.call.place;
    Ok(json!({
        "KeyId": place.key_arn(&to),
        "SourceKeyId": place.key_arn(&opened.key_id),
        "CiphertextBlob": STANDARD.encode(sealed),
        "SourceEncryptionAlgorithm": SYMMETRIC,
        "DestinationEncryptionAlgorithm": SYMMETRIC,
        "SourceKeyMaterialId": opened.material_id,
        "DestinationKeyMaterialId": to_material,
    })
    .into())
}
