//! Mail over SMTP: TLS from the first byte or by STARTTLS, and never without unless that is meant.

use std::time::{Duration, SystemTime};

use keystead_domain::{Timestamp, alert::Alert};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Letter, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};

use crate::{NotifyError, Secret, digest};

/// How long one answer of the server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the connection is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Plain at first, then TLS; a server that does not offer it gets nothing.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None.
    Plain,
}

/// A server that takes mail. It has no `Debug`: it holds a password.
#[derive(Clone)]
pub struct Smtp {
    /// Its name, as its certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub security: Security,
    /// Further root certificates, PEM.
    pub roots: Option<Vec<u8>>,
    /// Who sends, if the server asks.
    pub login: Option<(String, Secret)>,
    /// The address that the mail comes from.
    pub from: String,
}

/// One address that is written to, over a server.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailbox,
}

fn mailbox(field: &'static str, text: &str) -> Result<Mailbox, NotifyError> {
    let refuse = |_| NotifyError::Setting { field, reason: "is not an address.".to_owned(), mend: "Write it as ops@example.com or Name <ops@example.com>." };
    text.parse().map_err(refuse)
}

impl Mail {
    /// A way to this address.
    ///
    /// # Errors
    /// [`NotifyError::Setting`] naming the field.
    pub fn new(smtp: &Smtp, to: &str) -> Result<Self, NotifyError> {
        let tls = match smtp.security {
            Security::Plain => Tls::None,
            Security::Tls => Tls::Wrapper(tls(smtp)?),
            Security::StartTls => Tls::Required(tls(smtp)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone()).port(smtp.port).tls(tls).timeout(Some(PATIENCE));
        if let Some((name, password)) = &smtp.login {
            builder = builder.credentials(Credentials::new(name.clone(), password.expose().to_owned()));
        }
        Ok(Self { transport: builder.build(), from: mailbox("alerts.smtp.from", &smtp.from)?, to: mailbox("alerts.mail.to", to)? })
    }

    /// Sends one message that tells all of these. The same batch has the same Message-ID, so that a mailbox can tell a second copy.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn send(&self, batch: &str, alerts: &[Alert], now: Timestamp) -> Result<(), NotifyError> {
        let message = digest(alerts);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_secs()).unwrap_or(0));
        let letter = Letter::builder()
            .from(self.from.clone())
            .to(self.to.clone())
            .subject(message.subject)
            .date(at)
            .message_id(Some(format!("<{batch}@{}>", self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text)
            .map_err(|error| NotifyError::Refused(error.to_string()))?;
        self.transport.send(letter).await.map(drop).map_err(|error| told(&error))
    }

    /// Connects, makes TLS and logs in, and sends nothing.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn check(&self) -> Result<(), NotifyError> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotifyError::Refused("the server does not answer NOOP".to_owned())),
            Err(error) => Err(told(&error)),
        }
    }
}

fn tls(smtp: &Smtp) -> Result<TlsParameters, NotifyError> {
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(pem) = &smtp.roots {
        let refuse = |_| NotifyError::Setting { field: "alerts.smtp.ca_file", reason: "is not a certificate.".to_owned(), mend: "Give a PEM file." };
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(refuse)?);
    }
    let refuse = |error: smtp::Error| NotifyError::Setting {
        field: "alerts.smtp.host",
        reason: format!("cannot be spoken to over TLS: {error}."),
        mend: "Give a host name.",
    };
    builder.build_rustls().map_err(refuse)
}

/// What the server said, or why there was no answer. The client's errors hold neither user name nor password.
fn told(error: &smtp::Error) -> NotifyError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    if error.is_permanent() || error.is_transient() || error.is_client() { NotifyError::Refused(text) } else { NotifyError::Unreachable(text) }
}
