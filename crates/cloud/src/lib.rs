//! What a cloud is to Keystead: verbs, capabilities as data, and errors that say whose fault and how to retry. No client lives here.
//!
//! *Invariants*: this room knows only `domain`. Only `operations` calls a [`Cloud`] for effect. What a cloud can do is asked as data
//! ([`Capabilities`]), never discovered by an error. Material passes only wrapped.

pub mod capability;
pub mod error;
pub mod events;
pub mod inspect;
pub mod key;
pub mod probe;
pub mod usable;
pub mod usage;

use async_trait::async_trait;
pub use capability::{Call, Capabilities, Importable, Prices, Quota};
pub use error::{CloudError, Fault, Kind, Reply, Retry};
pub use events::{CloudEvent, KeyUse, Message, Target, Told};
pub use inspect::{Family, Grant, Inspected, Page, Pointing};
pub use key::{CloudKey, CloudKeyId, FamilySeen, Found, Import, Imported, MaterialPart, MaterialSeen, NewCloudKey, Observed, OwnTags, Which, WrappingKey};
use keystead_domain::{Alias, KeySpec, KeyUsage, Timestamp, WrapMethod, WrappingKeySpec, key::deletion::WaitingDays, tags::TagChange};
pub use probe::{Finding, ProbeReport, Standing};
pub use usable::{UseSeen, UseStanding};
pub use usage::{LastUse, Used};

