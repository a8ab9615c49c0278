//! A keystore is restored: what has lost its material in the cloud gets it back; and what that will take, foretold (CM-037, FX-003, FX-029, FX-030).

use std::collections::BTreeMap;

use keystead_domain::{KeyId, OperationId, key::importance::Importance};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Saga,
    restore::{Forecast, WARM_MARGIN, forecast},
    saga::restore_keystore::RestoreKeystore,
    stored::Stored,
};
use keystead_store::{
    Tx,
    keystores::KeystoreRow,
    restores::{self, LeftRow, RestoreRow, Stock, Tally},
    warm,
};

use crate::{App, Error, Request, Started, error::TxError, permit, who};

/// How many keys that did not get their material back are named; all are counted.
const NAMED: u32 = 100;
/// How many keys are read at once to see their order.
const PAGE: u32 = 1_000;

/// How far a restore is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoring {
    /// Its look.
    pub row: RestoreRow,
    /// How many keys stand where.
    pub tally: Tally,
    /// The first of those that did not get their material back.
    pub left: Vec<LeftRow>,
}

/// What a restore would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The keystore.
    pub keystore: KeystoreRow,
    /// Whether its keys are kept warm.
    pub keeps_warm: bool,
    /// All keys whose material should be there.
    pub all: Stock,
    /// If all of them have lost it.
    pub all_takes: Forecast,
    /// Those whose material was gone when they were last seen.
    pub lost: Stock,
    /// If it is those alone.
    pub lost_takes: Forecast,
    /// How many keys of which importance there are: the order.
    pub order: BTreeMap<Importance, u64>,
}

impl App {
    /// Begins a restore. One runs in a keystore at a time.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Busy`].
    pub async fn restore_keystore(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let keystore = self.active_keystore(principal, id_or_name).await?;
        super::demand_cloud(&keystore)?;
        let saga = RestoreKeystore { keystore: Stored(keystore.id.clone()) };
        let holds = [(saga.lock(), keystore.name.clone())];
        let proof = permit(principal, Action::ManageKeys, &keystore.account_id, Saga::RestoreKeystore(saga))?;
        let intent = self.engine.intend(&proof.payload, &keystore, &who(principal), proof.rule, request.idempotency.clone());
        let written = self.store().write("keystores.restore", move |tx| {
            let operation = intent.write(tx)?;
            restores::begin(tx, &operation.id, &keystore.id)?;
            Ok::<_, TxError>(operation)
        });
        match written.await {
            Ok(operation) => {
                self.engine.start(operation.clone());
                Ok(Started { operation: Some(operation), key: None })
            }
            Err(error) => self.not_begun(principal, request, error, &holds).await,
        }
    }

    /// How far a restore is, and what it came to; `None` for an operation that is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn restore_of(&self, operation: &OperationId) -> Result<Option<Restoring>, Error> {
        let id = operation.clone();
        let read = move |tx: &mut Tx<'_>| {
            let Some(row) = restores::of(tx, &id)? else { return Ok::<_, keystead_store::StoreError>(None) };
            Ok(Some(Restoring { tally: restores::tally(tx, &id)?, left: restores::left(tx, &id, NAMED)?, row }))
        };
        Ok(self.store().read("restores.of", read).await?)
    }

    /// Foretells a restore by what is known here. No cloud is called.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Problem`] when the connection cannot be made ready.
    pub async fn restore_outlook(&self, principal: &Principal, id_or_name: &str) -> Result<Outlook, Error> {
        let keystore = self.active_keystore(principal, id_or_name).await?;
        super::demand_cloud(&keystore)?;
        permit(principal, Action::Read, &keystore.account_id, ())?;
        let cloud = self.engine.parts().clouds.connect(&keystore).await.map_err(|error| Error::Problem((&error).into()))?;
        let (id, now) = (keystore.id.clone(), self.now());
        let until = now.plus_micros(WARM_MARGIN);
        let read = move |tx: &mut Tx<'_>| {
            Ok::<_, keystead_store::StoreError>((
                restores::stock(tx, &id, now, until, false)?,
                restores::stock(tx, &id, now, until, true)?,
                warm::is_on(tx, &id)?,
            ))
        };
        let (all, lost, keeps_warm) = self.store().read("restores.stock", read).await?;
        let looked = u64::try_from(all.keys).unwrap_or_default();
        let foretell = |stock: &Stock| forecast(cloud.capabilities(), looked, stock);
        let (all_takes, lost_takes) = (foretell(&all), foretell(&lost));
        let order = self.order_of(&keystore).await?;
        Ok(Outlook { keystore, keeps_warm, all, all_takes, lost, lost_takes, order })
    }

    async fn order_of(&self, keystore: &KeystoreRow) -> Result<BTreeMap<Importance, u64>, Error> {
        let (mut order, mut after, now) = (BTreeMap::new(), None::<KeyId>, self.now());
        loop {
            let (id, from) = (keystore.id.clone(), after.map(|key| key.to_string()).unwrap_or_default());
            let rows = self.store().read("restores.candidates", move |tx| restores::candidates(tx, &id, now, &from, PAGE)).await?;
            rows.iter().for_each(|row| *order.entry(Importance::of(&row.tags)).or_default() += 1);
            match rows.last() {
                Some(last) => after = Some(last.id.clone()),
                None => return Ok(order),
            }
        }
    }
}
