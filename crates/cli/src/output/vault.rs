//! The vault and the server as a whole: how they look.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Sheet,
    table::{clean_line, section, time, yes},
};

/// How the vault stands. It has no `Debug`: right after a rotation it comes with new shares.
#[derive(Deserialize)]
pub struct Vault {
    /// Whether it is sealed.
    pub sealed: bool,
    /// What opens it: a passphrase, a key file, shares.
    #[serde(default)]
    pub kind: String,
    /// Shares that open it.
    #[serde(default)]
    pub shares_needed: Option<u64>,
    /// Shares given so far.
    #[serde(default)]
    pub shares_have: Option<u64>,
    #[serde(default)]
    root_generation: Value,
    /// How far a rotation is.
    #[serde(default)]
    pub rotation: Option<Rotation>,
    #[serde(default)]
    rewrapped: Option<u64>,
    /// A new root that waits for its shares.
    #[serde(default)]
    pub prepared: Option<Prepared>,
    /// Who can restore the copy of a root in a module.
    #[serde(default)]
    backup: Option<Backup>,
    /// The signed transcript of a rotation with shares.
    #[serde(default)]
    transcript: Option<String>,
    /// The hardware modules, for whoever may know.
    #[serde(default)]
    modules: Vec<Module>,
}

/// Shares that restore the copy of a root in a module.
#[derive(Deserialize)]
struct Backup {
    shares_needed: u64,
    shares: u64,
}

impl Vault {
    /// How many shares open it, or restore its root.
    pub fn keepers_needed(&self) -> Option<u64> {
        self.shares_needed.or(self.backup.as_ref().map(|backup| backup.shares_needed))
    }
}

/// A hardware module.
#[derive(Deserialize)]
struct Module {
    name: String,
    state: String,
    #[serde(default)]
    sessions: u64,
    #[serde(default)]
    waiting: u64,
    #[serde(default)]
    trouble: Option<String>,
}

fn modules(all: &[Module]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let row = |module: &Module| {
        let count = |count: u64| count.to_string();
        let trouble = module.trouble.as_deref().map(clean_line).unwrap_or_default();
        vec![clean_line(&module.name), module.state.clone(), count(module.sessions), count(module.waiting), trouble]
    };
    section("Hardware modules", &["name", "state", "sessions", "waiting", "trouble"], all.iter().map(row).collect())
}

/// A new root that waits for its shares. It has no `Debug`: it holds them.
#[derive(Deserialize)]
pub struct Prepared {
    /// Names it.
    pub rotation: String,
    /// How many have to be shown.
    pub shares_needed: u64,
    confirm_by: String,
    new_shares: Vec<String>,
}

impl Prepared {
    fn words(&self) -> String {
        let rows = self.new_shares.iter().enumerate().map(|(index, share)| vec![(index + 1).to_string(), share.clone()]);
        let shares = section("New shares, shown this once: give each to another person", &["number", "share"], rows.collect());
        let (needed, by, rotation) = (self.shares_needed, time(&self.confirm_by), clean_line(&self.rotation));
        format!(
            "{shares}\nNothing has changed yet. The new root counts when {needed} of the shares are shown, by {by}:\n  keystead vault confirm-rotation --rotation {rotation} --share-file FILE ...\n"
        )
    }
}

/// How far a rotation is; the server need not know.
#[derive(Deserialize)]
pub struct Rotation {
    #[serde(default)]
    done: Option<u64>,
    #[serde(default)]
    total: Option<u64>,
}

impl Rotation {
    /// In words.
    pub fn words(&self) -> String {
        match (self.done, self.total) {
            (Some(done), Some(total)) => format!("{done} of {total}"),
            _ => "running".to_owned(),
        }
    }
}

impl Sheet for Vault {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        let shares = self.shares_needed.map(|needed| format!("{} of {needed} given", self.shares_have.unwrap_or(0)));
        let generation = Some(self.root_generation.to_string()).filter(|generation| generation != "null");
        vec![
            ("sealed", Some(yes(self.sealed))),
            ("opened by", Some(self.kind.clone())),
            ("shares", shares.filter(|_| self.sealed)),
            ("copy", self.backup.as_ref().map(|backup| format!("restored by {} of {} shares", backup.shares_needed, backup.shares))),
            ("root generation", generation),
            ("rotation", self.rotation.as_ref().map(Rotation::words)),
            ("sealed anew", self.rewrapped.map(|rewrapped| format!("{rewrapped} key versions"))),
        ]
    }

    fn below(&self) -> String {
        let transcript = self.transcript.as_ref().map(|transcript| format!("\n{transcript}"));
        self.prepared.as_ref().map(Prepared::words).or(transcript).unwrap_or_default() + &modules(&self.modules)
    }
}

