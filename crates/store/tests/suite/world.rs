//! What every case begins with: an open store on one of the engines, and rows to put into it. Time stands still at [`NOW`] and ids count, so that a case says
//! the same on every run.

use std::collections::BTreeMap;

use keystead_audit::{Actor, ActorKind, Entry, Outcome, Subject};
use keystead_domain::{
    AccountId, AlertChannels, Alias, Aliases, EntryId, KeyId, KeySpec, KeyState, KeyUsage, KeystoreId, LineageId, OperationId, Tags, Timestamp, UserId,
    VersionId,
    key::expiry::ExpiryPolicy,
    keystore::{AwsLocation, KeystoreState},
};
use keystead_store::{
    Database, Store, StoreError, Tx, accounts,
    keys::{self, KeyRow},
    keystores::{self, KeystoreRow},
    lineages::{self, LineageRow},
    operations::{self, OperationRow},
    users::UserRow,
    vault::{self, AccountKeyRow},
    versions::{self, VersionRow},
};
use keystead_testkit::postgres;

/// When every case plays.
pub const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

/// An open store, and the database under it.
pub struct World {
    pub store: Store,
    pub database: Database,
    // Vanishes with the world.
    directory: Option<tempfile::TempDir>,
}

impl World {
    /// A new SQLite file.
    pub fn sqlite() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let database = Database::Sqlite(directory.path().join("keystead.db"));
        Some(Self::open(database, Some(directory)).expect("a new file opens"))
    }

    /// A new database on the private PostgreSQL; none when such tests were left out on purpose.
    pub fn postgres() -> Option<Self> {
        let database = (!postgres::is_skipped()).then(|| Database::Postgres(postgres::fresh_database()))?;
        Some(Self::open(database, None).expect("a new database opens"))
    }

    pub fn open(database: Database, directory: Option<tempfile::TempDir>) -> Result<Self, StoreError> {
        Ok(Self { store: open_when_free(&database)?, database, directory })
    }

    /// Closes the store and opens it again, as after a restart.
    pub fn reopen(self) -> Result<Self, StoreError> {
        drop(self.store);
        Self::open(self.database, self.directory)
    }

    /// A second node on the same database; only PostgreSQL has one.
    pub fn second_node(&self) -> Store {
        Store::open(&self.database).expect("a second node opens")
    }

    pub async fn write<T: Send + 'static>(&self, function: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        self.store.write("test", function).await
    }

    pub async fn read<T: Send + 'static>(&self, function: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        self.store.read("test", function).await
    }

    /// The account, its first key under root 1, and keystore 1: what nearly every row refers to.
    pub async fn with_house(self) -> Self {
        let made = self.write(|tx| {
            accounts::insert(tx, &account(), "home", NOW)?;
            vault::insert_root(tx, b"\0root 1", 1, NOW)?;
            vault::insert_account_key(tx, &account(), &AccountKeyRow { generation: 1, root_generation: 1, sealed: b"account key 1".to_vec() }, NOW)?;
            keystores::insert(tx, &keystore_row(1, "main"))
        });
        made.await.expect("a house is made");
        self
    }

    /// The house, and a key in it with a lineage of its own for each number.
    pub async fn with_keys(self, numbers: std::ops::RangeInclusive<u64>) -> Self {
        let world = self.with_house().await;
        let made = world.write(move |tx| numbers.clone().try_for_each(|n| insert_key(tx, &key_row(n, &format!("key-{n}")))));
        made.await.expect("keys are made");
        world
    }

    /// The house, and the operations of these numbers, due at once and held by nobody.
    pub async fn with_operations(self, numbers: std::ops::RangeInclusive<u64>) -> Self {
        let world = self.with_house().await;
        let made = world.write(move |tx| numbers.clone().try_for_each(|n| operations::insert(tx, &operation_row(n), Timestamp::from_micros(0), None)));
        made.await.expect("operations are made");
        world
    }

    /// Runs statements past the store, over a connection of the test's own.
    pub fn aside(&self, sql: &str) {
        match &self.database {
            Database::Sqlite(path) => rusqlite::Connection::open(path).and_then(|side| side.execute_batch(sql)).expect("the statements run"),
            Database::Postgres(url) => on_postgres(url, sql, |client, sql| client.batch_execute(sql)),
        }
    }

    /// Asks for one number past the store.
    pub fn ask(&self, sql: &str) -> i64 {
        match &self.database {
            Database::Sqlite(path) => rusqlite::Connection::open(path).and_then(|side| side.query_row(sql, (), |row| row.get(0))).expect("a number"),
            Database::Postgres(url) => on_postgres(url, sql, |client, sql| client.query_one(sql, &[]).map(|row| row.get(0))),
        }
    }
}

