//! Which keys a selector selects, the more important first, and then in the order in which they were made.

use keystead_domain::{
    Event, KeyState, Selector,
    selector::{Facts, TagWish, is_meant},
};
use keystead_identity::Principal;
use keystead_store::{
    Tx, keys,
    keys::{KeyFilter, KeyRow},
    page::Page,
};
use serde_json::{Value, json};

use crate::{App, Error};

impl App {
    /// The keys that a selector selects for an event.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a selector that says nothing; [`Error::NotFound`] for a keystore or key that is named and is not there.
    pub(super) async fn select(&self, principal: &Principal, selector: &Selector, event: Event) -> Result<Vec<KeyRow>, Error> {
        selector.check()?;
        for keystore in &selector.keystores {
            self.active_keystore(principal, keystore).await?;
        }
        let candidates =
            if selector.keys.is_empty() { self.every_key(principal, selector, event).await? } else { self.named(principal, &selector.keys).await? };
        let mut meant: Vec<KeyRow> = candidates.into_iter().filter(|key| is_meant(selector, &facts(key), event)).collect();
        // Stable: those of one rank stay in the order in which they were made.
        meant.sort_by_key(|key| selector.rank(&key.tags));
        Ok(meant)
    }

    async fn named(&self, principal: &Principal, names: &[String]) -> Result<Vec<KeyRow>, Error> {
        let mut found: Vec<KeyRow> = Vec::new();
        for name in names {
            let key = self.key(principal, name).await?;
            if key.state == KeyState::Deleted && *name == key.name {
                return Err(Error::NotFound { what: "key", name: name.clone() });
            }
            found.push(key);
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.dedup_by(|one, other| one.id == other.id);
        Ok(found)
    }

    /// Page by page, so that no read holds everything; what is not meant is dropped at once.
    async fn every_key(&self, principal: &Principal, selector: &Selector, event: Event) -> Result<Vec<KeyRow>, Error> {
        let (mut meant, mut page) = (Vec::new(), Page::first());
        loop {
            let (account, here) = (principal.account.clone(), page.clone());
            let listed = self.store().read("keys.list", move |tx: &mut Tx<'_>| keys::list(tx, &account, &KeyFilter::default(), &here)).await?;
            meant.extend(listed.rows.into_iter().filter(|key| is_meant(selector, &facts(key), event)));
            match listed.next {
                Some(next) => page.after = Some(next),
                None => return Ok(meant),
            }
        }
    }
}

fn facts(key: &KeyRow) -> Facts<'_> {
    Facts {
        id: key.id.as_str(),
        name: &key.name,
        is_current: key.is_current,
        keystore_id: key.keystore_id.as_str(),
        keystore: &key.keystore_name,
        state: key.state,
        spec: key.spec,
        custody: key.ties.custody,
        tags: &key.tags,
        description: &key.description,
        aliases: key.aliases.iter().map(keystead_domain::Alias::as_str).collect(),
        created_at: key.created_at,
        // In the vault alone, the material is where it shall be.
        has_material: key.material_present || key.is_in_vault(),
    }
}

/// A selector as the batch's row and the audit log keep it, for people: what says nothing is left out, times are microseconds since 1970.
pub(super) fn to_json(selector: &Selector) -> String {
    let texts = |of: &[&str]| (!of.is_empty()).then(|| json!(of));
    let owned = |of: &[String]| (!of.is_empty()).then(|| json!(of));
    let wishes = |of: &[TagWish]| of.iter().map(ToString::to_string).collect::<Vec<String>>();
    let fields: [(&str, Option<Value>); 12] = [
        ("all", selector.all.then_some(true.into())),
        ("keys", owned(&selector.keys)),
        ("keystores", owned(&selector.keystores)),
        ("tags", owned(&wishes(&selector.tags))),
        ("states", texts(&selector.states.iter().map(|state| state.as_str()).collect::<Vec<_>>())),
        ("specs", texts(&selector.specs.iter().map(|spec| spec.as_str()).collect::<Vec<_>>())),
        ("custodies", texts(&selector.custodies.iter().map(|custody| custody.as_str()).collect::<Vec<_>>())),
        ("created_before", selector.created_before.map(|time| time.as_micros().into())),
        ("created_after", selector.created_after.map(|time| time.as_micros().into())),
        ("text", selector.text.as_deref().map(Into::into)),
        ("without_material", selector.without_material.then_some(true.into())),
        ("first", owned(&wishes(&selector.first))),
    ];
    Value::Object(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()).to_string()
}
