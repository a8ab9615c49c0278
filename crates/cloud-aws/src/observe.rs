//! Looking at one key.

use aws_sdk_kms::types::{KeyMetadata, KeyState, MultiRegionKeyType};
use aws_smithy_types::DateTime;
use keystead_cloud::{CloudError, CloudKeyId, FamilySeen, Kind, Observed, Reply};
use keystead_domain::{RegionRole, Timestamp};

use crate::{client::AwsCloud, error::unreadable, send::send};

impl AwsCloud {
    /// DescribeKey, by key id, ARN or `alias/NAME`.
    pub(crate) async fn metadata(&self, key: &str) -> Result<Reply<KeyMetadata>, CloudError> {
        let Reply { value, request_id } = send!(self, "DescribeKey", self.kms.describe_key().key_id(key))?;
        let value = value.key_metadata.ok_or_else(|| unreadable("DescribeKey", "metadata", request_id.as_deref()))?;
        Ok(Reply { value, request_id })
    }

    /// The key as AWS shows it, or that AWS knows no such key.
    pub(crate) async fn look(&self, key: &CloudKeyId) -> Result<Option<Observed>, CloudError> {
        match self.metadata(&key.0).await {
            Ok(reply) => Ok(Some(observed(&reply.value))),
            // "No such key" is believed in the keystore's own account only: elsewhere none of its keys exists.
            Err(error) if error.kind == Kind::NotFound => self.in_own_account().await.map(|()| None),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn observed(key: &KeyMetadata) -> Observed {
    Observed {
        arn: key.arn().unwrap_or_default().to_owned(),
        raw_state: key.key_state().map_or_else(String::new, |state| state.as_str().to_owned()),
        enabled: key.enabled(),
        material_present: key.key_state().and_then(material_present),
        expires: key.valid_to().copied().map(timestamp),
        deletion_at: key.deletion_date().copied().map(timestamp),
        material_id: key.current_key_material_id().map(ToOwned::to_owned),
        family: family(key),
        is_in_transit: matches!(key.key_state(), Some(KeyState::Creating | KeyState::Updating)),
    }
}

/// `MultiRegionConfiguration`; keys of one Region have none.
fn family(key: &KeyMetadata) -> Option<FamilySeen> {
    let seen = key.multi_region_configuration()?;
    let region = |key: &aws_sdk_kms::types::MultiRegionKey| key.region().unwrap_or_default().to_owned();
    let is_primary = seen.multi_region_key_type() == Some(&MultiRegionKeyType::Primary);
    Some(FamilySeen {
        role: if is_primary { RegionRole::Primary } else { RegionRole::Replica },
        primary_region: seen.primary_key().map(region).unwrap_or_default(),
        replica_regions: seen.replica_keys().iter().map(region).collect(),
        waits_for_replicas: key.key_state() == Some(&KeyState::PendingReplicaDeletion),
    })
}

/// AWS shows the absence of material only by the state, and a countdown hides it.
///
/// Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
fn material_present(state: &KeyState) -> Option<bool> {
    match state {
        KeyState::Enabled | KeyState::Disabled => Some(true),
        KeyState::PendingImport => Some(false),
        _ => None,
    }
}

/// AWS's time in ours.
pub(crate) fn timestamp(at: DateTime) -> Timestamp {
    Timestamp::from_secs(at.secs()).plus_micros(i64::from(at.subsec_nanos() / 1000))
}

/// Whether a key counts down to deletion.
pub(crate) fn is_pending_deletion(key: &KeyMetadata) -> bool {
    matches!(key.key_state(), Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(state: KeyState) -> Observed {
        let key = KeyMetadata::builder()
            .key_id("k")
            .arn("arn:aws:kms:eu-west-1:123456789012:key/k")
            .key_state(state)
            .valid_to(DateTime::from_secs_and_nanos(5, 2_000_999));
        observed(&key.build().expect("a key id is enough"))
    }

    #[test]
    fn a_countdown_hides_whether_material_is_there() {
        assert_eq!(key(KeyState::Enabled).material_present, Some(true));
        assert_eq!(key(KeyState::Disabled).material_present, Some(true));
        assert_eq!(key(KeyState::PendingImport).material_present, Some(false));
        assert_eq!(key(KeyState::PendingDeletion).material_present, None);
        assert_eq!(key(KeyState::Unavailable).material_present, None);
    }

    #[test]
    fn a_key_of_several_regions_shows_its_family_and_others_show_none_ft_060() {
        use aws_sdk_kms::types::{MultiRegionConfiguration, MultiRegionKey};
        let member = |region: &str| MultiRegionKey::builder().region(region).arn(format!("arn:aws:kms:{region}:123456789012:key/mrk-1")).build();
        let regions = MultiRegionConfiguration::builder().multi_region_key_type(MultiRegionKeyType::Replica).primary_key(member("eu-west-1"));
        let key_of = |state| {
            let regions = regions.clone().replica_keys(member("us-east-1")).build();
            observed(&KeyMetadata::builder().key_id("mrk-1").key_state(state).multi_region_configuration(regions).build().expect("a key id is enough"))
        };
        let seen = key_of(KeyState::Enabled).family.expect("a family");
        assert_eq!((seen.role, seen.primary_region.as_str(), seen.waits_for_replicas), (RegionRole::Replica, "eu-west-1", false));
        assert_eq!(seen.replica_regions, ["us-east-1"]);
        assert!(key_of(KeyState::PendingReplicaDeletion).is_ending() && key_of(KeyState::Updating).is_in_transit);
        assert_eq!(key(KeyState::Enabled).family, None);
    }

    #[test]
    fn the_clouds_own_word_is_kept_even_when_it_is_new_to_us() {
        assert_eq!(key(KeyState::from("Hibernating")).raw_state, "Hibernating");
    }

    #[test]
    fn times_keep_their_microseconds() {
        assert_eq!(key(KeyState::Enabled).expires, Some(Timestamp::from_micros(5_002_000)));
    }
}
