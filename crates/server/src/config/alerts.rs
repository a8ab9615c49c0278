//! `[alerts]`: when somebody is told, and on which channels.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
};

use keystead_domain::{
    alert_channels::EVERY,
    key::expiry::{DAYS_BEFORE, DAYS_MAX},
    time::SECOND,
};
use keystead_notify::{Channel, Mail, Secret, Security, Smtp as Server, Webhook, check_url};
use keystead_operations::alerts::Alerting;
use serde::{Deserialize, Serialize};

use super::read_line;
use crate::ServerError;

/// The longest time that an alert waits for others, in seconds: a day.
const DIGEST_MAX: u32 = 86_400;

/// When somebody is told, and on which channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// How many days before the end of material.
    pub days_before: Vec<u32>,
    /// For how many seconds alerts are gathered into one message.
    pub digest_seconds: u32,
    /// The server that takes mail.
    pub smtp: Option<Smtp>,
    /// Mailboxes.
    pub mail: Vec<MailTo>,
    /// Programs.
    pub webhook: Vec<WebhookTo>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { days_before: DAYS_BEFORE.to_vec(), digest_seconds: 300, smtp: None, mail: Vec::new(), webhook: Vec::new() }
    }
}

/// The server that takes mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name, as its certificate has it.
    pub host: String,
    /// Its port; 587 when left out, 465 with `tls = "tls"`.
    pub port: Option<u16>,
    /// `starttls` (when left out), `tls` from the first byte, or `none`.
    pub tls: Option<String>,
    /// Send without TLS beyond this machine.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Further root certificates, PEM.
    pub ca_file: Option<PathBuf>,
    /// Who logs in.
    pub username: Option<String>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// The address that the mail comes from.
    pub from: String,
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailTo {
    /// Its address.
    pub to: String,
    /// The channel's name; `mail:` and the address when left out.
    pub name: Option<String>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTo {
    /// Its URL.
    pub url: String,
    /// A file that holds the key of the signatures, `whsec_…`.
    pub secret_file: PathBuf,
    /// The channel's name; `webhook:` and the host when left out.
    pub name: Option<String>,
}

impl MailTo {
    fn channel(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("mail:{}", self.to))
    }
}

