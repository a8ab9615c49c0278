//! A client without an SDK: HTTP/1.1 over TCP, Signature Version 4 written from AWS's description and not from the verifier, wrapping with the sender's half
//! of the library.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_sandbox::{Config, KeyPool, Sandbox, UserSeed};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const ACCOUNT: &str = "111122223333";
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const DAY_MICROS: u64 = 86_400_000_000;

/// One pool for all tests of this binary: pairs are costly.
fn pool() -> KeyPool {
    static POOL: OnceLock<KeyPool> = OnceLock::new();
    POOL.get_or_init(KeyPool::new).clone()
}

/// A sandbox with one user who may do everything.
pub async fn start() -> (Sandbox, Client) {
    let users = vec![UserSeed::new("ann", ACCOUNT, ACCESS_KEY, SECRET_KEY)];
    let sandbox = Sandbox::start(Config { users, pool: pool(), ..Config::default() }).await.expect("a free port");
    let client = Client::new(&sandbox);
    (sandbox, client)
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body)) }
    }

    /// `__type` of an error, or empty.
    pub fn error(&self) -> String {
        self.json()["__type"].as_str().unwrap_or_default().to_owned()
    }
}

/// What a request is signed with, and how it is spoiled.
#[derive(Clone)]
pub struct Client {
    pub addr: String,
    pub access_key: String,
    pub secret: String,
    pub token: Option<String>,
    pub region: String,
    pub service: String,
    /// Seconds by which the client's clock is wrong.
    pub skew: i64,
    /// Sent in place of what was signed.
    pub body_sent: Option<String>,
}

impl Client {
    pub fn new(sandbox: &Sandbox) -> Self {
        Self {
            addr: sandbox.endpoint().trim_start_matches("http://").to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret: SECRET_KEY.to_owned(),
            token: None,
            region: "eu-west-1".to_owned(),
            service: "kms".to_owned(),
            skew: 0,
            body_sent: None,
        }
    }

    pub fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// Calls KMS; `None`: the connection ended without a byte.
    pub async fn try_kms(&self, operation: &str, body: &Value) -> Option<Answer> {
        let headers = [("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", format!("TrentService.{operation}"))];
        self.signed(&headers, &body.to_string()).await
    }

    pub async fn kms(&self, operation: &str, body: &Value) -> Answer {
        self.try_kms(operation, body).await.expect("an answer")
    }

    /// Calls KMS and expects success.
    pub async fn ok(&self, operation: &str, body: &Value) -> Value {
        let answer = self.kms(operation, body).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        answer.json()
    }

    /// Calls KMS and expects this error.
    pub async fn refused(&self, code: &str, operation: &str, body: &Value) -> Answer {
        let answer = self.kms(operation, body).await;
        assert_eq!(answer.error(), code, "{operation}: {}", answer.body);
        answer
    }

    pub async fn sts(&self, form: &str) -> Answer {
        let client = Self { service: "sts".to_owned(), ..self.clone() };
        client.signed(&[("content-type", "application/x-www-form-urlencoded".to_owned())], form).await.expect("an answer")
    }

    async fn signed(&self, headers: &[(&str, String)], body: &str) -> Option<Answer> {
        let date = amz_date(self.skew);
        let mut headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        headers.push(("host".to_owned(), self.addr.clone()));
        headers.push(("x-amz-date".to_owned(), date.clone()));
        headers.extend(self.token.iter().map(|token| ("x-amz-security-token".to_owned(), token.clone())));
        headers.sort();
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let block: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("POST\n/\n\n{block}\n{names}\n{}", sha256(body));
        let scope = format!("{}/{}/{}/aws4_request", &date[..8], self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(&canonical));
        let key =
            [&date[..8], &self.region, &self.service, "aws4_request"].iter().fold(format!("AWS4{}", self.secret).into_bytes(), |key, part| mac(&key, part));
        let signature = hex::encode(mac(&key, &to_sign));
        let credential = format!("{}/{scope}", self.access_key);
        headers.push(("authorization".to_owned(), format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}")));
        self.send("POST", "/", &headers, self.body_sent.as_deref().unwrap_or(body)).await
    }

    /// A call of the control plane.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let host = [("host".to_owned(), self.addr.clone())];
        self.send(method, &format!("/_sandbox/{path}"), &host, &body).await.expect("an answer")
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(String, String)], body: &str) -> Option<Answer> {
        let block: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{method} {path} HTTP/1.1\r\n{block}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(&self.addr).await.expect("the sandbox listens");
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        let mut raw = Vec::new();
        // A cut connection may end by a reset; what counts is whether a byte came.
        drop(stream.read_to_end(&mut raw).await);
        let raw = String::from_utf8(raw).expect("text");
        let (headers, body) = raw.split_once("\r\n\r\n")?;
        let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        Some(Answer { status, headers: headers.to_owned(), body: body.to_owned() })
    }

    /// A new EXTERNAL key.
    pub async fn external_key(&self) -> String {
        let answer = self.ok("CreateKey", &json!({"Origin": "EXTERNAL"})).await;
        answer["KeyMetadata"]["KeyId"].as_str().expect("an id").to_owned()
    }

    /// What ImportKeyMaterial needs for this material.
    pub async fn import_request(&self, key: &str, material: &[u8]) -> Value {
        let wanted = json!({"KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"});
        let parameters = self.ok("GetParametersForImport", &wanted).await;
        let public = STANDARD.decode(parameters["PublicKey"].as_str().expect("a key")).expect("base64");
        let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&public).expect("SPKI")).expect("RSA");
        let mut wrapped = vec![0; public.ciphertext_size()];
        let wrapped = public.encrypt(&OAEP_SHA256_MGF1SHA256, material, &mut wrapped, None).expect("wrapped");
        json!({
            "KeyId": key, "ImportToken": parameters["ImportToken"], "EncryptedKeyMaterial": STANDARD.encode(wrapped),
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"
        })
    }

    pub async fn import(&self, key: &str, material: &[u8]) {
        let request = self.import_request(key, material).await;
        self.ok("ImportKeyMaterial", &request).await;
    }

    /// An EXTERNAL key with material.
    pub async fn filled_key(&self, material: &[u8]) -> String {
        let key = self.external_key().await;
        self.import(&key, material).await;
        key
    }

    pub async fn state(&self, key: &str) -> String {
        self.ok("DescribeKey", &json!({"KeyId": key})).await["KeyMetadata"]["KeyState"].as_str().expect("a state").to_owned()
    }

    pub async fn key_count(&self) -> usize {
        self.ok("ListKeys", &json!({"Limit": 1000})).await["Keys"].as_array().expect("a list").len()
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// The system's time plus a skew, as `X-Amz-Date`; the calendar by counting, not by the server's formula.
fn amz_date(skew: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let now = i64::try_from(now).expect("fits") + skew;
    let (mut days, seconds, mut year) = (now / 86_400, now % 86_400, 1970);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let year_len = |year: i64| if leap(year) { 366 } else { 365 };
    while days >= year_len(year) {
        days -= year_len(year);
        year += 1;
    }
    let months = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    format!("{year:04}{:02}{:02}T{:02}{:02}{:02}Z", month + 1, days + 1, seconds / 3600, seconds / 60 % 60, seconds % 60)
}
