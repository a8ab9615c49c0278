//! What every [`Cloud`] must do, checked from outside: run unchanged on our sandbox and on emulators that others wrote.
//!
//! An emulator that does otherwise than its cloud is listed with what it does ([`Known`]); the check then asserts that very deviation, so that the list
//! shrinks when the emulator is mended. The suite expects that changes are visible at once.

mod family;
mod find;
mod inspect;
mod kinds;
mod life;
mod material;
mod names;
mod rotation;
mod wrap;

use std::sync::atomic::{AtomicU32, Ordering};

use keystead_cloud::{Cloud, CloudError, CloudKey, CloudKeyId, Import, Imported, Kind, NewCloudKey, Observed, OwnTags, Which};
use keystead_domain::{Hash, KeySpec, KeyUsage, Timestamp, WrapMethod, WrappingKeySpec};

pub use family::*;
pub use find::*;
pub use inspect::*;
pub use kinds::*;
pub use life::*;
pub use material::*;
pub use names::*;
pub use rotation::*;

/// What an emulator does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A key that has had material takes other material.
    TakesOtherMaterial,
    /// A second order to delete starts the countdown anew.
    RestartsCountdown,
    /// A key that does not count down is disabled by cancelling.
    CancelsWithoutCountdown,
    /// Enabling a key ends its countdown without a word.
    EnablesDuringCountdown,
    /// Disabling is taken on a key without material, and hides that it has none.
    DisablesEmptyKeys,
    /// A second import waits for a rotation that was not asked for, and so a third is in the wrong state.
    KeepsImportsPending,
    /// The date of material is taken and never shown.
    HidesExpiry,
    /// A key takes another key's token, and a token that nobody made is "not found".
    TakesAnyToken,
    /// What cannot be unwrapped is a failure of the cloud.
    FailsToUnwrap,
    /// A key takes material of any length.
    TakesAnyLength,
    /// A replica of a key that waits for material can be used at once.
    FillsReplicas,
    /// The tags that go with the order of a replica are not written.
    DropsReplicaTags,
    /// The part of the primary cannot be handed on.
    CannotPromote,
    /// A primary that still has a replica counts down at once.
    CountsDownBeforeReplicas,
    /// A key's materials are not listed, or not all of them.
    ListsNoMaterials,
}

/// The cloud under test, and what is known of it.
pub struct Subject<'a> {
    /// The cloud.
    pub cloud: &'a dyn Cloud,
    /// Its clock, near enough: what it says of dates is compared to the day.
    pub now: Timestamp,
    /// The installation that it was connected for.
    pub installation: &'a str,
    /// What it does otherwise.
    pub known: &'a [Known],
    count: AtomicU32,
}

/// How every key in this suite is wrapped, unless the check is about wrapping.
const METHOD: WrapMethod = WrapMethod::RsaOaep(Hash::Sha256);
const SPEC: WrappingKeySpec = WrappingKeySpec::Rsa2048;

impl<'a> Subject<'a> {
    /// A cloud in which nothing has been made by this installation yet.
    pub fn new(cloud: &'a dyn Cloud, now: Timestamp, installation: &'a str, known: &'a [Known]) -> Self {
        Self { cloud, now, installation, known, count: AtomicU32::new(0) }
    }

    fn is_known(&self, deviation: Known) -> bool {
        self.known.contains(&deviation)
    }

    fn number(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// An order for a key that nobody has ordered before.
    pub fn order(&self) -> NewCloudKey {
        let number = self.number();
        NewCloudKey {
            spec: KeySpec::Aes256,
            usage: KeyUsage::Encrypt,
            description: format!("conformance {number}"),
            tags: vec![("team".into(), "pay".into())],
            own: OwnTags { key: format!("key_{number}"), operation: format!("op_{number}"), installation: self.installation.to_owned() },
            multi_region: false,
        }
    }

    async fn empty_key(&self) -> CloudKey {
        self.cloud.create_key(&self.order()).await.expect("a key is made").value
    }

    async fn full_key(&self, material: &[u8]) -> CloudKey {
        let key = self.empty_key().await;
        self.import(&key.id, material).await.expect("the material is taken");
        key
    }

    /// Wraps and imports.
    async fn import(&self, key: &CloudKeyId, material: &[u8]) -> Result<Imported, CloudError> {
        let import = self.wrapped(key, material, None).await?;
        Ok(self.cloud.import(key, &import).await?.value)
    }

    async fn wrapped(&self, key: &CloudKeyId, material: &[u8], expires: Option<Timestamp>) -> Result<Import, CloudError> {
        let wrapping = self.cloud.wrapping_key(key, METHOD, SPEC).await?.value;
        Ok(Import { wrapped: wrap::oaep(&wrapping.public_key, Hash::Sha256, material), token: wrapping.token, expires, which: Which::Only })
    }

    async fn seen(&self, key: &CloudKeyId) -> Observed {
        self.cloud.observe(key).await.expect("the key can be looked at").expect("the key is there")
    }
}

/// The kind of a failure, and that there was one.
fn kind<T>(result: Result<T, CloudError>) -> Option<Kind> {
    result.err().map(|error| error.kind)
}

/// Every check of this suite, one after the other.
pub async fn all(subject: &Subject<'_>) {
    a_new_key_is_empty(subject).await;
    material_makes_a_key_usable(subject).await;
    every_way_of_wrapping_is_understood(subject).await;
    every_kind_is_taken_and_a_pair_shows_its_public_half(subject).await;
    the_same_material_is_taken_again_and_other_material_is_not(subject).await;
    an_expiry_is_set_and_taken_away(subject).await;
    a_token_belongs_to_one_key(subject).await;
    what_cannot_be_unwrapped_or_has_the_wrong_length_is_refused(subject).await;
    enabling_and_disabling_may_be_repeated(subject).await;
    material_is_removed_and_comes_back(subject).await;
    a_pending_material_is_rotated_in(subject).await;
    a_pending_material_is_taken_back(subject).await;
    a_countdown_starts_once_and_is_stopped_once(subject).await;
    a_key_that_counts_down_refuses_everything_else(subject).await;
    an_alias_is_made_moved_and_removed(subject).await;
    an_alias_is_never_taken_from_another_key(subject).await;
    tags_and_description_may_be_written_again(subject).await;
    a_key_is_found_by_its_operation(subject).await;
    all_own_keys_are_listed_but_those_that_are_known(subject).await;
    a_key_that_is_not_there_is_not_found(subject).await;
    every_key_is_listed_once_and_looked_at_whole(subject).await;
    a_key_that_is_not_there_is_not_looked_at(subject).await;
    our_permissions_suffice(subject).await;
}
