//! Whether a failed call may have had its effect: told exactly, for every way in which a wire can fail.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use keystead_cloud::{Cloud as _, CloudError, CloudKeyId, Fault, Kind, Retry};
use keystead_cloud_aws::{Settings, Timeouts};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const ACCOUNT: &str = "123456789012";

fn towards(address: &str) -> Settings {
    crate::settings(address, ACCOUNT, ("AKIDEXAMPLE", "secret"))
}

async fn failure(settings: Settings) -> CloudError {
    crate::connect(settings).await.enable(&CloudKeyId("k".into())).await.expect_err("nobody answers")
}

/// What a server does with a request that it has read.
#[derive(Clone, Copy)]
enum Manner {
    HangUp,
    Silence,
    Say(&'static str),
}

/// A server with one manner; it counts the requests that arrived.
async fn server(manner: Manner) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicU32::new(0));
    let requests = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, manner, Arc::clone(&requests)));
        }
    });
    (address, count)
}

async fn serve(mut stream: TcpStream, manner: Manner, requests: Arc<AtomicU32>) {
    let mut buffer = vec![0; 65_536];
    if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
        return;
    }
    requests.fetch_add(1, Ordering::SeqCst);
    match manner {
        Manner::HangUp => {}
        Manner::Silence => std::future::pending().await,
        Manner::Say(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
        }
    }
}

/// An address where nobody listens: a port that was ours a moment ago.
async fn nobody(scheme: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("{scheme}://{}", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn where_no_connection_is_made_the_call_certainly_had_no_effect() {
    let (plain, _) = server(Manner::HangUp).await;
    for address in [nobody("http").await, nobody("https").await, "http://no-such-host.invalid".into(), plain.replace("http:", "https:")] {
        let error = failure(towards(&address)).await;
        assert_eq!((error.kind, error.fault, error.retry), (Kind::Unreachable, Fault::Wire, Retry::Backoff), "{address}: {error}");
        assert!(!error.outcome_unknown());
    }
}

#[tokio::test]
async fn where_the_answer_is_lost_or_unreadable_the_call_may_have_had_its_effect() {
    for manner in [Manner::HangUp, Manner::Say("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"), Manner::Say("SSH-2.0-OpenSSH_9.6\r\n")] {
        let (address, requests) = server(manner).await;
        let error = failure(towards(&address)).await;
        assert_eq!((error.kind, error.fault), (Kind::OutcomeUnknown, Fault::Wire), "{error}");
        assert_eq!(requests.load(Ordering::SeqCst), 1, "the client's own retries are off");
    }
}

#[tokio::test]
async fn silence_ends_at_the_time_limit_with_the_outcome_open() {
    let (address, _) = server(Manner::Silence).await;
    let mut settings = towards(&address);
    settings.timeouts = Timeouts { call: std::time::Duration::from_millis(300), ..Timeouts::default() };
    let error = failure(settings).await;
    assert_eq!((error.kind, error.code.as_str()), (Kind::OutcomeUnknown, "TimedOut"), "{error}");
}

#[tokio::test]
async fn a_failing_server_leaves_the_outcome_open_whatever_it_writes() {
    for reply in [
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 500 Error\r\ncontent-length: 35\r\n\r\n{\"__type\":\"KMSInternalException\"}  ",
    ] {
        let (address, _) = server(Manner::Say(reply)).await;
        let error = failure(towards(&address)).await;
        assert!(error.outcome_unknown(), "{error}");
    }
}

#[tokio::test]
async fn a_request_that_waits_for_an_unreachable_sts_is_never_sent() {
    let (kms, requests) = server(Manner::HangUp).await;
    for sts in [nobody("http").await, server(Manner::HangUp).await.0, server(Manner::Say("HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n")).await.0] {
        let mut settings = towards(&kms);
        settings.endpoints.sts = Some(sts.clone());
        settings.location.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/keystead"));
        let error = failure(settings).await;
        assert_eq!((error.kind, error.retry), (Kind::Unreachable, Retry::Backoff), "{sts}: {error}");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn connecting_sends_nothing_so_that_a_dead_cloud_does_not_hinder_a_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut settings = towards(&format!("http://{}", listener.local_addr().expect("an address")));
    settings.location.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/keystead"));
    let _aws = crate::connect(settings).await;
    let knock = tokio::time::timeout(std::time::Duration::from_millis(200), listener.accept()).await;
    assert!(knock.is_err(), "nobody knocks before the first call");
}

#[tokio::test]
async fn a_refusal_of_sts_comes_back_in_its_own_words() {
    let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                <Message>User x is not authorized to perform: sts:AssumeRole</Message></Error><RequestId>r</RequestId></ErrorResponse>";
    let reply: &'static str = format!("HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n{body}", body.len()).leak();
    let (address, _) = server(Manner::Say(reply)).await;
    let mut settings = towards(&address);
    settings.location.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/keystead"));
    let error = failure(settings).await;
    assert_eq!((error.kind, error.call, error.code.as_str()), (Kind::RoleNotAssumable, "AssumeRole", "AccessDenied"), "{error}");
    assert_eq!(error.message, "User x is not authorized to perform: sts:AssumeRole");
}
