//! Keystores and rotation policies on the way from what is to what is wanted.

use super::{
    Action, Danger, DriftWish, Place, RotationWish, StandingKey, StandingKeystore, Subject, WantedKeystore,
    difference::{Drawing, Step},
    rotations::{self, further},
};
use crate::{drift::AutoRepair, duration, keystore::VAULT, rotation::Wish};

/// Keystores, and the policy for everything else.
pub(super) fn draw(drawing: &mut Drawing<'_>) {
    let wanted = drawing.wanted;
    for (index, keystore) in wanted.keystores.iter().enumerate() {
        of_keystore(drawing, &format!("keystores[{index}]"), keystore);
    }
    let standing = drawing.standing.rotation.clone();
    rotation(drawing, "rotation", Subject::Default, None, wanted.rotation.as_ref(), standing.as_ref());
}

fn of_keystore(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKeystore) {
    let standing = drawing.index.keystores.get(wanted.name.as_str()).copied();
    match (standing, &wanted.place) {
        (None, None) => {
            let mend = "Say where it is: cloud = \"vault\", or cloud = \"aws\" with region, account and, where there is one, role_arn.";
            return drawing.refuse(format!("{path}.cloud"), format!("is missing: there is no keystore {} yet", wanted.name), mend);
        }
        (None, Some(place)) => {
            let step = Step::new(path, Subject::Keystore(wanted.name.to_string()), Action::CreateKeystore(place.clone()));
            drawing.add(place.told().into_iter().fold(step, |step, (field, text)| step.field(field, None, Some(text))));
        }
        (Some(standing), Some(place)) => stays_there(drawing, path, standing, place),
        (Some(_), None) => {}
    }
    let cloud = standing.map(|standing| standing.cloud.as_str()).or(wanted.place.as_ref().map(|place| place.cloud.as_str()));
    if cloud == Some(VAULT) {
        refuse_in_vault(drawing, path, wanted);
    }
    policies(drawing, path, wanted, standing);
}

/// A keystore does not move.
fn stays_there(drawing: &mut Drawing<'_>, path: &str, standing: &StandingKeystore, place: &Place) {
    let is = Place { cloud: standing.cloud.clone(), location: standing.location.clone() }.told();
    for (field, text) in place.told() {
        let there = is.iter().find(|(name, _)| *name == field).map_or("not given", |(_, text)| text);
        if there != text {
            let mend = "Write it as it is, leave it out, or make another keystore.";
            drawing.refuse(format!("{path}.{field}"), format!("is {text}, and of {} it is {there}, which cannot change", standing.name), mend);
        }
    }
}

fn refuse_in_vault(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKeystore) {
    for (field, is_given) in [("warm", wanted.warm == Some(true)), ("drift", wanted.drift.is_some())] {
        if is_given {
            drawing.refuse(format!("{path}.{field}"), "is for keystores of a cloud, and this one is in the vault", "Leave it out.");
        }
    }
}

fn policies(drawing: &mut Drawing<'_>, path: &str, wanted: &WantedKeystore, standing: Option<&StandingKeystore>) {
    let subject = Subject::Keystore(wanted.name.to_string());
    if let Some(on) = wanted.warm.filter(|on| *on != standing.is_some_and(|standing| standing.warm)) {
        let step = Step::new(path, subject.clone(), Action::SetWarm(on));
        drawing.add(step.field("warm", Some((!on).to_string()), Some(on.to_string())));
    }
    let looked = standing.and_then(|standing| standing.drift);
    if let Some(drift) = wanted.drift.filter(|drift| *drift != looked.unwrap_or(DriftWish::NEVER)) {
        let is_less = looked.is_some_and(|before| drift.looks_less(&before));
        let step = Step::new(path, subject.clone(), Action::SetDrift(drift)).danger_if(is_less, Danger::LooksLess);
        drawing.add(step.field("drift", looked.map(|drift| drift.told()), Some(drift.told())));
    }
    let heard = standing.map(|standing| standing.alerts.clone()).unwrap_or_default();
    if let Some(channels) = wanted.alerts.as_ref().filter(|channels| **channels != heard) {
        let step = Step::new(path, subject.clone(), Action::SetAlerts(channels.clone()));
        let step = step.danger_if(standing.is_some() && channels.tells_fewer_than(&heard), Danger::TellsFewer);
        drawing.add(step.field("alerts", Some(heard.told()), Some(channels.told())));
    }
    let rotated = standing.and_then(|standing| standing.rotation.as_ref());
    rotation(drawing, path, subject, None, wanted.rotation.as_ref(), rotated);
}

