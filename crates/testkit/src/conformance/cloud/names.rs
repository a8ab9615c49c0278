//! Checks of aliases, tags and descriptions.

use keystead_cloud::{Kind, Retry, Target};
use keystead_domain::{Alias, tags::TagChange};

use super::{Subject, kind};

fn alias(subject: &Subject<'_>) -> Alias {
    Alias::parse(&format!("conformance/{}", subject.number())).expect("a good alias")
}

/// Made, made again, moved, moved again, removed, removed again (CM-057).
pub async fn an_alias_is_made_moved_and_removed(subject: &Subject<'_>) {
    let (old, new, alias) = (subject.full_key(&[20; 32]).await, subject.full_key(&[21; 32]).await, alias(subject));
    let cloud = subject.cloud;
    for _ in 0..2 {
        cloud.point_alias(&alias, &old.id, None).await.expect("made, or there");
    }
    for _ in 0..2 {
        cloud.point_alias(&alias, &new.id, Some(&old.id)).await.expect("moved, or there");
    }
    assert_eq!(cloud.target_of(&alias).await.expect("is looked at"), Target::Key(new.id.clone()));
    assert_eq!((cloud.aliases_of(&new.id).await.expect("a list"), cloud.aliases_of(&old.id).await.expect("a list")), (vec![alias.clone()], vec![]));
    cloud.remove_alias(&alias, &old.id).await.expect("it does not point there: nothing to do");
    assert_eq!(kind(cloud.point_alias(&alias, &old.id, None).await), Some(Kind::AliasTaken), "it still points at the new key");
    for _ in 0..2 {
        cloud.remove_alias(&alias, &new.id).await.expect("removed, or gone");
    }
    assert_eq!(cloud.target_of(&alias).await.expect("is looked at"), Target::Nobody);
    cloud.point_alias(&alias, &old.id, Some(&new.id)).await.expect("free again: made, although it was expected elsewhere");
}

/// An alias moves only from the key that it is expected at.
pub async fn an_alias_is_never_taken_from_another_key(subject: &Subject<'_>) {
    let (owner, ours, alias) = (subject.full_key(&[22; 32]).await, subject.full_key(&[23; 32]).await, alias(subject));
    let before = subject.full_key(&[24; 32]).await;
    subject.cloud.point_alias(&alias, &owner.id, None).await.expect("made");
    for from in [None, Some(&before.id)] {
        let error = subject.cloud.point_alias(&alias, &ours.id, from).await.expect_err("it is another's");
        assert_eq!((error.kind, error.retry), (Kind::AliasTaken, Retry::Never));
    }
    subject.cloud.point_alias(&alias, &owner.id, None).await.expect("it stayed where it was");
}

/// Tags and description take a second time; Keystead's own tags stay.
pub async fn tags_and_description_may_be_written_again(subject: &Subject<'_>) {
    let order = subject.order();
    let key = subject.cloud.create_key(&order).await.expect("a key is made").value;
    let change = TagChange { set: vec![("team".into(), "card".into()), ("cost".into(), "7".into())], remove: vec!["absent".into()] };
    for _ in 0..2 {
        subject.cloud.change_tags(&key.id, &change).await.expect("written");
        subject.cloud.describe(&key.id, &"long ".repeat(2000)).await.expect("described");
    }
    for own in ["managed-by", "keystead:operation"] {
        let removal = TagChange { set: Vec::new(), remove: vec![own.to_owned()] };
        assert_eq!(kind(subject.cloud.change_tags(&key.id, &removal).await), Some(Kind::BadInput), "{own}");
    }
    let found = subject.cloud.find(&order.own.operation, &|_| false).await.expect("a search");
    assert_eq!(found.len(), 1, "our tags are still there");
}
