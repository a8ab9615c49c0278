//! Before a key is made anew: whether its cloud has it after all, under another name than its row says. "Not found" may be the cloud's delay, or an old row's wrong id.

use keystead_cloud::{Call, CloudKeyId, Found, Pointing};
use keystead_domain::{KeyId, LineageId};
use keystead_store::{StoreError, keys, keys::KeyRow};

use super::{Engine, call::StepError, perform::Bench, perform::Outcome};

impl Engine {
    /// Looks at the list of the place, which the cloud keeps apart from the single look, for the key, for any with its tags or its lineage's, and for its aliases.
    pub(super) async fn find_stray(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let row = self.key(key).await?;
        if self.is_new(&row) {
            return Err(StepError::NotYet("Creating".to_owned()));
        }
        self.find_stray_key(bench, &row).await?;
        self.find_stray_alias(bench, &row).await?;
        Ok(Outcome::default())
    }

    async fn find_stray_key(&self, bench: &Bench, row: &KeyRow) -> Result<(), StepError> {
        let mut known = self.known(&bench.keystore.id).await?;
        row.cloud_key_id.as_ref().map(|own| known.remove(own));
        let is_known = move |id: &str| known.contains(id);
        for found in self.look(bench, Call::List, bench.cloud.list_own(&is_known)).await? {
            if row.cloud_key_id.as_ref() == Some(&found.id.0) {
                return Err(StepError::NotYet("listed".to_owned()));
            }
            // What this operation made itself, before it was begun again, is looked for by the step that makes it.
            if found.own.operation != bench.operation.as_str() && self.is_of(&found, row.lineage_id.clone()).await? {
                return Err(StepError::Stray(found.arn));
            }
        }
        Ok(())
    }

    /// Whether a cloud key's tags name a key of the lineage. One that counts down is a stray, too: its end can be cancelled.
    async fn is_of(&self, found: &Found, lineage: LineageId) -> Result<bool, StoreError> {
        let Ok(named) = KeyId::parse(&found.own.key) else { return Ok(false) };
        let named = self.parts.store.read("keys.by_id", move |tx| keys::by_id(tx, &named)).await?;
        Ok(named.is_some_and(|named| named.lineage_id == lineage))
    }

    /// The aliases go with the key; one that is at another by now would stop the operation behind the import.
    async fn find_stray_alias(&self, bench: &Bench, row: &KeyRow) -> Result<(), StepError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.look(bench, Call::ListAliases, bench.cloud.list_aliases(after.as_deref())).await?;
            if let Some(Pointing { alias, key: CloudKeyId(key) }) = page.items.into_iter().find(|one| row.aliases.iter().any(|own| *own == one.alias)) {
                return Err(StepError::AliasElsewhere { alias: alias.with_prefix(), key });
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
