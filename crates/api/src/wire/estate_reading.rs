//! Reading an estate: every mistake is collected with its path, so that whoever wrote the file mends all of them at once.

use keystead_app::keys::create::check_description;
use keystead_domain::{
    AlertChannels, Alias, Aliases, Invalid, KeySpec, KeyUsage, Name, Timestamp,
    alert_channels::EVERY,
    drift::AutoRepair,
    duration,
    estate::{self, DriftWish, Origin, Place, RotationWish, WantedEnd, WantedKey, WantedKeystore, WantedReplica, WantedState},
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
    keystore::AwsLocation,
    rotation::{Strategy, Wish},
};

use super::{
    estate::{Estate, EstateDrift, EstateKey, EstateKeystore, EstateReplica, EstateRotation},
    tags::GivenTags,
};

/// The mistakes so far.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Invalid>);

impl Mistakes {
    /// Notes one.
    pub fn note(&mut self, field: impl Into<String>, reason: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Invalid::new(field, reason, mend));
    }

    /// A value that was read, or a mistake below `path`.
    pub fn take<T>(&mut self, path: &str, read: Result<T, Invalid>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.0.push(Invalid { field: format!("{path}.{}", invalid.field), ..invalid });
                None
            }
        }
    }

    /// A value that is read if it is given.
    pub fn each<T, U>(&mut self, path: &str, given: Option<T>, read: impl FnOnce(T) -> Result<U, Invalid>) -> Option<U> {
        given.and_then(|given| self.take(path, read(given)))
    }

    /// The value that was read without a mistake.
    ///
    /// # Errors
    /// The mistakes.
    pub fn or<T>(self, value: T) -> Result<T, Vec<Invalid>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

impl Estate {
    /// Checks every value of it.
    ///
    /// # Errors
    /// Every mistake, each with its path.
    pub fn read(self) -> Result<estate::Estate, Vec<Invalid>> {
        let mut mistakes = Mistakes::default();
        if let Some(version) = self.version.filter(|version| *version != estate::VERSION) {
            mistakes.note("version", format!("is {version}, which this Keystead does not read"), "Give 1, or leave it out.");
        }
        let estate = estate::Estate {
            rotation: self.rotation.and_then(|rotation| rotation.read("rotation", &mut mistakes)),
            keystores: self.keystores.into_iter().enumerate().filter_map(|(at, keystore)| keystore.read(&format!("keystores[{at}]"), &mut mistakes)).collect(),
            keys: self.keys.into_iter().enumerate().filter_map(|(at, key)| key.read(&format!("keys[{at}]"), &mut mistakes)).collect(),
        };
        mistakes.or(estate)
    }
}

impl EstateKeystore {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<WantedKeystore> {
        let location = AwsLocation {
            region: self.region.unwrap_or_default(),
            account: self.account.unwrap_or_default(),
            role_arn: self.role_arn,
            external_id: self.external_id,
        };
        let says_where = location != AwsLocation::nowhere();
        let place = match self.cloud {
            Some(cloud) => Some(Place { cloud, location }),
            None if says_where => Some(Place { cloud: "aws".to_owned(), location }),
            None => None,
        };
        Some(WantedKeystore {
            name: mistakes.take(path, Name::parse(&self.name))?,
            place,
            warm: self.warm,
            drift: self.drift.and_then(|drift| drift.read(&format!("{path}.drift"), mistakes)),
            alerts: mistakes.each(path, self.alerts, hearers),
            rotation: self.rotation.and_then(|rotation| rotation.read(&format!("{path}.rotation"), mistakes)),
        })
    }
}

impl EstateDrift {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<DriftWish> {
        let every = if self.every == "never" { Some(None) } else { mistakes.take(path, duration::parse("every", &self.every)).map(Some) };
        let auto_repair = self.auto_repair.as_deref().map_or(Ok(AutoRepair::None), AutoRepair::parse);
        Some(DriftWish { auto_repair: mistakes.take(path, auto_repair)?, every: every? })
    }
}

