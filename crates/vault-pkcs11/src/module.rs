//! The module as the vault sees it: opened with a PIN, asked by jobs, closed when its last owner lets it go.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cryptoki::types::AuthPin;
use keystead_vault::{Abilities, Condition, Hsm, HsmError, Job, Origin, RootBackup, RootId, SecretBytes, WayAround};

use crate::{
    library::{Access, Calling, Found, Library},
    probe,
    session::Live,
    worker::{self, Lost, Task},
};

/// How the refusal of a further session ends (CKR_SESSION_COUNT).
const NO_ROOM: &str = "SessionCount";
/// What a worker hears that waited for the login of another.
const LOGIN_HANGS: &str = "its login does not end";
/// How long another module is asked first when this one failed. Whoever looks after it lets it show before that time is over that it works.
const RESTS_FOR: Duration = Duration::from_secs(30);
/// How long a worker waits at the most while another logs in, if a third has a session: so many times so long.
const LOGIN_WAITS: (u32, Duration) = (200, Duration::from_millis(10));
/// How long the end of a module waits for its workers.
const CLOSING_TAKES: Duration = Duration::from_secs(5);

/// Which module, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// By which its owner tells it from others.
    pub name: String,
    /// The module's library.
    pub library: PathBuf,
    /// The label of its token.
    pub token: String,
    /// How many sessions work side by side.
    pub sessions: usize,
    /// How many jobs may wait for a session.
    pub queue: usize,
    /// How long somebody waits for an answer.
    pub patience: Duration,
    /// What is allowed where the module falls short.
    pub allow: Vec<WayAround>,
}

/// A token of a PKCS#11 module.
pub struct Pkcs11Module {
    settings: Settings,
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// Jobs that wait or run.
    waiting: AtomicUsize,
    /// Jobs that ended.
    done: AtomicU64,
    /// Why the last job was not done, and when, if that was the module's fault.
    trouble: Mutex<Option<(HsmError, Instant)>>,
}

/// A worker's session, counted for as long as it has it.
pub(crate) struct Connected {
    live: Live,
    _counted: Counted,
}

struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        shared.connected.fetch_add(1, Ordering::Relaxed);
        shared.library.count(true);
        Self(shared)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
        self.0.library.count(false);
    }
}

impl std::ops::Deref for Connected {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}

/// What the workers share.
pub(crate) struct Shared {
    label: String,
    pub(crate) library: Arc<Library>,
    /// Where jobs wait; closed before the workers are waited for.
    queue: Mutex<Option<SyncSender<Task>>>,
    /// How many workers have a session.
    connected: AtomicUsize,
    /// Held by who looks for the token and logs in: that a PIN is wrong shall be found out once, and not by every worker.
    login: Mutex<()>,
    /// Held for a moment only, and never while the library is called.
    state: Mutex<State>,
}

struct State {
    pin: Option<Arc<AuthPin>>,
    /// What became of the last login that failed for good. It is not tried again with the same PIN.
    refused: Option<HsmError>,
    description: String,
}

impl Pkcs11Module {
    /// Loads the library and starts the workers. Nothing is asked of the token before it is opened.
    ///
    /// # Errors
    /// [`HsmError::Library`]; [`HsmError::PinWrong`] for one that is no text.
    pub fn load(settings: Settings, pin: &SecretBytes) -> Result<Self, HsmError> {
        let pin = AuthPin::from(std::str::from_utf8(pin.expose()).map_err(|_| HsmError::PinWrong)?.to_owned());
        let library = Library::load(&settings.library)?;
        let (queue, jobs) = sync_channel(settings.queue.max(1));
        let (queue, connected) = (Mutex::new(Some(queue)), AtomicUsize::new(0));
        let state = Mutex::new(State { pin: Some(Arc::new(pin)), refused: None, description: String::new() });
        let shared = Arc::new(Shared { label: settings.token.clone(), library, queue, connected, login: Mutex::new(()), state });
        let jobs = Arc::new(Mutex::new(jobs));
        let mut workers = Vec::new();
        for number in 0..settings.sessions.max(1) {
            let (shared, jobs) = (shared.clone(), jobs.clone());
            let worker = std::thread::Builder::new().name(format!("hsm-{number}"));
            let started = worker.spawn(move || worker::work(&shared, &jobs));
            workers.push(started.map_err(|error| HsmError::Library(format!("no thread: {error}")))?);
        }
        Ok(Self { settings, shared, workers: Mutex::new(workers), waiting: AtomicUsize::new(0), done: AtomicU64::new(0), trouble: Mutex::new(None) })
    }

