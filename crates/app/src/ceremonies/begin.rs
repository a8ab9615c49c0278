//! A ceremony begins: what key it shall be, of how many components.

use std::collections::BTreeMap;

use keystead_domain::{
    CeremonyId, Invalid, KeyUsage, Name, Tags,
    ceremony::{self, CeremonyState, check_components, check_spec},
    key::expiry::ExpiryPolicy,
};
use keystead_identity::{Action, Principal};
use keystead_operations::ceremony::{Components, Order};
use keystead_store::{ceremonies, ceremonies::CeremonyRow, ceremonies::ComponentRow, keystores, keystores::KeystoreRow};
use keystead_vault::CheckValue;

use super::Ceremony;
use crate::{
    App, Error, Request,
    error::TxError,
    keys::create::{Material, NewKey, Terms},
    once::Deed,
    permit,
};

/// What is asked for.
pub struct NewCeremony {
    /// The key that is to be. Its material is not said; what is expected of it is.
    pub key: NewKey,
    /// How many components it comes in.
    pub components: u32,
}

impl App {
    /// Begins a ceremony. Nothing of the key is made yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for whatever would keep the key from being made, as far as can be seen now.
    pub async fn begin_ceremony(&self, principal: &Principal, request: &Request, new: NewCeremony) -> Result<Ceremony, Error> {
        if self.is_ceremony_request_done(principal, request).await? {
            return self.begun_before(principal, request).await;
        }
        let components = check_components(new.components)?;
        check_spec(new.key.spec)?;
        let awaited = Material::Components(Components::awaited(&principal.account));
        let (key, keystore) = self.checked(principal, NewKey { material: awaited, ..new.key }).await?;
        let proof = permit(principal, Action::ManageKeys, &keystore.account_id.clone(), key)?;
        let row = self.ceremony_row(principal, &keystore, &proof.payload, components)?;
        let entry =
            self.ceremony_entry(principal, "ceremony.begin", proof.rule, &row).detail("spec", row.spec.as_str()).detail("components", components.to_string());
        let (entry, memory, written) = (entry.done(), self.memory(principal, request, Deed::BeginCeremony, row.id.as_str()), row.clone());
        let begun = self
            .store()
            .write("ceremonies.insert", move |tx| {
                memory.write(tx)?;
                if !keystores::hold_active(tx, &written.keystore_id)? {
                    return Err(Error::NotFound { what: "keystore", name: written.keystore_name.clone() }.into());
                }
                ceremonies::insert(tx, &written)?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        match begun {
            Ok(()) => Ok(Ceremony { row, entered: Vec::new() }),
            Err(error) => Err(self.met_itself(principal, request, error).await.into()),
        }
    }

    fn ceremony_row(&self, principal: &Principal, keystore: &KeystoreRow, key: &NewKey, components: u32) -> Result<CeremonyRow, Error> {
        let now = self.now();
        Ok(CeremonyRow {
            id: CeremonyId::new(now, self.random()),
            account_id: keystore.account_id.clone(),
            name: key.name.to_string(),
            keystore_id: keystore.id.clone(),
            keystore_name: keystore.name.clone(),
            spec: key.spec,
            components,
            order: order_of(key)?,
            check_value: key.expected.as_ref().map(CheckValue::to_text),
            state: CeremonyState::Waiting,
            begun_by: principal.user.to_string(),
            begun_by_name: principal.name.clone(),
            begun_at: now,
            expires_at: ceremony::expires_at(now),
            operation_id: None,
            key_id: None,
            ended_at: None,
        })
    }

    /// What the same request began.
    async fn begun_before(&self, principal: &Principal, request: &Request) -> Result<Ceremony, Error> {
        let done = self.done_before(principal, request).await?.ok_or(Error::IdempotencyMismatch)?;
        self.show_ceremony(principal, &done.subject).await
    }
}

/// What is kept of the order, beside the columns of the row.
fn order_of(key: &NewKey) -> Result<String, Error> {
    let order = Order {
        usage: key.usage.map_or("", KeyUsage::as_str).to_owned(),
        aliases: key.aliases.clone().into(),
        description: key.description.clone(),
        tags: key.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>(),
        expires: key.expires.map(Into::into),
        expiry_policy: key.expiry_policy.as_str().to_owned(),
        exportable: key.terms.exportable,
        kept: key.terms.kept,
        multi_region: key.multi_region,
    };
    serde_json::to_string(&order).map_err(|error| Error::Internal(error.to_string()))
}

/// The key as it was ordered, of these components. What was written was checked, and is checked again.
pub(super) fn ordered(ceremony: &CeremonyRow, components: Vec<ComponentRow>) -> Result<NewKey, Error> {
    let order: Order = serde_json::from_str(&ceremony.order).map_err(|error| Error::Internal(format!("the order of {}: {error}", ceremony.id)))?;
    let expected = ceremony.check_value.as_deref().map(|text| CheckValue::parse("check_value", ceremony.spec, text));
    let damaged = |invalid: Invalid| Error::Internal(format!("the order of {}: {invalid}", ceremony.id));
    Ok(NewKey {
        name: Name::parse(&ceremony.name).map_err(damaged)?,
        keystore: ceremony.keystore_id.to_string(),
        spec: ceremony.spec,
        usage: Some(KeyUsage::parse(&order.usage).map_err(damaged)?),
        aliases: order.aliases.0,
        description: order.description,
        tags: Tags::parse(order.tags).map_err(damaged)?,
        expires: order.expires.map(Into::into),
        expiry_policy: ExpiryPolicy::parse(&order.expiry_policy).map_err(damaged)?,
        material: Material::Components(Components::new(ceremony, components)),
        expected: expected.transpose().map_err(damaged)?,
        terms: Terms { exportable: order.exportable, kept: order.kept },
        multi_region: order.multi_region,
    })
}
