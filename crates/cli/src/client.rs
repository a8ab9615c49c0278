//! The REST client: one request, one answer, or one error. What changes something carries an idempotency key, and is sent a second time under the same
//! key when the connection is lost: the server then does it once.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{error::CliError, problem::Problem, route::Route, secret::Token, settings::Connection};

/// How long a lost connection gets to come back before the second try.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Room for a body; above the largest, so that a body with a secret never grows and leaves no copies behind.
const BODY_CAPACITY: usize = 48 * 1024;

/// A server to talk to.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// What came back, before anybody looks at it.
struct Answer {
    status: StatusCode,
    is_problem: bool,
    body: Bytes,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`CliError`] when the CA file or the token cannot be used.
    pub fn new(connection: Connection) -> Result<Self, CliError> {
        let authorization = connection.token.as_ref().map(bearer).transpose()?;
        let http = http_client(&connection)?;
        Ok(Self { http, base: connection.url, authorization, timeout: connection.timeout })
    }

    /// Where the server is.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Whether a token would travel where others can read it.
    pub fn is_exposed(&self) -> bool {
        self.authorization.is_some() && self.base.scheme() == "http" && !is_loopback(&self.base)
    }

    /// Reads something.
    ///
    /// # Errors
    /// [`CliError`].
    pub async fn get(&self, route: &Route) -> Result<Value, CliError> {
        self.ask(Method::GET, route, None).await
    }

    /// Asks for a change without further words.
    ///
    /// # Errors
    /// [`CliError`].
    pub async fn post(&self, route: &Route) -> Result<Value, CliError> {
        self.ask(Method::POST, route, None).await
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// [`CliError`].
    pub async fn send(&self, method: Method, route: &Route, body: &impl Serialize) -> Result<Value, CliError> {
        self.ask(method, route, Some(json(body)?)).await
    }

    /// Asks for the end of something.
    ///
    /// # Errors
    /// [`CliError`].
    pub async fn delete(&self, route: &Route) -> Result<Value, CliError> {
        self.ask(Method::DELETE, route, None).await
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`CliError`].
    pub async fn get_text(&self, route: &Route) -> Result<String, CliError> {
        let answer = self.exchange(Method::GET, route, None).await?;
        let body = self.accepted(answer)?;
        String::from_utf8(body.into()).map_err(|_| CliError::Foreign("It is not text in UTF-8.".to_owned()))
    }

    /// Reads something long, piece by piece.
    ///
    /// # Errors
    /// [`CliError`], also in the middle.
    pub async fn download(&self, route: &Route, mut take: impl FnMut(&[u8]) -> Result<(), CliError>) -> Result<(), CliError> {
        let mut response = self.request(Method::GET, route, None, None).send().await.map_err(|error| self.lost(&error))?;
        if !response.status().is_success() {
            let answer = Answer::of(response).await.map_err(|error| self.lost(&error))?;
            return self.accepted(answer).map(drop);
        }
        while let Some(piece) = response.chunk().await.map_err(|error| self.lost(&error))? {
            take(&piece)?;
        }
        Ok(())
    }

    async fn ask(&self, method: Method, route: &Route, body: Option<Bytes>) -> Result<Value, CliError> {
        let answer = self.exchange(method, route, body).await?;
        let body = self.accepted(answer)?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| CliError::Foreign(format!("It is not JSON: {error}.")))
    }

    /// Sends, and sends once more when the connection is lost. Both times with the same idempotency key.
    async fn exchange(&self, method: Method, route: &Route, body: Option<Bytes>) -> Result<Answer, CliError> {
        let key = if method == Method::GET { None } else { Some(idempotency_key()?) };
        match self.attempt(&method, route, body.clone(), key.as_deref()).await {
            Err(error) if !error.is_timeout() => {}
            done => return done.map_err(|error| self.lost(&error)),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
        self.attempt(&method, route, body, key.as_deref()).await.map_err(|error| self.lost(&error))
    }

    async fn attempt(&self, method: &Method, route: &Route, body: Option<Bytes>, key: Option<&str>) -> Result<Answer, reqwest::Error> {
        Answer::of(self.request(method.clone(), route, body, key).send().await?).await
    }

    fn request(&self, method: Method, route: &Route, body: Option<Bytes>, key: Option<&str>) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, route.under(&self.base)).header(ACCEPT, "application/json, application/problem+json, text/plain");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            None => request,
        }
    }

    /// The body of an answer that is none of refusal, failure and redirection.
    fn accepted(&self, answer: Answer) -> Result<Bytes, CliError> {
        let Answer { status, is_problem, body } = answer;
        if status.is_success() {
            return Ok(body);
        }
        if let Some(problem) = Some(&body).filter(|_| is_problem).and_then(|body| serde_json::from_slice::<Problem>(body).ok()) {
            return Err(CliError::Refused(Box::new(Problem { status: problem.status.or(Some(status.as_u16())), ..problem })));
        }
        if let Some(said) = plain_error(&body) {
            return Err(CliError::Refused(Box::new(Problem { status: Some(status.as_u16()), ..Problem::own("refused", said, "", "") })));
        }
        // A proxy says this in the place of a server that it cannot reach.
        if matches!(status.as_u16(), 502..=504) {
            return Err(CliError::Unreachable { url: self.base.to_string(), reason: format!("A proxy before it answers {status}.") });
        }
        Err(CliError::Foreign(format!("It is {status}, without problem details.")))
    }

    fn lost(&self, error: &reqwest::Error) -> CliError {
        if error.is_timeout() && !error.is_connect() {
            return CliError::TimedOut { after: self.timeout, operation: None };
        }
        CliError::Unreachable { url: self.base.to_string(), reason: innermost(error) }
    }
}

