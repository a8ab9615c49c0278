//! The calls for which the `cryptoki` crate has no words: the list of mechanisms by number, and wrapping by `CKM_AES_KEY_WRAP_KWP`, which it does not know. Its own
//! wrapping also answers with the buffer and not with what the module wrote into it, and it asks for a length before each answer, which costs a call that may go over a
//! network. This is the only file of the house with `unsafe` in it.
#![expect(unsafe_code, reason = "the functions of a C library are called here")]

use std::path::Path;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_FUNCTION_LIST, CK_MECHANISM, CK_MECHANISM_TYPE, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_SLOT_ID, CK_ULONG, CKR_BUFFER_TOO_SMALL,
    CKR_FUNCTION_NOT_SUPPORTED, CKR_OK,
};
use zeroize::Zeroizing;

/// Room for what a module wraps, in bytes: an RSA pair of 4096 bits has about 2400.
const WRAPPED_LEN_MAX: usize = 16 * 1024;

/// What is done to bytes in two calls: one that begins, and one that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Encrypt,
    Decrypt,
    Sign,
}

impl Operation {
    /// The second of its calls.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::Sign => "Sign",
        }
    }
}

/// Which of an operation's two calls failed, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped {
    pub(crate) at_its_beginning: bool,
    pub(crate) rv: CK_RV,
}

/// The library's table of functions.
pub(crate) struct Raw {
    // The pointers of the table point into it.
    _library: cryptoki_sys::Pkcs11,
    table: CK_FUNCTION_LIST,
    /// Where the library has it: as long as the library is loaded, no other has one there.
    at: usize,
}