impl WebhookTo {
    /// A path may be a secret: the host has to do.
    fn channel(&self) -> String {
        let host = || check_url(&self.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        self.name.clone().unwrap_or_else(|| format!("webhook:{}", host()))
    }
}

impl Smtp {
    fn security(&self) -> Result<Security, String> {
        match self.tls.as_deref() {
            None | Some("starttls") => Ok(Security::StartTls),
            Some("tls") => Ok(Security::Tls),
            Some("none") if self.allow_plaintext || is_here(&self.host) => Ok(Security::Plain),
            Some("none") => {
                let host = &self.host;
                Err(format!("alerts.smtp.tls: mail to {host} would travel without TLS. Give starttls or tls, or set allow_plaintext = true if that is meant."))
            }
            Some(_) => Err("alerts.smtp.tls: give starttls, tls or none.".to_owned()),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.security()?;
        if self.host.is_empty() {
            return Err("alerts.smtp.host: is empty. Give the name of the server that takes mail.".to_owned());
        }
        if self.username.is_some() != self.password_file.is_some() {
            return Err("alerts.smtp: username and password_file belong together. Give both or neither.".to_owned());
        }
        Ok(())
    }

    /// The server, with its secrets read.
    fn server(&self) -> Result<Server, ServerError> {
        let security = self.security().map_err(ServerError::App)?;
        let login = match (&self.username, &self.password_file) {
            (Some(name), Some(path)) => Some((name.clone(), Secret::new(read_line(path)?))),
            _ => None,
        };
        let roots = self.ca_file.as_ref().map(|path| std::fs::read(path).map_err(|error| ServerError::file(path, error))).transpose()?;
        let port = self.port.unwrap_or(if security == Security::Tls { 465 } else { 587 });
        Ok(Server { host: self.host.clone(), port, security, roots, login, from: self.from.clone() })
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Alerts {
    /// What can be checked without reading a secret.
    pub(super) fn check(&self) -> Result<(), String> {
        let farthest = u32::try_from(DAYS_MAX).unwrap_or(u32::MAX);
        let days: BTreeSet<u32> = self.days_before.iter().copied().collect();
        if days.len() != self.days_before.len() || days.len() > 10 || days.iter().any(|days| !(1..=farthest).contains(days)) {
            return Err("alerts.days_before: give at most ten different numbers from 1 to 365, for example [30, 14, 7, 1].".to_owned());
        }
        if self.digest_seconds > DIGEST_MAX {
            return Err(format!("alerts.digest_seconds: give 0 to {DIGEST_MAX}."));
        }
        if self.smtp.is_none() && !self.mail.is_empty() {
            return Err("alerts.mail: there is no server that takes mail. Give [alerts.smtp] with host and from.".to_owned());
        }
        if let Some(smtp) = &self.smtp {
            smtp.check()?;
        }
        self.webhook.iter().try_for_each(|webhook| check_url(&webhook.url).map(drop).map_err(|error| error.to_string()))?;
        self.check_names()
    }

    fn check_names(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for name in self.names() {
            if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
                return Err("alerts: a channel's name is empty or too long. Give 1 to 200 characters.".to_owned());
            }
            if name == EVERY {
                return Err(format!("alerts: a channel is called {EVERY}, which means every channel. Give it another name."));
            }
            if !seen.insert(name.clone()) {
                return Err(format!("alerts: two channels are called {name}. Give each a name = \"…\" of its own."));
            }
        }
        Ok(())
    }

    /// Makes every path one that does not depend on where the process was started.
    pub(super) fn resolve(&mut self, base: &Path) {
        let smtp = self.smtp.iter_mut().flat_map(|smtp| [&mut smtp.password_file, &mut smtp.ca_file]).flatten();
        smtp.chain(self.webhook.iter_mut().map(|webhook| &mut webhook.secret_file)).for_each(|path| *path = base.join(&*path));
    }

    fn names(&self) -> Vec<String> {
        self.mail.iter().map(MailTo::channel).chain(self.webhook.iter().map(WebhookTo::channel)).collect()
    }

    /// What operations know of it.
    pub fn alerting(&self) -> Alerting {
        Alerting { days_before: self.days_before.clone(), digest_micros: i64::from(self.digest_seconds) * SECOND, channels: self.names() }
    }

    /// The channels by name, with their secrets read.
    ///
    /// # Errors
    /// [`ServerError::File`] for a secret that cannot be read, [`ServerError::App`] naming field and mend.
    pub fn channels(&self) -> Result<Vec<(String, Channel)>, ServerError> {
        let refuse = |error: keystead_notify::NotifyError| ServerError::App(error.to_string());
        let mut channels = Vec::new();
        if let Some(server) = self.smtp.as_ref().map(Smtp::server).transpose()? {
            for mail in &self.mail {
                channels.push((mail.channel(), Channel::Mail(Mail::new(&server, &mail.to).map_err(refuse)?)));
            }
        }
        for webhook in &self.webhook {
            let secret = Secret::new(read_line(&webhook.secret_file)?);
            channels.push((webhook.channel(), Channel::Webhook(Webhook::new(&webhook.url, secret).map_err(refuse)?)));
        }
        Ok(channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Alerts, String> {
        let alerts: Alerts = toml::from_str(text).map_err(|error| error.to_string())?;
        alerts.check().map(|()| alerts)
    }

    #[test]
    fn a_whole_section_is_read_and_its_channels_are_named() {
        let text = "days_before = [60, 7]\n[smtp]\nhost = 'mail.example.com'\nfrom = 'k@example.com'\n[[mail]]\nto = 'ops@example.com'\n\
            [[webhook]]\nurl = 'https://hooks.example.com/secret/path'\nsecret_file = 'w'\n[[webhook]]\nurl = 'https://hooks.example.com/other'\nsecret_file = 'w'\nname = 'pager'";
        let alerting = checked(text).expect("well").alerting();
        assert_eq!(alerting.channels, ["mail:ops@example.com", "webhook:hooks.example.com", "pager"]);
        assert_eq!((alerting.days_before, alerting.digest_micros), (vec![60, 7], 300 * SECOND));
    }

    #[test]
    fn each_bad_value_names_its_field() {
        let smtp = "[smtp]\nhost = 'mail.example.com'\nfrom = 'k@example.com'\n";
        let cases = [
            ("days_before = [0]".to_owned(), "alerts.days_before"),
            ("days_before = [7, 7]".to_owned(), "alerts.days_before"),
            ("days_before = [366]".to_owned(), "alerts.days_before"),
            ("digest_seconds = 90000".to_owned(), "alerts.digest_seconds"),
            ("[[mail]]\nto = 'a@b'".to_owned(), "alerts.mail"),
            (format!("{smtp}tls = 'none'"), "alerts.smtp.tls"),
            (format!("{smtp}tls = 'ssl'"), "alerts.smtp.tls"),
            (format!("{smtp}username = 'u'"), "username and password_file"),
            ("[[webhook]]\nurl = 'http://hooks.example.com'\nsecret_file = 'w'".to_owned(), "alerts.webhook.url"),
            ("[[webhook]]\nurl = 'https://169.254.169.254/'\nsecret_file = 'w'".to_owned(), "alerts.webhook.url"),
            (format!("{smtp}[[mail]]\nto = 'a@b'\n[[mail]]\nto = 'a@b'"), "two channels"),
            (format!("{smtp}[[mail]]\nto = 'a@b'\nname = '*'"), "every channel"),
        ];
        for (text, field) in cases {
            let refused = checked(&text).expect_err(&text);
            assert!(refused.contains(field), "{text}: {refused}");
        }
        assert!(checked(&format!("{smtp}tls = 'none'\nallow_plaintext = true")).is_ok());
        assert!(checked("[smtp]\nhost = '127.0.0.1'\nfrom = 'k@example.com'\ntls = 'none'").is_ok());
    }
}
