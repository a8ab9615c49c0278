//! The keys and aliases of one account in one Region, and how a request names them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::call::Scene;
use super::super::errors::{AwsError, Code};
use super::super::regions::Place;
use super::key::Key;
use crate::clock::Micros;

/// An alias. For a while after a move, others still see the old target.
pub(crate) struct Alias {
    pub(crate) target: String,
    pub(crate) previous: Option<String>,
    /// When the target shows; without a previous one, when the alias shows.
    pub(crate) visible_at: Micros,
    pub(crate) created: Micros,
    pub(crate) updated: Micros,
}

impl Alias {
    /// The key that it points to for those who look now; `None` while it is not seen.
    pub(crate) fn target_at(&self, now: Micros) -> Option<&str> {
        if now >= self.visible_at { Some(&self.target) } else { self.previous.as_deref() }
    }
}

/// Keys and aliases.
#[derive(Default)]
pub(crate) struct Realm {
    pub(crate) keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, Alias>,
    /// (key, alias) for every present and previous target; may hold more than is true, never less.
    pointing: BTreeSet<(String, String)>,
}

impl Realm {
    /// A key that others see by now.
    pub(crate) fn visible(&self, key_id: &str, now: Micros) -> Option<&Key> {
        self.keys.get(key_id).filter(|key| now >= key.visible_at)
    }

    pub(crate) fn alias(&self, name: &str) -> Option<&Alias> {
        self.aliases.get(name)
    }

    /// Aliases from this name on, in order of their names.
    pub(crate) fn aliases_after<'r>(&'r self, name: &'r str) -> impl Iterator<Item = (&'r String, &'r Alias)> {
        self.aliases.range::<str, _>((std::ops::Bound::Excluded(name), std::ops::Bound::Unbounded))
    }

    /// Names of the aliases that may point to this key, in order.
    pub(crate) fn candidates<'r>(&'r self, key_id: &'r str) -> impl Iterator<Item = (&'r String, &'r Alias)> {
        let from = (key_id.to_owned(), String::new());
        let names = self.pointing.range(from..).take_while(move |(key, _)| key == key_id).map(|(_, name)| name);
        names.filter_map(|name| Some((name, self.aliases.get(name)?)))
    }

    /// How many aliases a key has.
    pub(crate) fn aliases_of(&self, key_id: &str) -> usize {
        self.candidates(key_id).filter(|(_, alias)| alias.target == key_id).count()
    }

    pub(crate) fn put_alias(&mut self, name: &str, alias: Alias) {
        for target in [Some(&alias.target), alias.previous.as_ref()].into_iter().flatten() {
            self.pointing.insert((target.clone(), name.to_owned()));
        }
        self.aliases.insert(name.to_owned(), alias);
    }

    pub(crate) fn remove_alias(&mut self, name: &str) {
        if let Some(alias) = self.aliases.remove(name) {
            for target in [Some(alias.target), alias.previous].into_iter().flatten() {
                self.pointing.remove(&(target, name.to_owned()));
            }
        }
    }

    /// Ends a key, and its aliases with it.
    pub(crate) fn remove_key(&mut self, key_id: &str) {
        self.keys.remove(key_id);
        let names: Vec<String> = self.candidates(key_id).filter(|(_, alias)| alias.target == key_id).map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| self.remove_alias(name));
    }
}

/// Whether an operation lets a key be named by an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    KeyOnly,
    AliasToo,
}

/// A key as it was named.
enum Named<'a> {
    Id(&'a str),
    Alias(&'a str),
}

impl Scene<'_> {
    pub(crate) fn realm(&mut self) -> &mut Realm {
        self.world.realm_mut(&self.call.place)
    }

    /// The id of the key that a member names. It exists, others see it, and the caller may do this call's action on it.
    pub(crate) fn find(&mut self, member: &str, naming: Naming) -> Result<String, AwsError> {
        let name = self.request().required_text(member, 1, 2048)?;
        self.find_named(name, naming, &format!("kms:{}", self.call.operation.name))
    }

    /// The same for a given name and action.
    pub(crate) fn find_named(&mut self, name: &str, naming: Naming, action: &str) -> Result<String, AwsError> {
        let place = &self.call.place;
        let key_id = match parse(name, place, &self.call.caller.arn, action)? {
            Named::Id(id) => id.to_owned(),
            Named::Alias(_) if naming == Naming::KeyOnly && name.starts_with("arn:") => {
                return Err(AwsError::new(Code::InvalidArn, "Key Aliases are not supported for this operation."));
            }
            Named::Alias(_) if naming == Naming::KeyOnly => return Err(AwsError::new(Code::NotFound, format!("Invalid keyId '{name}'"))),
            Named::Alias(alias) => self.alias_target(alias)?,
        };
        let arn = place.key_arn(&key_id);
        self.touched.push(arn.clone());
        self.authorize_action(action, &arn)?;
        let now = self.now;
        let visible = self.realm().visible(&key_id, now).is_some();
        if visible { Ok(key_id) } else { Err(AwsError::new(Code::NotFound, format!("Key '{arn}' does not exist"))) }
    }

    fn alias_target(&mut self, alias: &str) -> Result<String, AwsError> {
        let now = self.now;
        let arn = self.call.place.alias_arn(alias);
        let target = self.realm().alias(alias).and_then(|found| found.target_at(now)).map(str::to_owned);
        target.ok_or_else(|| AwsError::new(Code::NotFound, format!("Alias {arn} is not found.")))
    }

    /// A key that was found before.
    pub(crate) fn key(&mut self, key_id: &str) -> Result<&mut Key, AwsError> {
        let arn = self.call.place.key_arn(key_id);
        self.realm().keys.get_mut(key_id).ok_or_else(|| AwsError::new(Code::NotFound, format!("Key '{arn}' does not exist")))
    }

    /// The key that the member `KeyId` names, in a state for this call.
    pub(crate) fn open(&mut self, naming: Naming) -> Result<&mut Key, AwsError> {
        let (now, operation) = (self.now, self.call.operation.name);
        let key_id = self.find("KeyId", naming)?;
        let key = self.key(&key_id)?;
        key.check(operation, now)?;
        Ok(key)
    }
}

