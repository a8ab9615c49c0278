//! Material is sealed anew, page by page: what both rotations come to.

use keystead_domain::AccountId;
use keystead_operations::{
    Problem,
    engine::material::{Sealed, account_key, at_the_vault, place},
};
use keystead_store::{StoreError, Tx, vault, vault::AccountKeyRow, versions, versions::VersionRow};
use keystead_vault::{SealedUnder, sealed_under};
use tokio::task::JoinHandle;

use crate::{App, Error};

/// How many versions are sealed anew in one transaction.
const BATCH: u32 = 200;

/// How many threads seal a page anew.
const LANES: usize = 8;

/// What one of the threads came to.
#[derive(Default)]
struct Lane {
    /// What was sealed anew, beside what it was.
    changed: Vec<(VersionRow, VersionRow)>,
    /// How many do not open.
    unopened: u64,
    /// Why it went no further.
    stopped: Option<Error>,
}

/// What one round over the versions came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    /// How many were sealed anew.
    pub rewrapped: u64,
    /// How many do not open, and stay as they are.
    pub unopened: u64,
}

impl Round {
    pub fn add(&mut self, other: Self) {
        self.rewrapped += other.rewrapped;
        self.unopened += other.unopened;
    }

    /// How many were sealed anew, if none was left.
    ///
    /// # Errors
    /// [`Error::Problem`] naming how many do not open.
    pub fn whole(self) -> Result<u64, Error> {
        let Self { rewrapped, unopened } = self;
        if unopened == 0 {
            return Ok(rewrapped);
        }
        let detail = format!("{unopened} key versions do not open and could not be sealed anew; {rewrapped} were. What they are sealed under stays.");
        let mend = "The server's log names each of them. Restore their rows from a backup, or delete their keys; then what is left goes on.";
        Err(Error::Problem(Problem::new("vault-failure", detail, mend)))
    }
}

impl App {
    /// Seals every version anew that is not under the current root and the newest account key. One that does not open does not hold up the others.
    pub(crate) async fn rewrap_versions(&self, account: &AccountId) -> Result<Round, Error> {
        let owner = account.clone();
        let keys = self.store().read("vault.account_keys", move |tx| vault::account_keys(tx, &owner)).await?;
        let (mut after, mut round) = (String::new(), Round::default());
        loop {
            let (owner, from) = (account.clone(), after.clone());
            let page = self.store().read("versions.page", move |tx| versions::page_with_material(tx, &owner, &from, BATCH)).await?;
            let Some(last) = page.last() else { return Ok(round) };
            after = last.id.to_string();
            round.add(self.rewrap_page(page, &keys).await?);
        }
    }

    async fn rewrap_page(&self, page: Vec<VersionRow>, keys: &[AccountKeyRow]) -> Result<Round, Error> {
        let each = page.len().div_ceil(LANES).max(1);
        let lanes: Vec<_> = page.chunks(each).map(|lane| self.in_lane(lane.to_vec(), keys.to_vec())).collect();
        let mut all = Lane::default();
        for lane in lanes {
            let lane = lane.await.map_err(|error| Error::Internal(error.to_string()))?;
            all.changed.extend(lane.changed);
            all.unopened += lane.unopened;
            all.stopped = all.stopped.or(lane.stopped);
        }
        let Lane { changed, unopened, stopped } = all;
        let rewrapped = changed.len() as u64;
        // What has gone over stays there, also when the module was lost in the middle of the page.
        self.store().write("versions.reseal", move |tx| changed.iter().try_for_each(|(old, new)| reseal(tx, old, new))).await?;
        stopped.map_or(Ok(Round { rewrapped, unopened }), Err)
    }

    /// One of several threads at a page: a hardware module has several sessions, and each key takes some milliseconds there.
    fn in_lane(&self, lane: Vec<VersionRow>, keys: Vec<AccountKeyRow>) -> JoinHandle<Lane> {
        let app = self.clone();
        tokio::task::spawn_blocking(move || app.rewrap_lane(lane, &keys))
    }

    fn rewrap_lane(&self, versions: Vec<VersionRow>, keys: &[AccountKeyRow]) -> Lane {
        let mut lane = Lane::default();
        for version in versions {
            match self.rewrap_version(&version, keys) {
                Ok(Some(new)) => lane.changed.push((version, new)),
                Ok(None) => {}
                Err(Error::Sealed) if self.is_sealed() => return Lane { stopped: Some(Error::Sealed), ..lane },
                // The row is whole; it is the hardware module that is away.
                Err(Error::Problem(problem)) if problem.kind == "hsm-away" => return Lane { stopped: Some(Error::Problem(problem)), ..lane },
                Err(error) => {
                    tracing::error!(version = %version.id, key = %version.key_id, ?error, "a key version does not open and stays as it is");
                    lane.unopened += 1;
                }
            }
        }
        lane
    }

    /// The version as it shall be; `None` when it is so already.
    fn rewrap_version(&self, version: &VersionRow, keys: &[AccountKeyRow]) -> Result<Option<VersionRow>, Error> {
        let newest = keys.last().ok_or_else(|| Error::Internal("the account has no key".to_owned()))?;
        let goal = (self.vault().record().generation(), newest.generation);
        let generations = |under: SealedUnder| (under.root_generation, under.account_key_generation);
        if version.sealed.as_deref().map(sealed_under).transpose()?.map(generations) == Some(goal) {
            return Ok(None);
        }
        let under = keys.iter().find(|key| key.generation == version.account_key_generation);
        let sealed = Sealed { version: version.clone(), account_key: under.cloned().ok_or_else(|| Error::Internal("an account key is missing".to_owned()))? };
        let held = sealed.held().ok_or_else(|| Error::Internal("the version has no material".to_owned()))?;
        debug_assert_eq!(held.place, place(&version.account_id, version));
        let generation = version.generation + 1;
        let new = at_the_vault(self.vault(), |vault| vault.rewrap(&held, account_key(newest), generation))?;
        Ok(Some(VersionRow { sealed: Some(new.into_bytes()), generation, account_key_generation: newest.generation, ..version.clone() }))
    }
}

/// Somebody may have destroyed the material meanwhile, or sealed it anew: then there is nothing to do. An account key that is gone, or is of a root that another node
/// replaced, is told: nothing would come of going on.
fn reseal(tx: &mut Tx<'_>, old: &VersionRow, new: &VersionRow) -> Result<(), StoreError> {
    match versions::reseal(tx, &old.id, old.generation, new) {
        Err(StoreError::MovedOn("key version")) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_that_left_something_names_how_much() {
        let mut round = Round { rewrapped: 7, unopened: 0 };
        assert_eq!(round.whole(), Ok(7));
        round.add(Round { rewrapped: 1, unopened: 2 });
        let told = round.whole();
        assert!(matches!(told, Err(Error::Problem(ref problem)) if problem.detail.starts_with("2 key versions do not open")), "{told:?}");
    }
}
