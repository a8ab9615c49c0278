//! Keystores: an operation, a file.

pub mod check;
pub mod create;
pub mod delete;
pub mod drill;
pub mod kill;
pub mod list;
pub mod policy;
pub mod restore;
pub mod restore_forecast;
pub mod show;
pub mod sync;
pub mod update;
pub mod warm;

use keystead_app::health::KeystoreHealth as Health;
use keystead_store::keystores::KeystoreRow;
use utoipa::IntoParams;

use crate::{
    api::Api,
    wire::{health::KeystoreHealth, keystore::Keystore},
};

/// Which keystore, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichKeystore {
    /// The keystore's id or name.
    #[param(example = "frankfurt")]
    keystore: String,
}

/// A keystore with its health.
fn shown(api: &Api, (row, health): (KeystoreRow, Option<Health>)) -> Keystore {
    let health = health.map(|health| KeystoreHealth::of(&row, health));
    on_wire(api, row).with_health(health)
}

fn on_wire(api: &Api, row: KeystoreRow) -> Keystore {
    let partition = api.app.partition_of(&row);
    Keystore::of(row, partition)
}
