//! Finding our own keys by their tags. AWS lists bare ids, so each unknown key's tags are asked for one by one.

use std::time::Duration;

use aws_sdk_kms::types::Tag;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use keystead_cloud::{CloudError, CloudKeyId, Found, Kind, OwnTags, Retry};

use crate::{
    client::AwsCloud,
    error::unreadable,
    observe::{is_pending_deletion, timestamp},
    own,
    send::send,
};

/// Keys a page (AWS KMS API reference, ListKeys, Limit).
pub(crate) const KEYS_A_PAGE: i32 = 1000;
/// Keys looked at side by side: some hundred a second at usual distances, far below ListResourceTags' quota of 2000.
const AT_ONCE: usize = 16;
/// Tries of one call within a scan. A scan of thousands of calls must not begin again because one of them was throttled.
const TRIES: u32 = 6;
/// The first pause between them; each further one doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Says which ids need no look.
pub(crate) type Known<'k> = dyn for<'a> Fn(&'a str) -> bool + Send + Sync + 'k;

impl AwsCloud {
    /// Every key of this installation that is not `known` and whose own tags are `wanted`.
    pub(crate) async fn scan(&self, known: &Known<'_>, wanted: impl Fn(&OwnTags) -> bool + Send + Sync) -> Result<Vec<Found>, CloudError> {
        let mut found = Vec::new();
        let mut marker = None;
        loop {
            let (ids, next) = self.page_of_keys(marker).await?;
            let unknown: Vec<String> = ids.into_iter().filter(|id| !known(id)).collect();
            let looks = stream::iter(unknown).map(|id| self.look_for_own(id, &wanted)).buffer_unordered(AT_ONCE);
            found.extend(looks.try_collect::<Vec<_>>().await?.into_iter().flatten());
            match next {
                Some(next) => marker = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// One page of ids, and the marker of the next.
    async fn page_of_keys(&self, marker: Option<String>) -> Result<(Vec<String>, Option<String>), CloudError> {
        let ask = || async { send!(self, "ListKeys", self.kms.list_keys().limit(KEYS_A_PAGE).set_marker(marker.clone())) };
        let page = patiently(ask).await?;
        let next = next_marker("ListKeys", page.value.truncated, page.value.next_marker)?;
        Ok((page.value.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_id).collect(), next))
    }

    /// The key, if it is ours and wanted. A key that we may not see, or that is gone, is not ours; every other trouble ends the scan, because a key
    /// overlooked would be made a second time.
    async fn look_for_own(&self, id: String, wanted: &(impl Fn(&OwnTags) -> bool + Send + Sync)) -> Result<Option<Found>, CloudError> {
        match self.own_key(id, wanted).await {
            Err(error) if matches!(error.kind, Kind::AccessDenied | Kind::NotFound) => Ok(None),
            other => other,
        }
    }

    async fn own_key(&self, id: String, wanted: &(impl Fn(&OwnTags) -> bool + Send + Sync)) -> Result<Option<Found>, CloudError> {
        let tags = self.tags_of(&id).await?;
        let Some(own) = own::read(&tags, &self.installation).filter(|own| wanted(own)) else { return Ok(None) };
        let key = patiently(|| self.metadata(&id)).await?.value;
        let created = key.creation_date.map(timestamp).ok_or_else(|| unreadable("DescribeKey", "creation date", None))?;
        let pending_deletion = is_pending_deletion(&key);
        let arn = key.arn.ok_or_else(|| unreadable("DescribeKey", "ARN", None))?;
        Ok(Some(Found { id: CloudKeyId(id), arn, own, created, pending_deletion }))
    }

    async fn tags_of(&self, id: &str) -> Result<Vec<Tag>, CloudError> {
        let mut tags = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let ask = || async { send!(self, "ListResourceTags", self.kms.list_resource_tags().key_id(id).set_marker(marker.clone())) };
            let page = patiently(ask).await?.value;
            tags.extend(page.tags.unwrap_or_default());
            marker = next_marker("ListResourceTags", page.truncated, page.next_marker)?;
            if marker.is_none() {
                return Ok(tags);
            }
        }
    }
}

/// A page that says "more" must say where: otherwise the list would silently be too short.
pub(crate) fn next_marker(call: &'static str, truncated: bool, marker: Option<String>) -> Result<Option<String>, CloudError> {
    match (truncated, marker) {
        (false, _) => Ok(None),
        (true, Some(marker)) => Ok(Some(marker)),
        (true, None) => Err(unreadable(call, "marker of the next page", None)),
    }
}

/// Reads again what was throttled or lost on the way; a cloud that cannot be reached at all is not waited for. Only calls without effect come here.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, CloudError>>>(ask: impl Fn() -> F) -> Result<T, CloudError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if error.retry == Retry::Backoff && error.kind != Kind::Unreachable => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause *= 2;
    }
    ask().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::refused;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_page_that_ends_nowhere_is_an_error_and_not_an_end() {
        assert_eq!(next_marker("ListKeys", false, Some("m".into())).expect("an end"), None);
        assert_eq!(next_marker("ListKeys", true, Some("m".into())).expect("more"), Some("m".into()));
        assert_eq!(next_marker("ListKeys", true, None).expect_err("no marker").kind, Kind::OutcomeUnknown);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_read_is_repeated_and_a_refused_one_is_not() {
        let calls = AtomicU32::new(0);
        let ask = |retry| {
            calls.fetch_add(1, Ordering::Relaxed);
            async move { Err::<(), _>(CloudError { retry, ..refused("ListKeys", Kind::Throttled, "slow") }) }
        };
        assert!(patiently(|| ask(Retry::Backoff)).await.is_err());
        assert_eq!(calls.swap(0, Ordering::Relaxed), TRIES);
        assert!(patiently(|| ask(Retry::Never)).await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
