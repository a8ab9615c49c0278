//! Effort: which calls a saga's steps make, and how long many of them take under the quotas. A pure forecast of what every bulk change tells beforehand; what others take
//! of the same quotas, and the time of a single call, are not in it.

use std::collections::BTreeMap;

use keystead_cloud::{Call, Capabilities};

use crate::{
    quota,
    step::{Planned, Step},
};

/// Calls to one place, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls(BTreeMap<Call, u64>);

impl Calls {
    /// The calls of these steps, when each succeeds at once.
    pub fn of<'a>(steps: impl IntoIterator<Item = &'a Planned>) -> Self {
        let mut calls = Self::default();
        steps.into_iter().for_each(|planned| calls.add_step(&planned.step));
        calls
    }

    /// Adds those of a step.
    pub fn add_step(&mut self, step: &Step) {
        if let Step::Together(steps) = step {
            return steps.iter().for_each(|step| self.add_step(step));
        }
        of_step(step).iter().for_each(|call| self.add(*call, 1));
    }

    /// Adds some of one kind.
    pub fn add(&mut self, call: Call, count: u64) {
        *self.0.entry(call).or_default() += count;
    }

    /// Adds others.
    pub fn add_all(&mut self, others: &Self) {
        others.0.iter().for_each(|(call, count)| self.add(*call, *count));
    }

    /// How many of one kind.
    pub fn count(&self, call: Call) -> u64 {
        self.0.get(&call).copied().unwrap_or(0)
    }

    /// How long they take under the quotas of a place, in microseconds: as long as the narrowest of them, because the others go out meanwhile.
    pub fn micros(&self, capabilities: &Capabilities) -> i64 {
        self.0.iter().map(|(call, count)| quota::forecast_micros(capabilities, *call, *count)).max().unwrap_or(0)
    }
}

/// Calls to several places. Keystores of one cloud account and Region share its quotas; different ones go on side by side.
#[derive(Debug, Clone, Default)]
pub struct Effort(BTreeMap<String, (Capabilities, Calls)>);

impl Effort {
    /// Adds calls to a place.
    pub fn add(&mut self, capabilities: &Capabilities, calls: &Calls) {
        let (_, sum) = self.0.entry(capabilities.quota_scope.clone()).or_insert_with(|| (capabilities.clone(), Calls::default()));
        sum.add_all(calls);
    }

    /// How long all of it takes, in microseconds.
    pub fn micros(&self) -> i64 {
        self.0.values().map(|(capabilities, calls)| calls.micros(capabilities)).max().unwrap_or(0)
    }
}

