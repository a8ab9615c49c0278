//! What runs beside the listener: the schedule, the courier of alerts, checkpoints of the audit log, following what other nodes did to the root, and telling who knocked in vain.

use std::{sync::Arc, time::Duration};

use keystead_app::{App, Error};
use keystead_notify::Channel;
use keystead_vault::{HsmError, UnlockSecret};
use tokio::{task::JoinSet, time::Instant};

use crate::{Courier, House};

/// How often the audit log is signed when it has grown.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How often it is told who knocked and was not let in.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often a node looks whether another one changed the root.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);

/// How often a hardware module is looked for that was away at the start.
const LOOK_FOR_MODULE_EVERY: Duration = Duration::from_secs(5);

/// How long a rotation of the root rests that could not be finished: a row that does not open is looked at, and told, each time.
const FINISH_REST: Duration = Duration::from_secs(60);

/// Starts the background tasks; dropping the set ends them.
pub(crate) fn start(house: &House, channels: Vec<(String, Channel)>, waits_for: Option<Arc<UnlockSecret>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(house.engine.clone().run_schedule());
    tasks.spawn(Courier::new(house.engine.clone(), channels).run());
    tasks.spawn(sign_checkpoints(house.app.clone()));
    tasks.spawn(follow_root(house.app.clone()));
    tasks.spawn(tell_knocks_by_and_by(house.app.clone()));
    if let Some(secret) = waits_for {
        tasks.spawn(open_module(house.app.clone(), secret));
    }
    tasks
}

/// Opens the vault when its hardware module, which was away at the start, is there, unless somebody has sealed it on purpose meanwhile. A wrong PIN is not tried again:
/// each try counts.
async fn open_module(app: App, secret: Arc<UnlockSecret>) {
    let vault = app.engine().parts().vault.clone();
    let sealings = vault.sealings();
    loop {
        tokio::time::sleep(LOOK_FOR_MODULE_EVERY).await;
        if vault.sealings() != sealings {
            return;
        }
        match app.open_module(secret.clone()).await {
            Ok(()) => {
                tracing::info!("the hardware module is there; the vault is open");
                return;
            }
            Err(error) if error.passes() || matches!(error, HsmError::NoToken { .. }) => tracing::debug!(%error, "the hardware module is still away"),
            Err(error) => {
                tracing::error!(%error, "the vault stays sealed");
                return;
            }
        }
    }
}

async fn sign_checkpoints(app: App) {
    loop {
        tokio::time::sleep(CHECKPOINT_EVERY).await;
        match app.checkpoint().await {
            Ok(_) | Err(Error::Sealed | Error::RootChanged) => {}
            Err(error) => tracing::warn!(?error, "the audit log could not be signed"),
        }
    }
}

async fn tell_knocks_by_and_by(app: App) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        tell_knocks(&app, false).await;
    }
}

/// Tells the audit log who knocked in vain, once their minute is over, or of all.
pub(crate) async fn tell_knocks(app: &App, all: bool) {
    if let Err(error) = app.tell_knocks(all).await {
        tracing::warn!(?error, "knocks that were counted could not be told to the audit log");
    }
}

/// Also goes on with a rotation of the root that was interrupted, here or on another node: whoever is open under the new root can.
async fn follow_root(app: App) {
    let mut rests_until = Instant::now();
    loop {
        if let Err(error) = app.follow_root().await {
            tracing::warn!(?error, "the record of the root could not be read");
        }
        if app.is_rotating()
            && !app.is_sealed()
            && Instant::now() >= rests_until
            && let Err(error) = app.finish_root_rotation().await
        {
            tracing::info!(?error, "an unfinished rotation of the root goes on later");
            rests_until = Instant::now() + FINISH_REST;
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}
