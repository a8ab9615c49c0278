//! AWS partitions and Regions as data, and the check that a Region's name must pass before anything is made of it.
//!
//! Source: botocore 1.43 `partitions.json` and `endpoints.json` (service `kms`), read 2026-11-21; `cloud-byok.md` section 2.13 (CM-012 to CM-014).

use keystead_domain::Invalid;

/// A partition: Regions that share accounts, roles and STS. None of these crosses its border.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// The name in ARNs: `aws`, `aws-cn`.
    pub name: &'static str,
    /// What endpoints end with.
    pub dns_suffix: &'static str,
    /// What the names of its Regions begin with, up to and including a dash.
    pub prefixes: &'static [&'static str],
    /// Its Regions that have AWS KMS, in alphabetical order.
    pub regions: &'static [&'static str],
}

/// A Region that passed the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name: `eu-west-1`.
    pub name: String,
    /// Where it belongs.
    pub partition: &'static Partition,
    /// Whether it stands in our table. AWS adds Regions; one that follows the pattern is taken, and the caller warns (CM-014).
    pub listed: bool,
}

/// Every partition. The standard one stands last, because its prefixes are the least particular.
pub const PARTITIONS: [Partition; 8] = [
    Partition { name: "aws-us-gov", dns_suffix: "amazonaws.com", prefixes: &["us-gov-"], regions: &["us-gov-east-1", "us-gov-west-1"] },
    Partition { name: "aws-cn", dns_suffix: "amazonaws.com.cn", prefixes: &["cn-"], regions: &["cn-north-1", "cn-northwest-1"] },
    Partition { name: "aws-eusc", dns_suffix: "amazonaws.eu", prefixes: &["eusc-de-"], regions: &["eusc-de-east-1"] },
    Partition { name: "aws-iso", dns_suffix: "c2s.ic.gov", prefixes: &["us-iso-"], regions: &["us-iso-east-1", "us-iso-west-1"] },
    Partition { name: "aws-iso-b", dns_suffix: "sc2s.sgov.gov", prefixes: &["us-isob-"], regions: &["us-isob-east-1", "us-isob-west-1"] },
    Partition { name: "aws-iso-e", dns_suffix: "cloud.adc-e.uk", prefixes: &["eu-isoe-"], regions: &["eu-isoe-west-1"] },
    Partition { name: "aws-iso-f", dns_suffix: "csp.hci.ic.gov", prefixes: &["us-isof-"], regions: &["us-isof-east-1", "us-isof-south-1"] },
    Partition { name: "aws", dns_suffix: "amazonaws.com", prefixes: &["af-", "ap-", "ca-", "eu-", "il-", "me-", "mx-", "sa-", "us-"], regions: STANDARD },
];

const STANDARD: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

impl Partition {
    /// A Region that a key of `name` could have a replica in; `name` itself where the partition has no other.
    pub fn another_region<'a>(&self, name: &'a str) -> &'a str {
        self.regions.iter().copied().find(|region| *region != name).unwrap_or(name)
    }
}

impl Region {
    /// The name of a queue of this Region and account, out of its ARN.
    ///
    /// # Errors
    /// [`Invalid`] naming `queue`.
    pub fn queue_name<'a>(&self, arn: &'a str, account: &str) -> Result<&'a str, Invalid> {
        let here = format!("arn:{}:sqs:{}:{account}:", self.partition.name, self.name);
        let is_name = |name: &&str| (1..=80).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        arn.strip_prefix(&here).filter(is_name).ok_or_else(|| {
            let mend = format!("Give the ARN of a standard queue in the keystore's own account and Region, for example {here}keystead-events.");
            Invalid::new("queue", "is not a queue of this keystore's account and Region", mend)
        })
    }

    /// Whether it lies in mainland China, where KMS knows other algorithms.
    pub fn is_china(&self) -> bool {
        self.partition.name == "aws-cn"
    }
}

/// Reads a Region's name: one of the table, or one that follows the pattern of a partition (`eu-east-1`), or of Regions to come (`xy-north-1`), which is
/// taken for the standard partition. The name becomes part of host names and ARNs, so nothing else passes.
///
/// # Errors
/// [`Invalid`] naming `region`.
pub fn check_region(name: &str) -> Result<Region, Invalid> {
    let found = |partition: &'static Partition, listed: bool| Ok(Region { name: name.to_owned(), partition, listed });
    if let Some(partition) = PARTITIONS.iter().find(|partition| partition.regions.contains(&name)) {
        return found(partition, true);
    }
    for partition in &PARTITIONS {
        if partition.prefixes.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(is_word_and_number)) {
            return found(partition, false);
        }
    }
    match name.split_once('-') {
        Some((area, rest)) if area.len() == 2 && is_lower(area) && is_word_and_number(rest) => found(&PARTITIONS[PARTITIONS.len() - 1], false),
        _ => Err(Invalid::new("region", "is not the name of an AWS Region", "Give a name such as eu-west-1.")),
    }
}

/// `west-1`: what stands behind every prefix.
fn is_word_and_number(rest: &str) -> bool {
    let Some((word, number)) = rest.split_once('-') else { return false };
    (1..=16).contains(&word.len()) && is_lower(word) && (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
}

fn is_lower(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kms::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    #[tokio::test]
    async fn every_listed_region_has_the_endpoint_that_the_official_client_would_choose() {
        for partition in &PARTITIONS {
            for name in partition.regions {
                let params = Params::builder().region(*name).build().expect("a Region is enough");
                let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.expect("every Region resolves");
                assert_eq!(endpoint.url(), format!("https://kms.{name}.{}", partition.dns_suffix));
                assert_eq!(check_region(name).map(|region| (region.partition.name, region.listed)), Ok((partition.name, true)));
            }
        }
    }

    #[test]
    fn all_standard_regions_and_the_other_partitions_are_known_cm_012_cm_013() {
        assert_eq!(STANDARD.len(), 34);
        for (name, partition) in
            [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("us-isob-east-1", "aws-iso-b"), ("eusc-de-east-1", "aws-eusc")]
        {
            assert_eq!(check_region(name).map(|region| region.partition.name), Ok(partition), "{name}");
        }
    }

    #[test]
    fn regions_to_come_are_taken_and_marked_cm_014() {
        for (name, partition) in [
            ("eu-east-1", "aws"),
            ("xy-north-1", "aws"),
            ("us-gov-central-1", "aws-us-gov"),
            ("cn-south-1", "aws-cn"),
            ("us-iso-north-1", "aws-iso"),
            ("eusc-de-west-1", "aws-eusc"),
        ] {
            let region = check_region(name).expect(name);
            assert_eq!((region.partition.name, region.listed), (partition, false), "{name}");
        }
    }

    #[test]
    fn nothing_that_could_lead_a_request_elsewhere_is_a_region() {
        for bad in [
            "",
            "eu-west-1.evil.example",
            "eu-west-1/",
            "EU-WEST-1",
            "eu_west_1",
            "eu-west-",
            "eu-west-123",
            "eu-west-1 ",
            "aws-global",
            "eu-west-1@h",
            "-west-1",
        ] {
            assert_eq!(check_region(bad).expect_err(bad).field, "region");
        }
    }
}
