//! What becomes different, in the words of the file, with what is dangerous about it.

use super::{Danger, KeyUpdate, StandingKey, WantedEnd, WantedKey, difference::Step};
use crate::{Aliases, KeySpec, KeyUsage, Tags, Timestamp, duration, key::expiry::ExpiryPolicy};

pub(super) fn told_new(step: Step, wanted: &WantedKey, spec: KeySpec, usage: KeyUsage) -> Step {
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

pub(super) fn told_update(step: Step, update: &KeyUpdate, standing: &StandingKey, had: &Aliases, now: Timestamp) -> Step {
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
        Some(policy) => {
            let step = step.field("expiry_policy", Some(standing.expiry_policy.as_str().to_owned()), Some(policy.as_str().to_owned()));
            step.danger_if(policy == ExpiryPolicy::Alert && standing.expiry_policy != ExpiryPolicy::Alert, Danger::LetsEnd)
        }
        None => step,
    };
    if !update.forbids_export {
        return step;
    }
    step.field("exportable", Some("true".to_owned()), Some("false".to_owned())).danger(Danger::ForbidsExport)
}

pub(super) fn list(aliases: &Aliases) -> String {
    aliases.to_strings().join(", ")
}

pub(super) fn tags(tags: &Tags) -> String {
    tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

fn end(end: WantedEnd) -> String {
    match end {
        WantedEnd::Never => "never".to_owned(),
        WantedEnd::At(time) => time.rfc3339(),
        WantedEnd::Lives(span) => duration::words(span),
    }
}
