//! Who makes the connection to a keystore's cloud. The server gives it; here it is only asked.

use std::sync::Arc;

use async_trait::async_trait;
use keystead_cloud::{Cloud, CloudError};
use keystead_store::keystores::KeystoreRow;

/// A source of connections, one a keystore.
#[async_trait]
pub trait Clouds: Send + Sync {
    /// The connection for a keystore. It does not speak to the cloud yet.
    async fn connect(&self, keystore: &KeystoreRow) -> Result<Arc<dyn Cloud>, CloudError>;
}