/// Opens a store whose lock was given back a moment ago. A child that another test is starting holds a copy of every open file until it runs its program.
pub fn open_when_free(database: &Database) -> Result<Store, StoreError> {
    let mut opened = Store::open(database);
    for _ in 0..100 {
        if !matches!(opened, Err(StoreError::InUse(_))) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        opened = Store::open(database);
    }
    opened
}

/// The synchronous client may not run on a thread of the test's runtime.
fn on_postgres<T: Send>(url: &str, sql: &str, body: impl FnOnce(&mut ::postgres::Client, &str) -> Result<T, ::postgres::Error> + Send) -> T {
    let work = || ::postgres::Client::connect(url, ::postgres::NoTls).and_then(|mut client| body(&mut client, sql)).expect("the statements run");
    std::thread::scope(|scope| scope.spawn(work).join().expect("the thread ends"))
}

/// Inserts a key and the lineage that it begins.
pub fn insert_key(tx: &mut Tx<'_>, key: &KeyRow) -> Result<(), StoreError> {
    lineages::insert(tx, &lineage_of(key))?;
    keys::insert(tx, key)
}

/// The error of a value that is taken; the same words on both engines.
pub fn taken<T>(table: &str, column: &str) -> Result<T, StoreError> {
    Err(StoreError::Unique { table: table.to_owned(), column: column.to_owned() })
}

/// Random bytes that count, so that ids sort by their number.
fn random(n: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&n.to_be_bytes());
    bytes
}

macro_rules! ids {
    ($($name:ident -> $id:ident;)*) => {$(pub fn $name(n: u64) -> $id { $id::new(NOW, random(n)) })*};
}

ids! {
    account_id -> AccountId;
    key_id -> KeyId;
    keystore_id -> KeystoreId;
    lineage_id -> LineageId;
    operation_id -> OperationId;
    user_id -> UserId;
    version_id -> VersionId;
    entry_id -> EntryId;
}

/// The account of the house.
pub fn account() -> AccountId {
    account_id(1)
}

pub fn keystore_row(n: u64, name: &str) -> KeystoreRow {
    KeystoreRow {
        id: keystore_id(n),
        account_id: account(),
        name: name.to_owned(),
        state: KeystoreState::Active,
        cloud: "aws".to_owned(),
        location: AwsLocation {
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            role_arn: Some("arn:aws:iam::123456789012:role/keystead".to_owned()),
            external_id: None,
        },
        created_at: NOW,
        created_by: "system".to_owned(),
        deleted_at: None,
        swept_at: NOW,
        alert_channels: AlertChannels::All,
    }
}

/// An active key of keystore 1, the first of lineage `n`.
pub fn key_row(n: u64, name: &str) -> KeyRow {
    KeyRow {
        id: key_id(n),
        account_id: account(),
        keystore_id: keystore_id(1),
        keystore_name: "main".to_owned(),
        cloud: "aws".to_owned(),
        region: "eu-west-1".to_owned(),
        lineage_id: lineage_id(n),
        name: name.to_owned(),
        aliases: Aliases::default(),
        is_current: true,
        state: KeyState::Active,
        spec: KeySpec::Aes256,
        usage: KeyUsage::Encrypt,
        origin: "generated".to_owned(),
        description: String::new(),
        tags: Tags::default(),
        expires_at: None,
        expiry_span: None,
        expiry_policy: ExpiryPolicy::Alert,
        predecessor_id: None,
        successor_id: None,
        cloud_key_id: None,
        cloud_arn: None,
        cloud_state: None,
        enabled: false,
        material_present: false,
        material_id: None,
        deletion_at: None,
        rotation: Default::default(),
        ties: Default::default(),
        awaits_policy: false,
        created_at: NOW,
        created_by: "system".to_owned(),
        updated_at: NOW,
        revision: 1,
    }
}

