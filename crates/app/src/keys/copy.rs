//! A key is copied into other keystores: linked keys, with the material of their source (FT-015, FT-027 to FT-036, CM-047).
//!
//! Every target is looked at before anything is written, and all intents are written in one transaction: either every copy begins, or none. Each is an operation
//! of its own from then on.

use std::collections::BTreeSet;

use keystead_domain::{
    Aliases, Custody, Invalid, KeyId, KeyState, LineageId, Name, Tags, Timestamp,
    key::expiry::{self, ExpiryPolicy},
};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Intent, Saga,
    engine::material::Material,
    family::unborn,
    link::{self, Copied},
    saga::create_key::CreateKey,
    stored::Stored,
};
use keystead_store::{
    Tx, keys,
    keys::KeyRow,
    keystores,
    keystores::KeystoreRow,
    lineages,
    lineages::LineageRow,
    links::{self, Link},
    locks,
    operations::{Idempotency, OperationRow},
    page::{Listed, Page},
};

use super::{
    create::{check_description, insert_lineage},
    rules::{NO_COPY, check_policy},
};
use crate::{App, Error, Request, Started, error::TxError, permit, who};

/// How many copies one request makes at most.
const TARGETS_MAX: usize = 100;
/// How often a request is drawn anew when a row changed, or a suggested name was taken, between the look and the intents.
const TRIES: usize = 3;
/// The audit log's word.
const ACTION: &str = "key.copy";

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewCopies {
    /// The keystores, by id or name.
    pub to: Vec<String>,
    /// The copy's name; of several copies none can be given. Left out, the first free one of `NAME_copy1`, `NAME_copy2`, ….
    pub name: Option<Name>,
    /// The aliases to point at each, in its own keystore.
    pub aliases: Aliases,
    /// Free text; left out, the source's.
    pub description: Option<String>,
    /// Tags; left out, the source's.
    pub tags: Option<Tags>,
    /// When the material in the clouds shall expire.
    pub expires: Option<Timestamp>,
    /// What happens before; left out, alert.
    pub expiry_policy: Option<ExpiryPolicy>,
}

/// A copy that is about to be written.
struct Planned {
    keystore: KeystoreRow,
    lineage: LineageRow,
    key: KeyRow,
    copied: Copied,
    intent: Intent,
}

impl Planned {
    fn write(&self, tx: &mut Tx<'_>) -> Result<OperationRow, TxError> {
        if !keystores::hold_active(tx, &self.keystore.id)? {
            return Err(Error::NotFound { what: "keystore", name: self.keystore.name.clone() }.into());
        }
        insert_lineage(tx, &self.lineage)?;
        keys::insert(tx, &self.key)?;
        self.copied.write(tx)?;
        Ok(self.intent.write(tx)?)
    }
}

impl App {
    /// Copies a key into other keystores. The answer comes when every intent is durable; the operations then run, each by itself.
    ///
    /// # Errors
    /// Naming the rule, before anything has begun: of the source, of a target, of a name or alias in use.
    pub async fn copy_key(&self, principal: &Principal, request: &Request, id_or_name: &str, new: NewCopies) -> Result<Vec<Started>, Error> {
        for _ in 0..TRIES {
            if let Some(earlier) = self.earlier_many(principal, request).await? {
                return Ok(earlier);
            }
            match self.try_copy(principal, request, id_or_name, &new).await {
                Err(Error::MovedOn) => {}
                Err(Error::Taken { field: "name", .. }) if new.name.is_none() => {}
                begun => return begun,
            }
        }
        Err(Error::MovedOn)
    }

    async fn try_copy(&self, principal: &Principal, request: &Request, id_or_name: &str, new: &NewCopies) -> Result<Vec<Started>, Error> {
        let source = self.key(principal, id_or_name).await?;
        if let Err((rule, refused)) = check_source(&source) {
            return Err(self.refuse(principal, ACTION, rule, &source, refused.into()).await);
        }
        self.demand_unbound(principal, ACTION, &source).await?;
        let new = checked(new.clone(), self.now())?;
        let keystores = self.targets(principal, &source, &new).await?;
        let names = self.names_for(&source, &new, keystores.len()).await?;
        let material = self.engine.materials(&source).await?.pop().ok_or_else(|| Error::Internal("the key has no material".to_owned()))?;
        let pairs = keystores.into_iter().zip(names).enumerate();
        let plans = pairs.map(|(at, (keystore, name))| self.plan_copy(principal, &source, &material, &new, keystore, name, nth(request, at)));
        let plans = plans.collect::<Result<Vec<_>, _>>()?;
        let answers: Vec<KeyRow> = plans.iter().map(|plan| plan.key.clone()).collect();
        let seen = source.clone();
        let written = self
            .store()
            .write("keys.copy", move |tx| {
                // Since the look somebody may have taken it out of use, or promised that its material stays.
                if keys::by_id(tx, &seen.id)?.is_none_or(|now| now.revision != seen.revision) {
                    return Err(Error::MovedOn.into());
                }
                // Somebody may be taking it out of use right now: a copy must not slip away from a kill.
                if let Some(operation) = locks::holder(tx, seen.id.as_str())? {
                    return Err(Error::Busy { name: seen.name.clone(), operation: operation.to_string() }.into());
                }
                plans.iter().map(|plan| plan.write(tx)).collect::<Result<Vec<_>, TxError>>()
            })
            .await;
        match written {
            Ok(operations) => Ok(operations.into_iter().zip(answers).map(|(operation, key)| self.begun(operation, key)).collect()),
            Err(error) => self.not_copied(principal, request, &source, error).await,
        }
    }

