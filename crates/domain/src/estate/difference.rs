//! The way from what is to what is wanted: changes in an order in which each can be done, or every mistake that stands in their way.

use std::collections::BTreeMap;

use super::{
    Action, Change, Danger, Estate, FieldChange, Standing, StandingKey, StandingKeystore, Subject,
    aliases::{Moves, moves},
    check, keys, places,
};
use crate::{Invalid, KeyId, KeySpec, Timestamp};

/// The way from what is to what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// What is done, in order.
    pub changes: Vec<Change>,
    /// How many keystores and keys of the estate are as they shall be.
    pub unchanged: usize,
}

/// Draws the way.
///
/// # Errors
/// Every mistake of the estate and every change that cannot be, each with its path.
pub fn difference(wanted: &Estate, standing: &Standing, now: Timestamp) -> Result<Difference, Vec<Invalid>> {
    let index = Index::of(standing);
    let mistakes = check(wanted, |name| index.keys.get(name).map(|key| key.keystore.as_str()));
    let moves = moves(wanted, &index);
    let mut drawing = Drawing { wanted, standing, index, now, moves, changes: Vec::new(), mistakes, last: BTreeMap::new(), made: BTreeMap::new() };
    drawing.mistakes.append(&mut drawing.moves.mistakes);
    places::draw(&mut drawing);
    keys::draw(&mut drawing);
    if !drawing.mistakes.is_empty() {
        return Err(drawing.mistakes);
    }
    let touched = drawing.last.len() - usize::from(drawing.last.contains_key("rotation"));
    let replicas: usize = wanted.keys.iter().map(|key| key.replicas.len()).sum();
    let said = wanted.keystores.len() + wanted.keys.len() + replicas;
    Ok(Difference { changes: drawing.changes, unchanged: said.saturating_sub(touched) })
}

/// What is, by name.
pub(super) struct Index<'a> {
    pub keystores: BTreeMap<&'a str, &'a StandingKeystore>,
    pub keys: BTreeMap<&'a str, &'a StandingKey>,
    /// By primary and keystore.
    pub replicas: BTreeMap<(&'a KeyId, &'a str), &'a StandingKey>,
}

impl<'a> Index<'a> {
    fn of(standing: &'a Standing) -> Self {
        let replicas = standing.keys.iter().filter_map(|key| Some(((key.primary.as_ref()?, key.keystore.as_str()), key)));
        Self {
            keystores: standing.keystores.iter().map(|keystore| (keystore.name.as_str(), keystore)).collect(),
            keys: standing.keys.iter().map(|key| (key.name.as_str(), key)).collect(),
            replicas: replicas.collect(),
        }
    }
}

/// A way that is being drawn.
pub(super) struct Drawing<'a> {
    pub wanted: &'a Estate,
    pub standing: &'a Standing,
    pub index: Index<'a>,
    pub now: Timestamp,
    pub moves: Moves,
    pub changes: Vec<Change>,
    pub mistakes: Vec<Invalid>,
    /// The last change of each value of the estate: the next one of the same waits for it.
    last: BTreeMap<String, usize>,
    /// The changes that make keystores, by name.
    made: BTreeMap<String, usize>,
}

impl Drawing<'_> {
    /// Adds a change behind the others of the same value, and answers its place.
    pub fn add(&mut self, step: Step) -> usize {
        let Step { path, subject, key, action, fields, dangers, mut waits_for } = step;
        waits_for.extend(self.last.get(&path));
        let needs_keystore = matches!(
            action,
            Action::CreateKey(_) | Action::AddReplica(_) | Action::SetWarm(_) | Action::SetDrift(_) | Action::SetAlerts(_) | Action::SetRotation(_)
        );
        if needs_keystore {
            waits_for.extend(subject.keystore().and_then(|name| self.made.get(name)));
        }
        waits_for.sort_unstable();
        waits_for.dedup();
        let place = self.changes.len();
        if let Action::CreateKeystore(_) = action {
            self.made.insert(subject.name().to_owned(), place);
        }
        self.last.insert(path.clone(), place);
        self.changes.push(Change { path, subject, key, action, fields, dangers, waits_for });
        place
    }

    /// The last change of a value of the estate so far.
    pub fn last_of(&self, path: &str) -> Option<usize> {
        self.last.get(path).copied()
    }

    /// Whether there is a keystore of this name, or will be.
    pub fn has_keystore(&self, name: &str) -> bool {
        self.index.keystores.contains_key(name) || self.made.contains_key(name)
    }

    /// Notes a mistake.
    pub fn refuse(&mut self, field: impl Into<String>, reason: impl Into<String>, mend: impl Into<String>) {
        self.mistakes.push(Invalid::new(field, reason, mend));
    }
}