    /// What the module can, what Keystead does with it, and how fast each is. It opens the token, and leaves nothing in it.
    ///
    /// # Errors
    /// [`HsmError`].
    pub fn examine(&self, measure_for: Duration) -> Result<probe::Report, HsmError> {
        let abilities = self.open()?;
        let mechanisms = self.shared.mechanisms()?;
        let speeds = self.ask(move |session| Ok(probe::measure(session, measure_for)))?;
        let roots = self.shared.origins_of_roots()?;
        Ok(probe::Report::new(self.description(), &abilities, &mechanisms, &roots, speeds))
    }

    fn ask<T: Send + 'static>(&self, work: impl Fn(&dyn keystead_vault::HsmSession) -> Result<T, HsmError> + Send + Sync + 'static) -> Result<T, HsmError> {
        let answer = Arc::new(Mutex::new(None));
        let told = answer.clone();
        self.run(Arc::new(move |session| {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(work(session)?);
            Ok(())
        }))?;
        let answered = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answered.ok_or_else(|| HsmError::Away("a job ended without an answer".to_owned()))
    }

    fn wait(&self, task: Task, answer: &std::sync::mpsc::Receiver<Result<(), HsmError>>) -> Result<(), HsmError> {
        let queue = self.shared.queue().clone();
        let Some(queue) = queue else { return Err(HsmError::Away("it is closed".to_owned())) };
        match queue.try_send(task) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(HsmError::Busy { waiting: self.settings.queue }),
            Err(TrySendError::Disconnected(_)) => return Err(HsmError::Away("its workers have ended".to_owned())),
        }
        match answer.recv_timeout(self.settings.patience) {
            Ok(done) => done,
            Err(RecvTimeoutError::Timeout) => Err(HsmError::Silent { seconds: self.settings.patience.as_secs() }),
            Err(RecvTimeoutError::Disconnected) => Err(HsmError::Silent { seconds: self.settings.patience.as_secs() }),
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<(HsmError, Instant)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a job says of the module. That many wait is no trouble, and what a job was refused, neither.
    fn learn(&self, done: &Result<(), HsmError>) {
        self.done.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.trouble();
        match done {
            Err(HsmError::Busy { .. }) => {}
            Err(error) if error.is_of_one_module() => {
                if trouble.is_none() {
                    tracing::warn!(module = self.settings.name, %error, "the hardware module fails");
                }
                *trouble = Some((error.clone(), Instant::now()));
            }
            _ => {
                if trouble.take().is_some() {
                    tracing::info!(module = self.settings.name, "the hardware module works again");
                }
            }
        }
    }
}

impl Hsm for Pkcs11Module {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn open(&self) -> Result<Abilities, HsmError> {
        let abilities = self.ask(|session| probe::abilities(session))?;
        Ok(Abilities { allow: self.settings.allow.clone(), ..abilities })
    }

    fn make_root(&self, id: RootId) -> Result<(), HsmError> {
        // The session is closed before the lock is given back.
        let (_calling, session) = self.shared.connect_with(Access::Write)?;
        session.make_root(id)
    }

    fn make_root_with_backup(&self, id: RootId, under: &[u8; 32]) -> Result<RootBackup, HsmError> {
        let (_calling, session) = self.shared.connect_with(Access::Write)?;
        session.make_root_with_backup(id, under)
    }

    fn restore_root(&self, id: RootId, under: &[u8; 32], backup: &RootBackup) -> Result<(), HsmError> {
        let (_calling, session) = self.shared.connect_with(Access::Write)?;
        session.restore_root(id, under, backup)
    }

    fn run(&self, job: Job) -> Result<(), HsmError> {
        let (told, answer) = sync_channel(1);
        let task = Task { job, answer: told, until: Instant::now() + self.settings.patience };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let done = self.wait(task, &answer);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.learn(&done);
        done
    }

    fn condition(&self) -> Condition {
        let trouble = self.trouble().clone();
        Condition {
            sessions: self.shared.connected.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            rests: trouble.as_ref().is_some_and(|(_, at)| at.elapsed() < RESTS_FOR),
            trouble: trouble.map(|(error, _)| error),
        }
    }

    /// Workers close their sessions before this ends: a library whose process ends while it is being called may crash it. One that hangs is not waited for.
    fn close(&self) {
        *self.shared.queue() = None;
        self.shared.forget_pin();
        let until = Instant::now() + CLOSING_TAKES;
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            while !worker.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn description(&self) -> String {
        self.shared.state().description.clone()
    }
}

impl Drop for Pkcs11Module {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The PIN goes with the module's end, though a worker hangs and keeps the rest. A login that hangs has it in hand; nobody waits for that.
    fn forget_pin(&self) {
        self.state().pin = None;
    }

