//! Checks of finding keys, of keys that are not there, and of permissions.

use keystead_cloud::{CloudKeyId, Kind, Retry, Standing};
use keystead_domain::key::deletion::WaitingDays;

use super::{Subject, kind};

/// The probe after a lost answer: the operation's tag is there from the first moment.
pub async fn a_key_is_found_by_its_operation(subject: &Subject<'_>) {
    let (order, _other) = (subject.order(), subject.empty_key().await);
    assert_eq!(subject.cloud.find(&order.own.operation, &|_| false).await.expect("a search").len(), 0);
    let key = subject.cloud.create_key(&order).await.expect("a key is made").value;
    let found = subject.cloud.find(&order.own.operation, &|_| false).await.expect("a search");
    let [found] = &found[..] else { panic!("one key, not {found:?}") };
    assert_eq!((&found.id, &found.arn, &found.own, found.pending_deletion), (&key.id, &key.arn, &order.own, false));
    assert!((found.created.as_secs() - subject.now.as_secs()).abs() < 86_400, "made today: {:?}", found.created);
    let known = |id: &str| id == key.id.0;
    assert_eq!(subject.cloud.find(&order.own.operation, &known).await.expect("a search").len(), 0, "a known key needs no look");
}

/// What the sweep looks through.
pub async fn all_own_keys_are_listed_but_those_that_are_known(subject: &Subject<'_>) {
    let (leftover, known) = (subject.empty_key().await, subject.empty_key().await);
    subject.cloud.schedule_deletion(&leftover.id, WaitingDays::SHORTEST).await.expect("scheduled");
    let list = subject.cloud.list_own(&|id: &str| id == known.id.0).await.expect("a list");
    assert!(list.iter().all(|found| found.own.installation == subject.installation && found.id != known.id));
    let found = list.iter().find(|found| found.id == leftover.id).expect("the leftover is listed");
    assert!(found.pending_deletion);
}

/// "Gone" is an answer to a look, and an error to everything else, which may only mean "not yet visible".
pub async fn a_key_that_is_not_there_is_not_found(subject: &Subject<'_>) {
    let nobody = CloudKeyId("11111111-2222-4333-8444-555555555555".into());
    assert_eq!(subject.cloud.observe(&nobody).await.expect("an answer"), None);
    let error = subject.cloud.enable(&nobody).await.expect_err("no such key");
    assert_eq!((error.kind, error.retry, error.call), (Kind::NotFound, Retry::UntilVisible, "EnableKey"));
    assert!(error.request_id.is_some(), "the audit log wants a request id");
    assert_eq!(kind(subject.cloud.schedule_deletion(&nobody, WaitingDays::SHORTEST).await), Some(Kind::NotFound));
}

/// The look at our permissions ends in "sufficient", and makes nothing (CM-070).
pub async fn our_permissions_suffice(subject: &Subject<'_>) {
    let before = subject.cloud.list_own(&|_| false).await.expect("a list").len();
    let report = subject.cloud.probe().await.expect("a probe");
    assert!(report.is_sufficient(), "{report:#?}");
    let granted = report.findings.iter().filter(|finding| finding.standing == Standing::Granted).count();
    assert!(granted > 10, "{report:#?}");
    assert_eq!(subject.cloud.list_own(&|_| false).await.expect("a list").len(), before, "nothing was made");
}
