//! Workers: threads with one session each, fed by one bounded queue. A library that hangs holds its worker, and nobody else.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender},
    },
    time::Instant,
};

use keystead_vault::{HsmError, Job};

use crate::module::{Connected, Shared};

/// A job on its way, and where its answer goes.
pub(crate) struct Task {
    pub(crate) job: Job,
    pub(crate) answer: SyncSender<Result<(), HsmError>>,
    /// Behind this nobody waits for it any more.
    pub(crate) until: Instant,
}

/// Works until the queue is closed.
pub(crate) fn work(shared: &Arc<Shared>, queue: &Mutex<Receiver<Task>>) {
    let mut live = None;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = next else { return shared.close(live) };
        if Instant::now() >= task.until {
            continue;
        }
        match serve(shared, &mut live, &task.job) {
            Err(Lost::NoRoom) => {
                tracing::warn!("the token allows fewer sessions than [hsm] asks for; this one is left out");
                return shared.put_back(task);
            }
            // Whoever asked may have gone away meanwhile; then the answer is nobody's.
            Err(Lost::Told(error)) => drop(task.answer.send(Err(error))),
            Ok(()) => drop(task.answer.send(Ok(()))),
        }
    }
}

/// Why a job was not done.
pub(crate) enum Lost {
    /// For this reason.
    Told(HsmError),
    /// The token has no session left for this worker; others have theirs.
    NoRoom,
}

impl From<HsmError> for Lost {
    fn from(error: HsmError) -> Self {
        Self::Told(error)
    }
}

/// Runs a job; once more on a fresh session when the first was lost under it.
fn serve(shared: &Arc<Shared>, live: &mut Option<Connected>, job: &Job) -> Result<(), Lost> {
    match try_once(shared, live, job) {
        Err(Lost::Told(HsmError::Away(told))) => {
            tracing::warn!(reason = told, "the session with the hardware module is lost; a new one is opened");
            shared.close(live.take());
            try_once(shared, live, job)
        }
        done => done,
    }
}

fn try_once(shared: &Arc<Shared>, live: &mut Option<Connected>, job: &Job) -> Result<(), Lost> {
    // In this order: on any way out the session is closed first, and then the lock given back.
    let (_calling, session) = shared.ready(live.take())?;
    let done = job(&*session);
    // A session that cannot be cleaned, or was lost, is closed: that destroys what is in it.
    let is_sound = !matches!(done, Err(HsmError::Away(_))) && session.clean().is_ok();
    *live = is_sound.then_some(session);
    Ok(done?)
}