impl Answer {
    async fn of(response: Response) -> Result<Self, reqwest::Error> {
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        Ok(Self { status, is_problem: kind.starts_with("application/problem+json"), body: response.bytes().await? })
    }
}

/// The form in which the control plane of the simulated cloud refuses: `{"error": "…"}`.
fn plain_error(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("error")?.as_str().map(str::to_owned)
}

/// Reads an answer into what this client knows of it.
///
/// # Errors
/// [`CliError::Foreign`].
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, CliError> {
    T::deserialize(value).map_err(|error| CliError::Foreign(format!("Something is missing or of another form: {error}.")))
}

/// Follows no redirection, which could carry the token elsewhere, and asks no proxy for what is on this machine.
fn http_client(connection: &Connection) -> Result<reqwest::Client, CliError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("keystead-cli/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(connection.timeout))
        .read_timeout(connection.timeout);
    if is_loopback(&connection.url) {
        builder = builder.no_proxy();
    }
    if let Some(path) = &connection.ca_file {
        let pem = std::fs::read(path).map_err(|reason| CliError::reading(path, reason))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(keystead_domain::Invalid::new("ca_file", "has no certificate that can be read", "Give certificates in PEM.").into());
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| CliError::Local(format!("TLS cannot be set up: {}", innermost(&error))))
}

fn bearer(token: &Token) -> Result<HeaderValue, CliError> {
    let text = Zeroizing::new(format!("Bearer {}", token.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| CliError::Local("The token cannot stand in a header.".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A body as JSON; it may carry a secret, so it is wiped after use.
fn json(body: &impl Serialize) -> Result<Bytes, CliError> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(BODY_CAPACITY));
    serde_json::to_writer(&mut *buffer, body).map_err(|_| CliError::Local("The request cannot be written as JSON.".to_owned()))?;
    Ok(Bytes::from_owner(buffer))
}

/// A key that no other request has: a random UUID (RFC 9562, section 5.4).
fn idempotency_key() -> Result<String, CliError> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| CliError::Local("The system gives no randomness.".to_owned()))?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
}

