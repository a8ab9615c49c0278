//! Asking the clouds when keys were last used. It is a look and changes nothing; what cannot be asked is told, and fails nothing.

use std::time::Duration;

use keystead_cloud::{Call, CloudKeyId};
use keystead_store::keys::KeyRow;

use super::{Engine, call::StepError, perform::Bench};
use crate::{Problem, usage::UseKnown};

/// How many keys are asked for at once. AWS answers five in a second, in one account and Region: more would keep whoever asks waiting.
pub const ASKED_AT_ONCE: usize = 20;
/// How long a cloud may take, its quota included.
const PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    /// What the clouds know of the last use of these keys, in their order; only the first [`ASKED_AT_ONCE`] are asked for.
    pub async fn last_uses(&self, keys: &[KeyRow]) -> Vec<UseKnown> {
        let asked = keys.iter().take(ASKED_AT_ONCE).map(|key| self.last_use(key));
        let mut known = futures::future::join_all(asked).await;
        let left = || UseKnown::Untold(format!("Only {ASKED_AT_ONCE} keys are asked for at once. Name this key to ask for it."));
        known.resize_with(keys.len(), left);
        known
    }

    /// What its cloud knows of the last use of a key.
    pub async fn last_use(&self, key: &KeyRow) -> UseKnown {
        match tokio::time::timeout(PATIENCE, self.ask_last_use(key)).await {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => {
                let problem = Problem::from(&error);
                UseKnown::Untold(format!("{} {}", problem.detail, problem.mend))
            }
            Err(_) => UseKnown::Untold("The cloud did not answer in time.".to_owned()),
        }
    }

    async fn ask_last_use(&self, key: &KeyRow) -> Result<UseKnown, StepError> {
        let site = self.site(&key.keystore_id).await?;
        let (Some(cloud), Some(id)) = (site.cloud, key.cloud_key_id.clone()) else {
            return Ok(UseKnown::Untold("It is in no cloud that could have used it.".to_owned()));
        };
        let bench = Bench::to_look(site.keystore, cloud, self.now());
        let answer = self.look(&bench, Call::LastUse, bench.cloud.last_use(&CloudKeyId(id))).await?;
        Ok(UseKnown::of(answer))
    }
}
