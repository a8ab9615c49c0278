//! Keys and replicas on the way from what is to what is wanted.

use super::{
    Action, Danger, KeyUpdate, NewKey, Origin, StandingKey, Subject, WantedEnd, WantedKey, WantedState,
    difference::{Drawing, SPEC_DEFAULT, Step},
    places::rotation,
    replicas::{delete, last_of_replicas, replicas},
    words::{list, told_new, told_update},
};
use crate::{Aliases, KeyState, KeyUsage, RegionRole, Tags, key::expiry::ExpiryPolicy, time::SECOND};

/// How far a span of life may be off, in microseconds: between the wish and the import lies a moment.
const SPAN_TOLERANCE: i64 = 60 * SECOND;

/// Aliases are given up, keys made and changed, and, last, deleted.
pub(super) fn draw(drawing: &mut Drawing<'_>) {
    let wanted = drawing.wanted;
    give_up(drawing);
    for (index, key) in wanted.keys.iter().enumerate().filter(|(_, key)| key.deleted.is_none()) {
        let path = format!("keys[{index}]");
        match drawing.index.keys.get(key.name.as_str()).copied() {
            None => create(drawing, &path, key),
            Some(standing) => change(drawing, &path, key, standing),
        }
    }
    for (index, key) in wanted.keys.iter().enumerate() {
        delete(drawing, &format!("keys[{index}]"), key);
    }
}

/// What keys give up to others, before anything else.
fn give_up(drawing: &mut Drawing<'_>) {
    let wanted = drawing.wanted;
    for (index, key) in wanted.keys.iter().enumerate() {
        let Some(standing) = drawing.index.keys.get(key.name.as_str()).copied() else { continue };
        let replicas = key.replicas.iter().enumerate().filter_map(|(place, replica)| {
            let found = drawing.index.replicas.get(&(&standing.id, replica.keystore.as_str())).copied();
            Some((format!("keys[{index}].replicas[{place}]"), found?))
        });
        let members: Vec<_> = std::iter::once((format!("keys[{index}]"), standing)).chain(replicas).collect();
        for (path, member) in members {
            if let Some(given) = drawing.moves.given_up.get(&member.id) {
                let left = member.aliases.without(given);
                let step = Step::new(path, subject(member), Action::Update(Box::new(KeyUpdate { aliases: Some(left.clone()), ..KeyUpdate::default() })));
                drawing.add(step.of(member).field("aliases", Some(list(&member.aliases)), Some(list(&left))).danger(Danger::RemovesAlias));
            }
        }
    }
}

/// Behind whom a value of the estate takes its aliases.
pub(super) fn givers(drawing: &Drawing<'_>, path: &str) -> Vec<usize> {
    let from = drawing.moves.takes_from.get(path).into_iter().flatten();
    let gives = |place: &usize, holder| drawing.changes[*place].key.as_ref() == Some(holder);
    from.filter_map(|holder| (0..drawing.changes.len()).find(|place| gives(place, holder))).collect()
}

fn create(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKey) {
    let Some(keystore) = wanted.keystore.clone() else {
        return drawing.refuse(
            format!("{path}.keystore"),
            format!("is missing: there is no key {} yet", wanted.name),
            "Name the keystore in which it shall be made.",
        );
    };
    if !demand_keystore(drawing, path, &keystore) {
        return;
    }
    match wanted.origin {
        None | Some(Origin::Generated) => {}
        Some(Origin::Imported) => {
            let mend = "Bring its material first: `keystead key import`. No file holds material.";
            return drawing.refuse(format!("{path}.origin"), "is imported, and the key is not there", mend);
        }
        Some(Origin::Copy) => {
            return drawing.refuse(format!("{path}.origin"), "is copy, and the key is not there", "Make it first: `keystead key copy`.");
        }
    }
    let spec = wanted.spec.unwrap_or(SPEC_DEFAULT);
    let usage = match spec.usage(wanted.usage) {
        Ok(usage) => usage,
        Err(invalid) => return drawing.refuse(format!("{path}.{}", invalid.field), invalid.reason, invalid.mend),
    };
    let new = new_key(wanted, keystore.clone(), spec, usage);
    let subject = Subject::Key(wanted.name.to_string(), keystore);
    let step = told_new(Step::new(path, subject.clone(), Action::CreateKey(Box::new(new))), wanted, spec, usage);
    let givers = givers(drawing, path);
    drawing.add(step.behind(givers));
    rotation(drawing, path, subject.clone(), None, wanted.rotation.as_ref(), None);
    replicas(drawing, path, wanted, None);
    if wanted.state == Some(WantedState::Inactive) {
        let behind = last_of_replicas(drawing, path, wanted);
        drawing.add(deactivate(Step::new(path, subject, Action::Deactivate)).behind(behind));
    }
}

