//! Steps of the kill switch: a key is cut off, emptied, and tried until the cloud refuses it (FT-019).
//!
//! Whatever has happened to the key behind our back, what counts is that it cannot be used: one that is gone or counts down is dark.

use std::time::Duration;

use keystead_cloud::{Call, CloudError, CloudKeyId, Kind, UseSeen, UseStanding};
use keystead_domain::{KeyId, time::SECOND};
use keystead_store::keys::{CloudFacts, KeyRow};

use super::{
    Engine,
    call::StepError,
    perform::{Bench, Outcome, facts_of},
};
use crate::{dark::Dark, step::Step};

/// How long a try is repeated within one step, in microseconds: AWS may take minutes until a disabled key is refused everywhere (AWS KMS Developer Guide,
/// "Eventual consistency").
const TRYING: i64 = 300 * SECOND;
/// How long it is repeated when the cloud cannot be asked.
const ASKING: i64 = 20 * SECOND;
/// The longest pause between two tries, in milliseconds.
const PAUSE_MAX: u64 = 500;

impl Outcome {
    /// Takes up what came of one of several steps at once. Each has its own request.
    pub(super) fn add(&mut self, step: &Step, other: Self) {
        self.facts.extend(other.facts);
        self.materials.extend(other.materials);
        self.rotated_in.extend(other.rotated_in);
        self.spent.extend(other.spent);
        self.details.extend(other.details);
        if let Some((key, id)) = step.key().zip(other.request_id) {
            self.details.push((format!("request_{key}").into(), id));
        }
    }
}

impl Engine {
    pub(super) async fn cut_off(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        match self.disable(bench, key).await {
            Err(StepError::Cloud(error)) if matches!(error.kind, Kind::NotFound | Kind::WrongState) => self.unless_dark(bench, key, error).await,
            other => other,
        }
    }

    pub(super) async fn empty(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        match self.delete_materials(bench, key).await {
            Err(StepError::Cloud(error)) if error.kind == Kind::NotFound => self.unless_dark(bench, key, error).await,
            Err(StepError::Gone) => Ok(Outcome::default().facts(key, gone())),
            other => other,
        }
    }

    /// A refusal counts only of a key that may be used.
    async fn unless_dark(&self, bench: &Bench, key: &KeyId, error: CloudError) -> Result<Outcome, StepError> {
        let row = self.key(key).await?;
        let id = self.cloud_id(key).await?;
        match self.look(bench, Call::Observe, bench.cloud.observe(&id)).await? {
            // What was made just now may not show yet.
            None if self.is_new(&row) => Err(StepError::Cloud(error)),
            None => Ok(Outcome::default().facts(key, gone())),
            Some(seen) if seen.enabled || seen.is_in_transit => Err(StepError::Cloud(error)),
            Some(seen) => Ok(Outcome::default().facts(key, facts_of(&seen))),
        }
    }

    /// Never fails because it cannot tell: then it says so, and what the cloud shows.
    pub(super) async fn confirm_dark(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let row = self.key(key).await?;
        let id = self.cloud_id(key).await?;
        let dark = self.wait_until_dark(bench, &row, &id).await?;
        Ok(Outcome::default().detail(key.to_string(), dark.to_json()))
    }

    async fn wait_until_dark(&self, bench: &Bench, row: &KeyRow, id: &CloudKeyId) -> Result<Dark, StepError> {
        let began_to_try = self.now();
        let mut pause = 20;
        loop {
            let tried = self.look(bench, Call::TryUse, bench.cloud.try_use(id, row.spec, row.usage)).await;
            let now = self.now();
            let since = |span| now.as_micros() - began_to_try.as_micros() >= span;
            match tried {
                Ok(UseSeen { standing: UseStanding::Refused, by, code }) => return Ok(Dark::refused(bench.began, now, by, &code)),
                Ok(UseSeen { standing: UseStanding::Untold, by, code }) => return self.shown(bench, id, &format!("{by}: {code}")).await,
                Ok(_) if since(TRYING) => return Err(StepError::StillUsable),
                Err(StepError::Cloud(error)) if since(ASKING) => return Ok(Dark::untold(&format!("{}: {}", error.call, error.code))),
                Ok(_) | Err(StepError::Cloud(_)) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    /// What the cloud shows of a key that we may not try.
    async fn shown(&self, bench: &Bench, id: &CloudKeyId, why: &str) -> Result<Dark, StepError> {
        match self.look(bench, Call::Observe, bench.cloud.observe(id)).await {
            Ok(None) => Ok(Dark::shown(bench.began, self.now(), "gone", why)),
            Ok(Some(seen)) if !seen.enabled => Ok(Dark::shown(bench.began, self.now(), &seen.raw_state, why)),
            Ok(Some(_)) => Err(StepError::StillUsable),
            Err(StepError::Cloud(error)) => Ok(Dark::untold(&format!("{why}; {}: {}", error.call, error.code))),
            Err(error) => Err(error),
        }
    }
}

fn gone() -> CloudFacts {
    CloudFacts { raw_state: Some("Deleted".to_owned()), enabled: Some(false), material_present: Some(false), ..CloudFacts::default() }
}
