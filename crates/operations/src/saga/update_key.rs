//! Properties of a key change: name, expiry, tags, alias, description (CM-067).

use std::collections::BTreeMap;

use keystead_domain::{KeyId, LineageId, Tags, Timestamp, key::expiry::ExpiryPolicy};
use keystead_store::{
    StoreError, Tx, attempts,
    keys::{self, KeyProperties},
    lineages,
};
use serde::{Deserialize, Serialize};

use super::{Shape, create_key::read_alias, members};
use crate::{
    step::{Planned, Step, undoable},
    stored::{Stored, StoredTime},
};

/// All properties before and after; what is equal makes no step. The intent already gave the lineage its new name and alias, so that nobody else can take them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// Its lineage.
    pub lineage: Stored<LineageId>,
    /// Whether the cloud holds the material now: only then a new expiry needs an import.
    pub material_present: bool,
    /// Its replicas in other Regions, whose end moves with its own; only when it does.
    #[serde(default)]
    pub replicas: Vec<Stored<KeyId>>,
    /// As it was.
    pub before: Properties,
    /// As it shall be.
    pub after: Properties,
}

/// Properties in a journal record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// Name of the lineage.
    pub name: String,
    /// Alias of the lineage.
    pub alias: Option<String>,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When the material expires.
    pub expires: Option<StoredTime>,
    /// The span of life that was asked for, in microseconds.
    #[serde(default)]
    pub expiry_span: Option<i64>,
    /// What happens before.
    pub expiry_policy: String,
    /// Whether the material may leave the vault.
    #[serde(default = "yes")]
    pub exportable: bool,
}

fn yes() -> bool {
    true
}

impl Properties {
    fn tags(&self) -> Tags {
        Tags::parse(self.tags.clone()).unwrap_or_default()
    }

    fn row(&self) -> Result<KeyProperties, StoreError> {
        Ok(KeyProperties {
            description: self.description.clone(),
            tags: self.tags(),
            expires_at: self.expires.map(Into::into),
            expiry_span: self.expiry_span,
            expiry_policy: ExpiryPolicy::parse(&self.expiry_policy)?,
        })
    }
}

impl Properties {
    /// Whether the end of the material, or what happens before it, is another one.
    pub fn ends_otherwise(&self, other: &Self) -> bool {
        (self.expires, self.expiry_span, &self.expiry_policy) != (other.expires, other.expiry_span, &other.expiry_policy)
    }
}

impl UpdateKey {
    /// The steps that lead from one set of properties to the other.
    fn changes(&self, from: &Properties, to: &Properties) -> Vec<Vec<Step>> {
        let key = &self.key.0;
        let mut changes = Vec::new();
        if from.tags != to.tags {
            changes.push(vec![Step::ChangeTags(key.clone(), from.tags().difference(&to.tags()))]);
        }
        if from.description != to.description {
            changes.push(vec![Step::Describe(key.clone(), to.description.clone())]);
        }
        if from.alias != to.alias {
            let point = read_alias(to.alias.as_deref()).map(|alias| Step::PointAlias { alias, to: key.clone(), from: None });
            let remove = read_alias(from.alias.as_deref()).map(|alias| Step::RemoveAlias(alias, key.clone()));
            changes.push(point.into_iter().chain(remove).collect());
        }
        if from.expires != to.expires && self.material_present {
            changes.extend(members(&self.key, &self.replicas).map(|key| vec![Step::ImportMaterial(key.clone(), to.expires.map(Into::into))]));
        }
        changes
    }
}

impl Shape for UpdateKey {
    fn steps(&self) -> Vec<Planned> {
        let there = self.changes(&self.before, &self.after);
        let back = self.changes(&self.after, &self.before);
        let pairs = there.into_iter().zip(back);
        pairs.flat_map(|(steps, undo)| steps.into_iter().map(move |step| undoable(step, undo.clone()))).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        let after = self.after.row()?;
        keys::set_properties(tx, &self.key.0, &after, now)?;
        if !self.after.exportable {
            keys::forbid_export(tx, &self.key.0)?;
        }
        self.replicas.iter().try_for_each(|replica| keys::set_end(tx, &replica.0, after.expires_at, after.expiry_span, after.expiry_policy))?;
        // A person gave it another end or another policy: what the schedule failed with before says nothing of that.
        let ends = |properties: &Properties| (properties.expires, properties.expiry_policy.clone());
        if ends(&self.before) == ends(&self.after) { Ok(()) } else { attempts::forget(tx, &self.key.0) }
    }

    fn abandon(&self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        if self.before.name != self.after.name {
            lineages::rename(tx, &self.lineage.0, &self.before.name)?;
        }
        if self.before.alias != self.after.alias {
            lineages::set_alias(tx, &self.lineage.0, read_alias(self.before.alias.as_deref()).as_ref())?;
        }
        Ok(())
    }
}
