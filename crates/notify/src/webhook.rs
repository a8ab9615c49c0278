//! Webhooks as Standard Webhooks 1.0.0 has them: `webhook-id`, `webhook-timestamp`, and `webhook-signature`, an HMAC-SHA256 over both and the body.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keystead_domain::{Timestamp, alert::Alert};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use serde_json::{Value, json};

use crate::{NotifyError, Secret, sentence};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a secret begins with (Standard Webhooks, "Signature scheme").
const SECRET_PREFIX: &str = "whsec_";
/// How many bytes a secret has (the same: "between 24 bytes (192 bits) and 64 bytes (512 bits)").
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One address that is called. It has no `Debug`: it holds the key of the signatures, and a URL may be a secret, too.
pub struct Webhook {
    client: Client,
    url: Url,
    secret: Secret,
}

impl Webhook {
    /// A way to this address.
    ///
    /// # Errors
    /// [`NotifyError::Setting`] naming the field.
    pub fn new(url: &str, secret: Secret) -> Result<Self, NotifyError> {
        let url = check_url(url)?;
        key(&secret)?;
        let built = Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).no_proxy().dns_resolver(Arc::new(Reachable)).build();
        let client = built.map_err(|error| NotifyError::Unreachable(error.without_url().to_string()))?;
        Ok(Self { client, url, secret })
    }

    /// Calls it once, with all of these. The same batch has the same `webhook-id` and the same body.
    ///
    /// # Errors
    /// [`NotifyError`]; anything but a status 2xx is a refusal.
    pub async fn send(&self, batch: &str, alerts: &[Alert], now: Timestamp) -> Result<(), NotifyError> {
        let body = body(alerts).to_string();
        let signature = sign(&self.secret, batch, now.as_secs(), &body)?;
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", batch)
            .header("webhook-timestamp", now.as_secs())
            .header("webhook-signature", signature)
            .body(body);
        let answer = request.send().await.map_err(unreachable)?;
        if answer.status().is_success() { Ok(()) } else { Err(NotifyError::Refused(format!("the receiver answered {}", answer.status()))) }
    }

    /// Connects, and sends nothing: whether the signature is liked only a test alert can say.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn check(&self) -> Result<(), NotifyError> {
        self.client.head(self.url.clone()).send().await.map(drop).map_err(unreachable)
    }
}

/// Without the URL, which may hold a secret; with the causes, which say what is wrong.
fn unreachable(error: reqwest::Error) -> NotifyError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    NotifyError::Unreachable(text)
}

/// What is sent. It hangs on the alerts alone, so that a second copy is the same.
fn body(alerts: &[Alert]) -> Value {
    let newest = alerts.iter().map(|alert| alert.at).max().map(keystead_domain::Timestamp::rfc3339);
    let told = |alert: &Alert| json!({ "id": alert.id.as_str(), "kind": alert.kind.as_str(), "at": alert.at.rfc3339(), "text": sentence(alert), "facts": alert.facts });
    json!({ "type": "keystead.alerts", "timestamp": newest, "data": { "alerts": alerts.iter().map(told).collect::<Vec<_>>() } })
}

/// The signature of a message: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.
///
/// # Errors
/// [`NotifyError::Setting`] for a secret of another form.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &str) -> Result<String, NotifyError> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key(secret)?), format!("{id}.{timestamp}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(tag)))
}

fn key(secret: &Secret) -> Result<zeroize::Zeroizing<Vec<u8>>, NotifyError> {
    let refuse = |reason: &str| NotifyError::Setting {
        field: "alerts.webhook.secret_file",
        reason: reason.to_owned(),
        mend: "Write whsec_ and base64 of 24 to 64 random bytes into it, as `echo whsec_$(openssl rand -base64 32)` prints them.",
    };
    let encoded = secret.expose().strip_prefix(SECRET_PREFIX).ok_or_else(|| refuse("does not begin with whsec_."))?;
    let bytes = STANDARD.decode(encoded).map(zeroize::Zeroizing::new).map_err(|_| refuse("is not base64 behind whsec_."))?;
    if SECRET_BYTES.contains(&bytes.len()) { Ok(bytes) } else { Err(refuse("is too short or too long.")) }
}

/// Whether a URL may be called: https, or http on this machine; never an address at which a cloud hands out credentials.
///
/// # Errors
/// [`NotifyError::Setting`] naming `alerts.webhook.url`.
pub fn check_url(text: &str) -> Result<Url, NotifyError> {
    let refuse = |reason: &str, mend: &'static str| NotifyError::Setting { field: "alerts.webhook.url", reason: reason.to_owned(), mend };
    let url = Url::parse(text).map_err(|_| refuse("is not a URL.", "Give https://host/path."))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let address: Option<IpAddr> = host.parse().ok();
    if address.is_some_and(is_link_local) {
        return Err(refuse("is a link-local address: clouds hand out credentials there.", "Give the receiver's own address."));
    }
    let is_here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => Err(refuse("holds a user name.", "Leave it out: the signature says who calls.")),
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(refuse("is not https.", "Give https://…; plain http is for this machine only.")),
    }
}

/// 169.254.0.0/16 and fe80::/10, also as IPv4 in IPv6, and the metadata service's IPv6 address at AWS (fd00:ec2::254).
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.to_ipv4_mapped().is_some_and(|v4| v4.is_link_local()) || v6.is_unicast_link_local() || v6.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254]
        }
    }
}

/// Names resolved by the system, without the addresses that are not called: what a name means is looked at when it is called, and not only before.
struct Reachable;

impl Resolve for Reachable {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| !is_link_local(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name means link-local addresses only, which are not called".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own libraries (`test_sign_function`).
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()));
    }

    #[test]
    fn secrets_of_another_form_are_refused_without_being_told() {
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", "whsec_c2hvcnQ="] {
            let refused = sign(&Secret::new(bad.to_owned()), "a", 1, "b").expect_err(bad).to_string();
            assert!(refused.contains("alerts.webhook.secret_file") && !refused.contains("c2hvcnQ"), "{refused}");
        }
    }

    #[test]
    fn only_https_or_this_machine_is_called_and_no_metadata_service() {
        for good in ["https://hooks.example.com/x", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:9/", "https://10.0.0.7/x"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.example.com/x",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[fd00:ec2::254]/",
            "https://u:p@h/",
            "ftp://h/",
            "x",
        ] {
            let refused = check_url(bad).expect_err(bad);
            assert!(matches!(refused, NotifyError::Setting { field: "alerts.webhook.url", .. }), "{refused}");
        }
    }
}
