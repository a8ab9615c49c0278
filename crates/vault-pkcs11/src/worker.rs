//! Workers: threads with one session each, fed by one bounded queue. A library that hangs holds its worker, and nobody else.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender},
    },
    time::{Duration, Instant},
};

use keystead_vault::{HsmError, Job};

use crate::module::{Connected, Shared};

/// How long a worker rests for which the token had no room: so many times so long, so that the end of the module does not wait for it.
const RESTS: (u32, Duration) = (20, Duration::from_millis(50));

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
        // What waited when the module was closed is not begun any more.
        if !shared.is_open() {
            drop(task.answer.send(Err(HsmError::Away("it is closed".to_owned()))));
            continue;
        }
        match guarded(shared, &mut live, &task.job) {
            Err(Lost::NoRoom(told)) => {
                tracing::warn!(reason = told, "a session is not to be had now; the others work, and this one waits");
                shared.put_back(task);
                live = rest(shared);
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
    /// The token has no session for this worker now; others have theirs.
    NoRoom(String),
}

impl From<HsmError> for Lost {
    fn from(error: HsmError) -> Self {
        Self::Told(error)
    }
}

/// Waits until the token has room for this worker again, or for the end.
fn rest(shared: &Arc<Shared>) -> Option<Connected> {
    loop {
        for _ in 0..RESTS.0 {
            if !shared.is_open() {
                return None;
            }
            std::thread::sleep(RESTS.1);
        }
        match shared.connect() {
            Ok((_calling, session)) => return Some(session),
            Err(Lost::NoRoom(_)) => {}
            // The next job will hear of it.
            Err(Lost::Told(_)) => return None,
        }
    }
}

/// Runs a job, and outlives its panic. The session goes with the panic: in which state it was, nobody knows. All locks here are taken over from whoever died.
fn guarded(shared: &Arc<Shared>, live: &mut Option<Connected>, job: &Job) -> Result<(), Lost> {
    catch_unwind(AssertUnwindSafe(|| serve(shared, live, job))).unwrap_or_else(|_| {
        tracing::error!("a job with the hardware module panicked; its session is closed");
        shared.close(live.take());
        Err(Lost::Told(HsmError::Refused("a job ended in a panic, which the log shows".to_owned())))
    })
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
