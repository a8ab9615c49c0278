//! Rehearsed deletions: a key is disabled for a while, to see who needs it before it is gone, and comes back by itself (AW-045).

use keystead_domain::{Event, Invalid, RehearsalId, Timestamp, Verdict, drift::Attribute, rehearsal::RehearsalState, verdict};
use keystead_identity::Principal;
use keystead_operations::{
    Saga,
    saga::{end_rehearsal::EndRehearsal, rehearse_deletion::RehearseDeletion},
    schedule::rehearsals::{begin_to_end, is_usable},
    stored::Stored,
    usage::UseKnown,
};
use keystead_store::{
    Tx, drifts,
    keys::KeyRow,
    page::{Listed, Page},
    rehearsals::{self, RehearsalRow},
};

use super::lifecycle::TRIES;
use crate::{App, Error, Request, Started, error::TxError};

/// The audit log's words.
const REHEARSE: &str = "key.rehearse-deletion";
const END: &str = "key.end-rehearsal";

/// A rehearsal, with what is known of the key's use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The row.
    pub row: RehearsalRow,
    /// When the key was last used before.
    pub used_before: UseKnown,
    /// The same when it was over.
    pub used_after: Option<UseKnown>,
}

impl Rehearsal {
    fn of(row: RehearsalRow) -> Self {
        Self { used_before: UseKnown::read(&row.used_before), used_after: row.used_after.as_deref().map(UseKnown::read), row }
    }
}

impl App {
    /// Disables a key for so many microseconds. When they are over the schedule enables it again, whatever becomes of who asked.
    ///
    /// # Errors
    /// [`Error::WrongState`] for a key that is not in use; [`Error::Invalid`] for one that is in no cloud, is disabled there, or is rehearsed already; [`Error::Busy`].
    pub async fn rehearse_deletion(&self, principal: &Principal, request: &Request, id_or_name: &str, span: i64) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        for _ in 0..TRIES {
            let key = self.key(principal, id_or_name).await?;
            match self.try_rehearse(principal, request, key, span).await {
                Err(Error::MovedOn) => {}
                begun => return begun,
            }
        }
        Err(Error::MovedOn)
    }

    async fn try_rehearse(&self, principal: &Principal, request: &Request, key: KeyRow, span: i64) -> Result<Started, Error> {
        let event = Event::RehearseDeletion;
        if verdict(key.state, event) == Verdict::Refused {
            let error = Error::WrongState { key: key.name.clone(), state: key.state, event };
            return Err(self.refuse(principal, REHEARSE, "lifecycle-table", &key, error).await);
        }
        let open = self.open_rehearsal(&key).await?;
        let drifted = self.drifted(&key).await?;
        if let Err((rule, refused)) = check_rehearsed(&key, open.as_ref(), drifted) {
            return match self.earlier(principal, request).await? {
                Some(earlier) => Ok(earlier),
                None => Err(self.refuse(principal, REHEARSE, rule, &key, refused.into()).await),
            };
        }
        let used_before = self.engine.last_use(&key).await.to_json();
        let row = self.rehearsal(principal, &key, span, used_before);
        let saga = Saga::RehearseDeletion(RehearseDeletion { key: Stored(key.id.clone()), rehearsal: Stored(row.id.clone()), end: row.ends_at.into() });
        let also = move |tx: &mut Tx<'_>| match rehearsals::insert(tx, &row) {
            // Somebody else has begun one since.
            Err(error) if error.is_unique("rehearsals") => Err(TxError::from(Error::MovedOn)),
            kept => Ok(kept?),
        };
        self.begin(principal, request, key, saga, Box::new(also)).await
    }

    fn rehearsal(&self, principal: &Principal, key: &KeyRow, span: i64, used_before: String) -> RehearsalRow {
        let now = self.now();
        let ends_at = now.plus_micros(span);
        RehearsalRow {
            id: RehearsalId::new(now, self.random()),
            account_id: key.account_id.clone(),
            key_id: key.id.clone(),
            state: RehearsalState::Running,
            begun_by: principal.user.to_string(),
            begun_by_name: principal.name.clone(),
            begun_at: now,
            ends_at,
            next_at: ends_at,
            tries: 0,
            used_before,
            used_after: None,
            enabling_at: None,
            ended_at: None,
        }
    }

    /// What a sync has seen that somebody may have done to keep the key from being used.
    async fn drifted(&self, key: &KeyRow) -> Result<Option<Attribute>, Error> {
        let id = key.id.clone();
        let open = self.store().read("drifts.open_of_key", move |tx| drifts::open_of_key(tx, &id)).await?;
        let grave = [Attribute::State, Attribute::Deletion, Attribute::MaterialId];
        Ok(open.into_iter().map(|drift| drift.attribute).find(|attribute| grave.contains(attribute)))
    }

    async fn open_rehearsal(&self, key: &KeyRow) -> Result<Option<RehearsalRow>, Error> {
        let id = key.id.clone();
        Ok(self.store().read("rehearsals.open_of", move |tx| rehearsals::open_of(tx, &id)).await?)
    }

    /// Ends a rehearsal before its time: the key is enabled now.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that no rehearsal keeps disabled; [`Error::Busy`] when another operation has it.
    pub async fn end_rehearsal(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let key = self.key(principal, id_or_name).await?;
        let open = self.open_rehearsal(&key).await?;
        let Some(row) = open.filter(|row| row.state == RehearsalState::Running && is_usable(key.state)) else {
            if let Some(earlier) = self.earlier(principal, request).await? {
                return Ok(earlier);
            }
            let mend = format!("`keystead key rehearsals {0}` shows what became of it, `keystead key show {0}` how the key stands.", key.name);
            let refused = Invalid::new("key", "is not kept disabled by a rehearsal that could be ended", mend);
            return Err(self.refuse(principal, END, "is-rehearsed", &key, refused.into()).await);
        };
        let now = self.now();
        let saga = Saga::EndRehearsal(EndRehearsal { key: Stored(key.id.clone()), rehearsal: Stored(row.id.clone()) });
        self.begin(principal, request, key, saga, Box::new(move |tx| Ok(begin_to_end(tx, &row, now)?))).await
    }

    /// A page of a key's rehearsals, the newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn rehearsals(&self, principal: &Principal, id_or_name: &str, page: Page) -> Result<Listed<Rehearsal>, Error> {
        let key = self.key(principal, id_or_name).await?;
        let listed = self.store().read("rehearsals.list", move |tx| rehearsals::list(tx, &key.id, &page)).await?;
        Ok(Listed { rows: listed.rows.into_iter().map(Rehearsal::of).collect(), next: listed.next })
    }
}

