//! A house to measure: database, vault, engine and application, one person, one keystore.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use keystead_app::{
    Request,
    keys::create::{Material, NewKey},
    keystores::NewKeystore,
};
use keystead_cloud_aws::{AccessKey, BaseCredentials, Endpoints, Timeouts};
use keystead_domain::{AlertChannels, Alias, Clock, KeySpec, Name, OperationId, Tags, key::expiry::ExpiryPolicy, keystore::AwsLocation};
use keystead_identity::Principal;
use keystead_operations::{NoHooks, engine::Settings};
use keystead_server::{AwsClouds, AwsSettings, House, SystemClock, Wiring, assemble, install};
use keystead_store::{Database, Store, keystores::KeystoreRow};
use keystead_vault::{NewUnlock, SecretBytes, SystemRandom, UnlockSecret, root};

pub const CUSTOMER: &str = "123456789012";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/keystead";
pub const IDENTITY: &str = "arn:aws:iam::111122223333:user/keystead";
pub const EXTERNAL_ID: &str = "bench-id";
pub const ACCESS_KEY: &str = "AKIABENCHKEYSTEAD001";
pub const SECRET_KEY: &str = "bench-secret";
pub const KEYSTORE: &str = "payments-eu";
/// An address at which nobody listens, for worlds that never call a cloud.
pub const NOWHERE: &str = "http://127.0.0.1:9";

/// A world.
pub struct World {
    pub house: House,
    pub ann: Principal,
    names: AtomicU64,
}

impl World {
    /// A house on this database, whose cloud is at this address.
    pub async fn new(database: &Database, cloud: &str, settings: Settings) -> Arc<Self> {
        let store = Store::open(database).expect("a store");
        let key_file = || SecretBytes::from((1u8..=32).collect::<Vec<u8>>());
        let created = root::create(&NewUnlock::KeyFile(key_file()), &SystemRandom).expect("a root");
        let secret = || UnlockSecret::KeyFile(key_file());
        let name = |text| Name::parse(text).expect("a name");
        let installed = install::install(&store, created.record, &secret(), name("ann"), SystemClock.now()).await.expect("an installation");
        let clouds = Arc::new(AwsClouds::new(clouds(cloud)));
        let wiring = Wiring { store, secret: Some(secret()), modules: Vec::new(), clouds, clock: Arc::new(SystemClock), hooks: Arc::new(NoHooks), settings };
        let house = assemble(wiring).await.expect("a house");
        let ann = house.app.authenticate(installed.token.expose()).await.expect("a store").expect("ann");
        house.app.create_keystore(&ann, new_keystore()).await.expect("a keystore");
        Arc::new(Self { house, ann, names: AtomicU64::new(0) })
    }

    pub fn store(&self) -> &Store {
        &self.house.engine.parts().store
    }

    pub async fn keystore(&self) -> KeystoreRow {
        self.house.app.keystore(&self.ann, KEYSTORE).await.expect("the keystore")
    }

    /// A name that nobody has yet.
    pub fn fresh_name(&self) -> String {
        format!("key-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Creates a key with an alias of its own and waits for its end; answers the operation.
    pub async fn create(&self) -> OperationId {
        let name = self.fresh_name();
        let new = NewKey {
            name: Name::parse(&name).expect("a name"),
            keystore: KEYSTORE.to_owned(),
            spec: KeySpec::Aes256,
            usage: None,
            aliases: Alias::parse(&name).expect("an alias").into(),
            description: "a key of the benchmarks".to_owned(),
            tags: Tags::parse([("team".to_owned(), "pay".to_owned())]).expect("tags"),
            expires: Some(self.house.engine.now().plus_days(90)),
            expiry_policy: ExpiryPolicy::Alert,
            material: Material::Generate,
            expected: None,
            terms: Default::default(),
            multi_region: false,
        };
        let started = self.house.app.create_key(&self.ann, &Request::default(), new).await.expect("an intent");
        let id = started.operation.expect("an operation").id;
        let ended = self.house.engine.wait(&id, Duration::from_secs(600)).await.expect("a store").expect("the operation");
        assert_eq!(ended.state, "SUCCEEDED", "{ended:?}");
        id
    }
}

/// The keystore of every world.
pub fn new_keystore() -> NewKeystore {
    let location = AwsLocation {
        region: "eu-west-1".to_owned(),
        account: CUSTOMER.to_owned(),
        role_arn: Some(ROLE.to_owned()),
        external_id: Some(EXTERNAL_ID.to_owned()),
    };
    NewKeystore { name: Name::parse(KEYSTORE).expect("a name"), cloud: "aws".to_owned(), location, alert_channels: AlertChannels::All }
}

/// The way to a simulated cloud.
pub fn clouds(endpoint: &str) -> AwsSettings {
    AwsSettings {
        endpoints: Endpoints { kms: Some(endpoint.to_owned()), sts: Some(endpoint.to_owned()), sqs: Some(endpoint.to_owned()) },
        base: BaseCredentials::Static(AccessKey::new(ACCESS_KEY, SECRET_KEY)),
        session_name: "keystead-bench".to_owned(),
        identity_arn: Some(IDENTITY.to_owned()),
        timeouts: Timeouts::default(),
    }
}
