//! What is, read from the store: keystores in use, current keys, policies.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, KeyId, KeyState, KeystoreId,
    estate::{DriftWish, Origin, Standing, StandingKey, StandingKeystore},
    keystore::KeystoreState,
    rotation::{Scope, Wish},
};
use keystead_store::{
    StoreError, Tx, drifts,
    keys::{self, KeyFilter, KeyRow},
    keystores::{self, KeystoreRow},
    page::Page,
    rotations, warm,
};

use crate::{App, Error};

/// What is, beside the rows that it was read from.
pub(super) struct Read {
    pub standing: Standing,
    pub keys: BTreeMap<KeyId, KeyRow>,
    pub keystores: BTreeMap<String, KeystoreRow>,
}

/// Policies by what they are for.
#[derive(Default)]
struct Policies {
    of: BTreeMap<String, Wish>,
    default: Option<Wish>,
}

impl App {
    /// Reads everything that an estate can be about, page by page.
    pub(super) async fn standing(&self, account: &AccountId) -> Result<Read, Error> {
        let policies = self.policies(account).await?;
        let mut read = Read { standing: Standing { rotation: policies.default, ..Standing::default() }, keys: BTreeMap::new(), keystores: BTreeMap::new() };
        for (row, warm, drift) in self.keystores_in_use(account).await? {
            read.standing.keystores.push(StandingKeystore {
                id: row.id.clone(),
                name: row.name.clone(),
                cloud: row.cloud.clone(),
                location: row.location.clone(),
                warm,
                drift,
                alerts: row.alert_channels.clone(),
                rotation: policies.of.get(row.id.as_str()).cloned(),
            });
            read.keystores.insert(row.name.clone(), row);
        }
        let mut page = Page::first();
        loop {
            let (of, asked) = (account.clone(), page.clone());
            let listed = self.store().read("keys.list", move |tx| keys::list(tx, &of, &KeyFilter::default(), &asked)).await?;
            for row in listed.rows.into_iter().filter(|row| row.is_current && row.state != KeyState::Deleted) {
                read.standing.keys.push(key(&row, policies.of.get(row.lineage_id.as_str()).cloned()));
                read.keys.insert(row.id.clone(), row);
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => return Ok(read),
            }
        }
    }

    async fn policies(&self, account: &AccountId) -> Result<Policies, Error> {
        let (mut policies, mut page) = (Policies::default(), Page::first());
        loop {
            let (of, asked) = (account.clone(), page.clone());
            let listed = self.store().read("rotations.list", move |tx| rotations::list(tx, &of, &asked)).await?;
            for row in listed.rows {
                match row.scope {
                    Scope::Key(lineage) => drop(policies.of.insert(lineage.to_string(), row.wish)),
                    Scope::Keystore(keystore) => drop(policies.of.insert(keystore.to_string(), row.wish)),
                    Scope::Default => policies.default = Some(row.wish),
                }
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => return Ok(policies),
            }
        }
    }

    async fn keystores_in_use(&self, account: &AccountId) -> Result<Vec<(KeystoreRow, bool, Option<DriftWish>)>, Error> {
        let (mut found, mut page) = (Vec::new(), Page::first());
        loop {
            let (of, asked) = (account.clone(), page.clone());
            let listed = self.store().read("keystores.list", move |tx| {
                let listed = keystores::list(tx, &of, &asked)?;
                let rows = listed.rows.into_iter().filter(|row| row.state == KeystoreState::Active);
                let rows: Result<Vec<_>, StoreError> = rows.map(|row| with_policies(tx, row)).collect();
                Ok::<_, StoreError>((rows?, listed.next))
            });
            let (rows, next) = listed.await?;
            found.extend(rows);
            match next {
                Some(next) => page.after = Some(next),
                None => return Ok(found),
            }
        }
    }
}

fn with_policies(tx: &mut Tx<'_>, row: KeystoreRow) -> Result<(KeystoreRow, bool, Option<DriftWish>), StoreError> {
    let id: &KeystoreId = &row.id;
    let drift = drifts::policy_of(tx, id)?.map(|policy| DriftWish { every: policy.every, auto_repair: policy.auto_repair });
    Ok((row.clone(), warm::is_on(tx, id)?, drift))
}

fn key(row: &KeyRow, rotation: Option<Wish>) -> StandingKey {
    let origin = match row.origin.as_str() {
        _ if row.ties.is_copy() => Origin::Copy,
        "generated" => Origin::Generated,
        _ => Origin::Imported,
    };
    StandingKey {
        id: row.id.clone(),
        revision: row.revision,
        name: row.name.clone(),
        keystore: row.keystore_name.clone(),
        state: row.state,
        spec: row.spec,
        usage: row.usage,
        origin,
        role: row.ties.role,
        primary: row.ties.primary.clone(),
        exportable: row.ties.is_exportable,
        description: row.description.clone(),
        aliases: row.aliases.clone(),
        tags: row.tags.clone(),
        expires: row.expires_at,
        span: row.expiry_span,
        expiry_policy: row.expiry_policy,
        rotation,
    }
}
