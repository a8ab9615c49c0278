//! A channel: a way to somebody, with a name.

use keystead_domain::{Timestamp, alert::Alert};

use crate::{Mail, NotifyError, Webhook};

/// A way to somebody.
pub enum Channel {
    /// A mailbox.
    Mail(Mail),
    /// A program.
    Webhook(Webhook),
}

impl Channel {
    /// Sends one message that tells all of these; `batch` is its id, the same when it is sent again.
    ///
    /// # Errors
    /// [`NotifyError`]: it may have been taken all the same, if the answer was lost.
    pub async fn send(&self, batch: &str, alerts: &[Alert], now: Timestamp) -> Result<(), NotifyError> {
        match self {
            Self::Mail(mail) => mail.send(batch, alerts, now).await,
            Self::Webhook(webhook) => webhook.send(batch, alerts, now).await,
        }
    }

    /// Tries the way without sending anything.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn check(&self) -> Result<(), NotifyError> {
        match self {
            Self::Mail(mail) => mail.check().await,
            Self::Webhook(webhook) => webhook.check().await,
        }
    }
}