impl Raw {
    /// Opens the library once more: the loader gives the same one, and only counts.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let mut table = std::ptr::null_mut();
        // SAFETY: the operator names a PKCS#11 library, and trusts it with the keys themselves. `C_GetFunctionList` may be called before all else (PKCS#11 v3.1,
        // section 5.4.4); it writes a pointer to a table that lives as long as the library, which this struct holds.
        unsafe {
            let library = cryptoki_sys::Pkcs11::new(path).map_err(|error| error.to_string())?;
            match &library.C_GetFunctionList {
                Ok(get) => {
                    let rv = get(&mut table);
                    if rv != CKR_OK || table.is_null() {
                        return Err(format!("C_GetFunctionList answered {rv:#x}"));
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
            Ok(Self { table: *table, at: table as usize, _library: library })
        }
    }

    /// Whether both have come from the same library, under whatever path.
    pub(crate) fn is_of_same_library(&self, other: &Self) -> bool {
        self.at == other.at
    }

    /// The numbers of all mechanisms of a slot, those that `cryptoki` does not know, too.
    pub(crate) fn mechanisms(&self, slot: CK_SLOT_ID) -> Result<Vec<CK_MECHANISM_TYPE>, CK_RV> {
        let list = self.table.C_GetMechanismList.ok_or(CKR_FUNCTION_NOT_SUPPORTED)?;
        let mut count: CK_ULONG = 0;
        // SAFETY: a null list asks for the count; then the list has room for as many as `count` says.
        unsafe {
            checked(list(slot, std::ptr::null_mut(), &mut count))?;
            let mut found = vec![0; usize::try_from(count).unwrap_or_default()];
            checked(list(slot, found.as_mut_ptr(), &mut count))?;
            found.truncate(usize::try_from(count).unwrap_or_default());
            Ok(found)
        }
    }

    /// `C_EncryptInit` and `C_Encrypt`, or their likes. `room` is how long the answer may be; a module that wants more says so, and is asked once more.
    pub(crate) fn once(
        &self,
        session: CK_SESSION_HANDLE,
        operation: Operation,
        mut mechanism: CK_MECHANISM,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
        room: usize,
    ) -> Result<Vec<u8>, Stopped> {
        let (begin, go) = match operation {
            Operation::Encrypt => (self.table.C_EncryptInit, self.table.C_Encrypt),
            Operation::Decrypt => (self.table.C_DecryptInit, self.table.C_Decrypt),
            Operation::Sign => (self.table.C_SignInit, self.table.C_Sign),
        };
        let at = |at_its_beginning| move |rv| Stopped { at_its_beginning, rv };
        let (Some(begin), Some(go)) = (begin, go) else { return Err(at(true)(CKR_FUNCTION_NOT_SUPPORTED)) };
        // SAFETY: what `mechanism` points to lives in the caller for the time of this call.
        checked(unsafe { begin(session, &mut mechanism, key) }).map_err(at(true))?;
        // A module may not write to its input, but the type of the pointer says that it could: it gets a copy.
        let mut input = Zeroizing::new(input.to_vec());
        let mut answer = Zeroizing::new(vec![0; room]);
        let mut answered = |answer: &mut Zeroizing<Vec<u8>>| {
            let (given, mut len) = (input.len() as CK_ULONG, answer.len() as CK_ULONG);
            // SAFETY: the lengths are those of the buffers.
            let rv = unsafe { go(session, input.as_mut_ptr(), given, answer.as_mut_ptr(), &mut len) };
            (rv, usize::try_from(len).unwrap_or(usize::MAX))
        };
        let (mut rv, mut len) = answered(&mut answer);
        if rv == CKR_BUFFER_TOO_SMALL && len <= WRAPPED_LEN_MAX {
            answer.resize(len, 0);
            (rv, len) = answered(&mut answer);
        }
        checked(rv).map_err(at(false))?;
        if len > answer.len() {
            return Err(at(false)(CKR_BUFFER_TOO_SMALL));
        }
        answer.truncate(len);
        Ok(std::mem::take(&mut *answer))
    }

    /// `C_WrapKey`.
    pub(crate) fn wrap(
        &self,
        session: CK_SESSION_HANDLE,
        mut mechanism: CK_MECHANISM,
        under: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Result<Vec<u8>, CK_RV> {
        let wrap = self.table.C_WrapKey.ok_or(CKR_FUNCTION_NOT_SUPPORTED)?;
        let mut wrapped = vec![0; WRAPPED_LEN_MAX];
        let mut len = WRAPPED_LEN_MAX as CK_ULONG;
        // SAFETY: `len` says how long the buffer is. What `mechanism` points to lives in the caller for the time of this call.
        checked(unsafe { wrap(session, &mut mechanism, under, key, wrapped.as_mut_ptr(), &mut len) })?;
        let len = usize::try_from(len).ok().filter(|len| *len <= WRAPPED_LEN_MAX).ok_or(CKR_BUFFER_TOO_SMALL)?;
        wrapped.truncate(len);
        wrapped.shrink_to_fit();
        Ok(wrapped)
    }

    /// `C_UnwrapKey`.
    pub(crate) fn unwrap(
        &self,
        session: CK_SESSION_HANDLE,
        mut mechanism: CK_MECHANISM,
        under: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        template: &[cryptoki::object::Attribute],
    ) -> Result<CK_OBJECT_HANDLE, CK_RV> {
        let unwrap = self.table.C_UnwrapKey.ok_or(CKR_FUNCTION_NOT_SUPPORTED)?;
        let mut attributes: Vec<CK_ATTRIBUTE> = template.iter().map(CK_ATTRIBUTE::from).collect();
        // A module may not write to its input, but the type of the pointer says that it could: it gets a copy.
        let mut wrapped = wrapped.to_vec();
        let mut key: CK_OBJECT_HANDLE = 0;
        let (len, count) = (wrapped.len() as CK_ULONG, attributes.len() as CK_ULONG);
        // SAFETY: lengths are those of the buffers; the attributes point into `template`, which outlives the call.
        checked(unsafe { unwrap(session, &mut mechanism, under, wrapped.as_mut_ptr(), len, attributes.as_mut_ptr(), count, &mut key) })?;
        Ok(key)
    }
}

/// The mechanism of this number, without parameters.
pub(crate) fn plain(mechanism: CK_MECHANISM_TYPE) -> CK_MECHANISM {
    CK_MECHANISM { mechanism, pParameter: std::ptr::null_mut(), ulParameterLen: 0 }
}

/// A name that the `cryptoki` crate uses for this key of the session.
pub(crate) fn handle(key: u64) -> cryptoki::object::ObjectHandle {
    // SAFETY: a handle is a number that the module looks up; a wrong one is an error of the module, and no pointer.
    unsafe { cryptoki::object::ObjectHandle::new_from_raw(key as CK_OBJECT_HANDLE) }
}

fn checked(rv: CK_RV) -> Result<(), CK_RV> {
    if rv == CKR_OK { Ok(()) } else { Err(rv) }
}
