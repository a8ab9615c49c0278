//! A component is entered; with the last of them the key is begun, in the same transaction. So either the last is there and the key is being made, or neither.

use keystead_domain::{AccountId, Invalid, Timestamp};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    ceremony::{Components, place, terms},
    engine::material::{account_key, at_the_vault},
};
use keystead_store::{
    Tx, ceremonies,
    ceremonies::{CeremonyRow, ComponentRow},
    users,
};
use keystead_vault::{CheckValue, MaterialRefused, SecretBytes, VaultError};

use super::{Ceremony, ENTER, FINISH, begin::ordered, stands};
use crate::{App, Error, Request, Started, error::TxError, once::Deed, permit};

/// What became of a component.
pub struct Entered {
    /// How the ceremony stands.
    pub ceremony: Ceremony,
    /// The key that is being made, if all are there.
    pub started: Option<Started>,
}

impl App {
    /// Takes a component from whoever calls. The last one begins the key.
    ///
    /// # Errors
    /// [`Error::SamePerson`] for who entered one already; [`Error::Invalid`] naming `component` or `check_value`; [`Error::CeremonyStands`]; [`Error::Sealed`]; what
    /// [`create_key`](Self::create_key) says of the key. Then nothing was kept, and it can be entered again.
    pub async fn enter_component(
        &self,
        principal: &Principal,
        request: &Request,
        id: &str,
        component: SecretBytes,
        check_value: Option<&str>,
    ) -> Result<Entered, Error> {
        if self.is_ceremony_request_done(principal, request).await? {
            return Ok(Entered { ceremony: self.show_ceremony(principal, id).await?, started: None });
        }
        let (ceremony, mut components) = self.waiting(principal, ENTER, id).await?;
        if components.iter().any(|entered| entered.entered_by == principal.user.as_str()) {
            return Err(self.refuse_in_ceremony(principal, ENTER, "split-knowledge", &ceremony, Error::SamePerson).await);
        }
        let expected = check_value.map(|text| CheckValue::parse("check_value", ceremony.spec, text)).transpose()?;
        let proof = permit(principal, Action::ManageKeys, &ceremony.account_id.clone(), ceremony)?;
        let (ceremony, rule) = (proof.payload, proof.rule);
        let entered = match self.sealed_component(principal, &ceremony, &components, &component, expected.as_ref()).await {
            Ok(entered) => entered,
            Err(Error::Invalid(refused)) => return Err(self.refuse_in_ceremony(principal, ENTER, "component-is-sound", &ceremony, refused.into()).await),
            Err(all_there @ Error::CeremonyStands { .. }) => {
                return Err(self.refuse_in_ceremony(principal, ENTER, "ceremony-waits", &ceremony, all_there).await);
            }
            Err(error) => return Err(self.or_root_changed(error).await),
        };
        components.push(entered.clone());
        let started = match is_whole(&ceremony, &components) {
            true => Some(self.make_of_components(principal, request, &ceremony, components, Some((entered, rule))).await?),
            false => {
                self.keep_component(principal, request, &ceremony, entered, rule).await?;
                None
            }
        };
        Ok(Entered { ceremony: self.show_ceremony(principal, id).await?, started })
    }

    /// Makes the key of a ceremony whose components are all there, where the operation that should have made it failed.
    ///
    /// # Errors
    /// [`Error::CeremonyStands`] while components are missing; what [`create_key`](Self::create_key) says.
    pub async fn finish_ceremony(&self, principal: &Principal, request: &Request, id: &str) -> Result<Entered, Error> {
        if self.is_ceremony_request_done(principal, request).await? {
            return Ok(Entered { ceremony: self.show_ceremony(principal, id).await?, started: None });
        }
        let (ceremony, components) = self.waiting(principal, FINISH, id).await?;
        if !is_whole(&ceremony, &components) {
            let how = format!("has {} of {} components", components.len(), ceremony.components);
            let refused = stands(&how, &format!("Have the others entered: `keystead ceremony enter {id}`."));
            return Err(self.refuse_in_ceremony(principal, FINISH, "all-components", &ceremony, refused).await);
        }
        let started = self.make_of_components(principal, request, &ceremony, components, None).await?;
        Ok(Entered { ceremony: self.show_ceremony(principal, id).await?, started: Some(started) })
    }

    /// Looks at a component and seals it. Of the last it is also seen whether all make the key that is expected.
    async fn sealed_component(
        &self,
        principal: &Principal,
        ceremony: &CeremonyRow,
        before: &[ComponentRow],
        component: &SecretBytes,
        expected: Option<&CheckValue>,
    ) -> Result<ComponentRow, Error> {
        let sealing = self.engine.account_key(&ceremony.account_id).await?;
        let number = u32::try_from(before.len()).unwrap_or(u32::MAX).saturating_add(1);
        let (entered_by, entered_by_name) = (principal.user.to_string(), principal.name.clone());
        let mut row = ComponentRow { ceremony_id: ceremony.id.clone(), number, entered_by, entered_by_name, entered_at: self.now(), sealed: None };
        if number > ceremony.components {
            return Err(stands("has all its components", &format!("Finish it: `keystead ceremony finish {}`.", ceremony.id)));
        }
        let (spec, terms) = (ceremony.spec, terms(ceremony));
        let sealed = at_the_vault(self.vault(), |vault| vault.seal_component(&place(ceremony, &terms, &row), spec, account_key(&sealing), component, expected));
        row.sealed = Some(sealed.map_err(of_component)?);
        if number == ceremony.components {
            let (others, whole) = (Components::new(ceremony, before.to_vec()), ordered(ceremony, Vec::new())?.expected);
            let fits = at_the_vault(self.vault(), |vault| vault.check_components(spec, account_key(&sealing), &others.held(), component, whole.as_ref()));
            fits.map_err(of_component)?;
        }
        Ok(row)
    }

