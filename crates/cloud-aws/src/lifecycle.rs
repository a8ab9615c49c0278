//! Enabling, disabling, and the countdown to deletion. What is already so is a success: then the key's own state is read and has the last word.

use aws_sdk_kms::types::KeyState;
use keystead_cloud::{CloudError, CloudKeyId, Kind, Reply};
use keystead_domain::{Timestamp, key::deletion::WaitingDays};

use crate::{
    client::AwsCloud,
    error::unreadable,
    import::tag_may_lag,
    observe::{is_pending_deletion, timestamp},
    send::send,
};

impl AwsCloud {
    /// EnableKey; AWS takes it on an enabled key too.
    pub(crate) async fn switch_on(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        Ok(send!(self, "EnableKey", self.kms.enable_key().key_id(&key.0))?.map(drop))
    }

    /// DisableKey. AWS refuses it on a key without material; that key cannot be used either, so the second run of a deactivation (disable, then remove the
    /// material) finds what it wants.
    pub(crate) async fn switch_off(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        match send!(self, "DisableKey", self.kms.disable_key().key_id(&key.0)) {
            Err(error) if error.kind == Kind::WrongState => match self.metadata(&key.0).await? {
                Reply { value, request_id } if value.key_state() == Some(&KeyState::PendingImport) => Ok(Reply { value: (), request_id }),
                _ => Err(error),
            },
            other => Ok(other?.map(drop)),
        }
    }

    /// ScheduleKeyDeletion. AWS refuses it on a key that counts down already; its date is then the answer.
    pub(crate) async fn start_countdown(&self, key: &CloudKeyId, days: WaitingDays) -> Result<Reply<Option<Timestamp>>, CloudError> {
        let request = self.kms.schedule_key_deletion().key_id(&key.0).pending_window_in_days(i32::from(days.get()));
        let (date, state, request_id) = match send!(self, "ScheduleKeyDeletion", request) {
            Ok(reply) => (reply.value.deletion_date, reply.value.key_state, reply.request_id),
            Err(error) if error.kind == Kind::WrongState => match self.metadata(&key.0).await? {
                Reply { value, request_id } if is_pending_deletion(&value) => (value.deletion_date, value.key_state, request_id),
                _ => return Err(error),
            },
            Err(error) => return Err(tag_may_lag(error)),
        };
        if date.is_none() && state != Some(KeyState::PendingReplicaDeletion) {
            return Err(unreadable("ScheduleKeyDeletion", "date", request_id.as_deref()));
        }
        Ok(Reply { value: date.map(timestamp), request_id })
    }

    /// CancelKeyDeletion. AWS refuses it on a key that does not count down; that is what was wanted.
    pub(crate) async fn stop_countdown(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        match send!(self, "CancelKeyDeletion", self.kms.cancel_key_deletion().key_id(&key.0)) {
            Err(error) if error.kind == Kind::WrongState => match self.metadata(&key.0).await? {
                Reply { value, request_id } if !is_pending_deletion(&value) => Ok(Reply { value: (), request_id }),
                _ => Err(error),
            },
            other => Ok(other.map_err(tag_may_lag)?.map(drop)),
        }
    }
}
