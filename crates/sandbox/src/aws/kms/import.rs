//! ImportKeyMaterial and DeleteImportedKeyMaterial (cloud-byok.md, sections 2.3 to 2.5). The first material binds the key for ever; a symmetric key may get
//! further ones, at most one of them pending.

use serde_json::{Value, json};

use super::super::call::{Finish, Scene, Stage};
use super::super::errors::{AwsError, Code};
use super::family;
use super::key::{Held, Key, Part};
use super::material::{self, incorrect};
use super::parameters::require_external;
use super::realm::Naming;
use super::state::KeyState;
use super::token::{ImportToken, Purpose};
use super::unwrap::{unwrap, wrapping, wrapping_size};
use crate::clock::{DAY, Micros};
use crate::pool::Handle;
use crate::secret::Secret;

/// Longest life of imported material.
const LIFE_MAX: Micros = 365 * DAY;
/// Longest token and longest wrapped material, in bytes.
const BLOB_BYTES_MAX: usize = 6_144;

/// Whether the material is new to the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ImportType {
    New,
    Existing,
}

/// A checked order for an import, still wrapped.
struct Order {
    key_id: String,
    expires: Option<Micros>,
    import_type: Option<ImportType>,
    description: Option<String>,
    material_id: Option<String>,
}

pub(crate) fn import_material(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let order = read_order(scene)?;
    let request = scene.request();
    let wrapped = request.required_blob("EncryptedKeyMaterial", BLOB_BYTES_MAX)?;
    let token = read_token(scene, &request.required_blob("ImportToken", BLOB_BYTES_MAX)?, &order.key_id)?;
    let (wrapping, size) = (wrapping(&token.algorithm)?, wrapping_size(&token.wrapping_spec)?);
    let pair = scene.pool.pair(size, Handle(token.pair)).ok_or_else(invalid_token)?;
    let key = scene.key(&order.key_id)?;
    let (spec, partition) = (key.spec, key.place.partition());
    Ok(Stage::Heavy(Box::new(move || {
        let bytes = material::accept(spec, partition, unwrap(wrapping, size, &pair, &wrapped)?)?;
        let finish: Finish = Box::new(move |scene| bind(scene, order, bytes).map(Some));
        Ok(finish)
    })))
}

fn read_order(scene: &mut Scene<'_>) -> Result<Order, AwsError> {
    let request = scene.request();
    let expires = read_expiry(scene)?;
    let import_type = request.choice("ImportType", &["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"])?;
    let import_type = import_type.map(|name| if name == "NEW_KEY_MATERIAL" { ImportType::New } else { ImportType::Existing });
    let description = request.text("KeyMaterialDescription", 0, 256)?.map(str::to_owned);
    let material_id = request.text("KeyMaterialId", 64, 64)?.map(str::to_owned);
    check_description(description.as_deref())?;
    if import_type == Some(ImportType::New) && material_id.is_some() {
        return Err(AwsError::new(Code::Validation, "KeyMaterialId cannot be specified when ImportType is NEW_KEY_MATERIAL"));
    }
    let (now, operation) = (scene.now, scene.call.operation.name);
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let key = scene.key(&key_id)?;
    require_external(key)?;
    key.check(operation, now)?;
    if !key.spec.is_symmetric() && (import_type.is_some() || description.is_some() || material_id.is_some()) {
        let message = "ImportType, KeyMaterialDescription and KeyMaterialId are only supported for symmetric encryption keys.";
        return Err(AwsError::new(Code::UnsupportedOperation, message));
    }
    Ok(Order { key_id, expires, import_type, description, material_id })
}

fn check_description(description: Option<&str>) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":/_.-".contains(c);
    match description.filter(|text| !text.chars().all(allowed)) {
        Some(text) => {
            let rule = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_\\s.-]+$";
            Err(AwsError::constraint("KeyMaterialDescription", Some(text), rule))
        }
        None => Ok(()),
    }
}

/// The end of the material: mandatory with KEY_MATERIAL_EXPIRES (the default), in the future and at most 365 days away; else forbidden.
fn read_expiry(scene: &Scene<'_>) -> Result<Option<Micros>, AwsError> {
    let request = scene.request();
    let model = request.choice("ExpirationModel", &["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"])?;
    let refused = |message: &str| Err(AwsError::new(Code::Validation, message));
    match (model, request.time("ValidTo")?) {
        (Some("KEY_MATERIAL_DOES_NOT_EXPIRE"), Some(_)) => refused("A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"),
        (Some("KEY_MATERIAL_DOES_NOT_EXPIRE"), None) => Ok(None),
        (_, None) => refused("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"),
        (_, Some(at)) if at <= scene.now => refused("The validTo date must be in the future"),
        (_, Some(at)) if at > scene.now + LIFE_MAX => refused("The validTo date must not be more than 365 days in the future"),
        (_, Some(at)) => Ok(Some(at)),
    }
}

fn invalid_token() -> AwsError {
    AwsError::new(Code::InvalidImportToken, "The import token is invalid or belongs to a different KMS key.")
}

