//! Looking at every key of the account and Region, one call at a time: nothing is repeated here, because each call has to wait for its own quota again.

use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeySpec as AwsKeySpec, KeyUsageType, MultiRegionKeyType};
use keystead_cloud::{CloudError, CloudKeyId, Family, Grant, Inspected, Kind, Page, Pointing};
use keystead_domain::{Alias, KeySpec, KeyUsage, RegionRole};

use crate::{
    client::AwsCloud,
    error::unreadable,
    key,
    list::{KEYS_A_PAGE, next_marker},
    observe::{is_pending_deletion, observed, timestamp},
    send::send,
};

/// Aliases and grants a page (AWS KMS API reference, ListAliases and ListGrants, Limit).
const ROWS_A_PAGE: i32 = 100;

impl AwsCloud {
    /// ListKeys. It names AWS's own keys as well, and says of none what it is.
    pub(crate) async fn keys_behind(&self, after: Option<&str>) -> Result<Page<CloudKeyId>, CloudError> {
        let page = send!(self, "ListKeys", self.kms.list_keys().limit(KEYS_A_PAGE).set_marker(after.map(Into::into)))?.value;
        let next = next_marker("ListKeys", page.truncated, page.next_marker)?;
        Ok(Page { items: page.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_id).map(CloudKeyId).collect(), next })
    }

    /// ListAliases. AWS's own, `alias/aws/…`, are left out, and those that point at nothing.
    pub(crate) async fn aliases_behind(&self, after: Option<&str>) -> Result<Page<Pointing>, CloudError> {
        let page = send!(self, "ListAliases", self.kms.list_aliases().limit(ROWS_A_PAGE).set_marker(after.map(Into::into)))?.value;
        let next = next_marker("ListAliases", page.truncated, page.next_marker)?;
        let read = |name: Option<String>, key: Option<String>| Some(Pointing { alias: Alias::parse(&name?).ok()?, key: CloudKeyId(key?) });
        Ok(Page { items: page.aliases.unwrap_or_default().into_iter().filter_map(|alias| read(alias.alias_name, alias.target_key_id)).collect(), next })
    }

    /// ListAliases of one key.
    pub(crate) async fn aliases_of_key(&self, key: &CloudKeyId) -> Result<Vec<Alias>, CloudError> {
        let (mut aliases, mut marker) = (Vec::new(), None::<String>);
        loop {
            let page = send!(self, "ListAliases", self.kms.list_aliases().key_id(&key.0).limit(ROWS_A_PAGE).set_marker(marker.clone()))?.value;
            aliases.extend(page.aliases.unwrap_or_default().into_iter().filter_map(|alias| Alias::parse(&alias.alias_name?).ok()));
            marker = next_marker("ListAliases", page.truncated, page.next_marker)?;
            if marker.is_none() {
                return Ok(aliases);
            }
        }
    }

    /// DescribeKey, read whole.
    pub(crate) async fn inspect_one(&self, key: &CloudKeyId) -> Result<Option<Inspected>, CloudError> {
        match self.metadata(&key.0).await {
            Ok(reply) => Ok(Some(inspected(&reply.value, self.region.is_china()))),
            // "No such key" is believed in the keystore's own account only.
            Err(error) if error.kind == Kind::NotFound => self.in_own_account().await.map(|()| None),
            Err(error) => Err(error),
        }
    }

    /// ListResourceTags.
    pub(crate) async fn tags_behind(&self, key: &CloudKeyId, after: Option<&str>) -> Result<Page<(String, String)>, CloudError> {
        let page = send!(self, "ListResourceTags", self.kms.list_resource_tags().key_id(&key.0).set_marker(after.map(Into::into)))?.value;
        let next = next_marker("ListResourceTags", page.truncated, page.next_marker)?;
        Ok(Page { items: page.tags.unwrap_or_default().into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect(), next })
    }

    /// GetKeyPolicy. A key has one, and it is called `default`.
    pub(crate) async fn key_policy(&self, key: &CloudKeyId) -> Result<String, CloudError> {
        let reply = send!(self, "GetKeyPolicy", self.kms.get_key_policy().key_id(&key.0).policy_name("default"))?;
        reply.value.policy.ok_or_else(|| unreadable("GetKeyPolicy", "policy", reply.request_id.as_deref()))
    }

    /// ListGrants.
    pub(crate) async fn grants_behind(&self, key: &CloudKeyId, after: Option<&str>) -> Result<Page<Grant>, CloudError> {
        let page = send!(self, "ListGrants", self.kms.list_grants().key_id(&key.0).limit(ROWS_A_PAGE).set_marker(after.map(Into::into)))?.value;
        let next = next_marker("ListGrants", page.truncated, page.next_marker)?;
        let read = |grant: aws_sdk_kms::types::GrantListEntry| Grant {
            grantee: grant.grantee_principal.unwrap_or_default(),
            operations: grant.operations.unwrap_or_default().iter().map(|operation| operation.as_str().to_owned()).collect(),
        };
        Ok(Page { items: page.grants.unwrap_or_default().into_iter().map(read).collect(), next })
    }
}