impl EstateRotation {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<RotationWish> {
        if self.strategy.as_deref() == Some("inherit") {
            let nothing_else = [&self.every, &self.cron, &self.zone, &self.start, &self.window, &self.notice, &self.grace].into_iter().all(Option::is_none);
            if !nothing_else {
                mistakes.note(format!("{path}.strategy"), "is inherit, and something else is said as well", "Say nothing else: inherit takes the policy away.");
            }
            return Some(RotationWish::Inherit);
        }
        let strategy = match self.strategy.as_deref() {
            None | Some("none") => Ok(Strategy::NewKey),
            Some(text) => Strategy::parse(text).map_err(|invalid| Invalid { mend: "Give new-key, in-place, none or inherit.".to_owned(), ..invalid }),
        };
        let mut spans = |field: &str, text: Option<String>| match text {
            Some(text) => mistakes.take(path, duration::parse(field, &text)).map(Some),
            None => Some(None),
        };
        let (every, notice, grace) = (spans("every", self.every), spans("notice", self.notice), spans("grace", self.grace.filter(|grace| grace != "keep")));
        let start = self.start.map(|text| time("start", &text)).transpose();
        let wish = Wish {
            off: self.strategy.as_deref() == Some("none"),
            strategy: mistakes.take(path, strategy)?,
            every: every?,
            cron: self.cron,
            zone: self.zone,
            start: mistakes.take(path, start)?,
            window: self.window,
            notice: notice?,
            grace: grace?,
        };
        Some(RotationWish::Policy(Box::new(wish)))
    }
}

impl EstateKey {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<WantedKey> {
        let name = mistakes.take(path, Name::parse(&self.name));
        let wanted = WantedKey {
            name: Name::parse("unread").ok()?,
            keystore: self.keystore,
            spec: mistakes.each(path, self.spec, |text| KeySpec::parse(&text)),
            usage: mistakes.each(path, self.usage, |text| KeyUsage::parse(&text)),
            origin: mistakes.each(path, self.origin, |text| Origin::parse(&text)),
            multi_region: self.multi_region,
            exportable: self.exportable,
            description: mistakes.each(path, self.description, described),
            aliases: self.aliases.and_then(|aliases| aliases_of(path, aliases, mistakes)),
            tags: mistakes.each(path, self.tags, GivenTags::read),
            state: mistakes.each(path, self.state, |text| WantedState::parse(&text)),
            expires: mistakes.each(path, self.expires, |text| end("expires", &text)),
            expiry_policy: mistakes.each(path, self.expiry_policy, |text| ExpiryPolicy::parse(&text)),
            rotation: self.rotation.and_then(|rotation| rotation.read(&format!("{path}.rotation"), mistakes)),
            replicas: self.replicas.into_iter().enumerate().filter_map(|(at, replica)| replica.read(&format!("{path}.replicas[{at}]"), mistakes)).collect(),
            deleted: deletion(path, self.deleted, self.waiting_days, mistakes),
        };
        Some(WantedKey { name: name?, ..wanted })
    }
}

impl EstateReplica {
    fn read(self, path: &str, mistakes: &mut Mistakes) -> Option<WantedReplica> {
        Some(WantedReplica {
            keystore: self.keystore,
            name: mistakes.each(path, self.name, |text| Name::parse(&text)),
            description: mistakes.each(path, self.description, described),
            aliases: self.aliases.and_then(|aliases| aliases_of(path, aliases, mistakes)),
            tags: mistakes.each(path, self.tags, GivenTags::read),
            deleted: deletion(path, self.deleted, self.waiting_days, mistakes),
        })
    }
}

fn described(text: String) -> Result<String, Invalid> {
    check_description(&text).map(|()| text)
}

/// `*` alone means every channel.
fn hearers(names: Vec<String>) -> Result<AlertChannels, Invalid> {
    match names.iter().position(|name| name == EVERY) {
        None => AlertChannels::parse("alerts", r#"["*"]"#, names),
        Some(_) if names.len() == 1 => Ok(AlertChannels::All),
        Some(at) => {
            let reason = "is *, which means every channel, and others are named as well";
            Err(Invalid::new(format!("alerts[{at}]"), reason, "Give * alone, or leave it out."))
        }
    }
}

/// Each alias is a value of its own, with a place of its own.
fn aliases_of(path: &str, texts: Vec<String>, mistakes: &mut Mistakes) -> Option<Aliases> {
    let mut aliases = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let parsed = Alias::parse(text).map_err(|invalid| Invalid { field: format!("aliases[{at}]"), ..invalid });
        if let Some(alias) = mistakes.take(path, parsed) {
            if aliases.contains(&alias) {
                mistakes.note(format!("{path}.aliases[{at}]"), format!("is {alias}, as is one before it"), "Give each alias once.");
            }
            aliases.push(alias);
        }
    }
    mistakes.take(path, Aliases::default().with(aliases))
}

