//! An estate in itself: what no state of things could make right.

use std::collections::BTreeMap;

use super::{Estate, RotationWish, WantedKey};
use crate::{Alias, Invalid};

/// The mistakes of an estate that no state of things makes right, in the order of the estate. `keystore_of` says in which keystore a key is that does not say so itself.
pub fn check<'a>(estate: &'a Estate, keystore_of: impl Fn(&str) -> Option<&'a str>) -> Vec<Invalid> {
    let mut mistakes = Vec::new();
    names(estate, &mut mistakes);
    aliases(estate, keystore_of, &mut mistakes);
    for (index, keystore) in estate.keystores.iter().enumerate() {
        rotation(&format!("keystores[{index}].rotation"), keystore.rotation.as_ref(), &mut mistakes);
    }
    for (index, key) in estate.keys.iter().enumerate() {
        mistakes.extend(of_key(&format!("keys[{index}]"), key));
        rotation(&format!("keys[{index}].rotation"), key.rotation.as_ref(), &mut mistakes);
    }
    rotation("rotation", estate.rotation.as_ref(), &mut mistakes);
    mistakes
}

fn names(estate: &Estate, mistakes: &mut Vec<Invalid>) {
    let keystores = estate.keystores.iter().enumerate().map(|(index, keystore)| (format!("keystores[{index}].name"), keystore.name.as_str()));
    twice(keystores, "Write all that is wanted of a keystore in one place.", mistakes);
    let replicas = |(index, key): (usize, &WantedKey)| {
        let named = |(place, name)| (format!("keys[{index}].replicas[{place}].name"), name);
        let names = key.replicas.iter().map(|replica| replica.name.clone()).enumerate();
        names.filter_map(|(place, name)| Some((place, name?))).map(named).collect::<Vec<_>>()
    };
    let keys = estate.keys.iter().enumerate();
    let own = keys.clone().map(|(index, key)| (format!("keys[{index}].name"), key.name.clone()));
    let all: Vec<_> = own.chain(keys.flat_map(replicas)).collect();
    twice(all.iter().map(|(path, name)| (path.clone(), name.as_str())), "A name is unique: choose another one, or write all of a key in one place.", mistakes);
}

fn twice<'a>(named: impl Iterator<Item = (String, &'a str)>, mend: &str, mistakes: &mut Vec<Invalid>) {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (path, name) in named {
        match seen.get(name) {
            Some(first) => mistakes.push(Invalid::new(path, format!("is {name}, as is {first}"), mend)),
            None => drop(seen.insert(name, path)),
        }
    }
}

/// One alias belongs to one key of a keystore.
fn aliases<'a>(estate: &'a Estate, keystore_of: impl Fn(&str) -> Option<&'a str>, mistakes: &mut Vec<Invalid>) {
    let mut seen: BTreeMap<(&str, &Alias), String> = BTreeMap::new();
    for (index, key) in estate.keys.iter().enumerate().filter(|(_, key)| key.deleted.is_none()) {
        let own =
            (key.keystore.as_deref().or_else(|| keystore_of(key.name.as_str())).unwrap_or_default(), key.aliases.as_ref(), format!("keys[{index}].aliases"));
        let replicas = key.replicas.iter().enumerate().filter(|(_, replica)| replica.deleted.is_none());
        let replicas =
            replicas.map(|(place, replica)| (replica.keystore.as_str(), replica.aliases.as_ref(), format!("keys[{index}].replicas[{place}].aliases")));
        for (keystore, aliases, path) in std::iter::once(own).chain(replicas) {
            for (position, alias) in aliases.into_iter().flatten().enumerate() {
                let path = format!("{path}[{position}]");
                match seen.get(&(keystore, alias)) {
                    Some(first) => mistakes.push(Invalid::new(
                        path,
                        format!("is {alias}, as is {first}"),
                        "An alias means one key of a keystore: leave it at one of them.",
                    )),
                    None => drop(seen.insert((keystore, alias), path)),
                }
            }
        }
    }
}

fn of_key(path: &str, key: &WantedKey) -> Vec<Invalid> {
    let mut mistakes = Vec::new();
    if !key.replicas.is_empty() && key.multi_region == Some(false) {
        mistakes.push(Invalid::new(
            format!("{path}.replicas"),
            "are given, and multi_region is false",
            "Leave one of the two out: only a multi-Region key has replicas.",
        ));
    }
    let keystores = key.replicas.iter().enumerate().map(|(place, replica)| (format!("{path}.replicas[{place}].keystore"), replica.keystore.as_str()));
    twice(keystores, "A key has one replica in a keystore.", &mut mistakes);
    for (place, replica) in key.replicas.iter().enumerate() {
        if key.keystore.as_deref() == Some(&replica.keystore) {
            let path = format!("{path}.replicas[{place}].keystore");
            mistakes.push(Invalid::new(path, "is the keystore of the key itself", "Name a keystore of another Region."));
        }
    }
    mistakes
}

fn rotation(path: &str, wish: Option<&RotationWish>, mistakes: &mut Vec<Invalid>) {
    if let Some(RotationWish::Policy(wish)) = wish
        && let Err(invalid) = wish.rule()
    {
        mistakes.push(Invalid { field: format!("{path}.{}", invalid.field), ..invalid });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Aliases,
        estate::model::{key, replica},
    };

    fn fields(estate: &Estate) -> Vec<String> {
        check(estate, |_| None).into_iter().map(|invalid| invalid.field).collect()
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused_where_it_stands_again_and_told_where_it_stood_first() {
        let estate = Estate { keys: vec![key("a"), key("b"), key("a")], ..Estate::default() };
        let mistakes = check(&estate, |_| None);
        assert_eq!(mistakes.len(), 1);
        assert_eq!((mistakes[0].field.as_str(), mistakes[0].reason.as_str()), ("keys[2].name", "is a, as is keys[0].name"));
    }

    #[test]
    fn an_alias_means_one_key_of_a_keystore() {
        let aliased = |name: &str, keystore: &str| WantedKey { aliases: Aliases::parse(["x"]).ok(), keystore: Some(keystore.to_owned()), ..key(name) };
        let estate = Estate { keys: vec![aliased("a", "eu"), aliased("b", "us"), aliased("c", "eu")], ..Estate::default() };
        assert_eq!(fields(&estate), ["keys[2].aliases[0]"]);
    }

    #[test]
    fn replicas_contradict_a_single_region_and_lie_elsewhere() {
        let wanted = WantedKey { multi_region: Some(false), replicas: vec![replica("eu"), replica("us"), replica("us")], ..key("a") };
        let estate = Estate { keys: vec![wanted], ..Estate::default() };
        assert_eq!(fields(&estate), ["keys[0].replicas", "keys[0].replicas[2].keystore", "keys[0].replicas[0].keystore"]);
    }
}