/// What the network said, without the layers that passed it on.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exit::Exit,
        testing::{Script, Server, connection},
    };
    use serde_json::json;

    async fn with(script: Vec<Script>) -> (Client, Server) {
        let server = Server::start(script).await;
        (Client::new(connection(&server.url, Duration::from_millis(1500))).expect("a client"), server)
    }

    fn route() -> Route {
        Route::new("v1/keys")
    }

    fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
        request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[tokio::test]
    async fn a_change_is_sent_again_under_the_same_idempotency_key_when_the_connection_is_lost() {
        let (client, server) = with(vec![Script::Cut, Script::json(202, &json!({"operation": null}))]).await;
        client.send(Method::POST, &route(), &json!({"name": "orders"})).await.expect("the second try is answered");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0], requests[1]);
        assert!(header(&requests[0], "idempotency-key").is_some_and(|key| key.len() == 36), "{requests:?}");
        assert_eq!(header(&requests[0], "authorization"), Some("Bearer kst_test"));
        assert!(requests[0].ends_with(r#"{"name":"orders"}"#));
    }

    #[tokio::test]
    async fn two_changes_have_two_idempotency_keys_and_a_question_has_none() {
        let (client, server) = with((0..3).map(|_| Script::json(200, &json!({}))).collect()).await;
        client.post(&route()).await.expect("answered");
        client.delete(&route()).await.expect("answered");
        client.get(&route()).await.expect("answered");
        let requests = server.requests();
        let keys: Vec<_> = requests.iter().map(|request| header(request, "idempotency-key")).collect();
        assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1] && keys[2].is_none(), "{keys:?}");
    }

    #[tokio::test]
    async fn a_server_that_stays_away_is_tried_twice_and_no_more() {
        let (client, server) = with(vec![]).await;
        let error = client.post(&route()).await.expect_err("nobody answers");
        assert_eq!((error.exit(), server.heads().len()), (Exit::Unreachable, 2));
    }

    #[tokio::test]
    async fn silence_is_a_time_out_and_nothing_is_sent_again() {
        let (client, server) = with(vec![Script::Silence]).await;
        let error = client.post(&route()).await.expect_err("nobody answers");
        assert_eq!((error.exit(), server.heads().len()), (Exit::Timeout, 1));
        assert!(error.problem().detail.contains("not known"));
    }

    #[tokio::test]
    async fn refusals_keep_the_servers_words() {
        for (status, slug, exit) in [(404, "not-found", Exit::NotFound), (401, "unauthenticated", Exit::Forbidden), (503, "vault-sealed", Exit::Sealed)] {
            let (client, _server) = with(vec![Script::problem(status, slug)]).await;
            let error = client.get(&route()).await.expect_err("is refused");
            assert_eq!(error.exit(), exit);
            assert_eq!((error.problem().slug(), error.problem().instance.as_deref()), (slug, Some("req_1")));
        }
    }

    #[tokio::test]
    async fn answers_of_others_are_told_apart() {
        let (client, _server) = with(vec![Script::of(502, "text/html", "<html>")]).await;
        assert_eq!(client.get(&route()).await.expect_err("a proxy").exit(), Exit::Unreachable);
        let (client, _server) = with(vec![Script::of(200, "text/html", "<html>")]).await;
        assert!(matches!(client.get(&route()).await, Err(CliError::Foreign(_))));
        let (client, _server) = with(vec![Script::json(400, &json!({"error": "micros: missing"}))]).await;
        assert_eq!(client.get(&route()).await.expect_err("the sandbox").problem().title, "micros: missing");
    }

    #[tokio::test]
    async fn a_redirection_is_not_followed() {
        let (client, server) =
            with(vec![Script::Answer("HTTP/1.1 307 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into())]).await;
        assert!(matches!(client.get(&route()).await, Err(CliError::Foreign(_))));
        assert_eq!(server.heads().len(), 1);
    }

    #[tokio::test]
    async fn a_download_that_breaks_off_is_an_error() {
        let (client, _server) = with(vec![Script::Answer("HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nabc".into())]).await;
        let mut got = Vec::new();
        let take = |piece: &[u8]| {
            got.extend_from_slice(piece);
            Ok(())
        };
        assert!(client.download(&route(), take).await.is_err());
        assert_eq!(got, b"abc");
    }

    #[test]
    fn a_token_on_the_open_network_is_noticed() {
        for (url, is_exposed) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1", false),
            ("http://localhost", false),
            ("https://h", false),
            ("http://h", true),
            ("http://127.evil.example", true),
        ] {
            let client = Client::new(connection(url, Duration::from_secs(1))).expect("a client");
            assert_eq!(client.is_exposed(), is_exposed, "{url}");
        }
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "no certificate").expect("a file");
        let with_ca = Connection { ca_file: Some(path), ..connection("https://h", Duration::from_secs(1)) };
        assert!(matches!(Client::new(with_ca).err(), Some(CliError::Invalid(invalid)) if invalid.field == "ca_file"));
    }
}