fn deletion(path: &str, deleted: bool, days: Option<u32>, mistakes: &mut Mistakes) -> Option<WaitingDays> {
    let days = match days {
        Some(days) => mistakes.take(path, WaitingDays::parse(i64::from(days)).map_err(|invalid| Invalid { field: "waiting_days".to_owned(), ..invalid }))?,
        None => return deleted.then_some(WaitingDays::LONGEST),
    };
    if !deleted {
        mistakes.note(format!("{path}.waiting_days"), "is given, and deleted is not true", "Leave it out, or write deleted = true.");
    }
    deleted.then_some(days)
}

/// Reads a time; no span, which would mean something else every day.
///
/// # Errors
/// [`Invalid`] naming `field`.
pub(crate) fn time(field: &str, text: &str) -> Result<Timestamp, Invalid> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    let parsed = parsed.map_err(|_| Invalid::new(field, "is not a time", "Give a time such as 2026-12-31T00:00:00Z."))?;
    Ok(Timestamp::from_micros(parsed.as_microsecond()))
}

/// Reads when material ends.
///
/// # Errors
/// [`Invalid`] naming `field`.
pub(crate) fn end(field: &str, text: &str) -> Result<WantedEnd, Invalid> {
    if text == "never" {
        return Ok(WantedEnd::Never);
    }
    if text.ends_with(['s', 'm', 'h', 'd', 'w']) {
        return duration::parse(field, text).map(WantedEnd::Lives);
    }
    let time = time(field, text)
        .map_err(|_| Invalid::new(field, "is neither a time nor a span", "Give a time such as 2026-12-31T00:00:00Z, a span such as 90d, or never."))?;
    Ok(WantedEnd::At(time))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Estate;

    fn fields(body: serde_json::Value) -> Vec<String> {
        let estate: Estate = serde_json::from_value(body).expect("an estate");
        estate.read().err().unwrap_or_default().into_iter().map(|invalid| invalid.field).collect()
    }

    #[test]
    fn every_mistake_is_told_by_its_path() {
        let body = json!({
            "version": 2,
            "rotation": { "every": "often" },
            "keystores": [{ "name": "a b", "drift": { "every": "soon" } }, { "name": "us", "alerts": [] }, { "name": "ap", "alerts": ["pager", "*"] }, { "name": "eu", "rotation": { "strategy": "inherit", "every": "9d" } }],
            "keys": [
                { "name": "a", "spec": "AES_128", "usage": "wrap", "state": "GONE", "expires": "soon", "expiry_policy": "hope", "waiting_days": 9 },
                { "name": "b", "aliases": ["x", "a b", "x"], "tags": { "aws:x": "1" }, "deleted": true, "waiting_days": 3, "replicas": [{ "keystore": "us", "name": "c d" }] },
            ],
        });
        let expected = [
            "version",
            "rotation.every",
            "keystores[0].name",
            "keystores[1].alerts",
            "keystores[2].alerts[1]",
            "keystores[3].rotation.strategy",
            "keys[0].spec",
            "keys[0].usage",
            "keys[0].state",
            "keys[0].expires",
            "keys[0].expiry_policy",
            "keys[0].waiting_days",
            "keys[1].aliases[1]",
            "keys[1].aliases[2]",
            "keys[1].tags.aws:x",
            "keys[1].replicas[0].name",
            "keys[1].waiting_days",
        ];
        assert_eq!(fields(body), expected);
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let body = json!({
            "version": 1,
            "rotation": { "strategy": "new-key", "every": "90d", "grace": "30d" },
            "keystores": [{ "name": "eu", "cloud": "aws", "region": "eu-west-1", "account": "123456789012", "warm": true, "drift": { "every": "6h", "auto_repair": "safe" }, "alerts": ["mail:ops@example.com", "pager"] }, { "name": "us", "alerts": ["*"] }],
            "keys": [{ "name": "a", "keystore": "eu", "spec": "AES_256", "usage": "encrypt", "aliases": ["x"], "tags": { "team": "pay" }, "state": "ACTIVE", "expires": "90d",
                "expiry_policy": "extend", "replicas": [{ "keystore": "us", "name": "b", "aliases": [] }] },
                { "name": "b", "expires": "never", "rotation": { "strategy": "inherit" }, "deleted": true, "waiting_days": 30 }],
        });
        let estate: Estate = serde_json::from_value(body.clone()).expect("an estate");
        assert_eq!(json!(Estate::from(estate.read().expect("no mistake"))), body);
    }
}
