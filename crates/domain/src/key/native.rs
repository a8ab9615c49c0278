//! Keys that were made in the cloud and found there: where they stand, and what they are called (FT-051 to FT-054).

use crate::{Alias, KeyState, Name};

/// Where a key that the cloud alone has stands, by what the cloud says of it now. One that was replaced by an adoption stays replaced for as long as it can be used.
pub fn state(before: Option<KeyState>, enabled: bool, counts_down: bool) -> KeyState {
    match before {
        Some(KeyState::Deleted) => KeyState::Deleted,
        _ if counts_down => KeyState::PendingDeletion,
        Some(KeyState::Replaced) if enabled => KeyState::Replaced,
        _ if enabled => KeyState::Active,
        _ => KeyState::Inactive,
    }
}

/// How often a number is tried behind a name that is taken, before the cloud's id is taken for the name.
const NUMBERS: u32 = 9;

/// The names that a found key may get, best first: its alias, the same with numbers, the cloud's id, the same with numbers.
pub fn names(alias: Option<&Alias>, cloud_id: &str) -> Vec<Name> {
    let stems = alias.map(Alias::as_str).into_iter().chain([cloud_id]).filter_map(Name::made_of);
    stems
        .flat_map(|stem| {
            (2..=NUMBERS).fold(vec![stem.clone()], |mut names, number| {
                names.push(stem.numbered(number));
                names
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::lifecycle::STATES;

    #[test]
    fn a_found_key_stands_where_the_cloud_says() {
        assert_eq!(state(None, true, false), KeyState::Active);
        assert_eq!(state(None, false, false), KeyState::Inactive);
        assert_eq!(state(None, false, true), KeyState::PendingDeletion);
        assert_eq!(state(Some(KeyState::PendingDeletion), false, false), KeyState::Inactive, "somebody cancelled it in the cloud");
        assert_eq!(state(Some(KeyState::Replaced), true, false), KeyState::Replaced);
        assert_eq!(state(Some(KeyState::Replaced), false, false), KeyState::Inactive);
    }

    #[test]
    fn nothing_comes_back_from_deleted_and_nothing_is_being_created() {
        for before in STATES {
            for (enabled, counts_down) in [(true, false), (false, false), (false, true)] {
                let after = state(Some(before), enabled, counts_down);
                assert_eq!(after == KeyState::Deleted, before == KeyState::Deleted, "{before:?}");
                assert_ne!(after, KeyState::Creating);
            }
        }
    }

    #[test]
    fn a_name_is_the_alias_made_readable_and_else_the_clouds_id() {
        let alias = Alias::parse("team/orders").expect("an alias");
        let names: Vec<String> = names(Some(&alias), "1234abcd-12ab-34cd-56ef-1234567890ab").iter().map(ToString::to_string).collect();
        assert_eq!((names[0].as_str(), names[1].as_str(), names[9].as_str()), ("team-orders", "team-orders-2", "1234abcd-12ab-34cd-56ef-1234567890ab"));
        assert_eq!(super::names(None, "mrk-1")[0].as_str(), "mrk-1");
    }
}
