//! Selectors: which keys an action is about, when it is about many. What is left out narrows nothing; a selector that says nothing at all is refused, so that nobody
//! acts on every key by forgetting a word.

use crate::{Custody, Event, Invalid, KeySpec, KeyState, Tags, Timestamp, Verdict, verdict};

/// A tag that a key shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagWish {
    /// Its name.
    pub name: String,
    /// Its value; without one, any.
    pub value: Option<String>,
}

impl TagWish {
    /// Reads `name` or `name=value`.
    ///
    /// # Errors
    /// [`Invalid`] naming `tags`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        if name.is_empty() || name.chars().count() > 128 {
            return Err(Invalid::new("tags", "must name a tag of 1 to 128 characters", "Write NAME, or NAME=VALUE, for example env=test."));
        }
        Ok(Self { name: name.to_owned(), value })
    }

    /// Whether these tags have it.
    pub fn is_among(&self, tags: &Tags) -> bool {
        tags.get(&self.name).is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value))
    }
}

impl std::fmt::Display for TagWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.value.as_ref().map_or(Ok(()), |value| write!(f, "={value}"))
    }
}

/// Which keys. Each field that says something must hold; of several values in one field one is enough, of tags all are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Every key that the other fields leave.
    pub all: bool,
    /// Keys of these ids or names.
    pub keys: Vec<String>,
    /// Keys in these keystores, by id or name.
    pub keystores: Vec<String>,
    /// Keys with all of these tags.
    pub tags: Vec<TagWish>,
    /// Keys in one of these states.
    pub states: Vec<KeyState>,
    /// Keys of one of these kinds.
    pub specs: Vec<KeySpec>,
    /// Keys whose material is kept in one of these ways.
    pub custodies: Vec<Custody>,
    /// Keys made before then.
    pub created_before: Option<Timestamp>,
    /// Keys made after then.
    pub created_after: Option<Timestamp>,
    /// Keys with this in name, description or an alias, whatever its case.
    pub text: Option<String>,
    /// Keys in use whose material the cloud does not have any more, as last seen.
    pub without_material: bool,
    /// Keys with one of these tags come first, in this order; it selects nothing.
    pub first: Vec<TagWish>,
}

/// What of a key a selector looks at.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Id.
    pub id: &'a str,
    /// Name.
    pub name: &'a str,
    /// Whether the name means this key.
    pub is_current: bool,
    /// Id of its keystore.
    pub keystore_id: &'a str,
    /// Name of its keystore.
    pub keystore: &'a str,
    /// State.
    pub state: KeyState,
    /// Kind.
    pub spec: KeySpec,
    /// Whose its material is.
    pub custody: Custody,
    /// Tags.
    pub tags: &'a Tags,
    /// Description.
    pub description: &'a str,
    /// Aliases.
    pub aliases: Vec<&'a str>,
    /// When made.
    pub created_at: Timestamp,
    /// Whether the cloud was last seen with its material.
    pub has_material: bool,
}

impl Selector {
    /// Refuses a selector that says nothing, or everything and something.
    ///
    /// # Errors
    /// [`Invalid`] naming `selector` or `selector.all`.
    pub fn check(&self) -> Result<(), Invalid> {
        let narrows = *self != Self { all: self.all, first: self.first.clone(), ..Self::default() };
        match (self.all, narrows) {
            (false, false) => Err(Invalid::new("selector", "names no keys", "Say which: tags, keystores, states, names, and so on; or all of them: `--all`.")),
            (true, true) if !self.keys.is_empty() => Err(Invalid::new("selector.all", "is true, and keys are named, too", "Leave one of the two out.")),
            _ => Ok(()),
        }
    }

    /// Whether the key was named, by its id or by its name, which means the current key of its lineage.
    fn names(&self, key: &Facts<'_>) -> bool {
        self.keys.iter().any(|one| one == key.id || (key.is_current && one == key.name))
    }

    /// The place of a key in the order of importance: less comes first.
    pub fn rank(&self, tags: &Tags) -> usize {
        self.first.iter().position(|tag| tag.is_among(tags)).unwrap_or(self.first.len())
    }

    fn has_text(&self, key: &Facts<'_>) -> bool {
        let Some(text) = self.text.as_ref().map(|text| text.to_lowercase()) else { return true };
        let has = |place: &&str| place.to_lowercase().contains(&text);
        [key.name, key.description].iter().any(has) || key.aliases.iter().any(has)
    }
}

/// Whether a selector selects a key. A DELETED key is selected when its state or its id is named, and not otherwise.
pub fn matches(selector: &Selector, key: &Facts<'_>) -> bool {
    fn one_of<T: PartialEq>(wanted: &[T], found: &T) -> bool {
        wanted.is_empty() || wanted.contains(found)
    }
    let names_state = !selector.states.is_empty();
    (key.state != KeyState::Deleted || names_state || selector.keys.iter().any(|one| one == key.id))
        && (selector.keys.is_empty() || selector.names(key))
        && (selector.keystores.is_empty() || selector.keystores.iter().any(|one| one == key.keystore_id || one == key.keystore))
        && selector.tags.iter().all(|tag| tag.is_among(key.tags))
        && one_of(&selector.states, &key.state)
        && one_of(&selector.specs, &key.spec)
        && one_of(&selector.custodies, &key.custody)
        && selector.created_before.is_none_or(|time| key.created_at < time)
        && selector.created_after.is_none_or(|time| key.created_at > time)
        && selector.has_text(key)
        && (!selector.without_material || (matches!(key.state, KeyState::Active | KeyState::Replaced) && !key.has_material))
}

