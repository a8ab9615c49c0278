//! Blast radius: who and what depends on a key, as far as it is known, before it is taken out of use (AW-045).
//!
//! A cloud is asked for one thing, when its key was last used. Grants, policies and foreign aliases are what the last sync saw, and each key says when that was.

use std::collections::BTreeSet;

use keystead_domain::{KeyState, RegionRole, Timestamp};
use keystead_identity::Principal;
use keystead_operations::{
    kill,
    sync::{GrantView, View, principals},
    usage::UseKnown,
};
use keystead_store::{StoreError, Tx, keys::KeyRow, views, views::ViewRow};

use crate::{App, Error};

/// What a key has to do with the one that was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is the one.
    Itself,
    /// The same key in another Region.
    Replica,
    /// It has the same material in another keystore.
    Copy,
    /// The key whose material the one has.
    Source,
    /// It was replaced, and still decrypts.
    Predecessor,
}

impl Relation {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Replica => "replica",
            Self::Copy => "copy",
            Self::Source => "source",
            Self::Predecessor => "predecessor",
        }
    }
}

/// One key that goes out of use, and who depends on it.
#[derive(Debug, Clone)]
pub struct Affected {
    /// The key.
    pub key: KeyRow,
    /// What it has to do with the one that was named.
    pub relation: Relation,
    /// Every alias that points at it.
    pub aliases: BTreeSet<String>,
    /// When a sync saw the rest; `None`: never, and then nothing is known of it.
    pub seen_at: Option<Timestamp>,
    /// How many grants there are; `None` where that is not known.
    pub grants: Option<u64>,
    /// The first of them.
    pub grantees: Vec<GrantView>,
    /// Whom its policy allows something; `None` where that is not known.
    pub principals: Option<BTreeSet<String>>,
    /// When it was last used, as its cloud answers now; `None` where it was not asked.
    pub last_use: Option<UseKnown>,
}

impl App {
    /// Every key that a kill of this one takes out of use, each with who depends on it, and when it was last used. What is asked of the key alone concerns the first
    /// line.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn blast_radius(&self, principal: &Principal, id_or_name: &str) -> Result<Vec<Affected>, Error> {
        let key = self.key(principal, id_or_name).await?;
        let look = move |tx: &mut Tx<'_>| {
            let mut reached = kill::reached(tx, &key, true)?.usable;
            if !reached.iter().any(|other| other.id == key.id) {
                reached.push(key.clone());
            }
            reached.reverse();
            let seen = reached.into_iter().map(|other| Ok(affected(relation(&key, &other), views::of(tx, &other.id)?, other)));
            seen.collect::<Result<Vec<_>, StoreError>>()
        };
        let mut told = self.store().read("kill.blast_radius", look).await?;
        let keys: Vec<KeyRow> = told.iter().map(|one| one.key.clone()).collect();
        let uses = self.engine.last_uses(&keys).await;
        told.iter_mut().zip(uses).for_each(|(one, known)| one.last_use = Some(known));
        Ok(told)
    }
}

/// What is known of a key, without a word of its cloud.
pub(super) fn affected(relation: Relation, view: Option<ViewRow>, key: KeyRow) -> Affected {
    // What was only inherited from a key in whose place it was made was never seen of this one.
    let view = view.filter(|view| view.seen_at.as_micros() > 0);
    let facts = view.as_ref().map(|view| View::read(&view.facts)).unwrap_or_default();
    let own = if key.is_current { key.aliases.iter().map(|alias| alias.as_str().to_owned()).collect() } else { BTreeSet::new() };
    let seen = view.iter().flat_map(|view| view.aliases.iter().map(|alias| alias.trim_start_matches("alias/").to_owned()));
    Affected {
        relation,
        aliases: own.into_iter().chain(seen).collect(),
        seen_at: view.as_ref().map(|view| view.seen_at),
        grants: facts.grants,
        grantees: facts.grantees,
        principals: facts.policy.as_deref().map(principals),
        last_use: None,
        key,
    }
}

fn relation(named: &KeyRow, key: &KeyRow) -> Relation {
    match key {
        key if key.id == named.id => Relation::Itself,
        key if key.state == KeyState::Replaced => Relation::Predecessor,
        key if key.ties.role == RegionRole::Replica => Relation::Replica,
        key if key.ties.is_copy() => Relation::Copy,
        _ => Relation::Source,
    }
}
