//! What applications leave behind under the keys of the year, in every Region where these are, and what must be good for ever: ciphertexts and codes.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::types::MacAlgorithmSpec;
use keystead_domain::KeySpec;

use super::groups::{Group, HOME};
use crate::{application::Application, world::World};

/// What was made under a key at some time.
struct Relic {
    /// The key that it was made under, and its Region.
    arn: String,
    region: &'static str,
    made: Made,
}

enum Made {
    Blob(Vec<u8>),
    Code(Vec<u8>),
}

/// A lineage, with its replicas or its copies.
pub struct Lineage {
    pub group: Group,
    pub spec: KeySpec,
    relics: Vec<Relic>,
}

/// Applications at work, by Region.
pub struct Applications(BTreeMap<&'static str, Application>);

impl Applications {
    pub async fn new(world: &World) -> Self {
        let mut all = BTreeMap::new();
        for region in [HOME, "us-east-1", "eu-central-1"] {
            all.insert(region, Application::in_region(world, region).await);
        }
        Self(all)
    }
}

impl Lineage {
    pub fn new(group: Group, spec: KeySpec) -> Self {
        Self { group, spec, relics: Vec::new() }
    }

    /// Makes something under the key that is in use, in every Region that has one.
    pub async fn leave(&mut self, name: &str, world: &World, applications: &Applications) {
        for (suffix, region) in self.group.used() {
            let application = &applications.0[region];
            if self.spec == KeySpec::Aes256 {
                let encrypted = application.encrypt(&format!("alias/{name}"), name.as_bytes()).await;
                self.relics.push(Relic { arn: encrypted.key_arn, region, made: Made::Blob(encrypted.blob) });
            } else if let Some(algorithm) = algorithm_of(self.spec) {
                let arn = world.key(&format!("{name}{suffix}")).await.cloud_arn.expect("a cloud key");
                let code = application.mac(&arn, name.as_bytes(), algorithm).await;
                self.relics.push(Relic { arn, region, made: Made::Code(code) });
            }
        }
    }

    /// What was made under these keys is good where it was made, and in a family in every Region. Answers how many looks that were.
    pub async fn check(&self, name: &str, is_open: &BTreeSet<&str>, applications: &Applications) -> usize {
        let mut good = 0;
        for relic in self.relics.iter().filter(|relic| is_open.contains(relic.arn.as_str())) {
            for (_, region) in self.group.used().iter().filter(|(_, region)| self.group.is_family() || *region == relic.region) {
                let application = &applications.0[region];
                match (&relic.made, algorithm_of(self.spec)) {
                    (Made::Code(code), Some(algorithm)) => {
                        let arn = relic.arn.replace(relic.region, region);
                        assert_eq!(application.mac(&arn, name.as_bytes(), algorithm).await, *code, "{name} of {} in {region}", relic.region);
                    }
                    (Made::Blob(blob) | Made::Code(blob), _) => {
                        assert_eq!(application.decrypt(blob).await, name.as_bytes(), "{name} of {} in {region}", relic.region);
                    }
                }
                good += 1;
            }
        }
        good
    }
}

fn algorithm_of(spec: KeySpec) -> Option<MacAlgorithmSpec> {
    match spec {
        KeySpec::Hmac224 => Some(MacAlgorithmSpec::HmacSha224),
        KeySpec::Hmac256 => Some(MacAlgorithmSpec::HmacSha256),
        KeySpec::Hmac384 => Some(MacAlgorithmSpec::HmacSha384),
        KeySpec::Hmac512 => Some(MacAlgorithmSpec::HmacSha512),
        _ => None,
    }
}
