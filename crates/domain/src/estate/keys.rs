//! Keys and replicas on the way from what is to what is wanted.

use super::{
    Action, Danger, KeyUpdate, NewKey, NewReplica, Origin, StandingKey, Subject, WantedEnd, WantedKey, WantedReplica, WantedState,
    difference::{Drawing, SPEC_DEFAULT, Step},
    places::rotation,
};
use crate::{Aliases, KeyState, KeyUsage, RegionRole, Tags, Timestamp, duration, key::deletion::WaitingDays, key::expiry::ExpiryPolicy, time::SECOND};

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
fn givers(drawing: &Drawing<'_>, path: &str) -> Vec<usize> {
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
    rotation(drawing, path, subject.clone(), wanted.rotation.as_ref(), None);
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

fn told_new(step: Step, wanted: &WantedKey, spec: crate::KeySpec, usage: KeyUsage) -> Step {
    let said = [
        ("spec", Some(spec.as_str().to_owned())),
        ("usage", Some(usage.as_str().to_owned())),
        ("multi_region", wanted.multi_region.map(|is_so| is_so.to_string())),
        ("exportable", wanted.exportable.map(|is_so| is_so.to_string())),
        ("description", wanted.description.clone()),
        ("aliases", wanted.aliases.as_ref().map(list)),
        ("tags", wanted.tags.as_ref().map(tags)),
        ("expires", wanted.expires.map(end)),
        ("expiry_policy", wanted.expiry_policy.map(|policy| policy.as_str().to_owned())),
    ];
    said.into_iter().filter(|(_, text)| text.is_some()).fold(step, |step, (field, text)| step.field(field, None, text))
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
            Some(_) => drop(drawing.add(leads(Action::CancelDeletion).field("state", Some("PENDING_DELETION".to_owned()), Some("INACTIVE".to_owned())))),
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
    rotation(drawing, path, subject(standing), wanted.rotation.as_ref(), standing.rotation.as_ref());
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

fn update(description: Option<&String>, aliases: Option<&Aliases>, tags: Option<&Tags>, standing: &StandingKey) -> KeyUpdate {
    KeyUpdate {
        description: description.filter(|text| **text != standing.description).cloned(),
        aliases: aliases.cloned(),
        tags: tags.filter(|tags| **tags != standing.tags).cloned(),
        ..KeyUpdate::default()
    }
}

impl KeyUpdate {
    /// Without the aliases, if they are so already: their order means nothing.
    fn without_aliases_if(self, they_are: &Aliases) -> Self {
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

fn told_update(step: Step, update: &KeyUpdate, standing: &StandingKey, had: &Aliases, now: Timestamp) -> Step {
    let step = match &update.description {
        Some(text) => step.field("description", Some(standing.description.clone()), Some(text.clone())),
        None => step,
    };
    let step = match &update.aliases {
        Some(aliases) => step.field("aliases", Some(list(had)), Some(list(aliases))).danger_if(!had.without(aliases).is_empty(), Danger::RemovesAlias),
        None => step,
    };
    let step = match &update.tags {
        Some(wanted) => step.field("tags", Some(tags(&standing.tags)), Some(tags(wanted))),
        None => step,
    };
    let step = match update.expires {
        Some(wanted) => {
            let is_sooner = wanted.at(now).is_some_and(|at| standing.expires.is_none_or(|expires| at < expires));
            let is = standing.expires.map_or("never".to_owned(), Timestamp::rfc3339);
            step.field("expires", Some(is), Some(end(wanted))).danger_if(is_sooner, Danger::EndsSooner)
        }
        None => step,
    };
    let step = match update.expiry_policy {
        Some(policy) => step.field("expiry_policy", Some(standing.expiry_policy.as_str().to_owned()), Some(policy.as_str().to_owned())),
        None => step,
    };
    if !update.forbids_export {
        return step;
    }
    step.field("exportable", Some("true".to_owned()), Some("false".to_owned())).danger(Danger::ForbidsExport)
}

/// The replicas of a key; `primary` is `None` of one that is to be made.
fn replicas(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKey, primary: Option<&StandingKey>) {
    for (place, replica) in wanted.replicas.iter().enumerate() {
        let path_of = format!("{path}.replicas[{place}]");
        let standing = primary.and_then(|primary| drawing.index.replicas.get(&(&primary.id, replica.keystore.as_str())).copied());
        match standing {
            Some(standing) => change_replica(drawing, &path_of, replica, standing),
            None if replica.deleted.is_none() => add_replica(drawing, path, &path_of, wanted, replica, primary),
            None => {}
        }
    }
}

fn add_replica(drawing: &mut Drawing<'_>, path: &str, path_of: &str, wanted: &WantedKey, replica: &WantedReplica, primary: Option<&StandingKey>) {
    if !demand_keystore(drawing, path_of, &replica.keystore) {
        return;
    }
    if let Some(primary) = primary {
        if primary.role != RegionRole::Primary {
            let reason = format!("cannot be: {} is a single-Region key, and AWS cannot make a multi-Region key of it", primary.name);
            return drawing.refuse(path_of, reason, "Make a new key with multi_region = true, and move to it.");
        }
        if primary.state != KeyState::Active && wanted.state != Some(WantedState::Active) {
            let reason = format!("cannot be made while {} is {}", primary.name, primary.state.as_str());
            return drawing.refuse(path_of, reason, "Write state = \"ACTIVE\" at the key, or leave the replica out.");
        }
    }
    let new = NewReplica {
        primary: wanted.name.to_string(),
        keystore: replica.keystore.clone(),
        name: replica.name.clone(),
        description: replica.description.clone(),
        aliases: replica.aliases.clone(),
        tags: replica.tags.clone(),
    };
    let named = replica.name.as_ref().unwrap_or(&wanted.name).to_string();
    let step = Step::new(path_of, Subject::Key(named, replica.keystore.clone()), Action::AddReplica(Box::new(new)));
    let step = step.field("primary", None, Some(wanted.name.to_string()));
    let said = [("description", replica.description.clone()), ("aliases", replica.aliases.as_ref().map(list)), ("tags", replica.tags.as_ref().map(tags))];
    let step = said.into_iter().filter(|(_, text)| text.is_some()).fold(step, |step, (field, text)| step.field(field, None, text));
    let (primary, givers) = (drawing.last_of(path), givers(drawing, path_of));
    drawing.add(step.behind(primary).behind(givers));
}

fn change_replica(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedReplica, standing: &StandingKey) {
    if wanted.deleted.is_some() {
        return;
    }
    if let Some(name) = wanted.name.as_ref().filter(|name| name.as_str() != standing.name) {
        let mend = format!("Write it as it is, leave it out, or rename it first: `keystead key update {} --name {name}`.", standing.name);
        return drawing.refuse(format!("{path}.name"), format!("is {name}, and the replica there is called {}", standing.name), mend);
    }
    let given_up = drawing.moves.given_up.get(&standing.id).cloned().unwrap_or_default();
    let will_be = standing.aliases.without(&given_up);
    let update = update(wanted.description.as_ref(), wanted.aliases.as_ref(), wanted.tags.as_ref(), standing).without_aliases_if(&will_be);
    if standing.state == KeyState::PendingDeletion {
        let mend = format!("Keep it first: `keystead key cancel-deletion {0}`. Or write deleted = true.", standing.name);
        return drawing.refuse(format!("{path}.keystore"), format!("has the replica {}, which counts down to its deletion", standing.name), mend);
    }
    if update != KeyUpdate::default() {
        let step = Step::new(path, subject(standing), Action::Update(Box::new(update.clone()))).of(standing);
        let step = told_update(step, &update, standing, &will_be, drawing.now);
        let givers = givers(drawing, path);
        drawing.add(step.behind(givers));
    }
}

/// Keys and replicas that go, replicas first.
fn delete(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKey) {
    let Some(standing) = drawing.index.keys.get(wanted.name.as_str()).copied() else { return };
    let mut behind = Vec::new();
    let mut going = Vec::new();
    for (place, replica) in wanted.replicas.iter().enumerate() {
        let found = drawing.index.replicas.get(&(&standing.id, replica.keystore.as_str())).copied();
        if let (Some(days), Some(found)) = (replica.deleted, found) {
            going.push(&found.id);
            if found.state != KeyState::PendingDeletion {
                let step = schedule(&format!("{path}.replicas[{place}]"), found, days).danger(Danger::RemovesReplica);
                behind.push(drawing.add(step));
            }
        }
    }
    let Some(days) = wanted.deleted.filter(|_| standing.state != KeyState::PendingDeletion) else { return };
    if standing.role == RegionRole::Replica {
        return drawing.refuse(
            format!("{path}.name"),
            format!("is {}, a replica", standing.name),
            "Write it below its primary, in replicas, with deleted = true.",
        );
    }
    let standing_by: Vec<&StandingKey> = drawing.standing.living_replicas(&standing.id).filter(|replica| !going.contains(&&replica.id)).collect();
    if let Some(replica) = standing_by.first() {
        let reason = format!("is true, and {} is the primary of {}", standing.name, replica.name);
        let mend = format!(
            "Write the replica in {} with deleted = true as well, or promote it first: `keystead key replica promote {}`.",
            replica.keystore, replica.name
        );
        return drawing.refuse(format!("{path}.deleted"), reason, mend);
    }
    drawing.add(schedule(path, standing, days).danger(Danger::Deletes).behind(behind));
}

fn schedule(path: &str, key: &StandingKey, days: WaitingDays) -> Step {
    let step = Step::new(path, subject(key), Action::ScheduleDeletion(days)).of(key);
    step.field("state", Some(key.state.as_str().to_owned()), Some(format!("PENDING_DELETION, {} days", days.get())))
}

fn last_of_replicas(drawing: &Drawing<'_>, path: &str, wanted: &WantedKey) -> Vec<usize> {
    (0..wanted.replicas.len()).filter_map(|place| drawing.last_of(&format!("{path}.replicas[{place}]"))).collect()
}

fn demand_keystore(drawing: &mut Drawing<'_>, path: &str, name: &str) -> bool {
    if drawing.has_keystore(name) {
        return true;
    }
    let mend = "Write it under keystores with cloud, region and account, or name one that is there: `keystead keystore list`.";
    drawing.refuse(format!("{path}.keystore"), format!("is {name}, and there is no such keystore"), mend);
    false
}

fn subject(key: &StandingKey) -> Subject {
    Subject::Key(key.name.clone(), key.keystore.clone())
}

fn list(aliases: &Aliases) -> String {
    aliases.to_strings().join(", ")
}

fn tags(tags: &Tags) -> String {
    tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

fn end(end: WantedEnd) -> String {
    match end {
        WantedEnd::Never => "never".to_owned(),
        WantedEnd::At(time) => time.rfc3339(),
        WantedEnd::Lives(span) => duration::words(span),
    }
}
