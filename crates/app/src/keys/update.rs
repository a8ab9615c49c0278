//! Properties of a key change: name, expiry, tags, aliases, description (CM-067).

use keystead_domain::{
    Alias, Aliases, Event, Invalid, KeyState, Name, RegionRole, Tags, Timestamp, Verdict,
    key::expiry::{self, ExpiryPolicy},
    verdict,
};
use keystead_identity::Principal;
use keystead_operations::{
    Saga, family,
    saga::update_key::{Properties, UpdateKey},
    stored::Stored,
};
use keystead_store::{Tx, keys::KeyRow, lineages, views};

use super::{
    action_of,
    create::{check_aliases_free, check_description, taken},
    rules::{Refused, check_change},
};
use crate::{App, Error, Request, Started, error::TxError};

/// What shall become of a key's aliases (FT-039).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AliasChange {
    /// These, in the place of those that it has.
    pub all: Option<Aliases>,
    /// These as well.
    pub add: Aliases,
    /// Not these.
    pub remove: Aliases,
}

impl AliasChange {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it names aliases that the key shall have.
    pub(crate) fn gives_any(&self) -> bool {
        !self.add.is_empty() || self.all.as_ref().is_some_and(|all| !all.is_empty())
    }

    /// The aliases as they shall be.
    fn of(&self, now: &Aliases) -> Result<Aliases, Invalid> {
        let refuse = |reason: String, mend: &str| Err(Invalid::new("remove_aliases", reason, mend));
        let given: Aliases = self.add.iter().chain(self.all.iter().flatten()).cloned().collect();
        if let Some(alias) = self.remove.iter().find(|alias| given.contains(alias)) {
            return refuse(format!("names {alias}, which the key shall have as well"), "Name it once.");
        }
        if let Some(alias) = self.remove.without(now).first() {
            return refuse(format!("names {alias}, which the key does not have"), "Look which it has: `keystead key show NAME`.");
        }
        Ok(self.all.as_ref().unwrap_or(now).without(&self.remove).iter().chain(&self.add).cloned().collect())
    }
}

/// What shall change; `None` leaves as it is. The inner `None` of expiry removes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// Name of the lineage.
    pub name: Option<Name>,
    /// Aliases of the lineage.
    pub aliases: AliasChange,
    /// Free text.
    pub description: Option<String>,
    /// All tags.
    pub tags: Option<Tags>,
    /// When the material expires.
    pub expires: Option<Option<Timestamp>>,
    /// What happens before.
    pub expiry_policy: Option<ExpiryPolicy>,
    /// Whether its material may leave the vault; only `false` can be promised later.
    pub exportable: Option<bool>,
}

impl App {
    /// Changes properties of a key. What is already so is a no-op.
    ///
    /// # Errors
    /// [`Error::WrongState`], [`Error::Taken`], [`Error::Busy`], and of the input: also of a new expiry for material that the cloud no longer has.
    pub async fn update_key(&self, principal: &Principal, request: &Request, id_or_name: &str, change: KeyChange) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let key = self.key(principal, id_or_name).await?;
        let saga = match self.judge_update(&key, change).await? {
            Ok(Some(saga)) => saga,
            Ok(None) => {
                // The same request may have changed it a moment ago.
                if let Some(earlier) = self.earlier(principal, request).await? {
                    return Ok(earlier);
                }
                self.note_no_op(principal, action_of(Event::Update), &key).await?;
                return Ok(Started { operation: None, key: Some(key) });
            }
            Err((Some(rule), error)) => return Err(self.refuse(principal, action_of(Event::Update), rule, &key, error).await),
            // The same request may have changed it a moment ago.
            Err((None, error)) => return self.earlier(principal, request).await?.ok_or(error),
        };
        let (before, after) = (saga.before.clone(), saga.after.clone());
        let seen = key.clone();
        let reserve = move |tx: &mut Tx<'_>| reserve(tx, &seen, &before, &after);
        let refusal = self.entry(principal, action_of(Event::Update), "names-are-unique").key(&key);
        match self.begin(principal, request, key, Saga::UpdateKey(Box::new(saga)), Box::new(reserve)).await {
            Err(Error::Taken { field, value }) => Err(self.refuse_taken(refusal, field, value).await),
            other => other,
        }
    }
}

