//! Every way of not being let in, and what an assumed role may do.

use keystead_sandbox::{RoleSeed, Statement};
use serde_json::json;

use crate::client::{ACCOUNT, Client, DAY_MICROS, start};

#[tokio::test]
async fn each_wrong_signature_has_the_error_of_aws() {
    let (_sandbox, good) = start().await;
    let wrong = |change: fn(&mut Client)| {
        let mut client = good.clone();
        change(&mut client);
        client
    };
    let cases: [(&str, &str, Client); 7] = [
        ("UnrecognizedClientException", "The security token included in the request is invalid.", wrong(|c| c.access_key = "AKIANOBODY".to_owned())),
        ("InvalidSignatureException", "does not match the signature you provided", wrong(|c| c.secret.push('x'))),
        ("InvalidSignatureException", "does not match the signature you provided", wrong(|c| c.body_sent = Some(r#"{"Limit":7}"#.to_owned()))),
        ("InvalidSignatureException", "Signature expired: ", wrong(|c| c.skew = -310)),
        ("InvalidSignatureException", "Signature not yet current: ", wrong(|c| c.skew = 310)),
        ("InvalidSignatureException", "Credential should be scoped to correct service: 'kms'.", wrong(|c| c.service = "s3".to_owned())),
        ("InvalidSignatureException", "Credential should be scoped to a valid region.", wrong(|c| c.region = "moon".to_owned())),
    ];
    for (code, message, client) in cases {
        let answer = client.refused(code, "ListKeys", &json!({"Limit": 5})).await;
        assert!(answer.json()["message"].as_str().expect("a message").contains(message), "{}", answer.body);
        assert_eq!(answer.status, 400);
    }
    let target = [("x-amz-target".to_owned(), "TrentService.ListKeys".to_owned())];
    let unsigned = good.send("POST", "/", &target, "{}").await.expect("an answer");
    assert_eq!(unsigned.error(), "MissingAuthenticationTokenException");
    good.ok("ListKeys", &json!({})).await;
}

#[tokio::test]
async fn answers_look_like_those_of_kms() {
    let (_sandbox, client) = start().await;
    let answer = client.kms("CreateKey", &json!({"Origin": "EXTERNAL"})).await;
    assert!(answer.headers.contains("content-type: application/x-amz-json-1.1"), "{}", answer.headers);
    assert!(answer.headers.contains("x-amzn-requestid: "), "{}", answer.headers);
    let key = answer.json()["KeyMetadata"]["KeyId"].clone();
    let empty = client.kms("TagResource", &json!({"KeyId": key, "Tags": [{"TagKey": "a", "TagValue": "b"}]})).await;
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
    client.refused("UnknownOperationException", "CreateCustomKeyStore", &json!({"KeyId": key})).await;
    client.refused("SerializationException", "DescribeKey", &json!({"KeyId": 7})).await;
    client.refused("ValidationException", "DescribeKey", &json!({})).await;
}

fn role() -> RoleSeed {
    RoleSeed {
        allow: vec![Statement { actions: vec!["kms:*".to_owned()], resources: vec![format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/*"), "*".to_owned()] }],
        deny: vec![Statement { actions: vec!["kms:Decrypt".to_owned(), "kms:Encrypt".to_owned()], resources: vec!["*".to_owned()] }],
        ..RoleSeed::new(&format!("arn:aws:iam::{ACCOUNT}:role/Keystead"), &[&format!("arn:aws:iam::{ACCOUNT}:user/ann")], Some("tenant-1"))
    }
}

fn element(xml: &str, name: &str) -> String {
    let start = xml.find(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}")) + name.len() + 2;
    xml[start..].split('<').next().expect("text").to_owned()
}

async fn assume(client: &Client, more: &str) -> (u16, String) {
    let form = format!("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Arole%2FKeystead&RoleSessionName=s1{more}");
    let answer = client.sts(&form).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_session_may_do_what_its_role_may_until_it_ends() {
    let (sandbox, client) = start().await;
    sandbox.put_role(role()).expect("a valid role");
    for wrong in ["", "&ExternalId=tenant-2"] {
        let (status, body) = assume(&client, wrong).await;
        assert_eq!((status, element(&body, "Code").as_str()), (403, "AccessDenied"), "CM-071, CM-072");
    }
    let (status, body) = assume(&client, "&ExternalId=tenant-1&DurationSeconds=900").await;
    assert_eq!(status, 200, "{body}");
    let session = Client {
        access_key: element(&body, "AccessKeyId"),
        secret: element(&body, "SecretAccessKey"),
        token: Some(element(&body, "SessionToken")),
        ..client.clone()
    };
    let identity = session.sts("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(element(&identity.body, "Arn"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/Keystead/s1"));
    let key = session.external_key().await;
    let denied = session.refused("AccessDeniedException", "Encrypt", &json!({"KeyId": key, "Plaintext": "eA=="})).await;
    assert!(denied.body.contains("with an explicit deny in an identity-based policy"), "{}", denied.body);
    let stolen = Client { token: None, ..session.clone() };
    stolen.refused("UnrecognizedClientException", "ListKeys", &json!({})).await;
    sandbox.advance(901_000_000);
    session.refused("ExpiredTokenException", "ListKeys", &json!({})).await;
    client.ok("ListKeys", &json!({})).await;
}

#[tokio::test]
async fn a_clock_far_ahead_does_not_shut_clients_out() {
    let (sandbox, client) = start().await;
    sandbox.advance(400 * DAY_MICROS);
    client.ok("ListKeys", &json!({})).await;
}
