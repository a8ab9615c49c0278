//! The session of the assumed role: kept by the official client's cache, and forgotten when AWS no longer takes it.
//!
//! The cache alone keeps credentials until the time they carry. AWS may refuse them earlier: when the role was deleted and made again, or when its clock and
//! ours differ. Forgetting lets the next call begin with a fresh session instead of failing for an hour.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_sdk_kms::config::{ConfigBag, IdentityCache, ResolveCachedIdentity, RuntimeComponents, SharedIdentityCache};
use aws_smithy_runtime_api::client::identity::{IdentityFuture, SharedIdentityResolver};

/// A cache of one session that can be emptied. Clones share it.
#[derive(Debug, Clone)]
pub struct Session {
    held: Arc<RwLock<SharedIdentityCache>>,
    load_timeout: Duration,
}

impl Session {
    /// An empty cache. Loading may take as long as the caller lets a whole call take.
    pub fn new(load_timeout: Duration) -> Self {
        Self { held: Arc::new(RwLock::new(empty(load_timeout))), load_timeout }
    }

    /// Empties the cache.
    pub fn forget(&self) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = empty(self.load_timeout);
    }

    fn current(&self) -> SharedIdentityCache {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn empty(load_timeout: Duration) -> SharedIdentityCache {
    IdentityCache::lazy().load_timeout(load_timeout).build()
}

impl ResolveCachedIdentity for Session {
    fn resolve_cached_identity<'a>(&'a self, resolver: SharedIdentityResolver, components: &'a RuntimeComponents, config: &'a ConfigBag) -> IdentityFuture<'a> {
        let cache = self.current();
        IdentityFuture::new(async move { cache.resolve_cached_identity(resolver, components, config).await })
    }
}
