//! Ceremonies: a key comes in components, each entered by another person (FX-015). Who began may enter one; nobody enters two. The person is who calls, and nothing else.

mod begin;
mod enter;

pub use begin::NewCeremony;
pub use enter::Entered;
use keystead_audit::Outcome;
use keystead_domain::ceremony::CeremonyState;
use keystead_identity::{Action, Principal};
use keystead_operations::words::Words;
use keystead_store::{
    Tx, ceremonies,
    ceremonies::{CeremonyRow, ComponentRow},
    operations,
    page::{Listed, Page},
    requests,
};

use crate::{App, Error, Request, error::TxError, once::Deed, permit};

const CANCEL: &str = "ceremony.cancel";
const ENTER: &str = "ceremony.enter";
const FINISH: &str = "ceremony.finish";

/// A ceremony, and who entered which component. What was entered is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// The ceremony.
    pub row: CeremonyRow,
    /// Its components, without their bytes.
    pub entered: Vec<ComponentRow>,
}

impl Ceremony {
    fn new(row: CeremonyRow, components: Vec<ComponentRow>) -> Self {
        Self { row, entered: components.into_iter().map(|component| ComponentRow { sealed: None, ..component }).collect() }
    }
}

impl App {
    /// A page of ceremonies, in the order in which they began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_ceremonies(&self, principal: &Principal, page: Page) -> Result<Listed<Ceremony>, Error> {
        let account = principal.account.clone();
        let listed = self.store().read("ceremonies.list", move |tx| {
            let Listed { rows, next } = ceremonies::list(tx, &account, &page)?;
            let rows = rows.into_iter().map(|row| Ok(Ceremony::new(row.clone(), ceremonies::components(tx, &row.id)?)));
            Ok::<_, keystead_store::StoreError>(Listed { rows: rows.collect::<Result<_, keystead_store::StoreError>>()?, next })
        });
        Ok(listed.await?)
    }

    /// A ceremony by its id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_ceremony(&self, principal: &Principal, id: &str) -> Result<Ceremony, Error> {
        let (row, components) = self.ceremony(principal, id).await?;
        Ok(Ceremony::new(row, components))
    }

    /// The ceremony with its components as they wait.
    async fn ceremony(&self, principal: &Principal, id: &str) -> Result<(CeremonyRow, Vec<ComponentRow>), Error> {
        let (account, wanted) = (principal.account.clone(), id.to_owned());
        let found = self.store().read("ceremonies.find", move |tx| {
            let Some(row) = ceremonies::find(tx, &account, &wanted)? else { return Ok(None) };
            let components = ceremonies::components(tx, &row.id)?;
            Ok::<_, keystead_store::StoreError>(Some((row, components)))
        });
        let (row, components) = found.await?.ok_or_else(|| Error::NotFound { what: "ceremony", name: id.to_owned() })?;
        permit(principal, Action::Read, &row.account_id.clone(), (row, components)).map(|proof| proof.payload)
    }

    /// One that waits, for a change of it. One whose time is over is not changed any more, whether it was wiped already or not.
    async fn waiting(&self, principal: &Principal, action: &str, id: &str) -> Result<(CeremonyRow, Vec<ComponentRow>), Error> {
        let (row, components) = self.ceremony(principal, id).await?;
        let (row, components) = permit(principal, Action::ManageKeys, &row.account_id.clone(), (row, components))?.payload;
        let refused = match row.state {
            CeremonyState::Waiting if self.now() < row.expires_at => return Ok((row, components)),
            CeremonyState::Waiting => stands("is over: its components waited for three days", "Begin anew: `keystead ceremony begin`."),
            CeremonyState::Making => stands("is making its key", &format!("Wait for it: `keystead operation list`. See `keystead ceremony show {}`.", row.id)),
            ended => stands(&format!("is {}", ended.as_str()), "Begin anew: `keystead ceremony begin`."),
        };
        Err(self.refuse_in_ceremony(principal, action, "ceremony-waits", &row, refused).await)
    }

    /// Ends a ceremony and wipes what was entered. Whoever may make keys may do that: it destroys what waits, and makes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::CeremonyStands`].
    pub async fn cancel_ceremony(&self, principal: &Principal, request: &Request, id: &str) -> Result<Ceremony, Error> {
        if self.is_ceremony_request_done(principal, request).await? {
            return self.show_ceremony(principal, id).await;
        }
        let (row, _) = match self.ceremony(principal, id).await? {
            // Also one that is overdue: then it is wiped now.
            (row, components) if row.state == CeremonyState::Waiting => (row, components),
            _ => self.waiting(principal, CANCEL, id).await?,
        };
        let proof = permit(principal, Action::ManageKeys, &row.account_id.clone(), row)?;
        let (row, now) = (proof.payload, self.now());
        let entry = self.ceremony_entry(principal, CANCEL, proof.rule, &row).done();
        let memory = self.memory(principal, request, Deed::CancelCeremony, row.id.as_str());
        let cancelled = self
            .store()
            .write("ceremonies.cancel", move |tx| {
                memory.write(tx)?;
                ceremonies::cancel(tx, &row.id, now)?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        if let Err(error) = cancelled {
            return Err(self.met_itself(principal, request, error).await.into());
        }
        self.show_ceremony(principal, id).await
    }

    /// Whether the same request was done before: as a change without an operation, or as the one that began to make the key.
    async fn is_ceremony_request_done(&self, principal: &Principal, request: &Request) -> Result<bool, Error> {
        let Some(same) = request.idempotency.clone() else { return Ok(false) };
        let account = principal.account.clone();
        let hashes = self.store().read("requests.by_idempotency", move |tx: &mut Tx<'_>| {
            let operation = operations::by_idempotency(tx, &account, &same.key)?.map(|(_, hash)| hash);
            let done = requests::by_idempotency(tx, &account, &same.key)?.map(|done| done.same.request_hash);
            Ok::<_, keystead_store::StoreError>((operation.or(done), same.request_hash.clone()))
        });
        match hashes.await? {
            (None, _) => Ok(false),
            (Some(then), now) if then == now => Ok(true),
            _ => Err(Error::IdempotencyMismatch),
        }
    }

    fn ceremony_entry(&self, principal: &Principal, action: &str, rule: &str, ceremony: &CeremonyRow) -> Words {
        let entry = self.entry(principal, action, rule).subject("ceremony", ceremony.id.as_str(), &ceremony.name);
        entry.keystore(&ceremony.keystore_id, &ceremony.keystore_name)
    }

    /// Says a refusal to the audit log, and answers it.
    async fn refuse_in_ceremony(&self, principal: &Principal, action: &str, rule: &str, ceremony: &CeremonyRow, error: Error) -> Error {
        let entry = self.ceremony_entry(principal, action, rule, ceremony).outcome(Outcome::Refused).done();
        self.tell(entry).await.err().unwrap_or(error)
    }
}

fn stands(how: &str, mend: &str) -> Error {
    Error::CeremonyStands { how: how.to_owned(), mend: mend.to_owned() }
}
