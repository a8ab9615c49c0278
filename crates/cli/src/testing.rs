//! A server that follows a script: for the tests of the client alone. It speaks just enough HTTP/1.1.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{secret::Token, settings::Connection};

/// What happens to one request.
pub enum Script {
    /// It is answered.
    Answer(String),
    /// It is read, and the connection is cut without an answer.
    Cut,
    /// It is read, and nothing ever comes back.
    Silence,
}

impl Script {
    /// An answer in JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of(status, "application/json", &body.to_string())
    }

    /// A refusal.
    pub fn problem(status: u16, slug: &str) -> Self {
        let body = serde_json::json!({"type": format!("https://keystead.dev/problems/{slug}"), "title": slug, "status": status, "detail": "d", "mend": "m", "instance": "req_1"});
        Self::of(status, "application/problem+json", &body.to_string())
    }

    /// An answer of any kind.
    pub fn of(status: u16, kind: &str, body: &str) -> Self {
        Self::Answer(format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()))
    }
}

/// A running script.
pub struct Server {
    /// Where it is.
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers one request after the other; when the script is over, connections are cut.
    pub async fn start(script: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, mut script) = (Arc::clone(&requests), VecDeque::from(script));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                heard.lock().expect("no panic").push(request);
                match script.pop_front() {
                    Some(Script::Answer(text)) => stream.write_all(text.as_bytes()).await.expect("is heard"),
                    Some(Script::Silence) => drop(tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        drop(stream);
                    })),
                    Some(Script::Cut) | None => drop(stream),
                }
            }
        });
        Self { url, requests }
    }

    /// The requests so far, head and body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }

    /// Their first lines.
    pub fn heads(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.lines().next().unwrap_or("").to_owned()).collect()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().expect("a number"));
            if body.len() >= length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

/// A connection to a script, with a token.
pub fn connection(url: &str, timeout: Duration) -> Connection {
    let token = Some(Token::parse("kst_test").expect("a token"));
    Connection { url: reqwest::Url::parse(url).expect("a URL"), token, ca_file: None, timeout }
}
