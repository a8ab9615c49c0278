//! A queue of events, in our sandbox and in an emulator by others.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use keystead_cloud::{Cloud, CloudEvent, CloudKeyId, Message, Told};
use serde_json::json;

/// The queue's name.
pub const NAME: &str = "keystead-events";

/// Its full name in an account.
pub fn arn(account: &str) -> String {
    format!("arn:aws:sqs:eu-west-1:{account}:{NAME}")
}

/// Messages are received with what they say, stay until they are taken out, and are taken out once.
pub async fn is_heard(cloud: &dyn Cloud, address: &str, account: &str, access_key: (&str, &str)) {
    let config = aws_sdk_sqs::Config::builder().behavior_version(BehaviorVersion::latest()).region(Region::new("eu-west-1")).endpoint_url(address);
    let config = config.credentials_provider(Credentials::new(access_key.0, access_key.1, None, None, "tests")).build();
    let (sqs, url, queue) = (aws_sdk_sqs::Client::from_conf(config), format!("{address}/{account}/{NAME}"), arn(account));
    let missing = cloud.receive(&queue, false).await.expect_err("there is no queue yet");
    assert_eq!(missing.kind, keystead_cloud::Kind::NotFound, "{missing}");
    sqs.create_queue().queue_name(NAME).send().await.expect("a queue");
    assert_eq!(cloud.receive(&queue, false).await.expect("is heard"), []);
    let event = json!({
        "source": "aws.kms", "account": account, "region": "eu-west-1", "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "kms.amazonaws.com", "eventName": "DisableKey", "eventID": "e-1", "eventTime": "2026-11-20T16:00:00Z", "requestParameters": {"keyId": "k-1"},
            "userIdentity": {"arn": format!("arn:aws:iam::{account}:user/mallory")}
        }
    });
    for body in [event.to_string(), "something else".to_owned()] {
        sqs.send_message().queue_url(&url).message_body(body).send().await.expect("is sent");
    }
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(cloud.receive(&queue, false).await.expect("is heard"));
    }
    let done = |message: &Message| match &message.told {
        Some(Told::Done(event)) => Some(event.clone()),
        _ => None,
    };
    let told: Vec<CloudEvent> = heard.iter().filter_map(done).collect();
    assert_eq!((told.len(), told[0].name.as_str(), &told[0].keys), (1, "DisableKey", &vec![CloudKeyId("k-1".into())]));
    let receipts: Vec<String> = heard.into_iter().map(|message| message.receipt).collect();
    for _ in 0..2 {
        cloud.take_out(&queue, &receipts).await.expect("is taken out, or is out already");
    }
    sqs.create_queue().queue_name(NAME).send().await.expect("the same queue");
    assert_eq!(cloud.receive(&queue, false).await.expect("is heard"), []);
}
