//! Reading an estate: every mistake is collected with its path, so that whoever wrote the file mends all of them at once.

use keystead_domain::{Invalid, Timestamp, duration, estate::WantedEnd};

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

    use crate::wire::estate::Estate;

    fn fields(body: serde_json::Value) -> Vec<String> {
        let estate: Estate = serde_json::from_value(body).expect("an estate");
        estate.read().err().unwrap_or_default().into_iter().map(|invalid| invalid.field).collect()
    }

    #[test]
    fn every_mistake_is_told_by_its_path() {
        let body = json!({
            "version": 2,
            "rotation": { "every": "often" },
            "keystores": [{ "name": "a b", "drift": { "every": "soon" } }, { "name": "eu", "rotation": { "strategy": "inherit", "every": "9d" } }],
            "keys": [
                { "name": "a", "spec": "AES_128", "usage": "wrap", "state": "GONE", "expires": "soon", "expiry_policy": "hope", "waiting_days": 9 },
                { "name": "b", "aliases": ["x", "a b", "x"], "tags": { "aws:x": "1" }, "deleted": true, "waiting_days": 3, "replicas": [{ "keystore": "us", "name": "c d" }] },
            ],
        });
        let expected = [
            "version",
            "rotation.every",
            "keystores[0].name",
            "keystores[1].rotation.strategy",
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
            "keystores": [{ "name": "eu", "cloud": "aws", "region": "eu-west-1", "account": "123456789012", "warm": true, "drift": { "every": "6h", "auto_repair": "safe" } }],
            "keys": [{ "name": "a", "keystore": "eu", "spec": "AES_256", "usage": "encrypt", "aliases": ["x"], "tags": { "team": "pay" }, "state": "ACTIVE", "expires": "90d",
                "expiry_policy": "extend", "replicas": [{ "keystore": "us", "name": "b", "aliases": [] }] },
                { "name": "b", "expires": "never", "rotation": { "strategy": "inherit" }, "deleted": true, "waiting_days": 30 }],
        });
        let estate: Estate = serde_json::from_value(body.clone()).expect("an estate");
        assert_eq!(json!(Estate::from(estate.read().expect("no mistake"))), body);
    }
}