/// One cloud location under one identity: a keystore as the connector sees it.
///
/// Every verb but [`create_key`](Cloud::create_key) and [`replicate`](Cloud::replicate) may be repeated without harm: what is already so is a success. `create_key` has no idempotency token at AWS,
/// therefore the key carries the operation's id as a tag from its first moment, and [`find`](Cloud::find) finds it.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// What this cloud can do, and how often.
    fn capabilities(&self) -> &Capabilities;

    /// Makes an empty key that waits for material.
    async fn create_key(&self, new: &NewCloudKey) -> Result<Reply<CloudKey>, CloudError>;

    /// Finds the keys whose own tags carry this operation's id: the probe after a lost answer. `known` are keys that need no look, because a row names them.
    async fn find(&self, operation: &str, known: &(dyn for<'a> Fn(&'a str) -> bool + Send + Sync)) -> Result<Vec<Found>, CloudError>;

    /// Asks for a fresh public key, and a token bound to this cloud key, to wrap material with.
    async fn wrapping_key(&self, key: &CloudKeyId, method: WrapMethod, spec: WrappingKeySpec) -> Result<Reply<WrappingKey>, CloudError>;

    /// Hands over wrapped material. The same material again is a success.
    async fn import(&self, key: &CloudKeyId, import: &Import) -> Result<Reply<Imported>, CloudError>;

    /// Lets the key be used.
    async fn enable(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError>;

    /// Forbids the key's use; nothing is lost. A key without material cannot be used either: a success, after which it still has none.
    async fn disable(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError>;

    /// Removes a material by the cloud's id of it, or the current one, and keeps the key. One that the key has not is a success.
    async fn delete_material(&self, key: &CloudKeyId, material: Option<&str>) -> Result<Reply<()>, CloudError>;

    /// Makes the pending material the current one, under the same name of the key. A rotation that runs is a success; it may take a while.
    async fn rotate(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError>;

    /// Every material that the key has had, the pending one too; of keys that can have several.
    async fn materials(&self, key: &CloudKeyId) -> Result<Vec<MaterialSeen>, CloudError>;

    /// Makes the alias point at the key: creates it, or moves it from `from`. An alias that points at a key other than `from` and `key` is left alone and answered with [`Kind::AliasTaken`].
    async fn point_alias(&self, alias: &Alias, key: &CloudKeyId, from: Option<&CloudKeyId>) -> Result<Reply<()>, CloudError>;

    /// Removes the alias if it points at the key.
    async fn remove_alias(&self, alias: &Alias, key: &CloudKeyId) -> Result<Reply<()>, CloudError>;

    /// Writes and removes tags.
    async fn change_tags(&self, key: &CloudKeyId, change: &TagChange) -> Result<Reply<()>, CloudError>;

    /// Writes Keystead's own tags again, as they stood on the key from its first moment.
    async fn tag_own(&self, key: &CloudKeyId, own: &OwnTags) -> Result<Reply<()>, CloudError>;

    /// Changes the description.
    async fn describe(&self, key: &CloudKeyId, description: &str) -> Result<Reply<()>, CloudError>;

    /// Starts the countdown; answers when the cloud will delete. A countdown that already runs is a success. A primary with replicas has no date yet: its
    /// countdown begins with the end of the last of them.
    async fn schedule_deletion(&self, key: &CloudKeyId, days: WaitingDays) -> Result<Reply<Option<Timestamp>>, CloudError>;

    /// Stops the countdown. None running is a success; the key is then disabled.
    async fn cancel_deletion(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError>;

    /// Looks at one key: `None` when the cloud says that it does not exist.
    async fn observe(&self, key: &CloudKeyId) -> Result<Option<Observed>, CloudError>;

    /// The public half of a pair, as SubjectPublicKeyInfo in DER: what shows that the cloud holds the material that we sent.
    async fn public_key(&self, key: &CloudKeyId) -> Result<Vec<u8>, CloudError>;

    /// Makes an empty replica of a primary in another Region, with its own tags and description; it has the primary's id there. Asked of the primary's own place.
    /// One that is there already is answered with [`Kind::ReplicaThere`]: its tags tell whose it is.
    async fn replicate(&self, primary: &CloudKeyId, region: &str, new: &NewCloudKey) -> Result<Reply<CloudKey>, CloudError> {
        let _ = (primary, region, new);
        Err(CloudError::unsupported("replicate", "This cloud has no multi-Region keys."))
    }

    /// Makes the replica in that Region the primary of its family, and this primary a replica. Asked of the primary's own place; what is already so is a success.
    async fn promote(&self, primary: &CloudKeyId, region: &str) -> Result<Reply<()>, CloudError> {
        let _ = (primary, region);
        Err(CloudError::unsupported("promote", "This cloud has no multi-Region keys."))
    }

    /// Lists every key that carries Keystead's tag and is not `known`: what the sweep looks through.
    async fn list_own(&self, known: &(dyn for<'a> Fn(&'a str) -> bool + Send + Sync)) -> Result<Vec<Found>, CloudError>;

    /// One page of the ids of every key of the place, the cloud's own included, behind a marker.
    async fn list_keys(&self, after: Option<&str>) -> Result<Page<CloudKeyId>, CloudError>;

    /// One page of the aliases of every key.
    async fn list_aliases(&self, after: Option<&str>) -> Result<Page<Pointing>, CloudError>;

    /// The aliases of one key.
    async fn aliases_of(&self, key: &CloudKeyId) -> Result<Vec<Alias>, CloudError>;

    /// Where an alias points.
    async fn target_of(&self, alias: &Alias) -> Result<Target, CloudError>;

    /// Takes the next messages of a queue into hand, at most ten; who does not take them out of it gets them again. If asked to, it waits a while for the first.
    async fn receive(&self, queue: &str, waits: bool) -> Result<Vec<Message>, CloudError> {
        let _ = (queue, waits);
        Err(CloudError::unsupported("receive", "This cloud tells nothing by itself."))
    }

    /// Takes messages out of a queue for good. A receipt that is not good any more is a success: somebody else has the message in hand.
    async fn take_out(&self, queue: &str, receipts: &[String]) -> Result<(), CloudError> {
        let _ = (queue, receipts);
        Err(CloudError::unsupported("take_out", "This cloud tells nothing by itself."))
    }

    /// What the cloud says of one key by itself: `None` when it says that it does not exist.
    async fn inspect(&self, key: &CloudKeyId) -> Result<Option<Inspected>, CloudError>;

    /// One page of a key's tags, the cloud's and Keystead's own included.
    async fn tags(&self, key: &CloudKeyId, after: Option<&str>) -> Result<Page<(String, String)>, CloudError>;

    /// A key's policy, as the cloud has it.
    async fn policy(&self, key: &CloudKeyId) -> Result<String, CloudError>;

    /// One page of a key's grants.
    async fn grants(&self, key: &CloudKeyId, after: Option<&str>) -> Result<Page<Grant>, CloudError>;

    /// Whether these tags say that this installation made the key.
    fn is_own(&self, tags: &[(String, String)]) -> bool;

    /// Tries whether a key of this kind can be used, without using it: what shows that a key is out of use. The cloud's own word for its state is not asked, because
    /// what the cloud shows and what it still does may lie apart for a while.
    async fn try_use(&self, key: &CloudKeyId, spec: KeySpec, usage: KeyUsage) -> Result<UseSeen, CloudError>;

    /// When the key was last used, as far as the cloud remembers.
    async fn last_use(&self, key: &CloudKeyId) -> Result<LastUse, CloudError>;

    /// Tries each permission without changing anything: what is missing, what is too much (CM-070, CM-072).
    async fn probe(&self) -> Result<ProbeReport, CloudError>;
}
