//! Partitions and Regions (cloud-byok.md, section 2.13). A Region's name tells its partition; new Regions of a known shape work without a list.

/// A partition: its own credentials, roles and ARNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partition {
    Standard,
    GovCloud,
    China,
}

impl Partition {
    /// The second part of every ARN.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "aws",
            Self::GovCloud => "aws-us-gov",
            Self::China => "aws-cn",
        }
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Standard, Self::GovCloud, Self::China].into_iter().find(|partition| partition.name() == name)
    }

    /// The partition of a Region; `None` when no Region is called like that.
    pub(crate) fn of_region(region: &str) -> Option<Self> {
        let mut parts = region.split('-');
        let (area, rest): (_, Vec<&str>) = (parts.next()?, parts.collect());
        match (area, rest.as_slice()) {
            ("us", ["gov", direction, number]) if is_place(direction, number) => Some(Self::GovCloud),
            ("cn", [direction, number]) if is_place(direction, number) => Some(Self::China),
            ("us" | "eu" | "ap" | "sa" | "ca" | "me" | "af" | "il" | "mx", [direction, number]) if is_place(direction, number) => Some(Self::Standard),
            _ => None,
        }
    }
}

fn is_place(direction: &str, number: &str) -> bool {
    let is_word = !direction.is_empty() && direction != "gov" && direction.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Where keys live: one account in one Region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Place {
    pub(crate) fn partition(&self) -> Partition {
        Partition::of_region(&self.region).unwrap_or(Partition::Standard)
    }

    /// The ARN of a queue here.
    pub(crate) fn queue_arn(&self, name: &str) -> String {
        format!("arn:{}:sqs:{}:{}:{name}", self.partition().name(), self.region, self.account)
    }

    /// The ARN of a key here.
    pub(crate) fn key_arn(&self, key_id: &str) -> String {
        self.kms_arn("key/", key_id)
    }

    /// The ARN of an alias here; the name begins with `alias/`.
    pub(crate) fn alias_arn(&self, alias: &str) -> String {
        self.kms_arn("", alias)
    }

    fn kms_arn(&self, kind: &str, name: &str) -> String {
        format!("arn:{}:kms:{}:{}:{kind}{name}", self.partition().name(), self.region, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_tell_their_partition_and_new_ones_need_no_list() {
        for region in ["us-east-1", "eu-central-2", "ap-southeast-7", "mx-central-1", "il-central-1", "eu-north-9"] {
            assert_eq!(Partition::of_region(region), Some(Partition::Standard), "{region} (CM-012, CM-014)");
        }
        for region in ["us-gov-west-1", "us-gov-east-1"] {
            assert_eq!(Partition::of_region(region), Some(Partition::GovCloud), "{region}");
        }
        for region in ["cn-north-1", "cn-northwest-1"] {
            assert_eq!(Partition::of_region(region), Some(Partition::China), "{region}");
        }
        for region in ["", "us", "us-east", "moon-east-1", "us-east-one", "us--1", "us-gov-1", "eu-west-1-extra"] {
            assert_eq!(Partition::of_region(region), None, "{region}");
        }
    }

    #[test]
    fn arns_carry_the_partition() {
        let arn = |region: &str| Place { account: "111122223333".to_owned(), region: region.to_owned() }.key_arn("k");
        assert_eq!(arn("eu-west-1"), "arn:aws:kms:eu-west-1:111122223333:key/k");
        assert_eq!(arn("us-gov-west-1"), "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/k");
        assert_eq!(arn("cn-north-1"), "arn:aws-cn:kms:cn-north-1:111122223333:key/k");
    }
}
