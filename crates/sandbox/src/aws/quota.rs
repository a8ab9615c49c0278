//! Request rates: one token bucket for each account, Region and operation; some operations share one. The rates are data with a source and a date.

use std::collections::{BTreeMap, HashMap};

use super::regions::Place;
use crate::clock::{Micros, SECOND};

/// When the rates below were taken from the AWS KMS Developer Guide, page "Request quotas" (requests-per-second); cloud-byok.md, section 2.8.
pub(crate) const AS_OF: &str = "2026-11-21";

/// Requests a second for each operation with a quota of its own.
const RATES: &[(&str, f64)] = &[
    ("CancelKeyDeletion", 5.0),
    ("CreateAlias", 5.0),
    ("CreateGrant", 50.0),
    ("CreateKey", 5.0),
    ("DeleteAlias", 15.0),
    ("DeleteImportedKeyMaterial", 15.0),
    ("DescribeKey", 2_000.0),
    ("DisableKey", 5.0),
    ("EnableKey", 5.0),
    ("GetKeyLastUsage", 5.0),
    ("GetKeyPolicy", 1_000.0),
    ("GetKeyRotationStatus", 1_000.0),
    ("GetParametersForImport", 1.0),
    ("GetPublicKey", 2_000.0),
    ("ImportKeyMaterial", 15.0),
    ("ListAliases", 500.0),
    ("ListGrants", 100.0),
    ("ListKeyPolicies", 100.0),
    ("ListKeyRotations", 100.0),
    ("ListKeys", 500.0),
    ("ListResourceTags", 2_000.0),
    ("PutKeyPolicy", 15.0),
    ("ReplicateKey", 5.0),
    ("RevokeGrant", 50.0),
    ("RotateKeyOnDemand", 5.0),
    ("ScheduleKeyDeletion", 15.0),
    ("TagResource", 10.0),
    ("UntagResource", 5.0),
    ("UpdateAlias", 5.0),
    ("UpdateKeyDescription", 5.0),
    ("UpdatePrimaryRegion", 5.0),
];

/// Operations that share the quota of symmetric cryptography.
const SYMMETRIC: &[&str] = &["Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "ReEncrypt", "VerifyMac"];
/// Operations that share the quota of asymmetric cryptography.
const ASYMMETRIC: &[&str] = &["DeriveSharedSecret", "Sign", "Verify"];

/// Symmetric cryptography: three Regions have 100,000, some 20,000, the others 10,000.
fn symmetric_rate(region: &str) -> f64 {
    match region {
        "us-east-1" | "us-west-2" | "eu-west-1" => 100_000.0,
        "us-east-2" | "ap-southeast-1" | "ap-southeast-2" | "ap-northeast-1" | "eu-central-1" | "eu-west-2" => 20_000.0,
        _ => 10_000.0,
    }
}

/// The bucket of an operation and its rate; `None`: it has no quota.
fn bucket(operation: &'static str, region: &str) -> Option<(&'static str, f64)> {
    if SYMMETRIC.contains(&operation) {
        return Some(("cryptography, symmetric", symmetric_rate(region)));
    }
    if ASYMMETRIC.contains(&operation) {
        return Some(("cryptography, asymmetric", 1_000.0));
    }
    RATES.iter().find(|(name, _)| *name == operation).copied()
}

struct Tokens {
    left: f64,
    at: Micros,
}

/// All buckets. A bucket holds one second of its rate, and at least one call.
#[derive(Default)]
pub(crate) struct Quotas {
    buckets: HashMap<(Place, &'static str), Tokens>,
}

impl Quotas {
    /// Takes one call from its bucket; `false`: the rate is exceeded.
    pub(crate) fn admit(&mut self, place: &Place, operation: &'static str, overrides: &BTreeMap<String, f64>, now: Micros) -> bool {
        let known = bucket(operation, &place.region);
        let Some((name, rate)) = overrides.get(operation).map(|rate| (operation, *rate)).or(known) else { return true };
        if rate <= 0.0 {
            return false;
        }
        let capacity = rate.max(1.0);
        let tokens = self.buckets.entry((place.clone(), name)).or_insert(Tokens { left: capacity, at: now });
        let elapsed = (now - tokens.at).max(0) as f64 / SECOND as f64;
        tokens.left = (tokens.left + elapsed * rate).min(capacity);
        tokens.at = now;
        let admitted = tokens.left >= 1.0;
        if admitted {
            tokens.left -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(region: &str) -> Place {
        Place { account: "111122223333".to_owned(), region: region.to_owned() }
    }

    fn admitted(quotas: &mut Quotas, place: &Place, operation: &'static str, tries: usize, now: Micros) -> usize {
        (0..tries).filter(|_| quotas.admit(place, operation, &BTreeMap::new(), now)).count()
    }

    #[test]
    fn the_rates_of_an_import_campaign_are_aws_s() {
        let rate = |operation| bucket(operation, "eu-west-1").map(|(_, rate)| rate);
        assert_eq!((rate("CreateKey"), rate("GetParametersForImport"), rate("ImportKeyMaterial")), (Some(5.0), Some(1.0), Some(15.0)), "as of {AS_OF}");
        assert_eq!(rate("AssumeRole"), None);
    }

    #[test]
    fn a_bucket_holds_one_second_and_refills() {
        let (mut quotas, place) = (Quotas::default(), place("eu-west-1"));
        assert_eq!(admitted(&mut quotas, &place, "CreateKey", 9, 0), 5);
        assert_eq!(admitted(&mut quotas, &place, "CreateKey", 9, SECOND / 5), 1);
        assert_eq!(admitted(&mut quotas, &place, "CreateKey", 9, 90 * SECOND), 5);
        assert_eq!(admitted(&mut quotas, &place, "GetParametersForImport", 9, 0), 1);
    }

    #[test]
    fn accounts_and_regions_do_not_share_but_cryptography_does() {
        let mut quotas = Quotas::default();
        assert_eq!(admitted(&mut quotas, &place("eu-west-1"), "CreateKey", 9, 0), 5);
        assert_eq!(admitted(&mut quotas, &place("eu-west-3"), "CreateKey", 9, 0), 5);
        assert_eq!(admitted(&mut quotas, &place("eu-west-3"), "Encrypt", 10_000, 0), 10_000);
        assert_eq!(admitted(&mut quotas, &place("eu-west-3"), "Decrypt", 1, 0), 0);
    }

    #[test]
    fn an_override_replaces_the_rate_and_zero_refuses_all() {
        let (mut quotas, place) = (Quotas::default(), place("eu-west-1"));
        let overrides = BTreeMap::from([("CreateKey".to_owned(), 2.0), ("ListKeys".to_owned(), 0.0), ("GetParametersForImport".to_owned(), 0.25)]);
        let mut count = |operation, now| (0..9).filter(|_| quotas.admit(&place, operation, &overrides, now)).count();
        assert_eq!((count("CreateKey", 0), count("ListKeys", 0)), (2, 0));
        assert_eq!((count("GetParametersForImport", 0), count("GetParametersForImport", 3 * SECOND), count("GetParametersForImport", 4 * SECOND)), (1, 0, 1));
    }
}
