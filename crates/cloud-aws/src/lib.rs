//! The connector to AWS KMS, over the official SDK.
//!
//! *Invariants*: this room knows `cloud` and `domain` and nothing else. It decides nothing: it makes one call a verb (or the few that make the verb repeatable),
//! and translates. The SDK's own retries are off. Every failure says whether the request left the house. Addresses come from the operator only. Material
//! passes wrapped. What is called is what the policy grants: [`actions`] is the one list.

pub mod actions;
mod alias;
pub mod capabilities;
mod client;
pub mod error;
pub mod events;
mod family;
mod import;
mod inspect;
mod key;
mod lifecycle;
mod list;
mod materials;
mod observe;
pub mod own;
pub mod policy;
pub mod prices;
mod probe;
mod queue;
pub mod quotas;
pub mod regions;
mod send;
mod session;
mod tags;
pub mod usable;
mod usage;

use async_trait::async_trait;
pub use client::{AccessKey, AwsCloud, BaseCredentials, Endpoints, Settings, Timeouts};
use keystead_cloud::{
    Capabilities, Cloud, CloudError, CloudKey, CloudKeyId, Found, Grant, Import, Imported, Inspected, LastUse, MaterialSeen, Message, NewCloudKey, Observed,
    OwnTags, Page, Pointing, ProbeReport, Reply, Target, UseSeen, WrappingKey,
};
use keystead_domain::{Alias, KeySpec, KeyUsage, Timestamp, WrapMethod, WrappingKeySpec, key::deletion::WaitingDays, tags::TagChange};
pub use policy::{Reach, permission_policy, trust_policy};
pub use regions::{Region, check_region};

#[async_trait]
impl Cloud for AwsCloud {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create_key(&self, new: &NewCloudKey) -> Result<Reply<CloudKey>, CloudError> {
        self.create(new).await
    }

    async fn find(&self, operation: &str, known: &(dyn for<'a> Fn(&'a str) -> bool + Send + Sync)) -> Result<Vec<Found>, CloudError> {
        self.scan(known, |own| own.operation == operation).await
    }

    async fn wrapping_key(&self, key: &CloudKeyId, method: WrapMethod, spec: WrappingKeySpec) -> Result<Reply<WrappingKey>, CloudError> {
        self.parameters(key, method, spec).await
    }

    async fn import(&self, key: &CloudKeyId, import: &Import) -> Result<Reply<Imported>, CloudError> {
        self.hand_over(key, import).await
    }

    async fn enable(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        self.switch_on(key).await
    }

    async fn disable(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        self.switch_off(key).await
    }

    async fn delete_material(&self, key: &CloudKeyId, material: Option<&str>) -> Result<Reply<()>, CloudError> {
        self.remove_material(key, material).await
    }

    async fn rotate(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        self.rotate_in(key).await
    }

    async fn materials(&self, key: &CloudKeyId) -> Result<Vec<MaterialSeen>, CloudError> {
        self.all_materials(key).await
    }

    async fn point_alias(&self, alias: &Alias, key: &CloudKeyId, from: Option<&CloudKeyId>) -> Result<Reply<()>, CloudError> {
        self.point(alias, key, from).await
    }

    async fn remove_alias(&self, alias: &Alias, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        self.unpoint(alias, key).await
    }

    async fn change_tags(&self, key: &CloudKeyId, change: &TagChange) -> Result<Reply<()>, CloudError> {
        self.retag(key, change).await
    }

    async fn tag_own(&self, key: &CloudKeyId, own: &OwnTags) -> Result<Reply<()>, CloudError> {
        self.retag_own(key, own).await
    }

    async fn describe(&self, key: &CloudKeyId, description: &str) -> Result<Reply<()>, CloudError> {
        self.change_description(key, description).await
    }

    async fn schedule_deletion(&self, key: &CloudKeyId, days: WaitingDays) -> Result<Reply<Option<Timestamp>>, CloudError> {
        self.start_countdown(key, days).await
    }

    async fn cancel_deletion(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        self.stop_countdown(key).await
    }

    async fn observe(&self, key: &CloudKeyId) -> Result<Option<Observed>, CloudError> {
        self.look(key).await
    }

    async fn public_key(&self, key: &CloudKeyId) -> Result<Vec<u8>, CloudError> {
        self.public_half(key).await
    }

    async fn replicate(&self, primary: &CloudKeyId, region: &str, new: &NewCloudKey) -> Result<Reply<CloudKey>, CloudError> {
        self.replicate_to(primary, region, new).await
    }

    async fn promote(&self, primary: &CloudKeyId, region: &str) -> Result<Reply<()>, CloudError> {
        self.hand_primary_to(primary, region).await
    }

    async fn list_own(&self, known: &(dyn for<'a> Fn(&'a str) -> bool + Send + Sync)) -> Result<Vec<Found>, CloudError> {
        self.scan(known, |_| true).await
    }

    async fn list_keys(&self, after: Option<&str>) -> Result<Page<CloudKeyId>, CloudError> {
        self.keys_behind(after).await
    }

    async fn list_aliases(&self, after: Option<&str>) -> Result<Page<Pointing>, CloudError> {
        self.aliases_behind(after).await
    }

    async fn aliases_of(&self, key: &CloudKeyId) -> Result<Vec<Alias>, CloudError> {
        self.aliases_of_key(key).await
    }

    async fn target_of(&self, alias: &Alias) -> Result<Target, CloudError> {
        Ok(self.target(alias).await?.value)
    }

    async fn receive(&self, queue: &str, waits: bool) -> Result<Vec<Message>, CloudError> {
        self.receive_from(queue, waits).await
    }

    async fn take_out(&self, queue: &str, receipts: &[String]) -> Result<(), CloudError> {
        self.take_out_of(queue, receipts).await
    }

    async fn inspect(&self, key: &CloudKeyId) -> Result<Option<Inspected>, CloudError> {
        self.inspect_one(key).await
    }

    async fn tags(&self, key: &CloudKeyId, after: Option<&str>) -> Result<Page<(String, String)>, CloudError> {
        self.tags_behind(key, after).await
    }

    async fn policy(&self, key: &CloudKeyId) -> Result<String, CloudError> {
        self.key_policy(key).await
    }

    async fn grants(&self, key: &CloudKeyId, after: Option<&str>) -> Result<Page<Grant>, CloudError> {
        self.grants_behind(key, after).await
    }

    fn is_own(&self, tags: &[(String, String)]) -> bool {
        own::is_of(tags, &self.installation)
    }

    async fn try_use(&self, key: &CloudKeyId, spec: KeySpec, usage: KeyUsage) -> Result<UseSeen, CloudError> {
        self.try_to_use(key, spec, usage).await
    }

    async fn last_use(&self, key: &CloudKeyId) -> Result<LastUse, CloudError> {
        self.last_usage(key).await
    }

    async fn probe(&self) -> Result<ProbeReport, CloudError> {
        self.probe_permissions().await
    }
}
