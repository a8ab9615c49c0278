//! What AWS KMS can do in one Region, as data.

use keystead_cloud::{Capabilities, Importable, Quota};
use keystead_domain::{Hash, KeyFamily, KeySpec, WrapMethod, WrappingKeySpec, time::SECOND};

use crate::{prices, quotas, regions::Region};

/// How long KMS may not yet see a change that it has acknowledged.
///
/// Source: AWS KMS Developer Guide, "Eventual consistency": most changes show within seconds, some take minutes. Two minutes separate the two.
const VISIBILITY_DELAY_MICROS: i64 = 120 * SECOND;

/// On-demand rotations of a key, for life; not adjustable.
///
/// Source: AWS KMS API reference, RotateKeyOnDemand: "You can perform on-demand rotation of key materials in imported keys a maximum of 25 times."
const ROTATIONS_MAX: u32 = 25;

/// Why a China Region takes neither AES nor RSA keys.
///
/// Source: AWS KMS Developer Guide, "Importing key material: requirements": in China Regions, SYMMETRIC_DEFAULT is a 128-bit SM4 key, and RSA_AES_KEY_WRAP,
/// the only way for an RSA private key besides SM2, is not offered.
const CHINA: &[(KeyFamily, &str)] = &[
    (KeyFamily::Aes, "cannot be imported in a China Region: symmetric keys of AWS KMS are 128-bit SM4 keys there"),
    (KeyFamily::Rsa, "cannot be imported in a China Region: AWS KMS takes RSA private keys by RSA_AES_KEY_WRAP only, and does not offer it there"),
];

/// The capabilities of a Region, for one account.
pub fn of(region: &Region, account: &str, overrides: &[Quota]) -> Capabilities {
    Capabilities {
        cloud: "aws",
        quota_scope: format!("{account}/{}", region.name),
        importable: KeySpec::ALL.into_iter().filter_map(|spec| importable(region, spec)).collect(),
        refusals: if region.is_china() { CHINA } else { &[] },
        rotations_max: Some(ROTATIONS_MAX),
        wrapping_key: WrappingKeySpec::Rsa4096,
        quotas: quotas::with_overrides(overrides),
        visibility_delay_micros: VISIBILITY_DELAY_MICROS,
        // The prices of China are in another currency, and not in this table.
        prices: (!region.is_china()).then_some(prices::PRICES),
    }
}

/// Symmetric keys go by RSAES_OAEP, and by nothing else; private keys by RSA_AES_KEY_WRAP where it is offered.
///
/// Source: AWS KMS Developer Guide, "Importing key material: wrapping public key", the table of wrapping algorithms by kind of material. An elliptic private
/// key, at most 241 bytes in PKCS#8, fits into RSAES_OAEP_SHA_256 under 4096 bits (446 bytes); an RSA private key fits nowhere.
fn importable(region: &Region, spec: KeySpec) -> Option<Importable> {
    let (oaep, hybrid) = (WrapMethod::RsaOaep(Hash::Sha256), WrapMethod::RsaAesKwp(Hash::Sha256));
    let wrap = match spec.family() {
        KeyFamily::Aes if region.is_china() => return None,
        KeyFamily::Aes | KeyFamily::Hmac => oaep,
        KeyFamily::Rsa | KeyFamily::Ec if offers(region, hybrid) => hybrid,
        KeyFamily::Ec => oaep,
        KeyFamily::Rsa => return None,
    };
    Some(Importable { spec, wrap })
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
    fn every_kind_can_be_imported_in_a_standard_region_private_keys_by_key_wrap() {
        for spec in KeySpec::ALL {
            let expected = if spec.is_pair() { WrapMethod::RsaAesKwp(Hash::Sha256) } else { WrapMethod::RsaOaep(Hash::Sha256) };
            assert_eq!(capabilities("eu-west-1").wrap_for(spec), Some(expected), "{spec:?}");
        }
    }

    #[test]
    fn in_china_rsa_is_refused_by_aws_s_own_rule_and_curves_go_without_key_wrap() {
        let china = capabilities("cn-north-1");
        for spec in [KeySpec::Rsa2048, KeySpec::Rsa3072, KeySpec::Rsa4096] {
            assert!(china.check_importable(spec).expect_err("no key wrap").reason.contains("RSA_AES_KEY_WRAP"));
        }
        for spec in [KeySpec::EcP521, KeySpec::EcSecp256k1, KeySpec::Hmac512] {
            assert_eq!(china.wrap_for(spec), Some(WrapMethod::RsaOaep(Hash::Sha256)));
        }
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
