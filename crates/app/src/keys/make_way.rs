//! Making way for a kill: what has its keys in hand, and can, is turned round and takes back what it did (FT-019). A kill switch does not wait for a renewal that waits for
//! a sealed vault.

use std::time::{Duration, Instant};

use keystead_domain::{AccountId, OperationId};
use keystead_identity::{Action, Principal};
use keystead_operations::saga::kill_key;
use keystead_store::{StoreError, Tx, operations};

use super::kill::KILL;
use crate::{App, Error, permit};

/// Operations that take a key out of use themselves, or have nothing to take back: they end by themselves, and a kill waits for them.
const STAY: [&str; 7] = [kill_key::NAME, "deactivate-key", "schedule-deletion", "rehearse-deletion", "clean-up-key", "forget-key", "sync-keystore"];
/// How long a kill waits for its keys, and how often it looks.
const WAITS: Duration = Duration::from_secs(20);
const LOOKS: Duration = Duration::from_millis(50);

/// Whether an operation of this kind is turned round when a kill needs its key. A pure function.
fn turns(kind: &str) -> bool {
    !STAY.contains(&kind)
}

/// Until when a kill that is asked for now waits for its keys.
pub(crate) fn patience() -> Instant {
    Instant::now() + WAITS
}

impl App {
    /// Turns these operations round, which have a kill's keys in hand, and waits until they have ended, at most until then. What can no longer be taken back goes on to its
    /// end; who still has a key then is in the way.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn make_way(&self, principal: &Principal, holders: &[String], until: Instant) -> Result<(), Error> {
        let proof = permit(principal, Action::ManageKeys, &principal.account, ())?;
        let holders: Vec<OperationId> = holders.iter().filter_map(|holder| OperationId::parse(holder).ok()).collect();
        let (account, now, ids) = (principal.account.clone(), self.now(), holders.clone());
        let entry =
            |operation: &OperationId, kind: &str| self.entry(principal, KILL, proof.rule).operation(operation).detail("turned_round", kind.to_owned()).done();
        let held: Vec<_> = self.store().read("operations.find", move |tx| find_all(tx, &account, &ids)).await?;
        let entries: Vec<_> = held.iter().filter(|(_, kind)| turns(kind)).map(|(id, kind)| (id.clone(), entry(id, kind))).collect();
        let turn = move |tx: &mut Tx<'_>| {
            for (id, entry) in &entries {
                if operations::ask_to_turn(tx, id, now)? {
                    tx.audit(entry.clone());
                }
            }
            Ok::<_, StoreError>(())
        };
        self.store().write("kill.make_way", turn).await?;
        self.engine.take_due().await?;
        // One pause at the least: who asks again and again writes again and again.
        loop {
            tokio::time::sleep(LOOKS).await;
            if Instant::now() >= until || !self.are_running(&principal.account, &holders).await? {
                return Ok(());
            }
        }
    }

    async fn are_running(&self, account: &AccountId, ids: &[OperationId]) -> Result<bool, Error> {
        let (account, ids) = (account.clone(), ids.to_vec());
        Ok(!self.store().read("operations.find", move |tx| find_all(tx, &account, &ids)).await?.is_empty())
    }
}

/// Those of these operations that are running, each with its kind.
fn find_all(tx: &mut Tx<'_>, account: &AccountId, ids: &[OperationId]) -> Result<Vec<(OperationId, String)>, StoreError> {
    let mut found = Vec::new();
    for id in ids {
        found.extend(operations::find(tx, account, id)?.filter(|operation| operation.state == "RUNNING").map(|operation| (operation.id, operation.kind)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_key_out_of_use_is_not_turned_round_by_a_kill() {
        for kind in STAY {
            assert!(!turns(kind), "{kind}");
        }
        for kind in ["renew-key", "upload-key", "activate-key", "restore-key", "rotate-in-place", "end-rehearsal", "update-key"] {
            assert!(turns(kind), "{kind}");
        }
    }
}