fn read_token(scene: &Scene<'_>, sealed: &[u8], key_id: &str) -> Result<ImportToken, AwsError> {
    let content = scene.world.seal.open(Purpose::ImportToken, sealed).ok_or_else(invalid_token)?;
    let token: ImportToken = serde_json::from_slice(&content).map_err(|_| invalid_token())?;
    if token.key_arn != scene.call.place.key_arn(key_id) {
        return Err(invalid_token());
    }
    if token.expires <= scene.now {
        return Err(AwsError::new(Code::ExpiredImportToken, "The import token has expired; get a new one with GetParametersForImport."));
    }
    Ok(token)
}

/// Binds unwrapped material to its key. The key is looked at anew: much may have happened while the private key worked.
fn bind(scene: &mut Scene<'_>, order: Order, bytes: Secret) -> Result<Value, AwsError> {
    let (now, operation, place) = (scene.now, scene.call.operation.name, &scene.call.place);
    let is_replica = family::is_replica(scene.world, place, &order.key_id);
    let key = scene.key(&order.key_id)?;
    key.check(operation, now)?;
    let material_id = material::identity(&key.id, &bytes);
    let import_type = order.import_type.unwrap_or(if key.materials.is_empty() { ImportType::New } else { ImportType::Existing });
    match import_type {
        ImportType::New if is_replica => {
            return Err(AwsError::new(Code::UnsupportedOperation, "New key material is imported into the primary key, then into its replicas."));
        }
        ImportType::New => check_new(key, &material_id)?,
        ImportType::Existing => check_existing(key, &material_id, order.material_id.as_deref())?,
    }
    let was_pending_import = key.state(now) == KeyState::PendingImport;
    hold(key, &material_id, bytes, &order);
    if was_pending_import && key.is_complete() {
        key.disabled = false;
    }
    let reply = material_reply(key, &material_id);
    scene.look_at_key(&order.key_id);
    if import_type == ImportType::New {
        family::announce_material(scene.world, place, &order.key_id, &material_id);
    }
    Ok(reply)
}

fn check_new(key: &Key, material_id: &str) -> Result<(), AwsError> {
    if key.material(material_id).is_some() {
        return Err(incorrect("The key material is already associated with this KMS key."));
    }
    if !key.materials.is_empty() && !key.spec.is_symmetric() {
        return Err(incorrect("The key material is not the key material that was previously imported into this KMS key."));
    }
    match key.pending() {
        Some(_) => Err(AwsError::new(Code::InvalidState, format!("{} already has key material that is pending rotation.", key.arn()))),
        None => Ok(()),
    }
}

fn check_existing(key: &Key, material_id: &str, asserted: Option<&str>) -> Result<(), AwsError> {
    if asserted.is_some_and(|asserted| asserted != material_id) {
        return Err(incorrect("The key material does not have the specified KeyMaterialId."));
    }
    let different = "The key material is not the key material that was previously imported into this KMS key.";
    key.material(material_id).map(|_| ()).ok_or_else(|| incorrect(different))
}

fn hold(key: &mut Key, material_id: &str, bytes: Secret, order: &Order) {
    if let Some(held) = key.material_mut(material_id) {
        held.bytes = Some(bytes);
        held.expires = order.expires;
        // Without a new description the old one stays.
        if order.description.is_some() {
            held.description.clone_from(&order.description);
        }
        return;
    }
    let part = if key.materials.is_empty() { Part::Current } else { Part::Pending };
    let (id, description) = (material_id.to_owned(), order.description.clone());
    key.materials.push(Held { id, part, description, bytes: Some(bytes), expires: order.expires, rotated: None });
}

/// Key ARN, and for symmetric keys the material's id.
fn material_reply(key: &Key, material_id: &str) -> Value {
    match key.spec.is_symmetric() {
        true => json!({"KeyId": key.arn(), "KeyMaterialId": material_id}),
        false => json!({"KeyId": key.arn()}),
    }
}

/// DeleteImportedKeyMaterial: at once, and without effect when there is none. In PendingDeletion the key's state stays.
pub(crate) fn delete_material(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let asked = scene.request().text("KeyMaterialId", 64, 64)?;
    let (now, operation) = (scene.now, scene.call.operation.name);
    let key_id = scene.find("KeyId", Naming::KeyOnly)?;
    let key = scene.key(&key_id)?;
    require_external(key)?;
    key.check(operation, now)?;
    let material_id = asked.map(str::to_owned).or_else(|| key.current().map(|held| held.id.clone()));
    let Some(material_id) = material_id else { return Ok(json!({"KeyId": key.arn()}).into()) };
    let held = key.material_mut(&material_id);
    let held = held.ok_or_else(|| AwsError::new(Code::NotFound, format!("Key material {material_id} is not associated with this KMS key.")))?;
    held.bytes = None;
    held.expires = None;
    let was_pending = held.part == Part::Pending;
    let reply = material_reply(key, &material_id);
    if was_pending {
        family::forget_pending(scene.world, &scene.call.place, &key_id, &material_id);
    }
    Ok(reply.into())
}