    async fn keep_component(&self, principal: &Principal, request: &Request, ceremony: &CeremonyRow, entered: ComponentRow, rule: &str) -> Result<(), Error> {
        let entry = self.entered_entry(principal, ceremony, &entered, rule);
        let (memory, now) = (self.memory(principal, request, Deed::EnterComponent, ceremony.id.as_str()), self.now());
        let kept = self
            .store()
            .write("ceremonies.enter", move |tx| {
                memory.write(tx)?;
                enter(tx, &entered, now)?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        match kept {
            Ok(()) => Ok(()),
            Err(TxError::App(Error::SamePerson)) => Err(self.refuse_in_ceremony(principal, ENTER, "split-knowledge", ceremony, Error::SamePerson).await),
            Err(error) => Err(self.met_itself(principal, request, error).await.into()),
        }
    }

    /// The ordinary creation, of all components; what the last person entered is written with its intent.
    async fn make_of_components(
        &self,
        principal: &Principal,
        request: &Request,
        ceremony: &CeremonyRow,
        components: Vec<ComponentRow>,
        entering: Option<(ComponentRow, &'static str)>,
    ) -> Result<Started, Error> {
        let count = components.len();
        let (new, keystore) = self.checked(principal, ordered(ceremony, components)?).await?;
        let entering = entering.map(|(row, rule)| (self.entered_entry(principal, ceremony, &row, rule), row));
        let (id, account, now) = (ceremony.id.clone(), ceremony.account_id.clone(), self.now());
        let beside = move |tx: &mut Tx<'_>, operation: &_, key: &_| {
            if let Some((entry, row)) = &entering {
                enter(tx, row, now)?;
                tx.audit(entry.clone());
            } else if ceremonies::hold_waiting(tx, &id, now)?.is_none() || ceremonies::components(tx, &id)?.len() != count {
                return Err(Error::MovedOn.into());
            }
            all_active(tx, &account, &id)?;
            making(tx, &id, operation, key, now)
        };
        self.begin_key(principal, request, new, keystore, Some(ceremony.id.clone()), beside).await
    }

    fn entered_entry(&self, principal: &Principal, ceremony: &CeremonyRow, entered: &ComponentRow, rule: &str) -> keystead_audit::Entry {
        let which = format!("{} of {}", entered.number, ceremony.components);
        self.ceremony_entry(principal, ENTER, rule, ceremony).detail("component", which).done()
    }
}

fn is_whole(ceremony: &CeremonyRow, components: &[ComponentRow]) -> bool {
    components.len() == ceremony.components as usize
}

/// Writes a component, behind a look at what was entered until this moment: nobody enters two, and none takes another's number.
fn enter(tx: &mut Tx<'_>, entered: &ComponentRow, now: Timestamp) -> Result<(), TxError> {
    if ceremonies::hold_waiting(tx, &entered.ceremony_id, now)?.is_none() {
        return Err(Error::MovedOn.into());
    }
    let before = ceremonies::components(tx, &entered.ceremony_id)?;
    if before.iter().any(|one| one.entered_by == entered.entered_by) {
        return Err(Error::SamePerson.into());
    }
    if before.len() + 1 != entered.number as usize {
        return Err(Error::MovedOn.into());
    }
    Ok(ceremonies::enter(tx, entered)?)
}

/// A person who was locked out since counts no more: their token may have been somebody else's.
fn all_active(tx: &mut Tx<'_>, account: &AccountId, id: &keystead_domain::CeremonyId) -> Result<(), TxError> {
    for component in ceremonies::components(tx, id)? {
        if users::find(tx, account, &component.entered_by)?.is_none_or(|user| user.state != "ACTIVE") {
            let how = format!("has a component that {} entered, who is not active any more", component.entered_by_name);
            return Err(stands(&how, &format!("Cancel it, and begin another: `keystead ceremony cancel {id}`.")).into());
        }
    }
    Ok(())
}

fn making(
    tx: &mut Tx<'_>,
    id: &keystead_domain::CeremonyId,
    operation: &keystead_store::operations::OperationRow,
    key: &keystead_store::keys::KeyRow,
    now: Timestamp,
) -> Result<(), TxError> {
    Ok(ceremonies::make(tx, id, &operation.id, &key.id, now)?)
}

/// What is wrong with a component is told of the field in which it came.
fn of_component(error: VaultError) -> Error {
    match error {
        VaultError::MaterialRefused(refused) => {
            let field = if refused == MaterialRefused::OtherCheckValue { "check_value" } else { "component" };
            Error::Invalid(Invalid { field: field.to_owned(), ..Invalid::from(refused) })
        }
        other => other.into(),
    }
}
