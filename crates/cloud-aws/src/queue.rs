//! Taking messages out of an Amazon SQS queue. Its address is made of the queue's ARN and the operator's endpoints: no caller of the API names an address.

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use keystead_cloud::{CloudError, Kind, Message};

use crate::{client::AwsCloud, error::refused, send::send};

/// Messages a call (SQS API reference, ReceiveMessage, MaxNumberOfMessages).
const AT_ONCE: i32 = 10;
/// Seconds for which a message in hand is hidden from others: longer than it takes to write it down.
const HIDDEN: i32 = 60;

impl AwsCloud {
    /// ReceiveMessage; who waits for the first asks for "long polling".
    pub(crate) async fn receive_from(&self, queue: &str, waits: bool) -> Result<Vec<Message>, CloudError> {
        let request = self.sqs.receive_message().queue_url(self.queue_url(queue)?).max_number_of_messages(AT_ONCE).visibility_timeout(HIDDEN);
        let received = send!(self, "ReceiveMessage", request.wait_time_seconds(if waits { self.longest_wait } else { 0 }))?.value;
        let own = self.own_session().await;
        let read = |message: aws_sdk_sqs::types::Message| {
            let told = self.events.read(message.body.as_deref().unwrap_or_default(), own);
            Some(Message { receipt: message.receipt_handle?, told })
        };
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(read).collect())
    }

    /// Who we are in CloudTrail: a session of the role, or, where none is assumed, whoever STS says. Until it says so nobody is.
    async fn own_session(&self) -> Option<&str> {
        if let Some(session) = &self.role_session {
            return Some(session);
        }
        let ask = || async { send!(self, "GetCallerIdentity", self.sts.get_caller_identity()).map(|reply| reply.value.arn.unwrap_or_default()) };
        self.identity.get_or_try_init(ask).await.ok().map(String::as_str)
    }

    /// DeleteMessageBatch. A message that stays comes again, and is known then.
    pub(crate) async fn take_out_of(&self, queue: &str, receipts: &[String]) -> Result<(), CloudError> {
        let url = self.queue_url(queue)?;
        for batch in receipts.chunks(10) {
            let entry = |(id, receipt): (usize, &String)| DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(receipt).build().ok();
            let entries = batch.iter().enumerate().filter_map(entry).collect();
            send!(self, "DeleteMessageBatch", self.sqs.delete_message_batch().queue_url(&url).set_entries(Some(entries)))?;
        }
        Ok(())
    }

    /// `https://sqs.REGION.SUFFIX/ACCOUNT/NAME` (SQS developer guide, "Queue and message identifiers").
    fn queue_url(&self, arn: &str) -> Result<String, CloudError> {
        let name = self.region.queue_name(arn, &self.account).map_err(|invalid| refused("ReceiveMessage", Kind::BadInput, invalid.to_string()))?;
        let base = match &self.sqs_endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://sqs.{}.{}", self.region.name, self.region.partition.dns_suffix),
        };
        Ok(format!("{base}/{}/{name}", self.account))
    }
}