/// A rotation policy of whatever it is for: `key` is the key that is there already.
pub(super) fn rotation(
    drawing: &mut Drawing<'_>,
    path: &str,
    subject: Subject,
    key: Option<&StandingKey>,
    wanted: Option<&RotationWish>,
    standing: Option<&Wish>,
) {
    let step = |action| {
        let step = Step::new(path, subject, action);
        key.into_iter().fold(step, Step::of)
    };
    let (step, field) = match (wanted, standing) {
        (Some(RotationWish::Policy(wish)), standing) if standing != Some(wish.as_ref()) => {
            let stops = wish.off && standing.is_none_or(|before| !before.off);
            (step(Action::SetRotation(wish.clone())).danger_if(stops, Danger::StopsRotation), Some(told(wish)))
        }
        (Some(RotationWish::Inherit), Some(before)) => (step(Action::ClearRotation).danger_if(!before.off, Danger::StopsRotation), None),
        _ => return,
    };
    let after = match wanted {
        Some(RotationWish::Policy(wish)) => Some(wish.as_ref()),
        _ => further(drawing.standing, &step.subject),
    };
    let dangers = rotations::dangers(drawing.standing, &step.subject, key, standing.or_else(|| further(drawing.standing, &step.subject)), after, drawing.now);
    drawing.add(dangers.into_iter().fold(step, Step::danger).field("rotation", standing.map(told), field));
}

/// A policy in one line.
fn told(wish: &Wish) -> String {
    if wish.off {
        return "none".to_owned();
    }
    let span = |name: &str, micros: Option<i64>| micros.map(|micros| format!("{name} {}", duration::words(micros)));
    let text = |name: &str, text: &Option<String>| text.as_ref().map(|text| format!("{name} {text}"));
    let parts = [
        span("every", wish.every),
        text("cron", &wish.cron),
        text("zone", &wish.zone),
        wish.start.map(|start| format!("start {}", start.rfc3339())),
        text("window", &wish.window),
        span("notice", wish.notice),
        span("grace", wish.grace),
    ];
    std::iter::once(wish.strategy.as_str().to_owned()).chain(parts.into_iter().flatten()).collect::<Vec<_>>().join(", ")
}

impl Place {
    /// The fields that are given, in the words of the file.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        let at = &self.location;
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let fields = [
            ("cloud", Some(self.cloud.clone())),
            ("region", given(&at.region)),
            ("account", given(&at.account)),
            ("role_arn", at.role_arn.clone()),
            ("external_id", at.external_id.clone()),
        ];
        fields.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
    }
}

impl DriftWish {
    /// What counts where nobody said anything.
    pub const NEVER: Self = Self { every: None, auto_repair: AutoRepair::None };

    fn looks_less(&self, before: &Self) -> bool {
        let rarer = match (self.every, before.every) {
            (None, Some(_)) => true,
            (Some(now), Some(then)) => now > then,
            _ => false,
        };
        rarer || (self.auto_repair == AutoRepair::None && before.auto_repair == AutoRepair::Safe)
    }

    fn told(&self) -> String {
        let every = self.every.map_or("never".to_owned(), |every| format!("every {}", duration::words(every)));
        format!("{every}, auto_repair {}", self.auto_repair.as_str())
    }
}