fn new_key(wanted: &WantedKey, keystore: String, spec: crate::KeySpec, usage: KeyUsage) -> NewKey {
    NewKey {
        name: wanted.name.clone(),
        keystore,
        spec,
        usage,
        multi_region: wanted.multi_region.unwrap_or(!wanted.replicas.is_empty()),
        exportable: wanted.exportable.unwrap_or(true),
        description: wanted.description.clone().unwrap_or_default(),
        aliases: wanted.aliases.clone().unwrap_or_default(),
        tags: wanted.tags.clone().unwrap_or_default(),
        expires: wanted.expires.unwrap_or(WantedEnd::Never),
        expiry_policy: wanted.expiry_policy.unwrap_or(ExpiryPolicy::Alert),
    }
}

fn change(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKey, standing: &StandingKey) {
    if !may_change(drawing, path, wanted, standing) {
        return;
    }
    let update = update_of_key(wanted, standing);
    let givers = givers(drawing, path);
    let given_up = drawing.moves.given_up.get(&standing.id).cloned().unwrap_or_default();
    let will_be = standing.aliases.without(&given_up);
    let update = update.without_aliases_if(&will_be);
    let leads = |action| Step::new(path, subject(standing), action).of(standing);
    if standing.state == KeyState::PendingDeletion {
        match wanted.state {
            Some(_) => {
                let step = leads(Action::CancelDeletion).field("state", Some("PENDING_DELETION".to_owned()), Some("INACTIVE".to_owned()));
                drawing.add(step.danger(Danger::BringsBack));
            }
            None if update == KeyUpdate::default() && wanted.replicas.is_empty() => return,
            None => {
                let mend = "Write state = \"ACTIVE\" (or INACTIVE) to keep it, or deleted = true to let it go.";
                return drawing.refuse(format!("{path}.name"), format!("is {}, which counts down to its deletion and cannot be changed", wanted.name), mend);
            }
        }
    }
    if wanted.state == Some(WantedState::Active) && standing.state != KeyState::Active {
        drawing.add(leads(Action::Activate).field("state", Some("INACTIVE".to_owned()), Some("ACTIVE".to_owned())).danger(Danger::BringsBack));
    }
    if update != KeyUpdate::default() {
        let step = told_update(leads(Action::Update(Box::new(update.clone()))), &update, standing, &will_be, drawing.now);
        drawing.add(step.behind(givers));
    }
    rotation(drawing, path, subject(standing), Some(standing), wanted.rotation.as_ref(), standing.rotation.as_ref());
    replicas(drawing, path, wanted, Some(standing));
    if wanted.state == Some(WantedState::Inactive) && standing.state == KeyState::Active {
        let behind = last_of_replicas(drawing, path, wanted);
        drawing.add(deactivate(leads(Action::Deactivate)).behind(behind));
    }
}

fn deactivate(step: Step) -> Step {
    step.field("state", Some("ACTIVE".to_owned()), Some("INACTIVE".to_owned())).danger(Danger::TakesOutOfUse)
}