/// The calls of a step that succeeds at once, of a key with one material. What a step looks at to be sure costs one look; a sync counts for itself.
fn of_step(step: &Step) -> &'static [Call] {
    match step {
        Step::CreateCloudKey(_) => &[Call::CreateKey],
        // In the replica's Region it counts as two CreateKey: beside the call itself the engine waits for one.
        Step::ReplicateCloudKey { .. } => &[Call::Replicate, Call::CreateKey, Call::Observe],
        Step::Promote { .. } => &[Call::Promote, Call::Observe],
        Step::AbandonCloudKey(_) => &[Call::Observe, Call::DeleteMaterial, Call::ScheduleDeletion],
        Step::ImportMaterial(..) => &[Call::WrappingKey, Call::Import, Call::Observe],
        Step::ImportPending { .. } => &[Call::WrappingKey, Call::Import, Call::ListMaterials],
        Step::DeletePending(..) => &[Call::ListMaterials, Call::DeleteMaterial, Call::ListMaterials],
        Step::RotateIn(..) => &[Call::ListMaterials, Call::Rotate, Call::Observe],
        Step::Enable(_) => &[Call::Enable, Call::Observe],
        Step::Disable(_) | Step::DisableBefore(..) => &[Call::Disable, Call::Observe],
        Step::ConfirmEnabled(_) => &[Call::Observe],
        Step::CutOff(_) => &[Call::Disable],
        Step::ConfirmDark(_) => &[Call::TryUse],
        // Counted one by one.
        Step::Together(_) => &[],
        Step::DeleteMaterial(_) | Step::Empty(_) => &[Call::DeleteMaterial, Call::Observe],
        Step::PointAlias { from: Some(_), .. } => &[Call::UpdateAlias],
        Step::PointAlias { from: None, .. } => &[Call::CreateAlias],
        Step::TakeAlias { .. } => &[Call::UpdateAlias],
        Step::TagOwn(_) => &[Call::Tag],
        Step::RemoveAlias(..) => &[Call::DeleteAlias],
        Step::ChangeTags(_, change) => match (change.set.is_empty(), change.remove.is_empty()) {
            (false, false) => &[Call::Tag, Call::Untag],
            (false, true) => &[Call::Tag],
            (true, false) => &[Call::Untag],
            (true, true) => &[],
        },
        Step::Describe(..) => &[Call::Describe],
        Step::ScheduleDeletion(..) => &[Call::ScheduleDeletion, Call::Observe],
        Step::CancelDeletion(_) => &[Call::CancelDeletion, Call::Observe],
        Step::ConfirmGone(_) => &[Call::Observe],
        // Of a small place: each page, and the tags of each key that is not known, is one more.
        Step::FindStray(_) => &[Call::List, Call::ListAliases],
        Step::Sweep | Step::ListAliases | Step::InspectKeys | Step::FindVanished | Step::FindLost | Step::GiveBack => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        saga::{Shape as _, activate_key::ActivateKey, deactivate_key::DeactivateKey, upload_key::UploadKey},
        stored::Stored,
    };
    use keystead_cloud::Quota;
    use keystead_domain::{KeyId, Timestamp, WrappingKeySpec, time::SECOND};

    fn place(scope: &str, quotas: &[(Call, f64)]) -> Capabilities {
        Capabilities {
            cloud: "test",
            quota_scope: scope.to_owned(),
            importable: Vec::new(),
            refusals: &[],
            rotations_max: None,
            wrapping_key: WrappingKeySpec::Rsa4096,
            quotas: quotas.iter().map(|(call, per_second)| Quota { call: *call, per_second: *per_second }).collect(),
            visibility_delay_micros: 0,
            prices: None,
        }
    }

    fn id(n: u8) -> Stored<KeyId> {
        Stored(KeyId::new(Timestamp::from_secs(1), [n; 10]))
    }

    fn counts(calls: &Calls, of: &[Call]) -> Vec<u64> {
        of.iter().map(|call| calls.count(*call)).collect()
    }

    #[test]
    fn the_calls_of_a_saga_are_those_of_its_steps() {
        let deactivation = DeactivateKey { key: id(1), retires: false, material_stays: false, replicas: vec![id(2)] };
        let calls = Calls::of(&deactivation.steps());
        assert_eq!(counts(&calls, &[Call::Disable, Call::DeleteMaterial, Call::Import]), [2, 2, 0], "in every Region");
        let activation = ActivateKey { key: id(1), expires: None, material_stays: false, replicas: Vec::new(), primary: None };
        assert_eq!(counts(&Calls::of(&activation.steps()), &[Call::WrappingKey, Call::Import, Call::Enable]), [1, 1, 1]);
    }

    /// CM-037: one GetParametersForImport a second is what an upload takes, whatever else is quicker.
    #[test]
    fn the_narrowest_quota_counts_and_places_go_on_side_by_side() {
        let mut calls = Calls::default();
        let upload = Calls::of(&UploadKey { key: id(1), expires: None, replicas: Vec::new() }.steps());
        (0..97).for_each(|_| calls.add_all(&upload));
        let quotas = [(Call::WrappingKey, 1.0), (Call::Import, 15.0)];
        let near = |micros: i64, secs: i64| (micros - secs * SECOND).abs() < SECOND / 10;
        assert!(near(calls.micros(&place("a", &quotas)), 100), "97 at 0.97 a second: {}", calls.micros(&place("a", &quotas)));
        let mut effort = Effort::default();
        effort.add(&place("a", &quotas), &calls);
        effort.add(&place("b", &quotas), &calls);
        assert!(near(effort.micros(), 100));
        effort.add(&place("a", &quotas), &calls);
        assert!(near(effort.micros(), 200), "two keystores of one account and Region share it");
        assert_eq!(Effort::default().micros(), 0);
    }
}
