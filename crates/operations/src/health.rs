//! Checks of keystores: whether the cloud answers and permits what is needed. A check changes nothing in the cloud; what it found is kept, and somebody is told once that a
//! keystore is not well, and once that it is again.

use std::time::Duration;

use keystead_audit::{Entry, Outcome};
use keystead_cloud::{CloudError, Fault, Kind, ProbeReport, Retry, Standing};
use keystead_domain::{
    alert::AlertKind,
    health::{CheckOutcome, Tell, tell},
};
use keystead_store::{
    StoreError, Tx,
    checks::{self, CheckRow},
    keystores::KeystoreRow,
};

use crate::{
    Engine, Problem,
    alerts::{About, Telling},
    words::Words,
};

/// What a check found, and whose quotas it used.
#[derive(Debug)]
pub struct Checked {
    /// The report, or why there is none.
    pub probed: Result<ProbeReport, CloudError>,
    quota_scope: String,
}

impl Checked {
    /// What a check finds that may take so long and no longer; one that takes longer found a cloud that does not answer.
    pub(crate) async fn within(patience: Duration, probing: impl Future<Output = Self>) -> Self {
        tokio::time::timeout(patience, probing).await.unwrap_or_else(|_| {
            let message = format!("the check was not through within {} seconds", patience.as_secs());
            let (code, call) = ("Timeout".to_owned(), "The check");
            let silent = CloudError { kind: Kind::Unreachable, fault: Fault::Unknown, retry: Retry::Backoff, call, code, message, request_id: None };
            Self { probed: Err(silent), quota_scope: String::new() }
        })
    }
}

impl Engine {
    /// Tries what a keystore's role may do. Nothing is changed.
    pub async fn probe(&self, keystore: &KeystoreRow) -> Checked {
        match self.parts().clouds.connect(keystore).await {
            Ok(cloud) => Checked { quota_scope: cloud.capabilities().quota_scope.clone(), probed: cloud.probe().await },
            Err(error) => Checked { quota_scope: String::new(), probed: Err(error) },
        }
    }

    /// Keeps what a check found, and tells whoever is to be told. `entry` is written with it, if `is_news` is false or the outcome is another one than before. Answers the row.
    ///
    /// # Errors
    /// What the store says.
    pub async fn keep_check(&self, keystore: &KeystoreRow, checked: &Checked, entry: Entry, is_news: bool) -> Result<CheckRow, StoreError> {
        let now = self.now();
        let found = CheckRow {
            keystore_id: keystore.id.clone(),
            checked_at: now,
            outcome: outcome(&checked.probed),
            since: now,
            missing: missing(&checked.probed),
            why: why(&checked.probed),
            failures: 0,
            is_told: false,
            quota_scope: checked.quota_scope.clone(),
        };
        let (unhealthy, recovered) = (self.telling_of_check(keystore, &found, true), self.telling_of_check(keystore, &found, false));
        let keep = move |tx: &mut Tx<'_>| {
            let before = checks::hold(tx, &found.keystore_id)?;
            let (row, told) = following(before.as_ref(), found.clone());
            match told {
                Tell::Nothing => {}
                Tell::Unhealthy => drop(unhealthy.write(tx)?),
                Tell::Recovered => drop(recovered.write(tx)?),
            }
            if !is_news || before.is_none_or(|before| before.outcome != row.outcome) {
                tx.audit(entry.clone());
            }
            checks::keep(tx, &row)?;
            Ok(row)
        };
        self.parts().store.write("checks.keep", keep).await
    }

    fn telling_of_check(&self, keystore: &KeystoreRow, found: &CheckRow, is_unhealthy: bool) -> Telling {
        let mend = format!("See what is known of it: `keystead keystore show {0}`; check it again: `keystead keystore check {0}`.", keystore.name);
        let facts = vec![
            ("keystore", keystore.name.clone()),
            ("outcome", found.outcome.as_str().to_owned()),
            ("why", found.why.clone()),
            ("mend", if is_unhealthy { mend } else { String::new() }),
        ];
        let kind = if is_unhealthy { AlertKind::KeystoreUnhealthy } else { AlertKind::KeystoreRecovered };
        let once = format!("{}/{}/{}", kind.as_str(), keystore.id, found.checked_at.as_micros());
        let subject = keystore.id.as_str();
        self.telling(About { account: &keystore.account_id, keystore: Some(&keystore.id), kind, subject, topic: "check", once, facts })
    }
}

/// The row that follows the one before, and what is to be told of it.
fn following(before: Option<&CheckRow>, found: CheckRow) -> (CheckRow, Tell) {
    let is_well = found.outcome == CheckOutcome::Permitted;
    let failures = if is_well { 0 } else { before.map_or(0, |before| before.failures).saturating_add(1) };
    let was_told = before.is_some_and(|before| before.is_told);
    let told = tell(found.outcome, failures, was_told);
    let since = before.filter(|before| before.outcome == found.outcome).map_or(found.since, |before| before.since);
    let is_told = match told {
        Tell::Nothing => was_told,
        Tell::Unhealthy => true,
        Tell::Recovered => false,
    };
    (CheckRow { since, failures, is_told, ..found }, told)
}