    fn begun(&self, operation: OperationRow, key: KeyRow) -> Started {
        self.engine.start(operation.clone());
        Started { operation: Some(operation), key: Some(key) }
    }

    async fn not_copied(&self, principal: &Principal, request: &Request, source: &KeyRow, error: TxError) -> Result<Vec<Started>, Error> {
        if let Some(earlier) = self.earlier_many(principal, request).await? {
            return Ok(earlier);
        }
        match error.into() {
            Error::Taken { field, value } => Err(self.refuse_taken(self.entry(principal, ACTION, "names-are-unique").key(source), field, value).await),
            error => Err(error),
        }
    }

    /// The keystores that are named, each checked against every rule.
    async fn targets(&self, principal: &Principal, source: &KeyRow, new: &NewCopies) -> Result<Vec<KeystoreRow>, Error> {
        let mut keystores = Vec::new();
        let mut seen = BTreeSet::new();
        for named in &new.to {
            let keystore = self.active_keystore(principal, named).await?;
            if !seen.insert(keystore.id.clone()) {
                return Err(Invalid::new("to", format!("names the keystore {} twice", keystore.name), "Name each keystore once.").into());
            }
            check_target(&keystore)?;
            let to_field = |refused: Invalid| Invalid::new("to", format!("names {}, where {} {}", keystore.name, refused.field, refused.reason), refused.mend);
            self.check_importable(&keystore, source.spec).map_err(to_field)?;
            keystores.push(keystore);
        }
        Ok(keystores)
    }

    /// A name for each copy.
    async fn names_for(&self, source: &KeyRow, new: &NewCopies, count: usize) -> Result<Vec<String>, Error> {
        if let Some(name) = &new.name {
            return Ok(vec![name.to_string()]);
        }
        let (account, stem) = (source.account_id.clone(), format!("{}_copy", source.name));
        let begins = stem.clone();
        let used = self.store().read("lineages.names_beginning", move |tx| lineages::names_beginning(tx, &account, &begins)).await?;
        let free = (1_u32..).map(|n| format!("{stem}{n}")).filter(|name| !used.contains(name)).take(count);
        let names = free.map(|name| Name::parse(&name).map(|name| name.to_string())).collect::<Result<Vec<_>, _>>();
        Ok(names.map_err(|_| {
            Invalid::new("name", format!("would be {stem}1, which is too long"), "Give the copy a name; several copies are made one by one then.")
        })?)
    }

    #[expect(clippy::too_many_arguments, reason = "a copy is made of as many parts")]
    fn plan_copy(
        &self,
        principal: &Principal,
        source: &KeyRow,
        material: &Material,
        new: &NewCopies,
        keystore: KeystoreRow,
        name: String,
        idempotency: Option<Idempotency>,
    ) -> Result<Planned, Error> {
        let (now, root) = (self.now(), link::source_of(source));
        let proof = permit(principal, Action::ManageKeys, &keystore.account_id, ())?;
        let (key, lineage) = self.copy_rows(principal, source, &root, new, &keystore, name, now);
        let copied = self.engine.share(material, &key, &root, &who(principal), now);
        let saga = Saga::CreateKey(CreateKey {
            key: Stored(key.id.clone()),
            lineage: Stored(lineage.id.clone()),
            aliases: lineage.aliases.clone().into(),
            expires: key.expires_at.map(Into::into),
            copy_of: Some(Stored(root)),
            forgets: false,
            ceremony: None,
        });
        let intent = self
            .engine
            .intend(&saga, &keystore, &who(principal), proof.rule, idempotency)
            .subject("key", source.id.as_str(), &source.name)
            .detail("name", key.name.clone())
            .detail("copy_of", source.name.clone())
            .detail("fingerprint", copied.fingerprint());
        Ok(Planned { keystore, lineage, key, copied, intent })
    }

