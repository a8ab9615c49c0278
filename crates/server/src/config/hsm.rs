//! `[hsm]`: the hardware module that holds the root.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use keystead_domain::Name;
use keystead_vault::WayAround;
use keystead_vault_pkcs11::Settings;
use serde::{Deserialize, Serialize};

/// The hardware module, if the root lies in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hsm {
    /// By which `keystead vault rotate root --to hsm:NAME` and messages tell it from others.
    #[serde(default = "name")]
    pub name: String,
    /// The library of its maker, for PKCS#11.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// A file that holds the token's PIN: one of your own, or a credential of systemd. Without it the server does not start.
    #[serde(default)]
    pub pin_file: Option<PathBuf>,
    /// How many sessions work side by side.
    #[serde(default = "sessions")]
    pub sessions: usize,
    /// How many requests may wait for a session; the next one is told that the module is busy.
    #[serde(default = "queue")]
    pub queue: usize,
    /// Seconds for which somebody waits for the module.
    #[serde(default = "patience_seconds")]
    pub patience_seconds: u32,
    /// What is allowed where the module falls short: `host-wrap`.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Further modules: such as hold the same root, and such as it shall move to.
    #[serde(default)]
    pub more: Vec<Self>,
}

fn name() -> String {
    "hsm".to_owned()
}

fn sessions() -> usize {
    4
}

fn queue() -> usize {
    256
}

fn patience_seconds() -> u32 {
    60
}

impl Hsm {
    /// With everything that nobody said at its default.
    pub fn new(module: PathBuf, token: String, pin_file: Option<PathBuf>) -> Self {
        Self {
            name: name(),
            module,
            token,
            pin_file,
            sessions: sessions(),
            queue: queue(),
            patience_seconds: patience_seconds(),
            allow: Vec::new(),
            more: Vec::new(),
        }
    }

    /// It, and the further ones.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.more)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let names: Vec<&str> = self.all().map(|module| module.name.as_str()).collect();
        if let Some(twice) = names.iter().find(|name| names.iter().filter(|other| other == name).count() > 1) {
            return Err(format!("hsm.name: {twice:?} stands for two modules. Give each module of [[hsm.more]] a name of its own."));
        }
        if self.more.iter().any(|module| !module.more.is_empty()) {
            return Err("hsm.more: has modules under it. List them all as [[hsm.more]].".to_owned());
        }
        self.all().try_for_each(Self::check_one)
    }

    fn check_one(&self) -> Result<(), String> {
        Name::parse(&self.name).map_err(|error| format!("hsm.name: {error}"))?;
        if let Some(unknown) = self.allow.iter().find(|name| WayAround::parse(name).is_none()) {
            let known = WayAround::ALL.map(WayAround::as_str).join(", ");
            return Err(format!("hsm.allow: {unknown:?} is no way around. Give none, or {known}."));
        }
        if !(1..=256).contains(&self.sessions) {
            return Err("hsm.sessions: give 1 to 256.".to_owned());
        }
        if !(1..=400).contains(&self.queue) {
            return Err("hsm.queue: give 1 to 400: each that waits holds a thread.".to_owned());
        }
        if !(1..=3600).contains(&self.patience_seconds) {
            return Err("hsm.patience_seconds: give 1 to 3600.".to_owned());
        }
        Ok(())
    }

    pub(super) fn resolve(&mut self, base: &Path) {
        // A bare name is looked for by the loader, as it looks for every library.
        if self.module.components().count() > 1 {
            self.module = base.join(&self.module);
        }
        self.pin_file = self.pin_file.as_ref().map(|path| base.join(path));
        self.more.iter_mut().for_each(|module| module.resolve(base));
    }

    /// In the words of the crate that asks the module.
    pub fn settings(&self) -> Settings {
        Settings {
            name: self.name.clone(),
            library: self.module.clone(),
            token: self.token.clone(),
            sessions: self.sessions,
            queue: self.queue,
            patience: Duration::from_secs(self.patience_seconds.into()),
            allow: self.allow.iter().filter_map(|name| WayAround::parse(name)).collect(),
        }
    }
}
