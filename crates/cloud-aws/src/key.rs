//! Making an empty key, and changing what it is called.

use aws_sdk_kms::types::{KeySpec as AwsKeySpec, KeyUsageType, OriginType};
use keystead_cloud::{CloudError, CloudKey, CloudKeyId, Fault, Kind, NewCloudKey, Reply, Retry};
use keystead_domain::{KeySpec, KeyUsage};

use crate::{
    client::AwsCloud,
    error::{refused, unreadable},
    own,
    send::send,
};

impl AwsCloud {
    /// CreateKey with Origin EXTERNAL. There is no idempotency token: the operation's tag goes with it in the same call.
    pub(crate) async fn create(&self, new: &NewCloudKey) -> Result<Reply<CloudKey>, CloudError> {
        self.capabilities.check_importable(new.spec).map_err(|invalid| refused("CreateKey", Kind::Unsupported, invalid.to_string()))?;
        let tags = own::tags(new)?;
        self.in_own_account().await?;
        let request = self.kms.create_key().origin(OriginType::External).key_spec(spec(new.spec)).key_usage(usage(new.usage));
        // Said aloud, so that a policy can insist on it: no key that its own administrators are locked out of.
        let request = request.bypass_policy_lockout_safety_check(false).multi_region(new.multi_region);
        let request = request.description(own::description(&new.description)).set_tags(Some(tags));
        let reply = send!(self, "CreateKey", request)?;
        let made = reply.value.key_metadata().and_then(|key| Some(CloudKey { id: CloudKeyId(key.key_id().to_owned()), arn: key.arn()?.to_owned() }));
        made.map(|value| Reply { value, request_id: reply.request_id.clone() }).ok_or_else(|| unreadable("CreateKey", "ARN", reply.request_id.as_deref()))
    }

    /// Makes sure, once, that our calls arrive in the keystore's account.
    pub(crate) async fn in_own_account(&self) -> Result<(), CloudError> {
        self.account_checked.get_or_try_init(|| async { self.check_account().await.map(drop) }).await.map(drop)
    }

    /// GetCallerIdentity: who we are there. Ours must be the keystore's account, or keys would be made in another.
    pub(crate) async fn check_account(&self) -> Result<String, CloudError> {
        let reply = send!(self, "GetCallerIdentity", self.sts.get_caller_identity())?;
        let account = reply.value.account().unwrap_or_default();
        if account == self.account {
            return Ok(reply.value.arn().unwrap_or_default().to_owned());
        }
        let message =
            format!("The credentials belong to account {account}, but the keystore to account {}. Give the keystore a role of its own account.", self.account);
        Err(CloudError {
            kind: Kind::Credentials,
            fault: Fault::Ours,
            retry: Retry::Never,
            call: "GetCallerIdentity",
            code: "WrongAccount".into(),
            message,
            request_id: reply.request_id,
        })
    }

    /// UpdateKeyDescription.
    pub(crate) async fn change_description(&self, key: &CloudKeyId, text: &str) -> Result<Reply<()>, CloudError> {
        let request = self.kms.update_key_description().key_id(&key.0).description(own::description(text));
        Ok(send!(self, "UpdateKeyDescription", request)?.map(drop))
    }
}

pub(crate) fn spec(spec: KeySpec) -> AwsKeySpec {
    match spec {
        KeySpec::Aes256 => AwsKeySpec::SymmetricDefault,
        KeySpec::Hmac224 => AwsKeySpec::Hmac224,
        KeySpec::Hmac256 => AwsKeySpec::Hmac256,
        KeySpec::Hmac384 => AwsKeySpec::Hmac384,
        KeySpec::Hmac512 => AwsKeySpec::Hmac512,
        KeySpec::Rsa2048 => AwsKeySpec::Rsa2048,
        KeySpec::Rsa3072 => AwsKeySpec::Rsa3072,
        KeySpec::Rsa4096 => AwsKeySpec::Rsa4096,
        KeySpec::EcP256 => AwsKeySpec::EccNistP256,
        KeySpec::EcP384 => AwsKeySpec::EccNistP384,
        KeySpec::EcP521 => AwsKeySpec::EccNistP521,
        KeySpec::EcSecp256k1 => AwsKeySpec::EccSecgP256K1,
    }
}

pub(crate) fn usage(usage: KeyUsage) -> KeyUsageType {
    match usage {
        KeyUsage::Encrypt => KeyUsageType::EncryptDecrypt,
        KeyUsage::Sign => KeyUsageType::SignVerify,
        KeyUsage::Mac => KeyUsageType::GenerateVerifyMac,
        KeyUsage::KeyAgreement => KeyUsageType::KeyAgreement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_uses_have_the_names_that_aws_gives_them() {
        let names: Vec<String> = KeySpec::ALL.into_iter().map(|kind| spec(kind).as_str().to_owned()).collect();
        let expected =
            "SYMMETRIC_DEFAULT HMAC_224 HMAC_256 HMAC_384 HMAC_512 RSA_2048 RSA_3072 RSA_4096 ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1";
        assert_eq!(names.join(" "), expected);
        let uses: Vec<String> = KeyUsage::ALL.into_iter().map(|kind| usage(kind).as_str().to_owned()).collect();
        assert_eq!(uses.join(" "), "ENCRYPT_DECRYPT SIGN_VERIFY GENERATE_VERIFY_MAC KEY_AGREEMENT");
    }
}
