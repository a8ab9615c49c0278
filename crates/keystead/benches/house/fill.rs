//! Many keys at once, for benchmarks and for the migration of a root: rows written through the store's own functions, in large transactions.

use std::sync::Arc;

use keystead_domain::{AccountId, Alias, KeyId, KeySpec, KeyState, KeyUsage, KeystoreId, LineageId, Tags, Timestamp, VersionId, key::expiry::ExpiryPolicy};
use keystead_store::{Store, StoreError, Tx, keys, keys::CloudFacts, keys::KeyRow, lineages, lineages::LineageRow, versions, versions::VersionRow};

/// How many keys share a transaction.
const BATCH: u64 = 5_000;
/// The first key is this old; each next one is a little younger.
const AGE_DAYS: i64 = 80;

/// Whose keys.
#[derive(Clone)]
pub struct Owner {
    pub account: AccountId,
    pub keystore: KeystoreId,
    /// Of the keystore.
    pub cloud: &'static str,
    pub now: Timestamp,
    /// The keys of the cloud that stand behind the rows, in their order; behind those that are more, none.
    pub cloud_keys: Arc<[CloudKey]>,
}

/// A key as the cloud has it, as far as a row shall be like it.
pub struct CloudKey {
    pub id: String,
    pub arn: String,
    /// Its one alias, which is its description as well.
    pub alias: String,
}

/// The version of a key by its number.
pub type Versions = Arc<dyn Fn(&KeyRow, u64) -> VersionRow + Send + Sync>;

/// The name of a key by its number.
pub fn name(number: u64) -> String {
    format!("key-{number:07}")
}

/// The id of a key by its number, among so many.
pub fn id(owner: &Owner, number: u64, count: u64) -> KeyId {
    KeyId::new(made_at(owner, number, count), random(number))
}

/// Writes so many keys with their lineages, and with their versions if wanted.
pub async fn fill(store: &Store, owner: &Owner, count: u64, versions: Option<Versions>) {
    for first in (0..count).step_by(BATCH as usize) {
        let (owner, versions) = (owner.clone(), versions.clone());
        let written =
            store.write("bench.fill", move |tx| (first..count.min(first + BATCH)).try_for_each(|number| insert(tx, &owner, number, count, versions.as_ref())));
        written.await.expect("rows");
    }
}

fn insert(tx: &mut Tx<'_>, owner: &Owner, number: u64, count: u64, versions: Option<&Versions>) -> Result<(), StoreError> {
    let key = row(owner, number, count);
    let lineage = LineageRow {
        id: key.lineage_id.clone(),
        account_id: owner.account.clone(),
        keystore_id: owner.keystore.clone(),
        name: key.name.clone(),
        aliases: key.aliases.clone(),
        current_key_id: key.id.clone(),
        created_at: key.created_at,
    };
    lineages::insert(tx, &lineage)?;
    keys::insert(tx, &key)?;
    if let (Some(id), Some(arn)) = (&key.cloud_key_id, &key.cloud_arn) {
        let identity = Some((id.clone(), arn.clone()));
        let facts = CloudFacts { identity, enabled: Some(true), material_present: Some(true), ..CloudFacts::default() };
        keys::keep_facts(tx, &key.id, &facts, key.created_at)?;
    }
    versions.map_or(Ok(()), |version| versions::insert(tx, &version(&key, number)))
}

fn made_at(owner: &Owner, number: u64, count: u64) -> Timestamp {
    let age = AGE_DAYS * keystead_domain::time::DAY;
    owner.now.plus_micros(-age + age / count as i64 * number as i64)
}

/// Ten bytes that look random and are the same at every run: they decide in which order keys of one millisecond sort.
fn random(number: u64) -> [u8; 10] {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    std::array::from_fn(|at| mixed[at % 8])
}

fn row(owner: &Owner, number: u64, count: u64) -> KeyRow {
    let at = made_at(owner, number, count);
    let there = usize::try_from(number).ok().and_then(|number| owner.cloud_keys.get(number));
    KeyRow {
        id: id(owner, number, count),
        account_id: owner.account.clone(),
        keystore_id: owner.keystore.clone(),
        keystore_name: String::new(),
        cloud: owner.cloud.to_owned(),
        region: String::new(),
        lineage_id: LineageId::new(at, random(number)),
        name: name(number),
        aliases: Alias::parse(there.map_or(&name(number), |there| &there.alias)).expect("an alias").into(),
        is_current: true,
        state: KeyState::Active,
        spec: KeySpec::Aes256,
        usage: KeyUsage::Encrypt,
        origin: "generated".to_owned(),
        description: there.map_or("a key of the benchmarks", |there| &there.alias).to_owned(),
        tags: Tags::parse([("team".to_owned(), "pay".to_owned())]).expect("tags"),
        expires_at: there.is_none().then(|| owner.now.plus_days(90)),
        expiry_span: Some(90 * keystead_domain::time::DAY),
        expiry_policy: ExpiryPolicy::Alert,
        predecessor_id: None,
        successor_id: None,
        cloud_key_id: there.map(|there| there.id.clone()),
        cloud_arn: there.map(|there| there.arn.clone()),
        cloud_state: None,
        enabled: true,
        material_present: true,
        material_id: None,
        deletion_at: None,
        rotation: Default::default(),
        ties: Default::default(),
        awaits_policy: false,
        created_at: at,
        created_by: "system".to_owned(),
        updated_at: at,
        revision: 1,
    }
}

/// A version as large as a real one; nothing opens it.
pub fn version(key: &KeyRow, number: u64) -> VersionRow {
    VersionRow {
        id: VersionId::new(key.created_at, random(number)),
        account_id: key.account_id.clone(),
        key_id: key.id.clone(),
        number: 1,
        spec: key.spec,
        generation: 1,
        account_key_generation: 1,
        sealed: Some(vec![7; 120]),
        fingerprint: format!("{number:032x}"),
        public_key: None,
        birth: format!("{{\"source\":\"{}\"}}", "generated ".repeat(60)),
        created_at: key.created_at,
        destroyed_at: None,
        source_id: None,
        material_id: None,
        expires_at: None,
        is_pending: false,
    }
}
