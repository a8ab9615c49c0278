//! What the application asks of the clouds it knows, without calling them: rules of places and policies to paste.

use keystead_cloud::Capabilities;
use keystead_domain::{Invalid, KeySpec, keystore::AwsLocation};
use keystead_store::keystores::KeystoreRow;

/// What a keystore's owner pastes into the cloud account, and how (CM-069 to CM-073).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who may assume the role, JSON.
    pub trust: String,
    /// What the role may do, JSON.
    pub permissions: String,
    /// What to do with them, step by step.
    pub steps: Vec<String>,
}

/// The clouds as rules and texts.
pub trait Catalog: Send + Sync {
    /// Checks a place in a cloud; answers the cloud's partition.
    ///
    /// # Errors
    /// [`Invalid`] naming the field.
    fn check_location(&self, cloud: &str, location: &AwsLocation) -> Result<String, Invalid>;

    /// What a place can do, whether or not somebody ever connected to it; `None` where it is in no cloud that is known.
    fn capabilities(&self, cloud: &str, location: &AwsLocation) -> Option<Capabilities>;

    /// Checks whether this kind of key can be brought to this place.
    ///
    /// # Errors
    /// [`Invalid`] naming `spec` and the cloud's own rule.
    fn check_importable(&self, location: &AwsLocation, spec: KeySpec) -> Result<(), Invalid>;

    /// Checks whether a key of this place can have replicas in other Regions.
    ///
    /// # Errors
    /// [`Invalid`] naming `multi_region` and the cloud's own rule.
    fn check_multi_region(&self, cloud: &str, location: &AwsLocation) -> Result<(), Invalid>;

    /// Checks whether a queue is one that a keystore of this place can listen to.
    ///
    /// # Errors
    /// [`Invalid`] naming `queue` and the cloud's own rule.
    fn check_queue(&self, cloud: &str, location: &AwsLocation, queue: &str) -> Result<(), Invalid>;

    /// The policies for a keystore; `native` asks for permission to manage keys whose material is the cloud's, too, `queue` for permission to listen to it.
    fn policy(&self, keystore: &KeystoreRow, native: bool, queue: Option<&str>) -> Policy;
}