/// Refuses what cannot become of a key.
fn may_change(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKey, standing: &StandingKey) -> bool {
    let before = drawing.mistakes.len();
    let name = &standing.name;
    if standing.role == RegionRole::Replica {
        drawing.refuse(format!("{path}.name"), format!("is {name}, a replica"), "Write it below its primary, in replicas: it is told by its keystore.");
        return false;
    }
    if matches!(standing.state, KeyState::Creating | KeyState::Replaced | KeyState::Deleted) {
        let mend = format!("Look what becomes of it: `keystead key show {name}`. Then plan again.");
        drawing.refuse(format!("{path}.name"), format!("is {name}, which is {}", standing.state.as_str()), mend);
    }
    let another = format!("Write it as it is, or leave it out. For another one make another key: this name is taken as long as {name} is there.");
    let mut fixed = |field: &str, is: String, wanted: Option<String>| {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
            drawing.refuse(format!("{path}.{field}"), format!("is {wanted}, and of {name} it is {is}, which cannot change"), another.clone());
        }
    };
    fixed("keystore", standing.keystore.clone(), wanted.keystore.clone());
    fixed("spec", standing.spec.as_str().to_owned(), wanted.spec.map(|spec| spec.as_str().to_owned()));
    fixed("usage", standing.usage.as_str().to_owned(), wanted.usage.map(|usage| usage.as_str().to_owned()));
    fixed("origin", standing.origin.as_str().to_owned(), wanted.origin.map(|origin| origin.as_str().to_owned()));
    fixed("multi_region", (standing.role != RegionRole::Single).to_string(), wanted.multi_region.map(|is_so| is_so.to_string()));
    if wanted.exportable == Some(true) && !standing.exportable {
        fixed("exportable", "false".to_owned(), Some("true".to_owned()));
    }
    drawing.mistakes.len() == before
}

fn update_of_key(wanted: &WantedKey, standing: &StandingKey) -> KeyUpdate {
    let changed = update(wanted.description.as_ref(), wanted.aliases.as_ref(), wanted.tags.as_ref(), standing);
    KeyUpdate {
        expires: wanted.expires.filter(|wanted| !is_so(*wanted, standing)),
        expiry_policy: wanted.expiry_policy.filter(|policy| *policy != standing.expiry_policy),
        forbids_export: wanted.exportable == Some(false) && standing.exportable,
        ..changed
    }
}

pub(super) fn update(description: Option<&String>, aliases: Option<&Aliases>, tags: Option<&Tags>, standing: &StandingKey) -> KeyUpdate {
    KeyUpdate {
        description: description.filter(|text| **text != standing.description).cloned(),
        aliases: aliases.cloned(),
        tags: tags.filter(|tags| **tags != standing.tags).cloned(),
        ..KeyUpdate::default()
    }
}

impl KeyUpdate {
    /// Without the aliases, if they are so already: their order means nothing.
    pub(super) fn without_aliases_if(self, they_are: &Aliases) -> Self {
        let aliases = self.aliases.filter(|wanted| !(wanted.without(they_are).is_empty() && they_are.without(wanted).is_empty()));
        Self { aliases, ..self }
    }
}

/// Whether material ends as it is wanted.
fn is_so(wanted: WantedEnd, standing: &StandingKey) -> bool {
    match wanted {
        WantedEnd::Never => standing.expires.is_none(),
        WantedEnd::At(time) => standing.expires.is_some_and(|expires| expires.as_secs() == time.as_secs()),
        WantedEnd::Lives(span) => standing.expires.is_some() && standing.span.is_some_and(|is| (is - span).abs() <= SPAN_TOLERANCE),
    }
}

pub(super) fn demand_keystore(drawing: &mut Drawing<'_>, path: &str, name: &str) -> bool {
    if drawing.has_keystore(name) {
        return true;
    }
    let mend = "Write it under keystores with cloud, region and account, or name one that is there: `keystead keystore list`.";
    drawing.refuse(format!("{path}.keystore"), format!("is {name}, and there is no such keystore"), mend);
    false
}

pub(super) fn subject(key: &StandingKey) -> Subject {
    Subject::Key(key.name.clone(), key.keystore.clone())
}