/// Why a change is refused, with the rule that the audit log is told; mere input has none.
type RefusedChange = (Option<&'static str>, Error);

impl App {
    /// What a change of a key comes to, without a word to the audit log: its saga, or `None` when it is already so; the refusal is the inner error.
    pub(crate) async fn judge_update(&self, key: &KeyRow, change: KeyChange) -> Result<Result<Option<UpdateKey>, RefusedChange>, Error> {
        if let Err((rule, error)) = judge(key, &change) {
            return Ok(Err((Some(rule), *error)));
        }
        let before = properties(key);
        let after = match changed(key, change, self.now()) {
            Ok(after) => after,
            Err(refused) => return Ok(Err((None, refused.into()))),
        };
        let in_cloud = self.aliases_in_cloud(key).await?;
        if let Err(refused) = check_room(&before.aliases.0, &after.aliases.0, &in_cloud) {
            return Ok(Err((None, refused.into())));
        }
        if before == after {
            return Ok(Ok(None));
        }
        if let Err((rule, refused)) = judge_end(key, &before, &after, self.now()) {
            return Ok(Err((Some(rule), refused.into())));
        }
        let ends_otherwise = before.ends_otherwise(&after);
        if ends_otherwise && key.ties.role == RegionRole::Replica {
            return Ok(Err((Some("family-in-step"), self.ask_primary(key, Event::Update).await?)));
        }
        let replicas = if ends_otherwise { family::ids(&self.engine.followers(key).await?) } else { Vec::new() };
        Ok(Ok(Some(UpdateKey {
            key: Stored(key.id.clone()),
            replicas,
            lineage: Stored(key.lineage_id.clone()),
            material_present: key.material_present,
            in_cloud: in_cloud.into(),
            before,
            after,
        })))
    }

    /// The aliases that the last sync saw at a key beside its own.
    pub(super) async fn aliases_in_cloud(&self, key: &KeyRow) -> Result<Aliases, Error> {
        let id = key.id.clone();
        let view = self.store().read("views.of", move |tx| views::of(tx, &id)).await?;
        let seen: Aliases = view.iter().flat_map(|view| &view.aliases).filter_map(|text| Alias::parse(text).ok()).collect();
        Ok(seen.without(&key.aliases))
    }
}

/// What the table and the place say of a change, by the key alone.
fn judge(key: &KeyRow, change: &KeyChange) -> Result<(), (&'static str, Box<Error>)> {
    if verdict(key.state, Event::Update) == Verdict::Refused {
        return Err(("lifecycle-table", Error::WrongState { key: key.name.clone(), state: key.state, event: Event::Update }.into()));
    }
    check_change(key, change).map_err(|refused| ("place-and-custody", Error::from(refused).into()))
}

/// Whether the end of a key's material can be moved, if it shall be.
fn judge_end(key: &KeyRow, before: &Properties, after: &Properties, now: Timestamp) -> Result<(), Refused> {
    let ends = |properties: &Properties| (properties.expires, properties.expiry_policy.clone());
    if ends(before) != ends(after)
        && let Some(refused) = key.ties.custody.refusal(Event::Upload)
    {
        return Err(("custody", Invalid::new("expires", "cannot be moved: the material is the cloud's, and Keystead holds a pointer", refused.mend)));
    }
    match material_gone(key, now) {
        Some(gone) if before.expires != after.expires => Err(("material-is-there", gone)),
        _ => Ok(()),
    }
}

/// New aliases come before old ones go, and the cloud counts both.
fn check_room(before: &Aliases, after: &Aliases, in_cloud: &Aliases) -> Result<(), Invalid> {
    if after.without(before).is_empty() {
        return Ok(());
    }
    let most = before.iter().chain(after).chain(in_cloud).cloned().collect::<Aliases>().len();
    if most <= Aliases::MAX {
        return Ok(());
    }
    let reason = format!("would be {most} at a time, and AWS allows {} a key", Aliases::MAX);
    Err(Invalid::new("aliases", reason, "Remove some first, in a request of its own, or spread them over several keys."))
}

/// Takes the new name and aliases at once, so that nobody else can, and keeps the old aliases until the end; if the operation fails it gives them back.
fn reserve(tx: &mut Tx<'_>, key: &KeyRow, before: &Properties, after: &Properties) -> Result<(), TxError> {
    let Some(lineage) = lineages::by_id(tx, &key.lineage_id)? else { return Err(Error::MovedOn.into()) };
    let wanted = lineages::LineageRow { name: after.name.clone(), aliases: before.aliases.0.iter().chain(&after.aliases.0).cloned().collect(), ..lineage };
    if before.name != after.name {
        lineages::rename(tx, &key.lineage_id, &after.name).map_err(|error| taken(error, &wanted))?;
    }
    if before.aliases != after.aliases {
        check_aliases_free(tx, &wanted)?;
        lineages::set_aliases(tx, &key.lineage_id, &wanted.aliases).map_err(|error| taken(error, &wanted))?;
    }
    Ok(())
}

fn properties(key: &KeyRow) -> Properties {
    Properties {
        name: key.name.clone(),
        aliases: key.aliases.clone().into(),
        description: key.description.clone(),
        tags: key.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        expires: key.expires_at.map(Into::into),
        expiry_span: key.expiry_span,
        expiry_policy: key.expiry_policy.as_str().to_owned(),
        exportable: key.ties.is_exportable,
    }
}

/// Why the end of a key's material cannot be moved: a date alone would not bring back what the cloud no longer has. An INACTIVE key's material is away on purpose,
/// and comes back with the date that stands here.
fn material_gone(key: &KeyRow, now: Timestamp) -> Option<Invalid> {
    let has_expired = key.expires_at.is_some_and(|expires| expires <= now);
    if key.state != KeyState::Active || (key.material_present && !has_expired) {
        return None;
    }
    let reason = if has_expired { "cannot be moved: the material has expired" } else { "cannot be moved: the cloud no longer has the material" };
    Some(Invalid::new("expires", reason, format!("Bring the material back first: `keystead key upload {}`. Then set the date.", key.name)))
}

/// The properties as they shall be: a pure function of key, change and time.
fn changed(key: &KeyRow, change: KeyChange, now: Timestamp) -> Result<Properties, Invalid> {
    if !change.aliases.is_none() && !key.is_current {
        return Err(Invalid::new("aliases", "belong to the current key of the lineage", "Update the current key: name it instead of giving its id."));
    }
    if let Some(text) = &change.description {
        check_description(text)?;
    }
    let (expires, span) = match change.expires {
        Some(Some(expires)) => (Some(expiry::check(expires, now)?), Some(expires.as_micros() - now.as_micros())),
        Some(None) => (None, None),
        None => (key.expires_at, key.expiry_span),
    };
    let before = properties(key);
    Ok(Properties {
        name: change.name.map_or(before.name, |name| name.to_string()),
        aliases: change.aliases.of(&key.aliases)?.into(),
        description: change.description.unwrap_or(before.description),
        tags: change.tags.map_or(before.tags, |tags| tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        expires: expires.map(Into::into),
        expiry_span: span,
        expiry_policy: change.expiry_policy.map_or(before.expiry_policy, |policy| policy.as_str().to_owned()),
        exportable: change.exportable.unwrap_or(before.exportable),
    })
}