/// The server as a whole.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    #[serde(default)]
    version: String,
    #[serde(default)]
    time: String,
    sealed: bool,
    #[serde(default)]
    database: String,
    #[serde(default)]
    operations_running: Value,
    #[serde(default)]
    cloud_identity: Option<String>,
    /// Where it was asked; written by the command line.
    #[serde(default)]
    url: String,
}

impl Sheet for Status {
    fn fields(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("server", Some(self.url.clone())),
            ("version", Some(self.version.clone())),
            ("time", Some(time(&self.time))),
            ("vault", Some(if self.sealed { "sealed" } else { "open" }.to_owned())),
            ("database", Some(self.database.clone())),
            ("operations running", Some(self.operations_running.to_string()).filter(|running| running != "null")),
            ("cloud identity", self.cloud_identity.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::sheet;

    #[test]
    fn a_sealed_vault_says_how_many_shares_are_there() {
        let json = serde_json::json!({"sealed": true, "kind": "shares", "shares_needed": 3, "shares_have": 1, "root_generation": 2, "rotation": null});
        let vault: Vault = serde_json::from_value(json).expect("a vault");
        assert_eq!(sheet(vault.fields()), "sealed           yes\nopened by        shares\nshares           1 of 3 given\nroot generation  2\n");
        assert_eq!(vault.below(), "");
    }

    #[test]
    fn hardware_modules_are_told_with_what_troubles_them() {
        let up = serde_json::json!({"name": "hsm", "state": "up", "sessions": 4, "waiting": 1, "done": 7, "trouble": null});
        let away = serde_json::json!({"name": "second", "state": "away", "sessions": 0, "waiting": 0, "done": 0, "trouble": "the hardware module is away (Login: DeviceRemoved)"});
        let vault: Vault = serde_json::from_value(serde_json::json!({"sealed": false, "kind": "hsm", "modules": [up, away]})).expect("a vault");
        assert!(vault.below().contains("hsm     up     4         1"), "{}", vault.below());
        assert!(vault.below().contains("second  away   0         0        the hardware module is away (Login: DeviceRemoved)"), "{}", vault.below());
    }

    #[test]
    fn a_rotation_is_told_whether_or_not_it_is_counted() {
        for (rotation, told) in [(serde_json::json!({"done": null, "total": null}), "running"), (serde_json::json!({"done": 2, "total": 5}), "2 of 5")] {
            let vault: Vault = serde_json::from_value(serde_json::json!({"sealed": false, "rotation": rotation})).expect("a vault");
            assert!(sheet(vault.fields()).contains(&format!("rotation  {told}\n")), "{}", sheet(vault.fields()));
        }
    }

    #[test]
    fn new_shares_are_shown_once_each_on_its_line_with_how_to_confirm_them() {
        let prepared =
            serde_json::json!({"rotation": "rotation_1", "confirm_by": "2026-11-22T04:15:00.000000Z", "shares_needed": 2, "new_shares": ["ks-1", "ks-2"]});
        let vault: Vault = serde_json::from_value(serde_json::json!({"sealed": false, "kind": "passphrase", "prepared": prepared})).expect("a vault");
        assert!(vault.below().contains("NUMBER  SHARE\n1       ks-1\n2       ks-2\n"), "{}", vault.below());
        let how = "2 of the shares are shown, by 2026-11-22 04:15Z:\n  keystead vault confirm-rotation --rotation rotation_1 --share-file FILE ...\n";
        assert!(vault.below().ends_with(how), "{}", vault.below());
    }

    #[test]
    fn the_status_on_a_sheet() {
        let json = serde_json::json!({"version": "0.1.0", "time": "2026-11-21T23:44:55Z", "sealed": false, "database": "sqlite", "operations_running": 2, "url": "http://h/"});
        let status: Status = serde_json::from_value(json).expect("a status");
        let expected = "server              http://h/\nversion             0.1.0\ntime                2026-11-21 23:44Z\nvault               open\ndatabase            sqlite\noperations running  2\n";
        assert_eq!(sheet(status.fields()), expected);
    }
}
