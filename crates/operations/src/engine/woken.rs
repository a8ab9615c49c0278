//! A look at single keys, because something was done to them: what a sync does with every key, without an operation and without the list.

use std::collections::BTreeMap;

use keystead_cloud::{Call, CloudKeyId, Target};
use keystead_domain::{Aliases, KeystoreId, Timestamp};
use keystead_store::{StoreError, Tx, events, keys, keystores, locks, syncs};

use super::{Engine, call::StepError, perform::Bench};
use crate::{
    sync::{Keeper, Kept, Sight, Sighting},
    words::Who,
};

/// What was seen of a key.
struct Look {
    sighting: Sighting,
    /// Its aliases; of a key only that may be looked at.
    aliases: Option<Pointing>,
    /// Whether the cloud says twice that it has no such key.
    is_gone: bool,
}

/// Where aliases point.
struct Pointing {
    /// Those that point at the key.
    here: Vec<String>,
    /// Those of ours that do not, and at what; those that may not be looked at are left out.
    elsewhere: BTreeMap<String, Option<String>>,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// It was kept.
    Kept,
    /// An operation has the key in hand, and knows better.
    Held,
    /// The cloud does not say the same twice.
    Unclear,
}

impl Engine {
    /// Looks at one cloud key, and keeps what is seen.
    ///
    /// # Errors
    /// The cloud's or the store's.
    pub(crate) async fn look_at_key(&self, keystore: &KeystoreId, cloud_key: &str) -> Result<Looked, StepError> {
        let (id, wanted) = (keystore.clone(), cloud_key.to_owned());
        let read = move |tx: &mut Tx<'_>| {
            let Some(keystore) = keystores::by_id(tx, &id)? else { return Ok::<_, StoreError>(None) };
            let row = keys::by_cloud_key(tx, &id, &wanted)?;
            let is_held = row.as_ref().map_or(Ok(None), |row| locks::holder(tx, row.id.as_str()))?.is_some();
            Ok(Some((keystore, row.map(|row| row.aliases).unwrap_or_default(), is_held)))
        };
        let Some((keystore, ours, is_held)) = self.parts.store.read("events.subject", read).await? else { return Ok(Looked::Kept) };
        if is_held {
            return Ok(Looked::Held);
        }
        let cloud = self.parts.clouds.connect(&keystore).await?;
        let bench = Bench::to_look(keystore, cloud, self.now());
        let began = self.now();
        let look = self.look_whole(&bench, CloudKeyId(cloud_key.to_owned()), &ours).await?;
        self.keep_look(&bench, began, look).await
    }

    async fn look_whole(&self, bench: &Bench, id: CloudKeyId, ours: &Aliases) -> Result<Look, StepError> {
        let sighting = self.see(bench, id.clone()).await?;
        let is_gone = matches!(sighting.seen, Sight::Gone) && self.is_gone(bench, &id).await?;
        let aliases = if matches!(sighting.seen, Sight::Key(_)) { Some(self.where_aliases_point(bench, &id, ours).await?) } else { None };
        Ok(Look { sighting, aliases, is_gone })
    }

    async fn where_aliases_point(&self, bench: &Bench, id: &CloudKeyId, ours: &Aliases) -> Result<Pointing, StepError> {
        let here = self.look_patiently(bench, Call::ListAliases, || bench.cloud.aliases_of(id)).await?;
        let mut elsewhere = BTreeMap::new();
        for alias in ours.iter().filter(|alias| !here.contains(alias)) {
            match self.look_patiently(bench, Call::Observe, || bench.cloud.target_of(alias)).await? {
                Target::Nobody => drop(elsewhere.insert(alias.as_str().to_owned(), None)),
                Target::Key(key) => drop(elsewhere.insert(alias.as_str().to_owned(), Some(key.0))),
                Target::Hidden => {}
            }
        }
        Ok(Pointing { here: here.iter().map(|alias| alias.as_str().to_owned()).collect(), elsewhere })
    }

    async fn keep_look(&self, bench: &Bench, began: Timestamp, look: Look) -> Result<Looked, StepError> {
        let keeper = Keeper {
            engine: self.clone(),
            keystore: bench.keystore.clone(),
            operation: None,
            began,
            who: Who::system(),
            now: self.now(),
            random: self.parts.random.clone(),
        };
        let keep = move |tx: &mut Tx<'_>| {
            let (keystore, id) = (&keeper.keystore.id, &look.sighting.id);
            let row = keys::by_cloud_key(tx, keystore, id)?;
            if row.as_ref().map_or(Ok(None), |row| locks::holder(tx, row.id.as_str()))?.is_some() {
                return Ok::<_, StoreError>(Looked::Held);
            }
            if matches!(look.sighting.seen, Sight::Gone) {
                match row {
                    // Who changed it since the look began knows better, as with everything else that is seen.
                    Some(row) if look.is_gone && row.updated_at < began => drop(keeper.gone(tx, &row)?),
                    Some(_) => return Ok(Looked::Unclear),
                    None => {}
                }
            }
            if let Some(aliases) = &look.aliases {
                syncs::set_aliases_of(tx, keystore, id, &aliases.here)?;
                aliases.elsewhere.iter().try_for_each(|(alias, target)| syncs::set_target_of(tx, keystore, alias, target.as_deref()))?;
            }
            keeper.keep(tx, &look.sighting, &mut Kept::default())?;
            // What is none of ours is not remembered: anybody can name any key.
            if keys::by_cloud_key(tx, keystore, id)?.is_none() {
                events::forget_key(tx, keystore, id)?;
            }
            Ok(Looked::Kept)
        };
        Ok(self.parts.store.write("events.look", keep).await?)
    }
}
