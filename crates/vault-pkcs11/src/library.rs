//! The library: loaded once, initialised when it is not, and its tokens looked through for ours.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
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

/// A loaded library. It is initialised when it is first asked, and told to finalise only to be initialised anew.
pub(crate) struct Library {
    path: PathBuf,
    pkcs11: Pkcs11,
    pub(crate) raw: Arc<Raw>,
    /// Held by whoever calls the library, for as long as its sessions are used; whoever initialises it anew needs it alone.
    calls: RwLock<()>,
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
    pub(crate) fn load(path: &Path) -> Result<Self, HsmError> {
        let refused = |reason: String| HsmError::Library(format!("{}: {reason}", path.display()));
        let pkcs11 = Pkcs11::new(path).map_err(|error| refused(error.to_string()))?;
        let raw = Arc::new(Raw::load(path).map_err(refused)?);
        Ok(Self { path: path.to_owned(), pkcs11, raw, calls: RwLock::new(()), epoch: AtomicU64::new(0) })
    }

    /// May be called again: a library that is initialised says so.
    fn initialise(&self) -> Result<(), HsmError> {
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
    /// somebody is calling.
    pub(crate) fn find(&self, label: &str) -> Result<Found<'_>, HsmError> {
        let calling = self.call();
        match self.look(label) {
            Err(HsmError::NoToken { .. }) => drop(calling),
            found => return found.map(|(slot, token)| Found { calling, slot, token }),
        }
        self.finalise()?;
        let calling = self.call();
        self.look(label).map(|(slot, token)| Found { calling, slot, token })
    }

    /// Ends the library's state, unless somebody is calling. All sessions end with it, those of workers that rest, too.
    fn finalise(&self) -> Result<(), HsmError> {
        let _alone = match self.calls.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
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
