//! Alerts, and what will happen by itself.

use keystead_domain::{AlertId, Invalid, KeyId, Timestamp, alert::AlertKind};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    alerts::About,
    schedule::forecast::{self, Happening},
};
use keystead_store::{
    StoreError, Tx, alerts,
    alerts::{AlertRow, DeliveryRow},
    channels, due,
    keys::KeyRow,
    page::{Listed, Page},
};

use crate::{App, Error, permit};

/// How many days ahead the schedule can be asked for at most.
pub const DAYS_AHEAD_MAX: u32 = 366;
/// How many when nobody says.
pub const DAYS_AHEAD: u32 = 90;

/// An alert, and what became of it on each channel.
pub type Told = (AlertRow, Vec<DeliveryRow>);

/// Something that will happen to a key by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComingOfKey {
    /// When, at the earliest.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
    /// To which key.
    pub key: KeyId,
    /// Its name.
    pub name: String,
    /// Its keystore's name.
    pub keystore: String,
}

impl ComingOfKey {
    /// Its place in the list, as a cursor.
    fn place(&self) -> String {
        format!("{:020}_{}_{}", self.at.as_micros(), self.key, self.what as u8)
    }
}

fn with_deliveries(tx: &mut Tx<'_>, alert: AlertRow) -> Result<Told, StoreError> {
    let deliveries = alerts::deliveries(tx, &alert.id)?;
    Ok((alert, deliveries))
}

impl App {
    /// A page of alerts, newest first, with what became of them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_alerts(&self, principal: &Principal, page: Page) -> Result<Listed<Told>, Error> {
        let account = principal.account.clone();
        let listed = self.store().read("alerts.list", move |tx| {
            let Listed { rows, next } = alerts::list(tx, &account, &page)?;
            let rows = rows.into_iter().map(|alert| with_deliveries(tx, alert)).collect::<Result<_, StoreError>>()?;
            Ok::<_, StoreError>(Listed { rows, next })
        });
        Ok(listed.await?)
    }

    /// One alert, and what became of it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_alert(&self, principal: &Principal, id: &str) -> Result<Told, Error> {
        let not_found = || Error::NotFound { what: "alert", name: id.to_owned() };
        let wanted = AlertId::parse(id).map_err(|_| not_found())?;
        let account = principal.account.clone();
        let found = self.store().read("alerts.find", move |tx| alerts::find(tx, &account, &wanted)?.map(|alert| with_deliveries(tx, alert)).transpose());
        found.await?.ok_or_else(not_found)
    }

    /// Sends a test alert on every channel, without waiting for others; a channel that rests behind a failure is tried at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no channel.
    pub async fn test_alerts(&self, principal: &Principal) -> Result<Told, Error> {
        let names = self.engine.parts().settings.alerts.channels.clone();
        if names.is_empty() {
            return Err(Invalid::new(
                "alerts",
                "there is no channel",
                "Name one in keystead.toml, under [[alerts.mail]] or [[alerts.webhook]], and restart the server.",
            )
            .into());
        }
        let proof = permit(principal, Action::TestAlerts, &principal.account, ())?;
        let random: [u8; 16] = self.random();
        let about = About {
            account: &principal.account,
            keystore: None,
            kind: AlertKind::Test,
            subject: principal.user.as_str(),
            topic: "",
            once: format!("test/{:032x}", u128::from_be_bytes(random)),
            facts: vec![("by", principal.name.clone())],
        };
        let alert = self.engine.telling(about).at_once();
        let entry = self.entry(principal, "alert.test", proof.rule).subject("alert", alert.row().id.as_str(), "").done();
        let written = self.store().write("alerts.test", move |tx| {
            alert.write(tx)?;
            names.iter().try_for_each(|name| channels::wake(tx, name))?;
            tx.audit(entry.clone());
            with_deliveries(tx, alert.row().clone())
        });
        Ok(written.await?)
    }

    /// What will happen by itself in so many days, a page of it, in order.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `days` or `cursor`.
    pub async fn schedule(&self, principal: &Principal, days: u32, page: Page) -> Result<Listed<ComingOfKey>, Error> {
        if !(1..=DAYS_AHEAD_MAX).contains(&days) {
            return Err(Invalid::new("days", format!("is {days}"), format!("Give 1 to {DAYS_AHEAD_MAX}.")).into());
        }
        let (account, now) = (principal.account.clone(), self.now());
        let until = now.plus_days(i64::from(days));
        let days_before = &self.engine.parts().settings.alerts.days_before;
        let ends = forecast::farthest_end(days_before, until);
        let keys = self.store().read("due.coming", move |tx| due::coming(tx, &account, ends, until)).await?;
        let mut coming: Vec<ComingOfKey> = keys.iter().flat_map(|key| of_key(key, days_before, now, until)).collect();
        coming.sort_by_key(|one| (one.at, one.key.clone(), one.what));
        if let Some(after) = page.after.as_deref() {
            coming.retain(|one| one.place().as_str() > after);
        }
        let limit = page.limit as usize;
        let next = if coming.len() > limit { coming.get(limit.saturating_sub(1)).map(ComingOfKey::place) } else { None };
        coming.truncate(limit);
        Ok(Listed { rows: coming, next })
    }
}

fn of_key(key: &KeyRow, days_before: &[u32], now: Timestamp, until: Timestamp) -> Vec<ComingOfKey> {
    let named =
        |one: forecast::Coming| ComingOfKey { at: one.at, what: one.what, key: key.id.clone(), name: key.name.clone(), keystore: key.keystore_name.clone() };
    forecast::of_key(key, days_before, now, until).into_iter().map(named).collect()
}
