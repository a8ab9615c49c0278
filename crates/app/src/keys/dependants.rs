//! Who depends on many keys together, as the last syncs saw it: what is shown before many are taken out of use (AW-045).
//!
//! No cloud is asked: AWS answers five questions for a last use in a second, and somebody waits for the dry run.

use std::collections::BTreeSet;

use keystead_store::{StoreError, Tx, keys::KeyRow, views};

use super::blast::{Affected, Relation, affected};
use crate::{App, Error};

/// How many keys are looked at; the sum says so.
pub const LOOKED_AT_MAX: usize = 1_000;

/// Who depends on many keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependants {
    /// How many keys were looked at: all, or [`LOOKED_AT_MAX`].
    pub looked_at: u64,
    /// How many of them no sync has seen, so that nothing but their own aliases is known.
    pub never_seen: u64,
    /// How many aliases point at them.
    pub aliases: u64,
    /// How many grants there are, as far as they are known.
    pub grants: u64,
    /// Whom their policies allow something, as far as they are known.
    pub principals: BTreeSet<String>,
}

impl Dependants {
    fn and(mut self, one: Affected) -> Self {
        self.looked_at += 1;
        self.never_seen += u64::from(one.seen_at.is_none());
        self.aliases += one.aliases.len() as u64;
        self.grants += one.grants.unwrap_or(0);
        self.principals.extend(one.principals.into_iter().flatten());
        self
    }
}

impl App {
    /// Who depends on these keys.
    pub(crate) async fn dependants(&self, mut keys: Vec<KeyRow>) -> Result<Dependants, Error> {
        keys.truncate(LOOKED_AT_MAX);
        let look = move |tx: &mut Tx<'_>| {
            keys.iter()
                .try_fold(Dependants::default(), |sum, key| Ok::<_, StoreError>(sum.and(affected(Relation::Itself, views::of(tx, &key.id)?, key.clone()))))
        };
        Ok(self.store().read("keys.dependants", look).await?)
    }
}
