//! Keys: an operation, a file.

pub mod activate;
pub mod add_replica;
pub mod adopt;
pub mod adoption;
pub mod blast_radius;
pub mod cancel_deletion;
pub mod copy;
pub mod create;
pub mod deactivate;
pub mod download_export;
pub mod end_rehearsal;
pub mod family;
pub mod forget;
pub mod history;
pub mod kill;
pub mod kills;
pub mod links;
pub mod list;
pub mod prepare_export;
pub mod promote;
pub mod recreate;
pub mod rehearsals;
pub mod rehearse_deletion;
pub mod renew;
pub mod restore;
pub mod revert;
pub mod rotate;
pub mod schedule_deletion;
pub mod show;
pub mod update;
pub mod upload;
pub mod uses;
pub mod waves;

use keystead_app::keys::lifecycle::Ask;
use keystead_identity::Principal;
use utoipa::IntoParams;

use crate::{
    answer::{Answered, answer},
    api::Api,
    change::Change,
    problem::Refusal,
};

/// Which key, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichKey {
    /// The key's id, or its name: then the current key of that name.
    #[param(example = "orders")]
    key: String,
}

/// Asks for an event of the key's life: what the eight files below have in common.
async fn ask<T>(api: &Api, caller: &Principal, key: &str, change: &Change<T>, ask: Ask) -> Result<Answered, Refusal> {
    let started = api.app.ask(caller, &change.request(caller), key, ask).await?;
    answer(api, caller, started, change.wait).await
}
