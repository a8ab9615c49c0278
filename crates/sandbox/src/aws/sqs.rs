//! Amazon SQS, as far as events of AWS KMS arrive by it: standard queues with receipts and visibility, over JSON 1.0 (SQS API reference 2012-11-05).
//!
//! A queue here has a rule of EventBridge for every CloudTrail event of its account and Region that is not read-only, which is what EventBridge delivers when nothing
//! else is asked for (EventBridge user guide, "AWS service events delivered via AWS CloudTrail"). One that is made with reads has a rule in the state
//! `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`, and hears of uses of keys, too.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::call::{Operation, Reply, Scene, Service, Stage};
use super::errors::{AwsError, Code};
use super::events::Event;
use super::regions::Place;
use crate::clock::{Micros, SECOND};
use crate::random;

/// What SQS can do here.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "CreateQueue", service: Service::Sqs, read_only: false, run: create_queue },
    Operation { name: "SendMessage", service: Service::Sqs, read_only: false, run: send_message },
    Operation { name: "ReceiveMessage", service: Service::Sqs, read_only: false, run: receive_message },
    Operation { name: "DeleteMessage", service: Service::Sqs, read_only: false, run: delete_message },
    Operation { name: "DeleteMessageBatch", service: Service::Sqs, read_only: false, run: delete_message_batch },
];

/// How long a received message is hidden, when nothing else is asked for.
const HIDDEN: i64 = 30;
/// Messages that a queue keeps here; older ones are forgotten, so that a queue that nobody reads does not grow without bound.
const KEPT: usize = 100_000;
/// Longest message, in bytes (1 MiB since 2025).
const BODY_MAX: usize = 1 << 20;

/// A message in a queue.
struct Message {
    id: String,
    body: String,
    /// What the last receiver was given to delete it by.
    receipt: String,
    visible_at: Micros,
    received: u32,
}

/// A queue.
#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// Whether its rule hands on read-only events, too.
    with_reads: bool,
}

/// All queues, by their place and name.
#[derive(Default)]
pub(crate) struct Queues {
    queues: BTreeMap<(Place, String), Queue>,
}

impl Queues {
    /// Makes a queue; one that is there keeps its messages. With reads its rule hands on read-only events from now on.
    pub(crate) fn make(&mut self, account: &str, region: &str, name: &str, with_reads: bool) {
        let place = Place { account: account.to_owned(), region: region.to_owned() };
        self.queues.entry((place, name.to_owned())).or_default().with_reads |= with_reads;
    }

    /// Puts an event into every queue of its place, to be seen from a time on.
    pub(crate) fn deliver(&mut self, event: &Event, visible_at: Micros) {
        let here = |place: &Place| place.account == event.recipient_account_id && place.region == event.aws_region;
        for (_, queue) in self.queues.iter_mut().filter(|((place, _), queue)| here(place) && (queue.with_reads || !event.read_only)) {
            push(&mut queue.messages, event.event_id.clone(), envelope(event).to_string(), visible_at);
        }
    }
}

fn push(queue: &mut VecDeque<Message>, id: String, body: String, visible_at: Micros) {
    if queue.len() == KEPT {
        queue.pop_front();
    }
    queue.push_back(Message { id, body, receipt: String::new(), visible_at, received: 0 });
}

/// An event as EventBridge hands it on (EventBridge user guide, "Events").
fn envelope(event: &Event) -> Value {
    let detail_type = if event.event_type == "AwsServiceEvent" { "AWS Service Event via CloudTrail" } else { "AWS API Call via CloudTrail" };
    let source = event.event_source.strip_suffix(".amazonaws.com").unwrap_or(event.event_source);
    json!({
        "version": "0", "id": event.event_id, "detail-type": detail_type, "source": format!("aws.{source}"), "account": event.recipient_account_id,
        "time": event.event_time, "region": event.aws_region, "resources": [], "detail": event
    })
}

fn create_queue(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let name = scene.request().required_text("QueueName", 1, 80)?.to_owned();
    let place = scene.call.place.clone();
    scene.authorize_action("sqs:CreateQueue", &place.queue_arn(&name))?;
    let url = format!("https://sqs.{}.amazonaws.com/{}/{name}", place.region, place.account);
    scene.world.trail.queues.make(&place.account, &place.region, &name, false);
    Ok(json!({"QueueUrl": url}).into())
}

fn send_message(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let body = scene.request().required_text("MessageBody", 1, BODY_MAX)?.to_owned();
    let (now, id) = (scene.now, random::uuid()?);
    push(queue(scene)?, id.clone(), body, now);
    Ok(json!({"MessageId": id}).into())
}

fn receive_message(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let most = scene.request().integer("MaxNumberOfMessages", 1, 10)?.unwrap_or(1);
    let hidden = scene.request().integer("VisibilityTimeout", 0, 43_200)?.unwrap_or(HIDDEN);
    let now = scene.now;
    let mut received = Vec::new();
    for message in queue(scene)?.iter_mut().filter(|message| message.visible_at <= now).take(usize::try_from(most).unwrap_or(1)) {
        message.receipt = random::uuid()?;
        message.visible_at = now + hidden * SECOND;
        message.received += 1;
        received.push(json!({
            "MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body,
            "Attributes": {"ApproximateReceiveCount": message.received.to_string()}
        }));
    }
    let reply: Reply = Some(if received.is_empty() { json!({}) } else { json!({ "Messages": received }) });
    Ok(Stage::Done(reply))
}

fn delete_message(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let receipt = scene.request().required_text("ReceiptHandle", 1, 1024)?.to_owned();
    queue(scene)?.retain(|message| message.receipt != receipt);
    Ok(Stage::Done(None))
}

fn delete_message_batch(scene: &mut Scene<'_>) -> Result<Stage, AwsError> {
    let entries = scene.request().members().get("Entries").and_then(Value::as_array).cloned().unwrap_or_default();
    if entries.is_empty() || entries.len() > 10 {
        return Err(AwsError::new(Code::Validation, "There must be 1 to 10 entries in a batch request."));
    }
    let mut done = Vec::new();
    for entry in entries {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, receipt) = (text("Id"), text("ReceiptHandle"));
        queue(scene)?.retain(|message| receipt.is_empty() || message.receipt != receipt);
        done.push(json!({ "Id": id }));
    }
    Ok(json!({"Successful": done, "Failed": []}).into())
}

/// The queue that the call names, if the caller may do this to it. AWS answers the same whether a queue is missing or hidden.
fn queue<'w>(scene: &'w mut Scene<'_>) -> Result<&'w mut VecDeque<Message>, AwsError> {
    let url = scene.request().required_text("QueueUrl", 1, 2048)?;
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
    let place = Place { account, region: scene.call.place.region.clone() };
    let operation = match scene.call.operation.name {
        "DeleteMessageBatch" => "DeleteMessage",
        name => name,
    };
    scene.authorize_action(&format!("sqs:{operation}"), &place.queue_arn(&name))?;
    let missing = || AwsError::new(Code::QueueDoesNotExist, "The specified queue does not exist.");
    scene.world.trail.queues.queues.get_mut(&(place, name)).map(|queue| &mut queue.messages).ok_or_else(missing)
}
