//! What AWS KMS can do in one Region, as data.

use keystead_cloud::{Capabilities, Quota};
use keystead_domain::{Hash, KeySpec, WrapMethod, WrappingKeySpec, time::SECOND};

use crate::{quotas, regions::Region};

/// How long KMS may not yet see a change that it has acknowledged.
///
/// Source: AWS KMS Developer Guide, "Eventual consistency": most changes show within seconds, some take minutes. Two minutes separate the two.
const VISIBILITY_DELAY_MICROS: i64 = 120 * SECOND;

/// Why a China Region takes no AES key.
///
/// Source: AWS KMS Developer Guide, "Importing key material: requirements": in China Regions, SYMMETRIC_DEFAULT is a 128-bit SM4 key.
const CHINA: &str = "cannot be imported in a China Region: symmetric keys of AWS KMS are 128-bit SM4 keys there";

/// The capabilities of a Region, for one account.
pub fn of(region: &Region, account: &str, overrides: &[Quota]) -> Capabilities {
    let china = region.is_china();
    Capabilities {
        cloud: "aws",
        quota_scope: format!("{account}/{}", region.name),
        importable: if china { &[] } else { &[KeySpec::Aes256] },
        not_importable: china.then_some(CHINA),
        wrap: WrapMethod::RsaOaep(Hash::Sha256),
        wrapping_key: WrappingKeySpec::Rsa4096,
        quotas: quotas::with_overrides(overrides),
        visibility_delay_micros: VISIBILITY_DELAY_MICROS,
    }
}

/// Whether a Region offers this way of wrapping.
///
/// Source: AWS KMS API reference, GetParametersForImport, WrappingAlgorithm: RSA_AES_KEY_WRAP is not offered in China Regions.
pub fn offers(region: &Region, method: WrapMethod) -> bool {
    match method {
        WrapMethod::RsaOaep(_) => true,
        WrapMethod::RsaAesKwp(_) => !region.is_china(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regions::check_region;

    fn capabilities(region: &str) -> Capabilities {
        of(&check_region(region).expect("a Region"), "123456789012", &[])
    }

    #[test]
    fn aes_256_can_be_imported_everywhere_but_in_china_cm_011() {
        assert_eq!(capabilities("eu-west-1").check_importable(KeySpec::Aes256), Ok(()));
        assert_eq!(capabilities("us-gov-west-1").check_importable(KeySpec::Aes256), Ok(()));
        let refused = capabilities("cn-north-1").check_importable(KeySpec::Aes256).expect_err("China");
        assert_eq!(refused.field, "spec");
        assert!(refused.reason.contains("SM4"), "{refused}");
    }

    #[test]
    fn key_wrap_is_not_offered_in_china() {
        let china = check_region("cn-northwest-1").expect("a Region");
        assert!(!offers(&china, WrapMethod::RsaAesKwp(Hash::Sha256)) && offers(&china, WrapMethod::RsaOaep(Hash::Sha256)));
    }

    #[test]
    fn quotas_are_counted_by_account_and_region() {
        assert_eq!(capabilities("eu-west-1").quota_scope, "123456789012/eu-west-1");
    }
}
