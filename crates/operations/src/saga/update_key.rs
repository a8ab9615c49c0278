//! Properties of a key change: name, expiry, tags, aliases, description (CM-067).

use std::collections::BTreeMap;

use keystead_domain::{Alias, KeyId, LineageId, Tags, Timestamp, key::expiry::ExpiryPolicy};
use keystead_store::{
    StoreError, Tx, attempts,
    keys::{self, KeyProperties},
    lineages,
};
use serde::{Deserialize, Serialize};

use super::{Shape, members, point};
use crate::{
    step::{Planned, Step, harmless, undoable},
    stored::{Stored, StoredAliases, StoredTime},
};

/// All properties before and after; what is equal makes no step. The intent already gave the lineage its new name, and its
/// new aliases beside the old ones, so that nobody else can take any of them.
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
    /// Aliases that point at the key already, because somebody gave them to it in the cloud: they stay there if the operation is taken back.
    #[serde(default)]
    pub in_cloud: StoredAliases,
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
    /// Aliases of the lineage.
    #[serde(default, alias = "alias")]
    pub aliases: StoredAliases,
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
    fn add_aliases(&self) -> Vec<Planned> {
        let added = self.after.aliases.0.without(&self.before.aliases.0);
        let add = |alias: &Alias| {
            let planned = point(alias, &self.key.0);
            if self.in_cloud.0.contains(alias) { harmless(planned.step) } else { planned }
        };
        added.iter().map(add).collect()
    }

    fn remove_aliases(&self) -> Vec<Planned> {
        let removed = self.before.aliases.0.without(&self.after.aliases.0);
        let remove = |alias: &Alias| {
            let back = Step::PointAlias { alias: alias.clone(), to: self.key.0.clone(), from: None };
            undoable(Step::RemoveAlias(alias.clone(), self.key.0.clone()), vec![back])
        };
        removed.iter().map(remove).collect()
    }
}

impl Shape for UpdateKey {
    fn steps(&self) -> Vec<Planned> {
        let (key, before, after) = (&self.key.0, &self.before, &self.after);
        let mut steps = Vec::new();
        if before.tags != after.tags {
            let change = |from: &Properties, to: &Properties| Step::ChangeTags(key.clone(), from.tags().difference(&to.tags()));
            steps.push(undoable(change(before, after), vec![change(after, before)]));
        }
        if before.description != after.description {
            let describe = |as_in: &Properties| Step::Describe(key.clone(), as_in.description.clone());
            steps.push(undoable(describe(after), vec![describe(before)]));
        }
        steps.extend(self.add_aliases());
        if before.expires != after.expires && self.material_present {
            let import = |key: &KeyId, as_in: &Properties| Step::ImportMaterial(key.clone(), as_in.expires.map(Into::into));
            steps.extend(members(&self.key, &self.replicas).map(|key| undoable(import(key, after), vec![import(key, before)])));
        }
        // Last: what an application uses still is there for as long as anything can be refused.
        steps.extend(self.remove_aliases());
        steps
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        let after = self.after.row()?;
        keys::set_properties(tx, &self.key.0, &after, now)?;
        if self.before.aliases != self.after.aliases {
            lineages::set_aliases(tx, &self.lineage.0, &self.after.aliases.0)?;
        }
        if !self.after.exportable {
            keys::forbid_export(tx, &self.key.0)?;
        }
        self.replicas.iter().try_for_each(|replica| keys::set_end(tx, &replica.0, after.expires_at, after.expiry_span, after.expiry_policy))?;
        // A person gave it another end or another policy: what the schedule failed with before says nothing of that.
        let ends = |properties: &Properties| (properties.expires, properties.expiry_policy.clone());
        if ends(&self.before) == ends(&self.after) { Ok(()) } else { attempts::forget(tx, &self.key.0) }
    }

    fn abandon(&self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        // Somebody may have taken the old name meanwhile: then it keeps the new one.
        let is_free = |tx: &mut Tx<'_>| match lineages::by_id(tx, &self.lineage.0)? {
            Some(lineage) => lineages::is_name_taken(tx, &lineage.account_id, &self.before.name).map(|taken| !taken),
            None => Ok(false),
        };
        if self.before.name != self.after.name && is_free(tx)? {
            lineages::rename(tx, &self.lineage.0, &self.before.name)?;
        }
        if self.before.aliases != self.after.aliases {
            lineages::set_aliases(tx, &self.lineage.0, &self.before.aliases.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::Aliases;

    fn with(aliases: &[&str]) -> Properties {
        Properties {
            name: "orders".to_owned(),
            aliases: Aliases::parse(aliases).expect("are aliases").into(),
            description: String::new(),
            tags: BTreeMap::new(),
            expires: None,
            expiry_span: None,
            expiry_policy: "alert".to_owned(),
            exportable: true,
        }
    }

    /// FT-039: what an application uses is there before what it used is gone, which is the last thing; what stands in the cloud already is not taken away again.
    #[test]
    fn new_aliases_come_before_old_ones_go() {
        let key = KeyId::new(Timestamp::from_secs(1), [1; 10]);
        let saga = UpdateKey {
            key: Stored(key.clone()),
            lineage: Stored(LineageId::new(Timestamp::from_secs(1), [1; 10])),
            material_present: true,
            replicas: Vec::new(),
            in_cloud: Aliases::parse(["there"]).expect("an alias").into(),
            before: with(&["old", "kept"]),
            after: Properties { expires: Some(Timestamp::from_secs(9).into()), ..with(&["kept", "new", "there"]) },
        };
        let alias = |text: &str| Alias::parse(text).expect("an alias");
        let point = |text: &str| Step::PointAlias { alias: alias(text), to: key.clone(), from: None };
        let remove = |text: &str| Step::RemoveAlias(alias(text), key.clone());
        let import = |expires: Option<i64>| Step::ImportMaterial(key.clone(), expires.map(Timestamp::from_secs));
        let expected = [
            undoable(point("new"), vec![remove("new")]),
            harmless(point("there")),
            undoable(import(Some(9)), vec![import(None)]),
            undoable(remove("old"), vec![point("old")]),
        ];
        assert_eq!(saga.steps(), expected);
    }
}