fn inspected(seen: &KeyMetadata, in_china: bool) -> Inspected {
    let word = |word: Option<&str>| word.unwrap_or("-").to_owned();
    Inspected {
        observed: observed(seen),
        // In China Regions AWS's symmetric keys are SM4 keys of 128 bits: a kind that Keystead has no word for.
        spec: seen.key_spec().and_then(spec).filter(|spec| !(in_china && *spec == KeySpec::Aes256)),
        usage: seen.key_usage().and_then(usage),
        kind: format!("{} {}", word(seen.key_spec().map(AwsKeySpec::as_str)), word(seen.key_usage().map(KeyUsageType::as_str))),
        is_customers: seen.key_manager() != Some(&KeyManagerType::Aws),
        origin: word(seen.origin().map(|origin| origin.as_str())),
        description: seen.description().unwrap_or_default().to_owned(),
        counts_down: is_pending_deletion(seen),
        created: seen.creation_date().copied().map(timestamp),
        family: family(seen),
    }
}

fn family(seen: &KeyMetadata) -> Family {
    let Some(family) = seen.multi_region_configuration() else { return Family { role: RegionRole::Single, primary: None, replicas: Vec::new() } };
    let role = if family.multi_region_key_type() == Some(&MultiRegionKeyType::Replica) { RegionRole::Replica } else { RegionRole::Primary };
    Family {
        role,
        primary: family.primary_key().and_then(|key| key.arn()).map(ToOwned::to_owned),
        replicas: family.replica_keys().iter().filter_map(|key| key.arn()).map(ToOwned::to_owned).collect(),
    }
}

/// The kind that AWS's word means; `None` for those that Keystead does not know: ML-DSA, SM2, Ed25519 and what comes.
fn spec(word: &AwsKeySpec) -> Option<KeySpec> {
    KeySpec::ALL.into_iter().find(|spec| key::spec(*spec) == *word)
}

fn usage(word: &KeyUsageType) -> Option<KeyUsage> {
    KeyUsage::ALL.into_iter().find(|usage| key::usage(*usage) == *word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kms::types::{KeyState, MultiRegionConfiguration, MultiRegionKey, OriginType, builders::KeyMetadataBuilder};

    fn key() -> KeyMetadataBuilder {
        KeyMetadata::builder().key_id("k").key_state(KeyState::Enabled).key_spec(AwsKeySpec::SymmetricDefault).key_usage(KeyUsageType::EncryptDecrypt)
    }

    fn read(builder: KeyMetadataBuilder) -> Inspected {
        inspected(&builder.build().expect("a key id is enough"), false)
    }

    #[test]
    fn a_kind_that_is_new_to_us_is_told_in_the_clouds_words_and_not_guessed() {
        let new = read(key().key_spec(AwsKeySpec::from("ML_DSA_44")).key_usage(KeyUsageType::SignVerify).origin(OriginType::AwsKms));
        assert_eq!((new.spec, new.usage, new.kind.as_str()), (None, Some(KeyUsage::Sign), "ML_DSA_44 SIGN_VERIFY"));
        assert_eq!(read(key()).spec, Some(KeySpec::Aes256));
        assert_eq!(inspected(&key().build().expect("a key"), true).spec, None, "SM4 in China");
    }

    #[test]
    fn primary_and_replicas_name_each_other_ft_054_ft_060() {
        let relative = |region: &str| MultiRegionKey::builder().region(region).arn(format!("arn:aws:kms:{region}:1:key/mrk-1")).build();
        let family = |kind| {
            MultiRegionConfiguration::builder().multi_region_key_type(kind).primary_key(relative("eu-west-1")).replica_keys(relative("us-east-1")).build()
        };
        let primary = read(key().multi_region_configuration(family(MultiRegionKeyType::Primary))).family;
        assert_eq!((primary.role, primary.replicas), (RegionRole::Primary, vec!["arn:aws:kms:us-east-1:1:key/mrk-1".to_owned()]));
        let replica = read(key().multi_region_configuration(family(MultiRegionKeyType::Replica))).family;
        assert_eq!((replica.role, replica.primary.as_deref()), (RegionRole::Replica, Some("arn:aws:kms:eu-west-1:1:key/mrk-1")));
        assert_eq!(read(key()).family.role, RegionRole::Single);
    }

    #[test]
    fn aws_own_keys_are_told_apart() {
        assert!(!read(key().key_manager(KeyManagerType::Aws)).is_customers && read(key().key_manager(KeyManagerType::Customer)).is_customers);
    }
}
