//! Aliases that go from one key to another: whoever has one gives it up before the other takes it.

use std::collections::BTreeMap;

use super::{Estate, difference::Index};
use crate::{Alias, Aliases, Invalid, KeyId, KeyState};

/// Which aliases go from whom.
#[derive(Default)]
pub(super) struct Moves {
    /// What a key gives up to others.
    pub given_up: BTreeMap<KeyId, Aliases>,
    /// From whom a value of the estate takes: the keys that give up first.
    pub takes_from: BTreeMap<String, Vec<KeyId>>,
    pub mistakes: Vec<Invalid>,
}

/// A key or replica that says its aliases.
struct Member<'a> {
    path: String,
    keystore: Option<&'a str>,
    standing: Option<&'a super::StandingKey>,
    /// All of its aliases, if it says them.
    wanted: Option<&'a Aliases>,
    is_going: bool,
}

/// Finds who takes what from whom, and what nobody gives up.
pub(super) fn moves(wanted: &Estate, index: &Index<'_>) -> Moves {
    let members = members(wanted, index);
    let mut holders: BTreeMap<(&str, &Alias), &super::StandingKey> = BTreeMap::new();
    for key in index.keys.values() {
        holders.extend(key.aliases.iter().map(|alias| ((key.keystore.as_str(), alias), *key)));
    }
    let said: BTreeMap<&KeyId, &Member<'_>> = members.iter().filter_map(|member| Some((&member.standing?.id, member))).collect();
    let mut moves = Moves::default();
    for member in members.iter().filter(|member| !member.is_going) {
        for (position, alias) in member.wanted.into_iter().flatten().enumerate() {
            let Some(keystore) = member.keystore else { continue };
            let Some(holder) = holders.get(&(keystore, alias)).filter(|holder| Some(&holder.id) != member.standing.map(|key| &key.id)) else { continue };
            match refusal(holder, said.get(&holder.id).copied()) {
                None => moves.note(&member.path, &holder.id, alias),
                Some((reason, mend)) => {
                    moves.mistakes.push(Invalid::new(format!("{}.aliases[{position}]", member.path), format!("is {alias}, {reason}"), mend))
                }
            }
        }
    }
    moves
}

/// Why a holder does not give an alias up.
fn refusal(holder: &super::StandingKey, said: Option<&Member<'_>>) -> Option<(String, String)> {
    let name = &holder.name;
    if !matches!(holder.state, KeyState::Active | KeyState::Inactive) {
        let reason = format!("an alias of {name}, which is {} and keeps it", holder.state.as_str());
        return Some((reason, format!("Choose another alias, or bring {name} back first: `keystead key cancel-deletion {name}`.")));
    }
    match said {
        Some(member) if member.is_going || member.wanted.is_some() => None,
        Some(_) => Some((
            format!("an alias of {name}, whose aliases the file leaves as they are"),
            format!("Say which aliases {name} shall have, or choose another one."),
        )),
        None => Some((format!("an alias of {name}, which no file names"), format!("Name {name} with the aliases that it shall have, or choose another one."))),
    }
}

fn members<'a>(wanted: &'a Estate, index: &Index<'a>) -> Vec<Member<'a>> {
    let mut members = Vec::new();
    for (place, key) in wanted.keys.iter().enumerate() {
        let standing = index.keys.get(key.name.as_str()).copied();
        let keystore = key.keystore.as_deref().or(standing.map(|key| key.keystore.as_str()));
        members.push(Member { path: format!("keys[{place}]"), keystore, standing, wanted: key.aliases.as_ref(), is_going: key.deleted.is_some() });
        for (at, replica) in key.replicas.iter().enumerate() {
            let standing = standing.and_then(|primary| index.replicas.get(&(&primary.id, replica.keystore.as_str())).copied());
            members.push(Member {
                path: format!("keys[{place}].replicas[{at}]"),
                keystore: Some(&replica.keystore),
                standing,
                wanted: replica.aliases.as_ref(),
                is_going: replica.deleted.is_some() || key.deleted.is_some(),
            });
        }
    }
    members
}

impl Moves {
    fn note(&mut self, taker: &str, holder: &KeyId, alias: &Alias) {
        let given = self.given_up.entry(holder.clone()).or_default();
        *given = given.iter().chain([alias]).cloned().collect();
        self.takes_from.entry(taker.to_owned()).or_default().push(holder.clone());
    }
}
