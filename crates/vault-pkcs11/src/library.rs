//! The library: loaded once, initialised when it is not, and its tokens looked through for ours.
//!
//! A library is one for a process, whatever we do: it is initialised once, and whoever ends that ends it for all. So modules over the same library share one value here,
//! with its count of beginnings and the lock under which that stays as it is.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    session::{Session, SessionState, UserType},
    slot::{Slot, TokenInfo},
    types::AuthPin,
};
use cryptoki_sys::{CK_MECHANISM_TYPE, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD};
use keystead_vault::HsmError;

use crate::{classify, raw::Raw};

/// The libraries that are loaded. It is the one thing of the house that is global, because what it counts is.
static LOADED: Mutex<Vec<Weak<Library>>> = Mutex::new(Vec::new());

/// How long a library is left alone that was initialised anew, while tokens of it are in use beside the one that is missing.
const ANEW_AFTER: Duration = Duration::from_secs(10);

/// A loaded library. It is initialised when it is first asked, and told to finalise only to be initialised anew.
pub(crate) struct Library {
    path: PathBuf,
    pkcs11: Pkcs11,
    pub(crate) raw: Arc<Raw>,
    /// Held by whoever calls the library, for as long as its sessions are used; whoever initialises it anew needs it alone.
    calls: RwLock<()>,
    /// How many sessions workers have with its tokens.
    sessions: AtomicUsize,
    /// When it was last initialised anew. Held while it is initialised.
    began: Mutex<Option<Instant>>,
    /// How often it was told to finalise. Modules count sessions and keys anew behind that: an old number may be somebody else's session, or another key.
    epoch: AtomicU64,
}

/// Held by whoever calls the library: it is not initialised anew meanwhile.
pub(crate) type Calling<'a> = RwLockReadGuard<'a, ()>;

/// A token that was found. Its slot means something for as long as the library is not initialised anew.
pub(crate) struct Found<'a> {
    pub(crate) calling: Calling<'a>,
    pub(crate) slot: Slot,
    pub(crate) token: TokenInfo,
}