/// What stands against a rehearsal beside the table: the rule and its words.
fn check_rehearsed(key: &KeyRow, open: Option<&RehearsalRow>, drifted: Option<Attribute>) -> Result<(), (&'static str, Invalid)> {
    if key.is_in_vault() {
        let mend = "Rehearse the deletion of its copies: `keystead key links` names them.";
        return Err(("key-has-a-cloud", Invalid::new("key", "lives in the vault alone, where nobody could use it", mend)));
    }
    if let Some(open) = open {
        let mend = format!("End it with `keystead key end-rehearsal {}`, or wait: it ends by itself.", key.name);
        return Err(("one-rehearsal-a-key", Invalid::new("key", already(open), mend)));
    }
    if let Some(attribute) = drifted {
        let reason = format!("is not in its cloud what it should be: its {} differs", attribute.as_str());
        let mend = format!("See to it first: `keystead drift list --key {}`.", key.name);
        return Err(("is-as-wanted", Invalid::new("key", reason, mend)));
    }
    if !key.enabled {
        let mend = format!("Bring it back first: `keystead keystore sync {}`, then `keystead drift list --key {}`.", key.keystore_name, key.name);
        return Err(("is-enabled", Invalid::new("key", "is disabled in its cloud already, and would not come back as it is", mend)));
    }
    Ok(())
}

fn already(open: &RehearsalRow) -> String {
    let until = |at: Timestamp| at.rfc3339();
    match open.state {
        RehearsalState::Watching => format!("has been rehearsed, and who uses it since is looked for until {}", until(open.next_at)),
        _ => format!("is being rehearsed until {}", until(open.ends_at)),
    }
}
