//! A new installation: account, root, account key, log key and first user, in one transaction. Half an installation cannot exist.

use std::sync::Arc;

use keystead_audit::VerifierKey;
use keystead_domain::{AccountId, Name, Timestamp, UserId};
use keystead_identity::Token;
use keystead_operations::words;
use keystead_store::{Store, StoreError, accounts, audit, audit::SignerRow, users, users::UserRow, vault, vault::AccountKeyRow};
use keystead_vault::{Random, RootRecord, SystemRandom, UnlockSecret, Vault};

use crate::ServerError;

/// What was made.
pub struct Installed {
    /// The account.
    pub account: AccountId,
    /// The first user.
    pub user: UserRow,
    /// Their token, shown this once.
    pub token: Token,
}

/// Makes an installation in an empty database. `secret` is what the record opens by: it is tried at once, so that an installation whose vault does not open is
/// never made.
///
/// # Errors
/// [`ServerError::Installed`] when there is one already.
pub async fn install(store: &Store, record: RootRecord, secret: &UnlockSecret, user: Name, now: Timestamp) -> Result<Installed, ServerError> {
    check_empty(store).await?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let opened = Vault::sealed(record.clone(), random.clone());
    opened.unseal(secret).map_err(|error| ServerError::Vault(error.to_string()))?;
    let account = AccountId::new(now, draw(random.as_ref()));
    let vault_error = |error: keystead_vault::VaultError| ServerError::Vault(error.to_string());
    let account_key =
        AccountKeyRow { generation: 1, root_generation: record.generation(), sealed: opened.new_account_key(&account, 1).map_err(vault_error)?.into_bytes() };
    let signer = signer(&opened, &account)?;
    let token = Token::new(draw(random.as_ref()));
    let user = UserRow {
        id: UserId::new(now, draw(random.as_ref())),
        account_id: account.clone(),
        name: user.to_string(),
        state: "ACTIVE".to_owned(),
        created_at: now,
    };
    let words = words::entry(random.as_ref(), now, &account, &words::Who::system(), "installation.create", "empty-database")
        .subject("user", user.id.as_str(), &user.name)
        .detail("root", record.kind().to_string());
    // The module's own word, kept where it cannot be changed unnoticed.
    let words = match opened.root_origin().map_err(vault_error)? {
        Some([wrapping, sealing]) => words.detail("root_wraps", wrapping.to_string()).detail("root_seals", sealing.to_string()),
        None => words,
    };
    let entry = words.done();
    let (bytes, generation, hash) = (record.to_bytes(), record.generation(), token.hash());
    let (owner, first) = (account.clone(), user.clone());
    store
        .write("installation.create", move |tx| {
            vault::insert_root(tx, &bytes, generation, now)?;
            accounts::insert(tx, &owner, "default", now)?;
            vault::insert_account_key(tx, &owner, &account_key, now)?;
            audit::insert_signer(tx, &signer)?;
            users::insert(tx, &first, &hash, None)?;
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        })
        .await?;
    Ok(Installed { account, user, token })
}

/// Refuses a database that has an installation.
pub(crate) async fn check_empty(store: &Store) -> Result<(), ServerError> {
    match store.read("vault.root", vault::root).await? {
        None => Ok(()),
        Some(_) => Err(ServerError::Installed("the database has a vault".to_owned())),
    }
}

fn signer(vault: &Vault, account: &AccountId) -> Result<SignerRow, ServerError> {
    let key = vault.new_log_key().map_err(|error| ServerError::Vault(error.to_string()))?;
    let origin = format!("keystead.dev/audit/{account}");
    let vkey = VerifierKey::new(&origin, key.public_key).map_err(|error| ServerError::Vault(error.to_string()))?;
    Ok(SignerRow { origin, vkey: vkey.to_string(), sealed: key.sealed })
}

fn draw<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}
