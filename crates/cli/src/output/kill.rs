//! Kills: what was taken out of use, and what showed it.

use serde::Deserialize;

use super::{
    Row, Sheet,
    dependants::Dependants,
    table::{section, time},
};

/// A key that a kill took out of use.
#[derive(Debug, Clone, Deserialize)]
pub struct KilledKey {
    name: String,
    keystore: String,
    #[serde(default)]
    region: String,
    from_state: String,
    emptied: bool,
    #[serde(default)]
    dark: Option<TimeToDark>,
}

/// What shows that a key is out of use.
#[derive(Debug, Clone, Deserialize)]
struct TimeToDark {
    proof: String,
    #[serde(default)]
    micros: Option<i64>,
    by: String,
}

impl Row for KilledKey {
    const HEADER: &'static [&'static str] = &["key", "keystore", "region", "was", "material", "dark after", "proof", "by"];

    fn cells(&self) -> Vec<String> {
        let material = if self.emptied { "removed" } else { "stays" };
        let (after, proof, by) = match &self.dark {
            Some(dark) => (dark.micros.map(seconds).unwrap_or_default(), dark.proof.clone(), dark.by.clone()),
            None => (String::new(), String::new(), String::new()),
        };
        vec![self.name.clone(), self.keystore.clone(), self.region.clone(), self.from_state.clone(), material.to_owned(), after, proof, by]
    }
}

/// A kill, with how far it has come.
#[derive(Debug, Clone, Deserialize)]
pub struct Kill {
    operation: String,
    state: String,
    created_at: String,
    keys: Vec<KilledKey>,
}

impl Row for Kill {
    const HEADER: &'static [&'static str] = &["operation", "asked", "state", "keys", "refused", "last dark after"];

    fn cells(&self) -> Vec<String> {
        let proofs = || self.keys.iter().filter_map(|key| key.dark.as_ref());
        let refused = proofs().filter(|dark| dark.proof == "refused").count();
        let last = proofs().filter_map(|dark| dark.micros).max().map(seconds).unwrap_or_default();
        vec![self.operation.clone(), time(&self.created_at), self.state.clone(), self.keys.len().to_string(), refused.to_string(), last]
    }
}

/// What a kill of a selection would do.
#[derive(Debug, Clone, Deserialize)]
pub struct Planned {
    kills: u64,
    reached: Vec<Reached>,
    paces: Vec<Pace>,
    left: Vec<Left>,
    #[serde(default)]
    dependants: Option<Dependants>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reached {
    name: String,
    keystore: String,
    state: String,
    emptied: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Pace {
    scope: String,
    keys: u64,
    emptied: u64,
    micros: i64,
}

#[derive(Debug, Clone, Deserialize)]
struct Left {
    name: String,
    operation: String,
}

impl Sheet for Planned {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let longest = self.paces.iter().map(|pace| pace.micros).max().unwrap_or_default();
        let told = [("kills", self.kills.to_string()), ("keys out of use", self.reached.len().to_string()), ("takes at least", seconds(longest))];
        told.map(|(name, text)| (name, Some(text))).into_iter().chain(self.dependants.iter().flat_map(Dependants::fields)).collect()
    }

    fn below(&self) -> String {
        let material = |emptied: bool| if emptied { "is removed" } else { "stays" }.to_owned();
        let keys = self.reached.iter().map(|key| vec![key.name.clone(), key.keystore.clone(), key.state.clone(), material(key.emptied)]);
        let paces = self.paces.iter().map(|pace| vec![pace.scope.clone(), pace.keys.to_string(), pace.emptied.to_string(), seconds(pace.micros)]);
        let left = self.left.iter().map(|left| vec![left.name.clone(), left.operation.clone()]);
        [
            section("Reached", &["key", "keystore", "state", "material"], keys.collect()),
            section("Under the quotas", &["account and Region", "disabled", "emptied", "takes"], paces.collect()),
            section("Left: another operation has them in hand", &["key", "operation"], left.collect()),
        ]
        .concat()
    }
}

/// Seconds to the millisecond.
fn seconds(micros: i64) -> String {
    format!("{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::grid;

    #[test]
    fn a_kill_shows_how_long_it_was_until_each_region_refused_ft_019() {
        let json = serde_json::json!([
            {"name": "orders_us", "keystore": "payments-us", "region": "us-east-1", "from_state": "ACTIVE", "emptied": true,
             "dark": {"proof": "refused", "micros": 1_412_345, "by": "Encrypt: DisabledException"}},
            {"name": "found", "keystore": "payments-eu", "region": "eu-west-1", "from_state": "REPLACED", "emptied": false, "dark": null},
        ]);
        let keys: Vec<KilledKey> = serde_json::from_value(json).expect("keys");
        let expected = "\
KEY        KEYSTORE     REGION     WAS       MATERIAL  DARK AFTER  PROOF    BY
orders_us  payments-us  us-east-1  ACTIVE    removed   1.412 s     refused  Encrypt: DisabledException
found      payments-eu  eu-west-1  REPLACED  stays     -           -        -
";
        assert_eq!(grid(KilledKey::HEADER, keys.iter().map(Row::cells).collect()), expected);
    }
}
