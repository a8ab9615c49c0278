//! The same steps where there is no cloud: a key of the vault. Each only changes what its row says; its material stays where it is until the key is gone.

use keystead_domain::{KeyState, Timestamp};
use keystead_store::keys::{CloudFacts, KeyRow};

use super::{
    Engine,
    call::StepError,
    perform::{Bench, Outcome},
};
use crate::{step::Step, words::Who};

impl Engine {
    /// Does a step in its cloud, or here where there is none.
    pub(super) async fn perform_at(&self, bench: Option<&Bench>, step: &Step, unknown: bool, who: &Who) -> Result<Outcome, StepError> {
        if let Some(bench) = bench {
            return self.perform(bench, step, unknown, who).await;
        }
        match step.key() {
            Some(id) => {
                let key = self.key(id).await?;
                let outcome = here(step, &key, self.now())?;
                Ok(outcome.map_or_else(Outcome::default, |facts| Outcome::default().facts(&key.id, facts)))
            }
            None => Ok(Outcome::default()),
        }
    }
}

/// What a step changes of a key that is in no cloud; `None` for what concerns a cloud only.
fn here(step: &Step, key: &KeyRow, now: Timestamp) -> Result<Option<CloudFacts>, StepError> {
    let nothing = CloudFacts::default();
    Ok(match step {
        // A new key is in use at once; one that comes back is enabled by a step of its own.
        Step::ImportMaterial(..) => Some(CloudFacts { enabled: (key.state == KeyState::Creating).then_some(true), material_present: Some(true), ..nothing }),
        Step::Enable(_) => Some(CloudFacts { enabled: Some(true), ..nothing }),
        Step::Disable(_) | Step::CutOff(_) => Some(CloudFacts { enabled: Some(false), ..nothing }),
        Step::ScheduleDeletion(_, days) => Some(CloudFacts { enabled: Some(false), deletion_at: Some(Some(now.plus_days(i64::from(days.get())))), ..nothing }),
        Step::CancelDeletion(_) => Some(CloudFacts { deletion_at: Some(None), ..nothing }),
        Step::ConfirmGone(_) if key.deletion_at.is_some_and(|at| at > now) => return Err(StepError::NotYet("PendingDeletion".to_owned())),
        Step::ConfirmGone(_) => Some(CloudFacts { enabled: Some(false), material_present: Some(false), ..nothing }),
        // The vault keeps the material: out of use means that the row says so.
        Step::DeleteMaterial(_) | Step::Empty(_) => None,
        // Nobody can use a key of the vault: it wraps its material for clouds, and does nothing else with it. So its deletion is not rehearsed.
        Step::ConfirmDark(_) | Step::ConfirmEnabled(_) | Step::DisableBefore(..) => None,
        // Each of them is done by itself.
        Step::Together(_) => None,
        Step::CreateCloudKey(_) | Step::AbandonCloudKey(_) | Step::PointAlias { .. } | Step::TakeAlias { .. } | Step::TagOwn(_) | Step::RemoveAlias(..) => None,
        Step::ChangeTags(..) | Step::Describe(..) | Step::Sweep => None,
        // The vault has no keys but its own: there is nothing to find.
        Step::FindStray(_) | Step::ListAliases | Step::InspectKeys | Step::FindVanished | Step::FindLost | Step::GiveBack => None,
        // The vault is in no Region.
        Step::ReplicateCloudKey { .. } | Step::Promote { .. } => None,
        // Nothing is rotated in place here: there is no name of a cloud that would have to stay.
        Step::ImportPending { .. } | Step::DeletePending(..) | Step::RotateIn(..) => None,
    })
}