/// The same for one event: a predecessor of which the table refuses it, and which nobody named, is not meant. It has the tags and the place of the key that took over
/// from it, and would be refused each time.
pub fn is_meant(selector: &Selector, key: &Facts<'_>, event: Event) -> bool {
    let is_asked_for = key.is_current || !selector.states.is_empty() || !selector.keys.is_empty();
    matches(selector, key) && (is_asked_for || verdict(key.state, event) != Verdict::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        Tags::parse(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).expect("are tags")
    }

    fn facts<'a>(name: &'a str, state: KeyState, tags: &'a Tags) -> Facts<'a> {
        Facts {
            id: "key_1",
            name,
            is_current: true,
            keystore_id: "keystore_1",
            keystore: "eu",
            state,
            spec: KeySpec::Aes256,
            custody: Custody::Own,
            tags,
            description: "Orders at rest",
            aliases: vec!["alias/billing"],
            created_at: Timestamp::from_secs(100),
            has_material: true,
        }
    }

    fn wish(text: &str) -> TagWish {
        TagWish::parse(text).expect("a tag")
    }

    #[test]
    fn nothing_said_is_refused_and_everything_must_be_said() {
        assert_eq!(Selector::default().check().expect_err("empty").field, "selector");
        assert_eq!(Selector { all: true, ..Selector::default() }.check(), Ok(()));
        assert_eq!(Selector { all: true, tags: vec![wish("env")], ..Selector::default() }.check(), Ok(()), "all that have the tag");
        assert_eq!(Selector { all: true, keys: vec!["a".to_owned()], ..Selector::default() }.check().expect_err("both").field, "selector.all");
        assert!(TagWish::parse("=x").is_err());
        assert!(Selector { first: vec![wish("env")], ..Selector::default() }.check().is_err(), "an order selects nothing");
    }

    #[test]
    fn of_tags_all_are_needed_and_a_name_alone_takes_any_value() {
        let has = tags(&[("env", "test"), ("team", "pay")]);
        let key = facts("orders", KeyState::Active, &has);
        let selects = |wanted: &[&str]| matches(&Selector { tags: wanted.iter().map(|text| wish(text)).collect(), ..Selector::default() }, &key);
        assert!(selects(&["env"]) && selects(&["env=test"]) && selects(&["env=test", "team"]));
        assert!(!selects(&["env=prod"]) && !selects(&["env=test", "cost"]) && !selects(&["env="]));
    }

    #[test]
    fn what_is_more_important_comes_first() {
        let selector = Selector { first: vec![wish("tier=1"), wish("tier")], ..Selector::default() };
        let rank = |pairs: &[(&str, &str)]| selector.rank(&tags(pairs));
        assert_eq!((rank(&[("tier", "1")]), rank(&[("tier", "2")]), rank(&[])), (0, 1, 2));
    }

    #[test]
    fn each_field_narrows_and_of_several_values_one_is_enough() {
        let none = Tags::default();
        let key = facts("orders", KeyState::Active, &none);
        let base = Selector::default;
        let selects = |selector: Selector| matches(&selector, &key);
        assert!(selects(Selector { keystores: vec!["us".into(), "eu".into()], ..base() }) && !selects(Selector { keystores: vec!["us".into()], ..base() }));
        assert!(selects(Selector { states: vec![KeyState::Inactive, KeyState::Active], ..base() }));
        assert!(!selects(Selector { states: vec![KeyState::Inactive], ..base() }));
        assert!(!selects(Selector { specs: vec![KeySpec::Rsa4096], ..base() }) && !selects(Selector { custodies: vec![Custody::Native], ..base() }));
        assert!(selects(Selector { text: Some("BILL".into()), ..base() }) && selects(Selector { text: Some("at rest".into()), ..base() }));
        assert!(!selects(Selector { text: Some("ledger".into()), ..base() }));
        assert!(selects(Selector { keys: vec!["orders".into()], ..base() }) && selects(Selector { keys: vec!["key_1".into()], ..base() }));
        let at = |secs| Some(Timestamp::from_secs(secs));
        assert!(selects(Selector { created_before: at(101), created_after: at(99), ..base() }) && !selects(Selector { created_before: at(100), ..base() }));
        assert!(!selects(Selector { without_material: true, ..base() }));
        assert!(matches(&Selector { without_material: true, ..base() }, &Facts { has_material: false, ..key.clone() }));
    }

    #[test]
    fn what_is_deleted_or_was_succeeded_is_meant_when_it_is_named() {
        let none = Tags::default();
        let all = Selector { all: true, ..Selector::default() };
        let deleted = facts("orders", KeyState::Deleted, &none);
        assert!(!matches(&all, &deleted));
        assert!(matches(&Selector { states: vec![KeyState::Deleted], ..Selector::default() }, &deleted));
        let replaced = Facts { is_current: false, ..facts("orders", KeyState::Replaced, &none) };
        assert!(is_meant(&all, &replaced, Event::Upload), "what it encrypted shall go on opening");
        assert!(!is_meant(&all, &replaced, Event::Renew));
        assert!(is_meant(&Selector { states: vec![KeyState::Replaced], ..Selector::default() }, &replaced, Event::Renew), "and is refused by name");
    }
}
