//! The way of material into a key and out of it.

use aws_sdk_kms::types::{AlgorithmSpec, ExpirationModelType, ImportType, WrappingKeySpec as AwsWrappingKeySpec};
use aws_smithy_types::{Blob, DateTime};
use keystead_cloud::{CloudError, CloudKeyId, Import, Imported, Kind, Reply, Retry, Which, WrappingKey};
use keystead_domain::{Hash, WrapMethod, WrappingKeySpec};

use crate::{
    capabilities,
    client::AwsCloud,
    error::{refused, unreadable},
    observe::timestamp,
    send::send,
};

impl AwsCloud {
    /// GetParametersForImport: a fresh public key and token for each import. AWS keeps them for 24 hours, but does not say that they may be used twice.
    pub(crate) async fn parameters(&self, key: &CloudKeyId, method: WrapMethod, spec: WrappingKeySpec) -> Result<Reply<WrappingKey>, CloudError> {
        const CALL: &str = "GetParametersForImport";
        if !capabilities::offers(&self.region, method) {
            return Err(refused(CALL, Kind::Unsupported, format!("{} does not offer RSA_AES_KEY_WRAP.", self.region.name)));
        }
        let request = self.kms.get_parameters_for_import().key_id(&key.0).wrapping_algorithm(algorithm(method)).wrapping_key_spec(key_spec(spec));
        let Reply { value, request_id } = send!(self, "GetParametersForImport", request)?;
        let wrapping = value.public_key.zip(value.import_token).zip(value.parameters_valid_to);
        let ((public_key, token), valid_to) = wrapping.ok_or_else(|| unreadable(CALL, "public key, token or date", request_id.as_deref()))?;
        Ok(Reply { value: WrappingKey { public_key: public_key.into_inner(), token: token.into_inner(), method, valid_to: timestamp(valid_to) }, request_id })
    }

    /// ImportKeyMaterial. Which material it is needs no word while a key has only one: the first binds, every other is refused. Of several, AWS wants to be told
    /// (AWS KMS API reference, ImportKeyMaterial, ImportType).
    pub(crate) async fn hand_over(&self, key: &CloudKeyId, import: &Import) -> Result<Reply<Imported>, CloudError> {
        let request = self.kms.import_key_material().key_id(&key.0).import_token(Blob::new(&*import.token)).encrypted_key_material(Blob::new(&*import.wrapped));
        let request = match import.expires {
            Some(at) => request.expiration_model(ExpirationModelType::KeyMaterialExpires).valid_to(DateTime::from_secs(at.as_secs())),
            None => request.expiration_model(ExpirationModelType::KeyMaterialDoesNotExpire),
        };
        let request = match &import.which {
            Which::Only => request,
            Which::Existing(id) => request.import_type(ImportType::ExistingKeyMaterial).set_key_material_id(id.clone()),
            Which::New(label) => request.import_type(ImportType::NewKeyMaterial).key_material_description(label),
        };
        Ok(send!(self, "ImportKeyMaterial", request)?.map(|done| Imported { material_id: done.key_material_id }))
    }

    /// GetPublicKey.
    pub(crate) async fn public_half(&self, key: &CloudKeyId) -> Result<Vec<u8>, CloudError> {
        let Reply { value, request_id } = send!(self, "GetPublicKey", self.kms.get_public_key().key_id(&key.0))?;
        value.public_key.map(Blob::into_inner).ok_or_else(|| unreadable("GetPublicKey", "public key", request_id.as_deref()))
    }

    /// DeleteImportedKeyMaterial; on a key without material it has no effect. A pending material that is deleted is forgotten: asked for again, there is no such thing.
    pub(crate) async fn remove_material(&self, key: &CloudKeyId, material: Option<&str>) -> Result<Reply<()>, CloudError> {
        let request = self.kms.delete_imported_key_material().key_id(&key.0).set_key_material_id(material.map(ToOwned::to_owned));
        let done = send!(self, "DeleteImportedKeyMaterial", request);
        Ok(done.map_err(tag_may_lag)?.map(drop))
    }
}

/// What destroys is permitted by our tag (see `policy`), and AWS needs up to five minutes before a new tag counts: soon after a key is made, "denied" may pass.
///
/// Source: AWS KMS Developer Guide, "ABAC for AWS KMS": "It might take up to five minutes for tag and alias changes to affect KMS key authorization."
pub(crate) fn tag_may_lag(error: CloudError) -> CloudError {
    if error.kind == Kind::AccessDenied { CloudError { retry: Retry::UntilVisible, ..error } } else { error }
}

fn algorithm(method: WrapMethod) -> AlgorithmSpec {
    match method {
        WrapMethod::RsaOaep(Hash::Sha1) => AlgorithmSpec::RsaesOaepSha1,
        WrapMethod::RsaOaep(Hash::Sha256) => AlgorithmSpec::RsaesOaepSha256,
        WrapMethod::RsaAesKwp(Hash::Sha1) => AlgorithmSpec::RsaAesKeyWrapSha1,
        WrapMethod::RsaAesKwp(Hash::Sha256) => AlgorithmSpec::RsaAesKeyWrapSha256,
    }
}

fn key_spec(spec: WrappingKeySpec) -> AwsWrappingKeySpec {
    match spec {
        WrappingKeySpec::Rsa2048 => AwsWrappingKeySpec::Rsa2048,
        WrappingKeySpec::Rsa3072 => AwsWrappingKeySpec::Rsa3072,
        WrappingKeySpec::Rsa4096 => AwsWrappingKeySpec::Rsa4096,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_the_names_that_aws_gives_them() {
        let name = |method| algorithm(method).as_str().to_owned();
        assert_eq!(name(WrapMethod::RsaOaep(Hash::Sha1)), "RSAES_OAEP_SHA_1");
        assert_eq!(name(WrapMethod::RsaOaep(Hash::Sha256)), "RSAES_OAEP_SHA_256");
        assert_eq!(name(WrapMethod::RsaAesKwp(Hash::Sha1)), "RSA_AES_KEY_WRAP_SHA_1");
        assert_eq!(name(WrapMethod::RsaAesKwp(Hash::Sha256)), "RSA_AES_KEY_WRAP_SHA_256");
        assert_eq!(key_spec(WrappingKeySpec::Rsa3072).as_str(), "RSA_3072");
    }
}
