//! When AWS last saw a key in use (AW-045).
//!
//! AWS remembers the last successful operation of each key, of primary and replicas apart, since a date that it names; before that date it knows nothing (AWS KMS
//! API reference, GetKeyLastUsage). A use that it refused, of a disabled key for example, is no use.

use aws_sdk_kms::types::KeyLastUsageData;
use keystead_cloud::{CloudError, CloudKeyId, LastUse, Used};

use crate::{client::AwsCloud, observe::timestamp, send::send};

impl AwsCloud {
    /// GetKeyLastUsage.
    pub(crate) async fn last_usage(&self, key: &CloudKeyId) -> Result<LastUse, CloudError> {
        let answer = send!(self, "GetKeyLastUsage", self.kms.get_key_last_usage().key_id(&key.0))?.value;
        // "The date from which KMS began recording, or the date the KMS key was created, whichever is later."
        let looking_since = answer.tracking_start_date.or(answer.key_creation_date).map(timestamp);
        Ok(LastUse { used: answer.key_last_usage.as_ref().and_then(used), looking_since })
    }
}

/// Without a use AWS sends an empty object.
fn used(seen: &KeyLastUsageData) -> Option<Used> {
    let operation = seen.operation().map_or("-", |operation| operation.as_str());
    seen.timestamp().map(|at| Used { at: timestamp(*at), operation: operation.to_owned() })
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::{primitives::DateTime, types::KeyLastUsageTrackingOperation};
    use keystead_domain::Timestamp;

    use super::*;

    #[test]
    fn an_empty_object_is_no_use_aw_045() {
        assert_eq!(used(&KeyLastUsageData::builder().build()), None);
        let seen = KeyLastUsageData::builder().timestamp(DateTime::from_secs(9)).operation(KeyLastUsageTrackingOperation::Decrypt).build();
        assert_eq!(used(&seen), Some(Used { at: Timestamp::from_secs(9), operation: "Decrypt".to_owned() }));
    }
}
