//! Replicas on the way from what is to what is wanted, and whatever goes: replicas before their primaries.

use super::{
    Action, Danger, KeyUpdate, NewReplica, StandingKey, Subject, WantedKey, WantedReplica, WantedState,
    difference::{Drawing, Step},
    keys::{demand_keystore, givers, subject, update},
    words::{list, tags, told_update},
};
use crate::{KeyState, RegionRole, key::deletion::WaitingDays};

/// The replicas of a key; `primary` is `None` of one that is to be made.
pub(super) fn replicas(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKey, primary: Option<&StandingKey>) {
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
        primary_id: primary.map(|primary| primary.id.clone()),
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
pub(super) fn delete(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKey) {
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

pub(super) fn last_of_replicas(drawing: &Drawing<'_>, path: &str, wanted: &WantedKey) -> Vec<usize> {
    (0..wanted.replicas.len()).filter_map(|place| drawing.last_of(&format!("{path}.replicas[{place}]"))).collect()
}
