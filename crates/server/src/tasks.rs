//! What runs beside the listener: the schedule, checkpoints of the audit log, and following what other nodes did to the root.

use std::time::Duration;

use keystead_app::{App, Error};
use tokio::task::JoinSet;

use crate::House;

/// How often the audit log is signed when it has grown.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How often a node looks whether another one changed the root.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);

/// Starts the background tasks; dropping the set ends them.
pub(crate) fn start(house: &House) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(house.engine.clone().run_schedule());
    tasks.spawn(sign_checkpoints(house.app.clone()));
    tasks.spawn(follow_root(house.app.clone()));
    tasks
}

async fn sign_checkpoints(app: App) {
    loop {
        tokio::time::sleep(CHECKPOINT_EVERY).await;
        match app.checkpoint().await {
            Ok(_) | Err(Error::Sealed) => {}
            Err(error) => tracing::warn!(?error, "the audit log could not be signed"),
        }
    }
}

/// Also goes on with a rotation of the root that a crash interrupted.
async fn follow_root(app: App) {
    loop {
        if let Err(error) = app.follow_root().await {
            tracing::warn!(?error, "the record of the root could not be read");
        }
        let status = app.vault_status();
        if status.rotating
            && !status.sealed
            && app.engine().parts().store.is_exclusive()
            && let Err(error) = app.finish_root_rotation().await
        {
            tracing::info!(?error, "an unfinished rotation of the root goes on later");
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}
