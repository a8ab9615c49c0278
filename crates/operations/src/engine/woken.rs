//! A look at single keys, because something was done to them: what a sync does with every key, without an operation and without the list.

use std::collections::BTreeMap;

use keystead_cloud::{Call, CloudKeyId, Target};
use keystead_domain::{Alias, Aliases, KeystoreId, OperationId, Timestamp};
use keystead_store::{
    StoreError, Tx, keys,
    keystores::{self, KeystoreRow},
    locks, syncs,
};

use super::{Engine, call::StepError, perform::Bench, sync::allowed};
use crate::{
    sync::{Keeper, Kept, Sight, Sighting},
    words::Who,
};

/// What was seen of a key, and of its aliases.
struct Look {
    sighting: Sighting,
    /// The aliases that point at it.
    aliases: Vec<String>,
    /// Where those of ours point that do not.
    targets: BTreeMap<String, Option<String>>,
    /// Whether the cloud says twice that it has no such key.
    is_gone: bool,
}

impl Engine {
    /// Looks at one cloud key, and keeps what is seen; `false` when an operation has it in hand, which knows better.
    ///
    /// # Errors
    /// The cloud's or the store's.
    pub(crate) async fn look_at_key(&self, keystore: &KeystoreId, cloud_key: &str) -> Result<bool, StepError> {
        let (id, wanted) = (keystore.clone(), cloud_key.to_owned());
        let read = move |tx: &mut Tx<'_>| {
            let Some(keystore) = keystores::by_id(tx, &id)? else { return Ok::<_, StoreError>(None) };
            let row = keys::by_cloud_key(tx, &id, &wanted)?;
            let is_held = row.as_ref().map_or(Ok(None), |row| locks::holder(tx, row.id.as_str()))?.is_some();
            Ok(Some((keystore, row.map(|row| row.aliases).unwrap_or_default(), is_held)))
        };
        let Some((keystore, ours, is_held)) = self.parts.store.read("events.subject", read).await? else { return Ok(true) };
        if is_held {
            return Ok(false);
        }
        let bench = self.bench_to_look(&keystore).await?;
        let began = self.now();
        let look = self.look_whole(&bench, CloudKeyId(cloud_key.to_owned()), &ours).await?;
        self.keep_look(&bench, began, look).await
    }

    /// The sync's own id names no operation here; it is only there because a bench has one.
    async fn bench_to_look(&self, keystore: &KeystoreRow) -> Result<Bench, StepError> {
        Ok(Bench {
            keystore: keystore.clone(),
            cloud: self.parts.clouds.connect(keystore).await?,
            operation: OperationId::new(self.now(), [0; 10]),
            began: self.now(),
            touched: Default::default(),
            lease: None,
        })
    }

    async fn look_whole(&self, bench: &Bench, id: CloudKeyId, ours: &Aliases) -> Result<Look, StepError> {
        let sighting = self.see(bench, id.clone()).await?;
        let is_gone = matches!(sighting.seen, Sight::Gone) && self.is_gone(bench, &id).await?;
        let (mut aliases, mut targets) = (Vec::new(), BTreeMap::new());
        if matches!(sighting.seen, Sight::Key(_)) {
            let pointing = allowed(self.look_patiently(bench, Call::ListAliases, || bench.cloud.aliases_of(&id)).await)?.unwrap_or_default();
            for alias in ours.iter().filter(|alias| !pointing.contains(alias)) {
                targets.insert(alias.as_str().to_owned(), self.target_of(bench, alias).await?);
            }
            aliases = pointing.iter().map(|alias| alias.as_str().to_owned()).collect();
        }
        Ok(Look { sighting, aliases, targets, is_gone })
    }

    /// Where an alias points. One that may not be looked at points at a key that is not ours.
    async fn target_of(&self, bench: &Bench, alias: &Alias) -> Result<Option<String>, StepError> {
        Ok(match self.look_patiently(bench, Call::Observe, || bench.cloud.target_of(alias)).await? {
            Target::Nobody => None,
            Target::Key(key) => Some(key.0),
            Target::Hidden => Some("a key that may not be looked at".to_owned()),
        })
    }

    async fn keep_look(&self, bench: &Bench, began: Timestamp, look: Look) -> Result<bool, StepError> {
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
                return Ok::<_, StoreError>(false);
            }
            if look.is_gone {
                return row.map_or(Ok(true), |row| keeper.gone(tx, &row).map(|_| true));
            }
            syncs::set_aliases_of(tx, keystore, id, &look.aliases)?;
            look.targets.iter().try_for_each(|(alias, target)| syncs::set_target_of(tx, keystore, alias, target.as_deref()))?;
            keeper.keep(tx, &look.sighting, &mut Kept::default()).map(|()| true)
        };
        Ok(self.parts.store.write("events.look", keep).await?)
    }
}