    /// Waits for whoever logs in just now: not long where another worker has a session, and no longer than to the module's end. A login that hangs holds its worker alone.
    fn login(&self) -> Option<MutexGuard<'_, ()>> {
        let mut waited = 0;
        loop {
            match self.login.try_lock() {
                Ok(turn) => return Some(turn),
                Err(TryLockError::Poisoned(turn)) => return Some(turn.into_inner()),
                Err(TryLockError::WouldBlock) if !self.is_open() || (waited >= LOGIN_WAITS.0 && self.is_connected()) => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOGIN_WAITS.1),
            }
            waited += 1;
        }
    }

    fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed) > 0
    }

    fn queue(&self) -> MutexGuard<'_, Option<SyncSender<Task>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of the token's mechanisms.
    fn mechanisms(&self) -> Result<Vec<cryptoki_sys::CK_MECHANISM_TYPE>, HsmError> {
        let Found { calling: _calling, slot, .. } = self.library.find(&self.label, self.connected.load(Ordering::Relaxed))?;
        self.library.mechanisms(slot)
    }

    /// The keys of roots in the token, and what it says of their origin.
    fn origins_of_roots(&self) -> Result<Vec<(String, Origin)>, HsmError> {
        // The session is closed before the lock is given back.
        let (_calling, session) = self.connect_with(Access::Read)?;
        session.origins_of_roots()
    }

    /// The session that a worker has, if its number still means that session, or a new one; and the lock under which it stays so.
    pub(crate) fn ready(self: &Arc<Self>, live: Option<Connected>) -> Result<(Calling<'_>, Connected), Lost> {
        let calling = self.library.call();
        match live {
            Some(session) if session.epoch == self.library.epoch() => return Ok((calling, session)),
            Some(session) => session.live.forget(),
            None => {}
        }
        // Looking for the token may mean to initialise the library anew; this worker calls nothing meanwhile.
        drop(calling);
        self.connect()
    }

    /// A session for a worker. One that the token has no room for, or whose login hangs, is not needed as long as another worker has one.
    pub(crate) fn connect(self: &Arc<Self>) -> Result<(Calling<'_>, Connected), Lost> {
        match self.connect_with(Access::Read) {
            Ok((calling, live)) => Ok((calling, Connected { live, _counted: Counted::new(self.clone()) })),
            Err(HsmError::Away(told)) if (told.ends_with(NO_ROOM) || told == LOGIN_HANGS) && self.is_connected() => Err(Lost::NoRoom(told)),
            Err(error) => Err(error.into()),
        }
    }

    /// Closes a session; the library is not initialised anew meanwhile.
    pub(crate) fn close(&self, session: Option<Connected>) {
        let _calling = self.library.call();
        match session {
            Some(session) if session.epoch != self.library.epoch() => session.live.forget(),
            current => drop(current),
        }
    }

    /// Whether jobs may still come.
    pub(crate) fn is_open(&self) -> bool {
        self.queue().is_some()
    }

    /// Gives a job to the other workers.
    pub(crate) fn put_back(&self, task: Task) {
        let queue = self.queue().clone();
        if let Some(Err(TrySendError::Full(task) | TrySendError::Disconnected(task))) = queue.map(|queue| queue.try_send(task)) {
            drop(task.answer.send(Err(HsmError::Busy { waiting: 0 })));
        }
    }

    /// One login at a time.
    fn connect_with(&self, access: Access) -> Result<(Calling<'_>, Live), HsmError> {
        let _turn = self.login().ok_or_else(|| HsmError::Away(LOGIN_HANGS.to_owned()))?;
        let (pin, was_there) = self.pin()?;
        let Found { calling, slot, token } = match self.library.find(&self.label, self.connected.load(Ordering::Relaxed)) {
            // It was there before, and may come back.
            Err(gone @ HsmError::NoToken { .. }) if was_there => {
                // Which tokens there are is for the operator to know, and not for whoever asks.
                tracing::warn!(%gone, "the token was there before");
                return Err(HsmError::Away("its token is gone".to_owned()));
            }
            found => found?,
        };
        let opened = self.library.session(slot, &token, access, &pin);
        if let Err(refused @ (HsmError::PinWrong | HsmError::PinLocked)) = &opened {
            self.state().refused = Some(refused.clone());
        }
        let (opened, described) = (opened?, self.library.describe(&token));
        let live = Live::new(opened, self.library.raw.clone(), self.library.key_wrap(slot)?, described.clone(), self.library.epoch());
        self.state().description = described;
        Ok((calling, live))
    }

    /// The PIN, unless it was refused, and whether a token was opened by it before.
    fn pin(&self) -> Result<(Arc<AuthPin>, bool), HsmError> {
        let state = self.state();
        if let Some(refused) = &state.refused {
            return Err(refused.clone());
        }
        let pin = state.pin.clone().ok_or_else(|| HsmError::Away("it is closed".to_owned()))?;
        Ok((pin, !state.description.is_empty()))
    }
}
