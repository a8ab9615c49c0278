//! What runs beside the listener: the schedule, actions on many keys, plans of estates, the courier of alerts, checkpoints of the audit log, following what other nodes did to the root, and telling who knocked in vain.

use std::time::Duration;

use keystead_app::{App, Error};
use keystead_domain::batch::LOOK_EVERY;
use keystead_notify::Channel;
use keystead_vault::{HsmError, Member};
use tokio::{task::JoinSet, time::Instant};

use crate::{Courier, House};

/// How often the audit log is signed when it has grown.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How often a batch, or an apply, looks for what is next.
const BATCHES_EVERY: Duration = Duration::from_micros(LOOK_EVERY as u64);
/// How often it is told who knocked and was not let in.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often a node looks whether another one changed the root.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);

/// How often a hardware module is looked for that was away at the start.
const LOOK_FOR_MODULE_EVERY: Duration = Duration::from_secs(5);

/// How long a rotation of the root rests that could not be finished: a row that does not open is looked at, and told, each time.
const FINISH_REST: Duration = Duration::from_secs(60);

/// Starts the background tasks; dropping the set ends them.
pub(crate) fn start(house: &House, channels: Vec<(String, Channel)>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(house.engine.clone().run_schedule());
    tasks.spawn(Courier::new(house.engine.clone(), channels).run());
    tasks.spawn(go_on_with_batches(house.app.clone()));
    tasks.spawn(go_on_with_applies(house.app.clone()));
    tasks.spawn(sign_checkpoints(house.app.clone()));
    tasks.spawn(follow_root(house.app.clone()));
    tasks.spawn(tell_knocks_by_and_by(house.app.clone()));
    tasks.spawn(open_by_module(house.app.clone(), house.is_refused));
    tasks.spawn(look_after_modules(house.app.clone()));
    tasks
}

/// Opens the vault when its hardware module is there that was away at the start, or to which another node moved the root, unless somebody has sealed it on purpose. What
/// a module refused is not tried again under the same root: each try of a PIN counts.
async fn open_by_module(app: App, is_refused: bool) {
    let vault = app.engine().parts().vault.clone();
    let sealings = vault.sealings();
    let mut refused = is_refused.then(|| vault.record());
    while vault.sealings() == sealings {
        tokio::time::sleep(LOOK_FOR_MODULE_EVERY).await;
        if vault.sealings() != sealings || !app.may_open_by_module() || refused.as_ref().is_some_and(|refused| refused.is_of_same_root(&vault.record())) {
            continue;
        }
        match app.open_by_module().await {
            Ok(()) => tracing::info!("the hardware module is there; the vault is open"),
            Err(error) if error.passes() || matches!(error, HsmError::NoToken { .. }) => tracing::debug!(%error, "the hardware module is still away"),
            Err(error) => {
                tracing::error!(%error, "the vault stays sealed");
                refused = Some(vault.record());
            }
        }
    }
}

/// Looks after the modules that hold the root: one that failed, or that nobody asks, shows whether it works; one that was away joins the others.
async fn look_after_modules(app: App) {
    let mut before: Vec<Member> = Vec::new();
    loop {
        tokio::time::sleep(LOOK_FOR_MODULE_EVERY).await;
        let (vault, known) = (app.engine().parts().vault.clone(), before.clone());
        // A module that hangs is waited for here, and nowhere else.
        let looked = tokio::task::spawn_blocking(move || {
            let done = |name: &str, of: &[Member]| of.iter().find(|member| member.name == name).map(|member| member.condition.done);
            let now = vault.members();
            vault.look_after_members(&|name| done(name, &known) == done(name, &now));
            vault.members()
        });
        let Ok(now) = looked.await else { continue };
        tell_members(&before, &now);
        before = now;
    }
}

/// Tells who came to hold the root with the others, and who does not, and why.
fn tell_members(before: &[Member], now: &[Member]) {
    for member in now {
        let then = before.iter().find(|then| then.name == member.name);
        let is_same = then.is_some_and(|then| then.is_in == member.is_in && (member.is_in || then.condition.trouble == member.condition.trouble));
        match &member.condition.trouble {
            _ if is_same => {}
            _ if member.is_in => tracing::info!(module = member.name, "the hardware module holds the root, and works"),
            Some(error) => tracing::warn!(module = member.name, %error, "the hardware module does not work with those that hold the root"),
            None => {}
        }
    }
}

/// Begins what is next of actions on many keys. A look that finds no batch costs one read.
async fn go_on_with_batches(app: App) {
    loop {
        tokio::time::sleep(BATCHES_EVERY).await;
        if let Err(error) = app.look_at_batches().await {
            tracing::warn!(?error, "a look at the batches did not come to its end; the next one goes on");
        }
    }
}

/// Begins what is next of plans of estates. A look that finds none costs one read.
async fn go_on_with_applies(app: App) {
    loop {
        tokio::time::sleep(BATCHES_EVERY).await;
        if let Err(error) = app.look_at_applies().await {
            tracing::warn!(?error, "a look at the applies did not come to its end; the next one goes on");
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