pub fn lineage_of(key: &KeyRow) -> LineageRow {
    LineageRow {
        id: key.lineage_id.clone(),
        account_id: key.account_id.clone(),
        keystore_id: key.keystore_id.clone(),
        name: key.name.clone(),
        aliases: key.aliases.clone(),
        current_key_id: key.id.clone(),
        created_at: key.created_at,
    }
}

pub fn alias(text: &str) -> Alias {
    Alias::parse(text).expect("an alias")
}

/// Aliases with spaces between them.
pub fn aliases(text: &str) -> Aliases {
    Aliases::parse(text.split_whitespace()).expect("are aliases")
}

/// Version `number` of a key, sealed under account key 1.
pub fn version_row(n: u64, key: u64, number: u32) -> VersionRow {
    VersionRow {
        id: version_id(n),
        account_id: account(),
        key_id: key_id(key),
        number,
        spec: KeySpec::Aes256,
        generation: 1,
        account_key_generation: 1,
        sealed: Some(format!("\0sealed \u{ff} {n}").into_bytes()),
        fingerprint: format!("fingerprint {n}"),
        public_key: None,
        birth: "{}".to_owned(),
        created_at: NOW,
        destroyed_at: None,
        source_id: None,
        material_id: None,
        expires_at: None,
        is_pending: false,
    }
}

/// A running operation on keystore 1, due since `n` microseconds after [`NOW`], held by nobody.
pub fn operation_row(n: u64) -> OperationRow {
    OperationRow {
        id: operation_id(n),
        account_id: account(),
        kind: "create-key".to_owned(),
        keystore_id: keystore_id(1),
        key_id: Some(key_id(n)),
        state: "RUNNING".to_owned(),
        step: 0,
        direction: "forward".to_owned(),
        params: r#"{"v":1}"#.to_owned(),
        problem: None,
        attempts: 0,
        run_at: NOW.plus_micros(n as i64),
        lease_owner: None,
        fence: 0,
        created_by: "system".to_owned(),
        created_at: NOW,
        finished_at: None,
    }
}

pub fn user_row(n: u64, name: &str) -> UserRow {
    UserRow { id: user_id(n), account_id: account(), name: name.to_owned(), state: "ACTIVE".to_owned(), created_at: NOW }
}

/// An audit entry about a key.
pub fn entry(n: u64, about_key: u64) -> Entry {
    Entry {
        id: entry_id(n).to_string(),
        at_micros: NOW.as_micros(),
        account: account().to_string(),
        actor: Actor { kind: ActorKind::System, id: "test".to_owned(), name: "test".to_owned() },
        action: "key.look".to_owned(),
        subject: vec![Subject { kind: "key".to_owned(), id: key_id(about_key).to_string(), name: "ключ \u{1f511} \"'".to_owned() }],
        rule: "none".to_owned(),
        outcome: Outcome::Succeeded,
        operation: None,
        cloud_request: None,
        detail: BTreeMap::new(),
    }
}

/// A transaction that has run its statements and waits before its end.
pub struct Paused<T> {
    go_on: std::sync::mpsc::Sender<()>,
    running: tokio::task::JoinHandle<Result<T, StoreError>>,
}

/// Runs a function in a transaction and stops there; whatever it wrote is neither kept nor taken back until [`Paused::go_on`].
pub async fn pause_in<T: Send + 'static>(store: &Store, mut function: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static) -> Paused<T> {
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let (entered, waits) = tokio::sync::oneshot::channel();
    let (store, mut entered) = (store.clone(), Some(entered));
    let running = tokio::spawn(async move {
        let held_up = move |tx: &mut Tx<'_>| {
            let outcome = function(tx);
            if let Some(entered) = entered.take() {
                let _ = entered.send(());
                let _ = held.recv();
            }
            outcome
        };
        store.write("paused", held_up).await
    });
    waits.await.expect("the transaction runs");
    Paused { go_on, running }
}

impl<T> Paused<T> {
    /// Lets it end, and answers how.
    pub async fn go_on(self) -> Result<T, StoreError> {
        drop(self.go_on);
        self.running.await.expect("no panic")
    }
}

/// Ends a key, and destroys what only it has.
pub fn end_key(tx: &mut Tx<'_>, n: u64, at: Timestamp) -> Result<u64, StoreError> {
    keys::transition(tx, &key_id(n), KeyState::Active, KeyState::Deleted, at)?;
    versions::destroy(tx, &key_id(n), at)
}
