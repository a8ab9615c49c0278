//! Checks of looking at every key, whoever made it (FT-051 to FT-060).

use std::collections::BTreeSet;

use keystead_cloud::{CloudKeyId, Kind, Page};
use keystead_domain::{Alias, KeySpec, KeyUsage, RegionRole};

use super::{Subject, kind};

/// Every item of a list, page by page; a page leads on or ends, and no list goes round in circles.
async fn all_pages<T, F: Future<Output = Page<T>>>(page: impl Fn(Option<String>) -> F) -> Vec<T> {
    let (mut items, mut marker) = (Vec::new(), None);
    for _ in 0..10_000 {
        let Page { items: more, next } = page(marker).await;
        items.extend(more);
        match next {
            Some(next) => marker = Some(next),
            None => return items,
        }
    }
    panic!("a list without an end")
}

/// Each key is listed once, with its aliases, tags, policy and grants, and looked at without a word of Keystead's own.
pub async fn every_key_is_listed_once_and_looked_at_whole(subject: &Subject<'_>) {
    let cloud = subject.cloud;
    let order = subject.order();
    let key = cloud.create_key(&order).await.expect("a key is made").value;
    let alias = Alias::parse(&format!("conformance/look/{}", subject.number())).expect("an alias");
    cloud.point_alias(&alias, &key.id, None).await.expect("made");
    let ids = all_pages(async |marker| cloud.list_keys(marker.as_deref()).await.expect("a page")).await;
    let once: BTreeSet<&str> = ids.iter().map(|id| id.0.as_str()).collect();
    assert!(once.len() == ids.len() && once.contains(key.id.0.as_str()), "each key once");
    let aliases = all_pages(async |marker| cloud.list_aliases(marker.as_deref()).await.expect("a page")).await;
    assert_eq!(aliases.iter().find(|at| at.alias == alias).map(|at| &at.key), Some(&key.id));
    let seen = cloud.inspect(&key.id).await.expect("a look").expect("is there");
    assert_eq!((&seen.observed.arn, seen.spec, seen.usage, seen.is_customers), (&key.arn, Some(KeySpec::Aes256), Some(KeyUsage::Encrypt), true));
    assert_eq!(
        (seen.origin.as_str(), seen.description.as_str(), seen.counts_down, seen.family.role),
        ("EXTERNAL", order.description.as_str(), false, RegionRole::Single)
    );
    assert!(seen.created.is_some_and(|created| (created.as_secs() - subject.now.as_secs()).abs() < 86_400));
    let tags = all_pages(async |marker| cloud.tags(&key.id, marker.as_deref()).await.expect("a page")).await;
    assert!(tags.contains(&("team".to_owned(), "pay".to_owned())) && cloud.is_own(&tags), "{tags:?}");
    assert!(cloud.policy(&key.id).await.expect("a policy").contains("Statement"));
    assert!(all_pages(async |marker| cloud.grants(&key.id, marker.as_deref()).await.expect("a page")).await.is_empty());
}

/// A key that is not there is an answer to a look, and an error to a question about it.
pub async fn a_key_that_is_not_there_is_not_looked_at(subject: &Subject<'_>) {
    let nobody = CloudKeyId("11111111-2222-4333-8444-555555555556".into());
    assert_eq!(subject.cloud.inspect(&nobody).await.expect("an answer"), None);
    assert_eq!(kind(subject.cloud.policy(&nobody).await), Some(Kind::NotFound));
}
