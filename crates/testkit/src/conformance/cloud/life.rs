//! Checks of enabling, emptying and deleting.

use keystead_cloud::Kind;
use keystead_domain::key::deletion::WaitingDays;

use super::{Known, Subject, kind};

/// What is already so is a success.
pub async fn enabling_and_disabling_may_be_repeated(subject: &Subject<'_>) {
    let key = subject.full_key(&[10; 32]).await;
    for (enabled, times) in [(true, 1), (false, 2), (true, 2)] {
        for _ in 0..times {
            let done = if enabled { subject.cloud.enable(&key.id).await } else { subject.cloud.disable(&key.id).await };
            done.unwrap_or_else(|error| panic!("enabled {enabled}: {error}"));
        }
        let seen = subject.seen(&key.id).await;
        assert_eq!((seen.enabled, seen.material_present), (enabled, Some(true)));
    }
}

/// Deactivate and activate, each step twice (CM-054, CM-055).
pub async fn material_is_removed_and_comes_back(subject: &Subject<'_>) {
    let key = subject.full_key(&[11; 32]).await;
    let id = subject.seen(&key.id).await.material_id;
    subject.cloud.disable(&key.id).await.expect("disabled");
    for _ in 0..2 {
        subject.cloud.delete_material(&key.id, None).await.expect("removed");
        assert_eq!(subject.seen(&key.id).await.material_present, Some(false));
    }
    subject.cloud.disable(&key.id).await.expect("a key without material cannot be used either");
    let hidden = subject.is_known(Known::DisablesEmptyKeys);
    assert_eq!(subject.seen(&key.id).await.material_present, Some(hidden), "DisablesEmptyKeys is {hidden}");
    subject.import(&key.id, &[11; 32]).await.expect("the same material comes back");
    subject.cloud.enable(&key.id).await.expect("enabled");
    let seen = subject.seen(&key.id).await;
    assert_eq!((seen.enabled, seen.material_present, seen.material_id), (true, Some(true), id));
}

/// Scheduling and cancelling, each twice (CM-058, CM-060).
pub async fn a_countdown_starts_once_and_is_stopped_once(subject: &Subject<'_>) {
    let key = subject.full_key(&[12; 32]).await;
    let date = subject.cloud.schedule_deletion(&key.id, WaitingDays::LONGEST).await.expect("scheduled").value.expect("a date");
    let days = (date.as_secs() - subject.now.as_secs()) as f64 / 86_400.0;
    assert!((29.0..=31.0).contains(&days), "30 days, not {days}");
    let again = subject.cloud.schedule_deletion(&key.id, WaitingDays::SHORTEST).await.expect("a countdown that runs is a success").value.expect("a date");
    let kept = again.as_secs() == date.as_secs();
    assert_eq!(kept, !subject.is_known(Known::RestartsCountdown), "the date is kept: {kept}");
    let seen = subject.seen(&key.id).await;
    assert_eq!((seen.enabled, seen.deletion_at.map(|at| at.as_secs())), (false, Some(again.as_secs())));
    for _ in 0..2 {
        subject.cloud.cancel_deletion(&key.id).await.expect("cancelled, or not running");
        let seen = subject.seen(&key.id).await;
        assert_eq!((seen.enabled, seen.deletion_at, seen.material_present), (false, None, Some(true)), "disabled, with its material");
    }
    cancelling_without_a_countdown_changes_nothing(subject).await;
}

async fn cancelling_without_a_countdown_changes_nothing(subject: &Subject<'_>) {
    let key = subject.full_key(&[13; 32]).await;
    subject.cloud.cancel_deletion(&key.id).await.expect("none running is a success");
    let untouched = subject.seen(&key.id).await.raw_state == "Enabled";
    assert_eq!(untouched, !subject.is_known(Known::CancelsWithoutCountdown), "untouched: {untouched}");
}

/// CM-059, CM-068.
pub async fn a_key_that_counts_down_refuses_everything_else(subject: &Subject<'_>) {
    let key = subject.full_key(&[14; 32]).await;
    subject.cloud.schedule_deletion(&key.id, WaitingDays::SHORTEST).await.expect("scheduled");
    assert_eq!(kind(subject.cloud.wrapping_key(&key.id, super::METHOD, super::SPEC).await), Some(Kind::WrongState));
    let enabled = subject.cloud.enable(&key.id).await;
    if subject.is_known(Known::EnablesDuringCountdown) {
        assert!(enabled.is_ok(), "mended: strike EnablesDuringCountdown");
        return;
    }
    assert_eq!(kind(enabled), Some(Kind::WrongState));
    assert_eq!(kind(subject.cloud.disable(&key.id).await), Some(Kind::WrongState));
    assert_eq!(kind(subject.cloud.describe(&key.id, "late").await), Some(Kind::WrongState));
    assert!(subject.seen(&key.id).await.deletion_at.is_some());
}
