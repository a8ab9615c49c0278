//! Ceremonies: what was agreed on when one began, as it is kept and as the vault binds it to each component.

use std::collections::BTreeMap;

use keystead_domain::AccountId;
use keystead_store::ceremonies::{CeremonyRow, ComponentRow};
use keystead_vault::{ComponentPlace, HeldComponent};
use serde::{Deserialize, Serialize};

use crate::stored::{StoredAliases, StoredTime};

/// What was said of the key, but for what the ceremony's row has in columns. Fields may be added and never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What it is for.
    pub usage: String,
    /// Aliases to point at it.
    pub aliases: StoredAliases,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When its material shall expire.
    pub expires: Option<StoredTime>,
    /// What happens before.
    pub expiry_policy: String,
    /// Whether it may leave the vault.
    pub exportable: bool,
    /// Whether the vault keeps it.
    pub kept: bool,
    /// Whether it can have replicas.
    pub multi_region: bool,
}

/// All that was agreed on, in one text: the vault binds each component to it, so that nobody who writes to the database makes another key of them, or makes them wait longer.
pub fn terms(ceremony: &CeremonyRow) -> String {
    let CeremonyRow { name, keystore_id, spec, components, order, check_value, begun_by, expires_at, .. } = ceremony;
    serde_json::json!([name, keystore_id.as_str(), spec.as_str(), components, order, check_value, begun_by, expires_at.as_micros()]).to_string()
}

/// Where a component of a ceremony belongs.
pub fn place<'a>(ceremony: &'a CeremonyRow, terms: &'a str, component: &'a ComponentRow) -> ComponentPlace<'a> {
    ComponentPlace { account: &ceremony.account_id, ceremony: &ceremony.id, terms, number: component.number, person: &component.entered_by }
}

/// All components of a key, as they wait.
pub struct Components {
    account: AccountId,
    terms: String,
    rows: Vec<ComponentRow>,
}

impl Components {
    /// Those of a ceremony.
    pub fn new(ceremony: &CeremonyRow, rows: Vec<ComponentRow>) -> Self {
        Self { account: ceremony.account_id.clone(), terms: terms(ceremony), rows }
    }

    /// None yet: what a ceremony begins with.
    pub fn awaited(account: &AccountId) -> Self {
        Self { account: account.clone(), terms: String::new(), rows: Vec::new() }
    }

    /// In the vault's words. One that was wiped is not among them, and opens as none.
    pub fn held(&self) -> Vec<HeldComponent<'_>> {
        self.rows.iter().map(|row| self.held_as(row)).collect()
    }

    fn held_as<'a>(&'a self, row: &'a ComponentRow) -> HeldComponent<'a> {
        let Self { account, terms, .. } = self;
        let place = ComponentPlace { account, ceremony: &row.ceremony_id, terms, number: row.number, person: &row.entered_by };
        HeldComponent { place, sealed: row.sealed.as_deref().unwrap_or_default() }
    }

    /// Who entered which, for the birth record.
    pub(crate) fn entered_by(&self) -> Vec<String> {
        self.rows.iter().map(|row| format!("{} ({})", row.entered_by_name, row.entered_by)).collect()
    }
}