/// A change before it has its place.
pub(super) struct Step {
    pub path: String,
    pub subject: Subject,
    pub key: Option<KeyId>,
    pub action: Action,
    pub fields: Vec<FieldChange>,
    pub dangers: Vec<Danger>,
    pub waits_for: Vec<usize>,
}

impl Step {
    pub fn new(path: impl Into<String>, subject: Subject, action: Action) -> Self {
        Self { path: path.into(), subject, key: None, action, fields: Vec::new(), dangers: Vec::new(), waits_for: Vec::new() }
    }

    /// About a key that is there.
    pub fn of(self, key: &StandingKey) -> Self {
        Self { key: Some(key.id.clone()), ..self }
    }

    pub fn field(mut self, field: &'static str, from: Option<String>, to: Option<String>) -> Self {
        self.fields.push(FieldChange { field, from, to });
        self
    }

    pub fn danger(mut self, danger: Danger) -> Self {
        self.dangers.push(danger);
        self
    }

    pub fn danger_if(self, is_one: bool, danger: Danger) -> Self {
        if is_one { self.danger(danger) } else { self }
    }

    pub fn behind(mut self, place: impl IntoIterator<Item = usize>) -> Self {
        self.waits_for.extend(place);
        self
    }
}

/// The kind of a key that no file says.
pub(super) const SPEC_DEFAULT: KeySpec = KeySpec::Aes256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        AlertChannels, Aliases, KeyState, Tags,
        estate::{
            DriftWish, Place, RotationWish, WantedEnd, WantedKey, WantedKeystore, WantedReplica, WantedState,
            model::{NOW, estates, house, key, perform_all, replica},
        },
        key::{deletion::WaitingDays, expiry::ExpiryPolicy},
        keystore::AwsLocation,
        rotation::Wish,
        time::DAY,
    };

    fn aliases(texts: &[&str]) -> Option<Aliases> {
        Some(Aliases::parse(texts).expect("are aliases"))
    }

    fn hearing(names: &[&str]) -> AlertChannels {
        AlertChannels::parse("alerts", "", names.iter().map(|name| (*name).to_owned()).collect()).expect("are channels")
    }

    fn estate(keys: Vec<WantedKey>) -> Estate {
        Estate { keys, ..Estate::default() }
    }

    /// What is behind the way to this.
    fn behind(keys: Vec<WantedKey>) -> Standing {
        let mut standing = house();
        let way = difference(&estate(keys), &standing, NOW).expect("a way");
        perform_all(&mut standing, &way.changes);
        standing
    }

    fn way(keys: Vec<WantedKey>, standing: &Standing) -> Vec<(&'static str, String, Vec<usize>)> {
        let way = difference(&estate(keys), standing, NOW).expect("a way");
        way.changes.into_iter().map(|change| (change.action.as_str(), change.subject.name().to_owned(), change.waits_for)).collect()
    }

    fn mistakes(keys: Vec<WantedKey>, standing: &Standing) -> Vec<String> {
        difference(&estate(keys), standing, NOW).expect_err("mistakes").into_iter().map(|invalid| format!("{} {}", invalid.field, invalid.reason)).collect()
    }

    #[test]
    fn what_is_as_it_is_wanted_has_no_way_and_what_no_file_names_is_left_alone() {
        let standing = behind(vec![WantedKey { aliases: aliases(&["x", "y"]), expires: Some(WantedEnd::Lives(90 * DAY)), ..key("a") }, key("other")]);
        let found =
            difference(&estate(vec![WantedKey { aliases: aliases(&["y", "x"]), expires: Some(WantedEnd::Lives(90 * DAY)), ..key("a") }]), &standing, NOW);
        assert_eq!(found, Ok(Difference { changes: Vec::new(), unchanged: 1 }), "the order of aliases means nothing");
        assert_eq!(way(vec![key("a")], &standing), [], "a field that is left out is left alone");
    }

    #[test]
    fn two_keys_swap_an_alias_and_each_gives_up_before_the_other_takes() {
        let standing = behind(vec![WantedKey { aliases: aliases(&["x"]), ..key("a") }, WantedKey { aliases: aliases(&["y"]), ..key("b") }]);
        let swapped = vec![WantedKey { aliases: aliases(&["y"]), ..key("a") }, WantedKey { aliases: aliases(&["x"]), ..key("b") }];
        let found = way(swapped, &standing);
        let update = |name: &str, waits: &[usize]| ("update-key", name.to_owned(), waits.to_vec());
        assert_eq!(found, [update("a", &[]), update("b", &[]), update("a", &[0, 1]), update("b", &[0, 1])]);
    }

    #[test]
    fn an_alias_that_nobody_gives_up_is_a_mistake_with_its_holder() {
        let standing = behind(vec![WantedKey { aliases: aliases(&["x"]), ..key("a") }]);
        let taker = || WantedKey { aliases: aliases(&["x"]), ..key("b") };
        assert_eq!(mistakes(vec![taker()], &standing), ["keys[0].aliases[0] is x, an alias of a, which no file names"]);
        assert_eq!(mistakes(vec![taker(), key("a")], &standing), ["keys[0].aliases[0] is x, an alias of a, whose aliases the file leaves as they are"]);
        let going = WantedKey { deleted: Some(WaitingDays::SHORTEST), ..key("a") };
        let found = way(vec![taker(), going], &standing);
        assert_eq!(
            found.iter().map(|(action, name, _)| (*action, name.as_str())).collect::<Vec<_>>(),
            [("update-key", "a"), ("create-key", "b"), ("schedule-deletion", "a")]
        );
    }

    #[test]
    fn a_family_is_made_behind_its_keystore_and_deleted_replicas_first() {
        let far = WantedKeystore {
            name: crate::Name::parse("far").expect("a name"),
            place: Some(Place { cloud: "aws".into(), location: AwsLocation { region: "far-1".into(), ..AwsLocation::nowhere() } }),
            warm: Some(true),
            drift: Some(DriftWish { every: Some(DAY), ..DriftWish::NEVER }),
            alerts: Some(hearing(&["pager"])),
            rotation: None,
        };
        let primary = WantedKey { replicas: vec![replica("far")], state: Some(WantedState::Inactive), ..key("a") };
        let wanted = Estate { keystores: vec![far], keys: vec![primary], rotation: None };
        let mut standing = house();
        let found = difference(&wanted, &standing, NOW).expect("a way").changes;
        let told: Vec<_> = found.iter().map(|change| (change.action.as_str(), change.waits_for.clone())).collect();
        let expected = [
            ("create-keystore", vec![]),
            ("set-warm", vec![0]),
            ("set-drift-policy", vec![0, 1]),
            ("set-alert-channels", vec![0, 2]),
            ("create-key", vec![]),
            ("add-replica", vec![0, 4]),
            ("deactivate-key", vec![4, 5]),
        ];
        assert_eq!(told, expected);
        perform_all(&mut standing, &found);
        assert_eq!(
            mistakes(vec![WantedKey { deleted: Some(WaitingDays::LONGEST), ..key("a") }], &standing),
            ["keys[0].deleted is true, and a is the primary of a_far"]
        );
        let both = WantedKey {
            deleted: Some(WaitingDays::LONGEST),
            replicas: vec![WantedReplica { deleted: Some(WaitingDays::SHORTEST), ..replica("far") }],
            ..key("a")
        };
        assert_eq!(way(vec![both], &standing), [("schedule-deletion", "a_far".into(), vec![]), ("schedule-deletion", "a".into(), vec![0])]);
    }

    #[test]
    fn who_hears_of_a_keystore_changes_as_the_file_says_and_stays_where_it_says_nothing_fx_043() {
        let wanted = |alerts: Option<AlertChannels>| {
            let eu = WantedKeystore { name: crate::Name::parse("eu").expect("a name"), place: None, warm: None, drift: None, alerts, rotation: None };
            Estate { keystores: vec![eu], ..Estate::default() }
        };
        let mut standing = house();
        let mut step = |alerts: Option<AlertChannels>| {
            let found = difference(&wanted(alerts), &standing, NOW).expect("a way").changes;
            perform_all(&mut standing, &found);
            let field = |change: &Change| (change.fields[0].from.clone().unwrap_or_default(), change.fields[0].to.clone().unwrap_or_default());
            found.iter().map(|change| (field(change), change.dangers.clone())).collect::<Vec<_>>()
        };
        let told = |from: &str, to: &str, dangers: &[Danger]| vec![((from.to_owned(), to.to_owned()), dangers.to_vec())];
        assert_eq!(step(Some(AlertChannels::All)), [], "all is what counts where nobody said anything");
        assert_eq!(step(Some(hearing(&["pager"]))), told("all", "pager", &[Danger::TellsFewer]));
        assert_eq!(step(None), [], "left out, it is left alone");
        assert_eq!(step(Some(hearing(&["pager", "mail"]))), told("pager", "mail, pager", &[]));
        assert_eq!(step(Some(hearing(&["mail", "pager"]))), []);
        assert_eq!(step(Some(AlertChannels::All)), told("mail, pager", "all", &[]));
    }

    #[test]
    fn what_counts_down_is_kept_only_if_the_file_says_so() {
        let mut standing = behind(vec![key("a")]);
        standing.keys[0].state = KeyState::PendingDeletion;
        assert_eq!(way(vec![key("a")], &standing), []);
        assert_eq!(way(vec![WantedKey { deleted: Some(WaitingDays::LONGEST), ..key("a") }], &standing), [], "it goes already");
        let keeping = estate(vec![WantedKey { state: Some(WantedState::Inactive), ..key("a") }]);
        assert_eq!(difference(&keeping, &standing, NOW).expect("a way").changes[0].dangers, [Danger::BringsBack]);
        let kept = way(vec![WantedKey { state: Some(WantedState::Active), ..key("a") }], &standing);
        assert_eq!(kept, [("cancel-deletion", "a".into(), vec![]), ("activate-key", "a".into(), vec![0])]);
        let changed = WantedKey { description: Some("x".into()), ..key("a") };
        assert_eq!(mistakes(vec![changed], &standing), ["keys[0].name is a, which counts down to its deletion and cannot be changed"]);
    }

    #[test]
    fn what_cannot_become_of_a_key_is_refused_by_its_field() {
        let standing = behind(vec![WantedKey { exportable: Some(false), ..key("a") }]);
        let wanted = WantedKey {
            keystore: Some("us".into()),
            spec: Some(KeySpec::Hmac256),
            origin: Some(crate::estate::Origin::Imported),
            multi_region: Some(true),
            exportable: Some(true),
            ..key("a")
        };
        let fields: Vec<String> = mistakes(vec![wanted], &standing).iter().map(|text| text.split(' ').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(fields, ["keys[0].keystore", "keys[0].spec", "keys[0].origin", "keys[0].multi_region", "keys[0].exportable"]);
        let replicated = WantedKey { replicas: vec![replica("us")], ..key("a") };
        assert!(mistakes(vec![replicated], &standing)[0].starts_with("keys[0].replicas[0] cannot be: a is a single-Region key"));
    }

    #[test]
    fn a_new_key_says_where_it_is_and_what_nobody_can_make_from_a_file_is_refused() {
        let fields =
            |wanted: WantedKey| mistakes(vec![wanted], &house()).iter().map(|text| text.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>();
        assert_eq!(fields(WantedKey { keystore: None, ..key("a") }), ["keys[0].keystore"]);
        assert_eq!(fields(WantedKey { keystore: Some("mars".into()), ..key("a") }), ["keys[0].keystore"]);
        assert_eq!(fields(WantedKey { spec: Some(KeySpec::Rsa2048), ..key("a") }), ["keys[0].usage"]);
        assert_eq!(fields(WantedKey { origin: Some(crate::estate::Origin::Copy), ..key("a") }), ["keys[0].origin"]);
        assert_eq!(fields(WantedKey { replicas: vec![replica("mars")], ..key("a") }), ["keys[0].replicas[0].keystore"]);
    }

    #[test]
    fn every_danger_is_told() {
        let rotated = RotationWish::Policy(Box::new(Wish { every: Some(90 * DAY), ..Wish::default() }));
        let before = WantedKey { aliases: aliases(&["x"]), rotation: Some(rotated), multi_region: Some(true), replicas: vec![replica("us")], ..key("a") };
        let standing = behind(vec![
            before,
            WantedKey { state: Some(WantedState::Inactive), ..key("b") },
            key("c"),
            WantedKey { expiry_policy: Some(ExpiryPolicy::Extend), ..key("e") },
        ]);
        let wanted = vec![
            WantedKey {
                aliases: aliases(&[]),
                rotation: Some(RotationWish::Inherit),
                expires: Some(WantedEnd::At(NOW.plus_days(3))),
                exportable: Some(false),
                replicas: vec![WantedReplica { deleted: Some(WaitingDays::LONGEST), ..replica("us") }],
                state: Some(WantedState::Inactive),
                ..key("a")
            },
            WantedKey { state: Some(WantedState::Active), ..key("b") },
            WantedKey { deleted: Some(WaitingDays::LONGEST), ..key("c") },
            WantedKey { expiry_policy: Some(ExpiryPolicy::Alert), ..key("e") },
        ];
        let found = difference(&estate(wanted), &standing, NOW).expect("a way");
        let mut dangers: Vec<Danger> = found.changes.into_iter().flat_map(|change| change.dangers).collect();
        dangers.sort();
        let expected = [
            Danger::Deletes,
            Danger::RemovesReplica,
            Danger::TakesOutOfUse,
            Danger::BringsBack,
            Danger::EndsSooner,
            Danger::RemovesAlias,
            Danger::ForbidsExport,
            Danger::StopsRotation,
            Danger::LetsEnd,
        ];
        assert_eq!(dangers, expected);
        assert_eq!(Tags::default().iter().count(), 0);
    }

    proptest! {
        #[test]
        fn a_way_that_is_gone_leads_to_where_no_way_is_left(first in estates(), second in estates()) {
            let mut standing = house();
            for wanted in [first, second] {
                if let Ok(way) = difference(&wanted, &standing, NOW) {
                    let is_asked = |path: &str| wanted.keys.iter().enumerate().any(|(at, key)| path.starts_with(&format!("keys[{at}]")) && (key.deleted.is_some() || key.replicas.iter().any(|replica| replica.deleted.is_some())));
                    for change in way.changes.iter().filter(|change| matches!(change.action, Action::ScheduleDeletion(_))) {
                        prop_assert!(is_asked(&change.path), "nothing is deleted unless the file says so: {:?}", change);
                    }
                    perform_all(&mut standing, &way.changes);
                    let again = difference(&wanted, &standing, NOW);
                    prop_assert!(again.as_ref().is_ok_and(|again| again.changes.is_empty()), "{:?} behind {:?}", again, wanted);
                }
            }
        }
    }
}