fn outcome(probed: &Result<ProbeReport, CloudError>) -> CheckOutcome {
    match probed {
        Ok(report) if report.is_sufficient() => CheckOutcome::Permitted,
        Ok(_) => CheckOutcome::Missing,
        Err(error) => match error.kind {
            Kind::AccessDenied | Kind::RoleNotAssumable => CheckOutcome::Denied,
            Kind::Credentials => CheckOutcome::Credentials,
            _ => CheckOutcome::Unreachable,
        },
    }
}

fn missing(probed: &Result<ProbeReport, CloudError>) -> Vec<String> {
    actions(probed, Standing::Missing)
}

fn actions(probed: &Result<ProbeReport, CloudError>, standing: Standing) -> Vec<String> {
    let findings = probed.iter().flat_map(|report| &report.findings);
    findings.filter(|found| found.standing == standing).map(|found| found.action.clone()).collect()
}

fn why(probed: &Result<ProbeReport, CloudError>) -> String {
    match probed {
        Err(error) => Problem::from(error).detail,
        Ok(_) => match missing(probed) {
            missing if missing.is_empty() => String::new(),
            missing => format!("The role lacks {}.", missing.join(", ")),
        },
    }
}

/// What a check found, in the audit log's words: actions of the cloud by how they stand, or why it could not be told.
pub fn in_words(words: Words, probed: &Result<ProbeReport, CloudError>) -> Entry {
    let report = match probed {
        Ok(report) => report,
        Err(error) => {
            let words = words.outcome(Outcome::Failed).cloud_request(error.request_id.as_deref());
            return words.detail("problem", Problem::from(error).kind).detail("cloud_code", error.code.clone()).done();
        }
    };
    let words = words.detail("identity", report.identity.clone()).detail("sufficient", report.is_sufficient().to_string());
    let standings = [("missing", Standing::Missing), ("excess", Standing::Excess), ("untested", Standing::Untested)];
    let told = standings.map(|(name, standing)| (name, actions(probed, standing).join(" "))).into_iter().filter(|(_, actions)| !actions.is_empty());
    told.fold(words, |words, (name, actions)| words.detail(name, actions)).done()
}

#[cfg(test)]
mod tests {
    use keystead_cloud::Finding;
    use keystead_domain::{KeystoreId, Timestamp};

    use super::*;

    fn row(outcome: CheckOutcome, at: i64) -> CheckRow {
        let at = Timestamp::from_secs(at);
        let (missing, why) = (Vec::new(), String::new());
        CheckRow {
            keystore_id: KeystoreId::new(at, [1; 10]),
            checked_at: at,
            outcome,
            since: at,
            missing,
            why,
            failures: 0,
            is_told: false,
            quota_scope: String::new(),
        }
    }

    #[test]
    fn what_lasts_is_told_once_and_its_beginning_is_kept() {
        use CheckOutcome::{Denied, Permitted, Unreachable};
        let mut before = None;
        let mut told = Vec::new();
        for (at, outcome) in [Permitted, Unreachable, Permitted, Unreachable, Unreachable, Denied, Permitted, Permitted].into_iter().enumerate() {
            let (row, tell) = following(before.as_ref(), row(outcome, at as i64));
            told.push((tell, row.since.as_secs(), row.failures));
            before = Some(row);
        }
        use Tell::{Nothing, Recovered, Unhealthy};
        let expected =
            [(Nothing, 0, 0), (Nothing, 1, 1), (Nothing, 2, 0), (Nothing, 3, 1), (Unhealthy, 3, 2), (Nothing, 5, 3), (Recovered, 6, 0), (Nothing, 6, 0)];
        assert_eq!(told, expected);
    }

    #[test]
    fn every_answer_of_a_cloud_is_an_outcome() {
        let report = |standing| {
            let findings = vec![Finding { action: "kms:CreateKey".to_owned(), standing, mend: None }];
            Ok(ProbeReport { identity: String::new(), account: String::new(), findings })
        };
        let failed = |kind| {
            let (code, message) = (String::new(), "no".to_owned());
            Err(CloudError { kind, fault: Fault::Ours, retry: Retry::Never, call: "AssumeRole", code, message, request_id: None })
        };
        for (probed, expected, reason) in [
            (report(Standing::Granted), CheckOutcome::Permitted, ""),
            (report(Standing::Untested), CheckOutcome::Permitted, ""),
            (report(Standing::Missing), CheckOutcome::Missing, "The role lacks kms:CreateKey."),
            (failed(Kind::RoleNotAssumable), CheckOutcome::Denied, "AssumeRole was refused: no"),
            (failed(Kind::Credentials), CheckOutcome::Credentials, "AssumeRole did not succeed ()."),
            (failed(Kind::Unreachable), CheckOutcome::Unreachable, "AssumeRole did not succeed ()."),
            (failed(Kind::CloudFailure), CheckOutcome::Unreachable, "AssumeRole did not succeed ()."),
        ] {
            assert_eq!((outcome(&probed), why(&probed).as_str()), (expected, reason), "{probed:?}");
        }
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_one_of_a_cloud_that_does_not_answer() {
        let checked = Checked::within(Duration::from_millis(5), std::future::pending()).await;
        assert_eq!((outcome(&checked.probed), why(&checked.probed).as_str()), (CheckOutcome::Unreachable, "The check did not succeed (Timeout)."));
    }
}
