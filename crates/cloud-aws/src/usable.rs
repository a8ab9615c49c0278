//! Whether a key can be used, tried by calls that use nothing (FT-019).
//!
//! The cryptographic operation itself is asked, as a dry run: AWS checks permission and key, and does nothing (AWS KMS Developer Guide, "Testing your
//! permissions"). Asked is what does least harm in the hands of who may ask it: to encrypt under a context of our own, to verify. The policy that we make grants
//! neither; whoever wants the proof grants it (docs/manual/kill.md). Without it, the public half of a pair is asked for, which AWS refuses of a key that is
//! disabled ("Key states of AWS KMS keys"), and of any other key nothing can be told.

use aws_sdk_kms::{
    primitives::Blob,
    types::{EncryptionAlgorithmSpec, MacAlgorithmSpec, SigningAlgorithmSpec},
};
use keystead_cloud::{CloudError, CloudKeyId, Kind, UseSeen, UseStanding};
use keystead_domain::{KeySpec, KeyUsage, key::spec::KeyFamily};

use crate::{client::AwsCloud, send::send};

/// The context under which a symmetric key is tried: a permission can be narrowed to it, and it opens nothing of anybody's.
pub const CONTEXT: (&str, &str) = ("keystead", "try-use");

/// Codes of a key that could have been used: the call went as far as the dry run lets it, or as the wrong signature.
const USABLE: [&str; 3] = ["DryRunOperationException", "KMSInvalidSignatureException", "KMSInvalidMacException"];

impl AwsCloud {
    pub(crate) async fn try_to_use(&self, key: &CloudKeyId, spec: KeySpec, usage: KeyUsage) -> Result<UseSeen, CloudError> {
        let (by, answer) = match usage {
            KeyUsage::Encrypt => ("Encrypt", self.try_encrypt(key, spec).await),
            KeyUsage::Sign => ("Verify", self.try_verify(key, spec).await),
            KeyUsage::Mac => ("VerifyMac", self.try_verify_mac(key, spec).await),
            KeyUsage::KeyAgreement => ("GetPublicKey", self.public_half(key).await.map(drop)),
        };
        let seen = read(by, answer)?;
        let has_public_half = matches!(spec.family(), KeyFamily::Rsa | KeyFamily::Ec) && by != "GetPublicKey";
        if seen.standing == UseStanding::Untold && has_public_half {
            return read("GetPublicKey", self.public_half(key).await.map(drop));
        }
        Ok(seen)
    }

    async fn try_encrypt(&self, key: &CloudKeyId, spec: KeySpec) -> Result<(), CloudError> {
        let request = self.kms.encrypt().key_id(&key.0).plaintext(Blob::new([0])).dry_run(true);
        let request = match spec.family() {
            KeyFamily::Rsa => request.encryption_algorithm(EncryptionAlgorithmSpec::RsaesOaepSha256),
            _ => request.encryption_context(CONTEXT.0, CONTEXT.1),
        };
        send!(self, "Encrypt", request).map(drop)
    }

    async fn try_verify(&self, key: &CloudKeyId, spec: KeySpec) -> Result<(), CloudError> {
        let algorithm = match spec {
            KeySpec::EcP384 => SigningAlgorithmSpec::EcdsaSha384,
            KeySpec::EcP521 => SigningAlgorithmSpec::EcdsaSha512,
            KeySpec::EcP256 | KeySpec::EcSecp256k1 => SigningAlgorithmSpec::EcdsaSha256,
            _ => SigningAlgorithmSpec::RsassaPssSha256,
        };
        let request = self.kms.verify().key_id(&key.0).message(Blob::new([0])).signature(Blob::new([0])).signing_algorithm(algorithm);
        send!(self, "Verify", request.dry_run(true)).map(drop)
    }

    async fn try_verify_mac(&self, key: &CloudKeyId, spec: KeySpec) -> Result<(), CloudError> {
        let algorithm = match spec {
            KeySpec::Hmac224 => MacAlgorithmSpec::HmacSha224,
            KeySpec::Hmac384 => MacAlgorithmSpec::HmacSha384,
            KeySpec::Hmac512 => MacAlgorithmSpec::HmacSha512,
            _ => MacAlgorithmSpec::HmacSha256,
        };
        let request = self.kms.verify_mac().key_id(&key.0).message(Blob::new([0])).mac(Blob::new([0])).mac_algorithm(algorithm);
        send!(self, "VerifyMac", request.dry_run(true)).map(drop)
    }
}

/// # Errors
/// Whatever says nothing of the key: weather, throttling, credentials.
fn read(by: &'static str, answer: Result<(), CloudError>) -> Result<UseSeen, CloudError> {
    let (standing, code) = match answer {
        Ok(()) => (UseStanding::Usable, String::new()),
        Err(error) if USABLE.contains(&error.code.as_str()) => (UseStanding::Usable, error.code),
        Err(error) => match error.kind {
            Kind::WrongState | Kind::NotFound => (UseStanding::Refused, error.code),
            Kind::AccessDenied | Kind::BadInput | Kind::Unsupported => (UseStanding::Untold, error.code),
            _ => return Err(error),
        },
    };
    Ok(UseSeen { standing, by, code })
}

#[cfg(test)]
mod tests {
    use keystead_cloud::{Fault, Retry};

    use super::*;

    fn said(kind: Kind, code: &str) -> Result<UseSeen, CloudError> {
        let error =
            CloudError { kind, fault: Fault::Unknown, retry: Retry::Never, call: "Encrypt", code: code.into(), message: String::new(), request_id: None };
        read("Encrypt", Err(error))
    }

    /// FT-019: only what AWS says of the key itself shows that it is dark.
    #[test]
    fn a_denial_and_weather_are_no_proof() {
        let standing = |kind, code: &str| said(kind, code).expect("an answer").standing;
        assert_eq!(standing(Kind::WrongState, "DisabledException"), UseStanding::Refused);
        assert_eq!(standing(Kind::WrongState, "KMSInvalidStateException"), UseStanding::Refused);
        assert_eq!(standing(Kind::AccessDenied, "AccessDeniedException"), UseStanding::Untold);
        assert_eq!(standing(Kind::BadInput, "DryRunOperationException"), UseStanding::Usable);
        assert!(said(Kind::Throttled, "ThrottlingException").is_err() && said(Kind::Unreachable, "").is_err());
    }
}
