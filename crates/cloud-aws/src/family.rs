//! Multi-Region keys: making a replica, and handing the part of the primary on (cloud-byok.md, sections 2.7 and 2.9). Both calls go to the primary's Region.

use keystead_cloud::{CloudError, CloudKey, CloudKeyId, Kind, NewCloudKey, Reply};

use crate::{client::AwsCloud, error::unreadable, import::tag_may_lag, own, regions::check_region, send::send};

impl AwsCloud {
    /// ReplicateKey. There is no idempotency token, but a Region has one replica of a key at most, and the operation's tag tells whose it is.
    pub(crate) async fn replicate_to(&self, primary: &CloudKeyId, region: &str, new: &NewCloudKey) -> Result<Reply<CloudKey>, CloudError> {
        self.check_other_region(region)?;
        let tags = own::tags(new)?;
        self.in_own_account().await?;
        let request = self.kms.replicate_key().key_id(&primary.0).replica_region(region).bypass_policy_lockout_safety_check(false);
        let request = request.description(own::description(&new.description)).set_tags(Some(tags));
        let reply = send!(self, "ReplicateKey", request).map_err(there_already).map_err(tag_may_lag)?;
        let made = reply.value.replica_key_metadata().and_then(|key| Some(CloudKey { id: CloudKeyId(key.key_id().to_owned()), arn: key.arn()?.to_owned() }));
        made.map(|value| Reply { value, request_id: reply.request_id.clone() }).ok_or_else(|| unreadable("ReplicateKey", "ARN", reply.request_id.as_deref()))
    }

    /// UpdatePrimaryRegion. AWS refuses it to a key that is no primary; where that Region's has become it, this is what was wanted.
    pub(crate) async fn hand_primary_to(&self, primary: &CloudKeyId, region: &str) -> Result<Reply<()>, CloudError> {
        self.check_other_region(region)?;
        let request = self.kms.update_primary_region().key_id(&primary.0).primary_region(region);
        match send!(self, "UpdatePrimaryRegion", request) {
            Err(error) if matches!(error.kind, Kind::Unsupported | Kind::WrongState) => {
                let seen = self.look(primary).await?.and_then(|seen| seen.family);
                if seen.is_some_and(|family| family.primary_region == region) { Ok(Reply { value: (), request_id: error.request_id }) } else { Err(error) }
            }
            other => Ok(other.map_err(tag_may_lag)?.map(drop)),
        }
    }

    /// A family stays within a partition, and has one key in each Region.
    fn check_other_region(&self, region: &str) -> Result<(), CloudError> {
        let there = check_region(region).map_err(|invalid| CloudError::unsupported("ReplicateKey", invalid.to_string()))?;
        if there.partition.name == self.region.partition.name && there.name != self.region.name {
            return Ok(());
        }
        Err(CloudError::unsupported("ReplicateKey", format!("{region} is not another Region of the partition {}.", self.region.partition.name)))
    }
}

/// AWS has one word for an alias and a replica that are there already.
fn there_already(error: CloudError) -> CloudError {
    if error.kind == Kind::AliasTaken { CloudError { kind: Kind::ReplicaThere, ..error } } else { error }
}