    #[expect(clippy::too_many_arguments, reason = "a row has as many parts")]
    fn copy_rows(
        &self,
        principal: &Principal,
        source: &KeyRow,
        root: &KeyId,
        new: &NewCopies,
        keystore: &KeystoreRow,
        name: String,
        now: Timestamp,
    ) -> (KeyRow, LineageRow) {
        let id = KeyId::new(now, self.random());
        let lineage = LineageRow {
            id: LineageId::new(now, self.random()),
            account_id: keystore.account_id.clone(),
            keystore_id: keystore.id.clone(),
            name: name.clone(),
            aliases: new.aliases.clone(),
            current_key_id: id.clone(),
            created_at: now,
        };
        let key = KeyRow {
            account_id: keystore.account_id.clone(),
            keystore_id: keystore.id.clone(),
            keystore_name: keystore.name.clone(),
            cloud: keystore.cloud.clone(),
            region: keystore.location.region.clone(),
            lineage_id: lineage.id.clone(),
            name,
            aliases: new.aliases.clone(),
            is_current: true,
            description: new.description.clone().unwrap_or_else(|| source.description.clone()),
            tags: new.tags.clone().unwrap_or_else(|| source.tags.clone()),
            expires_at: new.expires,
            expiry_span: new.expires.map(|expires| expires.as_micros() - now.as_micros()),
            expiry_policy: new.expiry_policy.unwrap_or(ExpiryPolicy::Alert),
            ties: link::ties(root, source.ties.is_exportable),
            ..unborn(source, id, &who(principal), now)
        };
        (key, lineage)
    }

    /// What the same request began before: all its operations, in their order.
    pub(crate) async fn earlier_many(&self, principal: &Principal, request: &Request) -> Result<Option<Vec<Started>>, Error> {
        let Some(first) = self.earlier(principal, request).await? else { return Ok(None) };
        let mut copies = vec![first];
        while let Some(same) = nth(request, copies.len()) {
            let Some(next) = self.earlier(principal, &Request { idempotency: Some(same), item: None }).await? else { break };
            copies.push(next);
        }
        Ok(Some(copies))
    }

    /// A page of a key's links: to its source, or to its copies (FT-035).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn key_links(&self, principal: &Principal, id_or_name: &str, page: Page) -> Result<Listed<Link>, Error> {
        let key = self.key(principal, id_or_name).await?;
        Ok(self.store().read("links.list", move |tx| links::list(tx, &key.id, &page)).await?)
    }
}

/// The idempotency key of each of a request's operations, counted from 0: the first has the caller's own, the others one that no caller can give.
pub(crate) fn nth(request: &Request, at: usize) -> Option<Idempotency> {
    let same = request.idempotency.clone()?;
    Some(if at == 0 { same } else { Idempotency { key: format!("{}\n{at}", same.key), ..same } })
}

/// Whether a key can be a source: only material that the vault holds, of a key in use, is copied.
fn check_source(source: &KeyRow) -> Result<(), (&'static str, Invalid)> {
    if source.ties.custody == Custody::Native {
        let mend = "Only a key whose material the vault holds can be copied. Make or import one with `keystead key create` or `keystead key import`.";
        return Err(("material-is-in-the-vault", Invalid::new("key", NO_COPY, mend)));
    }
    if source.state != KeyState::Active {
        let reason = format!("is {} and cannot be copied", source.state.as_str());
        return Err(("source-is-active", Invalid::new("key", reason, "Copy a key that is ACTIVE: activate this one first, or name its successor.")));
    }
    Ok(())
}

fn check_target(keystore: &KeystoreRow) -> Result<(), Invalid> {
    if keystore.is_vault() {
        let mend = "Name a keystore of a cloud.";
        return Err(Invalid::new("to", format!("names {}, which is in the vault: the material is there already", keystore.name), mend));
    }
    Ok(())
}

fn checked(new: NewCopies, now: Timestamp) -> Result<NewCopies, Invalid> {
    if !(1..=TARGETS_MAX).contains(&new.to.len()) {
        return Err(Invalid::new("to", format!("names {} keystores", new.to.len()), format!("Name 1 to {TARGETS_MAX} keystores.")));
    }
    if new.name.is_some() && new.to.len() > 1 {
        return Err(Invalid::new("name", "is given for several copies", "Leave it out, or copy to one keystore at a time."));
    }
    new.description.as_deref().map_or(Ok(()), check_description)?;
    check_policy(Custody::Linked, new.expiry_policy.unwrap_or(ExpiryPolicy::Alert))?;
    Ok(NewCopies { expires: new.expires.map(|expires| expiry::check(expires, now)).transpose()?, ..new })
}