fn parse<'a>(name: &'a str, place: &Place, caller: &str, action: &str) -> Result<Named<'a>, AwsError> {
    let resource = if name.starts_with("arn:") { arn_resource(name, place, caller, action)? } else { name };
    if resource.starts_with("alias/") {
        return Ok(Named::Alias(resource));
    }
    let id = if name.starts_with("arn:") { resource.strip_prefix("key/").unwrap_or_default() } else { resource };
    if is_key_id(id) { Ok(Named::Id(id)) } else { Err(AwsError::new(Code::NotFound, format!("Invalid keyId '{id}'"))) }
}

fn arn_resource<'a>(arn: &'a str, place: &Place, caller: &str, action: &str) -> Result<&'a str, AwsError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts[..] else {
        return Err(AwsError::new(Code::InvalidArn, format!("Invalid arn {arn}")));
    };
    if partition != place.partition().name() || region != place.region {
        return Err(AwsError::new(Code::NotFound, format!("Invalid arn {region}")));
    }
    if account != place.account {
        let why = format!("because no resource-based policy allows the {action} action");
        return Err(AwsError::new(Code::AccessDenied, format!("User: {caller} is not authorized to perform: {action} on resource: {arn} {why}")));
    }
    Ok(resource)
}

/// A UUID, or `mrk-` with 32 hexadecimal digits.
fn is_key_id(id: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if let Some(digits) = id.strip_prefix("mrk-") {
        return digits.len() == 32 && is_hex(digits);
    }
    let groups: Vec<&str> = id.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| is_hex(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_aws_reads_them() {
        let place = Place { account: "111122223333".to_owned(), region: "eu-west-1".to_owned() };
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let outcome = |name: &str| match parse(name, &place, "arn:aws:iam::111122223333:user/ann", "kms:DescribeKey") {
            Ok(Named::Id(id)) => format!("id {id}"),
            Ok(Named::Alias(alias)) => alias.to_owned(),
            Err(error) => error.code.json_name().to_owned(),
        };
        assert_eq!(outcome(id), format!("id {id}"));
        assert_eq!(outcome(&place.key_arn(id)), format!("id {id}"));
        assert_eq!(outcome("mrk-1234abcd12ab34cd56ef1234567890ab"), "id mrk-1234abcd12ab34cd56ef1234567890ab");
        assert_eq!(outcome("alias/a/b"), "alias/a/b");
        assert_eq!(outcome(&place.alias_arn("alias/a")), "alias/a");
        for wrong in ["fake-key-id", "134f2428cec14b25a1ae9048164dba47", "mrk-fake", "arn:aws:kms:us-east-1:111122223333:key/x"] {
            assert_eq!(outcome(wrong), "NotFoundException", "{wrong}");
        }
        assert_eq!(outcome("arn:aws:kms:eu-west-1:999999999999:key/x"), "AccessDeniedException");
        assert_eq!(outcome("arn:aws:s3:::bucket"), "InvalidArnException");
    }

    #[test]
    fn a_moved_alias_shows_its_old_target_for_a_while() {
        let alias = Alias { target: "new".to_owned(), previous: Some("old".to_owned()), visible_at: 10, created: 0, updated: 5 };
        assert_eq!((alias.target_at(9), alias.target_at(10)), (Some("old"), Some("new")));
        let fresh = Alias { previous: None, ..alias };
        assert_eq!((fresh.target_at(9), fresh.target_at(10)), (None, Some("new")));
    }
}
