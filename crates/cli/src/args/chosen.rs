//! Which keys an action is about: one by its name, or many by what they have in common.

use clap::{ArgGroup, Args};
use keystead_domain::KeySpec;

use super::parse;

/// One key, or many. Of several values in one option one is enough, of tags all are needed.
#[derive(Debug, Clone, Default, Args)]
#[command(group = ArgGroup::new("chosen").required(true).multiple(true).args(
    ["keys", "all", "keystores", "tags", "states", "specs", "custodies", "older_than", "newer_than", "text", "without_material"]
))]
pub struct Chosen {
    /// Id or name; a name means the current key that bears it. With several, or with options that select, it is an action on many
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Every key that the other options leave
    #[arg(long, conflicts_with = "keys", help_heading = "Many at once")]
    pub all: bool,
    /// Keys in this keystore, by id or name; may be given several times
    #[arg(long = "keystore", value_name = "KEYSTORE", help_heading = "Many at once")]
    pub keystores: Vec<String>,
    /// Keys with this tag; may be given several times, and then all are needed
    #[arg(long = "tag", value_name = "NAME[=VALUE]", help_heading = "Many at once")]
    pub tags: Vec<String>,
    /// Keys in this state: ACTIVE, INACTIVE, REPLACED, PENDING_DELETION or DELETED; may be given several times
    #[arg(long = "state", value_name = "STATE", value_parser = parse::state, help_heading = "Many at once")]
    pub states: Vec<String>,
    /// Keys of this kind; may be given several times
    #[arg(long = "spec", value_name = "SPEC", value_parser = parse::spec, help_heading = "Many at once")]
    pub specs: Vec<KeySpec>,
    /// Keys whose material is kept so: own, linked or native
    #[arg(long = "custody", value_name = "CUSTODY", value_parser = parse::custody, help_heading = "Many at once")]
    pub custodies: Vec<String>,
    /// Keys made longer ago than this span, for example 90d
    #[arg(long, value_name = "SPAN", value_parser = parse::span_text, help_heading = "Many at once")]
    pub older_than: Option<String>,
    /// Keys made within this span
    #[arg(long, value_name = "SPAN", value_parser = parse::span_text, help_heading = "Many at once")]
    pub newer_than: Option<String>,
    /// Keys with this in name, description or an alias
    #[arg(long, value_name = "TEXT", help_heading = "Many at once")]
    pub text: Option<String>,
    /// Keys in use whose material the cloud does not have any more, as last seen
    #[arg(long, help_heading = "Many at once")]
    pub without_material: bool,
    #[command(flatten)]
    pub order: Order,
    #[command(flatten)]
    pub consent: Consent,
}

/// Who comes first.
#[derive(Debug, Clone, Default, Args)]
pub struct Order {
    /// Keys with this tag come first; of several, in this order
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = "Many at once")]
    pub first: Vec<String>,
}

/// Whether somebody looks first.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Consent {
    /// Only say what would change, how long it takes and what it costs
    #[arg(long, help_heading = "Many at once")]
    pub dry_run: bool,
    /// Begin without asking
    #[arg(long, help_heading = "Many at once")]
    pub yes: bool,
}

impl Chosen {
    /// The key, when it is about one alone and somebody wants it done.
    pub fn one(&self) -> Option<&str> {
        match self.keys.as_slice() {
            [key] if !self.consent.dry_run && !self.narrows() => Some(key),
            _ => None,
        }
    }

    fn narrows(&self) -> bool {
        let lists = [&self.keystores, &self.tags, &self.states, &self.custodies];
        let said = [&self.older_than, &self.newer_than, &self.text];
        lists.iter().any(|list| !list.is_empty()) || !self.specs.is_empty() || said.iter().any(|one| one.is_some()) || self.without_material
    }
}