/// Whether a session may make objects that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Library {
    /// Loads it, or takes the one that is loaded. Which it is says its table of functions, and not its path: one library may have several.
    pub(crate) fn load(path: &Path) -> Result<Arc<Self>, HsmError> {
        let refused = |reason: String| HsmError::Library(format!("{}: {reason}", path.display()));
        let raw = Raw::load(path).map_err(refused)?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|library| library.strong_count() > 0);
        if let Some(library) = loaded.iter().filter_map(Weak::upgrade).find(|library| library.raw.is_of_same_library(&raw)) {
            return Ok(library);
        }
        let pkcs11 = Pkcs11::new(path).map_err(|error| refused(error.to_string()))?;
        let (sessions, began) = (AtomicUsize::new(0), Mutex::new(None));
        let library = Self { path: path.to_owned(), pkcs11, raw: Arc::new(raw), calls: RwLock::new(()), sessions, began, epoch: AtomicU64::new(0) };
        let library = Arc::new(library);
        loaded.push(Arc::downgrade(&library));
        Ok(library)
    }

    /// Counts a session of a worker.
    pub(crate) fn count(&self, more: bool) {
        if more {
            self.sessions.fetch_add(1, Ordering::Relaxed);
        } else {
            self.sessions.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// May be called again: a library that is initialised says so. One at a time: two at once would begin it twice.
    fn initialise(&self) -> Result<(), HsmError> {
        let _turn = self.began();
        match self.pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(classify::error(error)),
        }
    }

    /// Whoever calls the library holds this meanwhile.
    pub(crate) fn call(&self) -> Calling<'_> {
        self.calls.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which count of sessions and keys holds. It does not change under [`call`](Self::call).
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The slot of the token with this label. Some libraries look for their tokens only when they are initialised: where it is not there, that is done anew, unless
    /// somebody is calling. `own` is how many sessions whoever asks has: where others have some, with another token, it is done seldom, because theirs end with it.
    pub(crate) fn find(&self, label: &str, own: usize) -> Result<Found<'_>, HsmError> {
        let calling = self.call();
        match self.look(label) {
            Err(gone @ HsmError::NoToken { .. }) if !self.may_begin_anew(own) => return Err(gone),
            Err(HsmError::NoToken { .. }) => drop(calling),
            found => return found.map(|(slot, token)| Found { calling, slot, token }),
        }
        self.finalise()?;
        let calling = self.call();
        self.look(label).map(|(slot, token)| Found { calling, slot, token })
    }

    fn may_begin_anew(&self, own: usize) -> bool {
        let is_alone = self.sessions.load(Ordering::Relaxed) <= own;
        is_alone || self.began().is_none_or(|began| began.elapsed() >= ANEW_AFTER)
    }

    fn began(&self) -> MutexGuard<'_, Option<Instant>> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the library's state, unless somebody is calling. All sessions end with it, those of workers that rest, too.
    fn finalise(&self) -> Result<(), HsmError> {
        let _alone = match self.calls.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        *self.began() = Some(Instant::now());
        // Before the call: though it may fail, what was open is not relied upon.
        self.epoch.fetch_add(1, Ordering::Release);
        self.pkcs11.clone().finalize().map_err(classify::error)
    }

    /// Two with the same label are none: which of them holds the root nobody could say.
    fn look(&self, label: &str) -> Result<(Slot, TokenInfo), HsmError> {
        self.initialise()?;
        let slots = self.pkcs11.get_slots_with_token();
        let mut tokens: Vec<(Slot, TokenInfo)> = Vec::new();
        for slot in slots.map_err(classify::error)? {
            // A slot whose token does not answer is none that holds ours, and does not stop the others.
            if let Ok(token) = self.pkcs11.get_token_info(slot) {
                tokens.push((slot, token));
            }
        }
        let found = tokens.iter().map(|(_, token)| format!("{:?}", token.label())).collect::<Vec<_>>().join(", ");
        tokens.retain(|(_, token)| token.label() == label && token.token_initialized());
        match tokens.pop() {
            Some(one) if tokens.is_empty() => Ok(one),
            _ => Err(HsmError::NoToken { wanted: label.to_owned(), found }),
        }
    }

    /// A session that is logged in. The token is as it was just found.
    pub(crate) fn session(&self, slot: Slot, token: &TokenInfo, access: Access, pin: &AuthPin) -> Result<Session, HsmError> {
        let session = match access {
            Access::Read => self.pkcs11.open_ro_session(slot),
            Access::Write => self.pkcs11.open_rw_session(slot),
        };
        let session = session.map_err(classify::error)?;
        // The login is the token's, for all sessions of the process: where one has it, no PIN is tried.
        if is_logged_in(&session) {
            return Ok(session);
        }
        may_try(token)?;
        match session.login(UserType::User, Some(pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(classify::error(error)),
        }
    }

    /// Under which number it wraps keys by AES: the standard's for AES-KWP, or the older one, which some modules use for the same.
    pub(crate) fn key_wrap(&self, slot: Slot) -> Result<CK_MECHANISM_TYPE, HsmError> {
        let listed = self.mechanisms(slot)?;
        let known = [CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD].into_iter().find(|mechanism| listed.contains(mechanism));
        known.ok_or_else(|| HsmError::Cannot {
            what: "has neither CKM_AES_KEY_WRAP_KWP nor CKM_AES_KEY_WRAP_PAD".to_owned(),
            mend: "Keystead needs one of them to keep keys wrapped. Choose another module.".to_owned(),
        })
    }

    /// The numbers of its mechanisms.
    pub(crate) fn mechanisms(&self, slot: Slot) -> Result<Vec<CK_MECHANISM_TYPE>, HsmError> {
        self.raw.mechanisms(slot.id()).map_err(|rv| classify::returned(rv, "GetMechanismList"))
    }

    /// Token and library, as people name them.
    pub(crate) fn describe(&self, token: &TokenInfo) -> String {
        let library = self
            .pkcs11
            .get_library_info()
            .map_or_else(|_| self.path.display().to_string(), |info| format!("{} {}", info.library_description().trim(), info.library_version()));
        let of = |text: &str| text.trim().to_owned();
        format!(
            "{} {}, serial {}, firmware {}, over {library} by PKCS#11",
            of(token.manufacturer_id()),
            of(token.model()),
            of(token.serial_number()),
            token.firmware_version()
        )
    }
}

fn is_logged_in(session: &Session) -> bool {
    session.get_session_info().is_ok_and(|info| matches!(info.session_state(), SessionState::RoUser | SessionState::RwUser))
}

/// Whether a PIN may be tried without a person: a wrong one must not be what locks the token.
fn may_try(token: &TokenInfo) -> Result<(), HsmError> {
    if token.user_pin_locked() {
        return Err(HsmError::PinLocked);
    }
    if token.user_pin_final_try() { Err(HsmError::PinLastTry) } else { Ok(()) }
}
