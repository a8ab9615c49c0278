//! What a module's return values mean for the vault: a table.

use cryptoki::error::{Error, Rv, RvError};
use cryptoki_sys::CK_RV;
use keystead_vault::HsmError;

/// An error of the `cryptoki` crate.
pub(crate) fn error(error: Error) -> HsmError {
    match error {
        Error::Pkcs11(rv, function) => value(rv, &format!("{function:?}")),
        Error::LibraryLoading(error) => HsmError::Library(error.to_string()),
        Error::NullFunctionPointer | Error::NotSupported => cannot("has not this function"),
        other => HsmError::Refused(other.to_string()),
    }
}

/// A return value of a call that we make ourselves.
pub(crate) fn returned(rv: CK_RV, function: &str) -> HsmError {
    match Rv::from(rv) {
        Rv::Ok => HsmError::Refused(format!("{function}: no error, and no answer")),
        Rv::Error(rv) => value(rv, function),
    }
}

/// Whether a value says both *this input does not fit* and *I have failed*: modules use these for either. Whether the session still works tells which.
pub(crate) fn is_ambiguous(rv: RvError) -> bool {
    matches!(rv, RvError::DeviceError | RvError::GeneralError | RvError::FunctionFailed)
}

/// The table. The rest is a refusal, told with the name of function and value.
pub(crate) fn value(rv: RvError, function: &str) -> HsmError {
    let told = format!("{function}: {rv:?}");
    match rv {
        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => HsmError::PinWrong,
        RvError::PinLocked => HsmError::PinLocked,
        // The session, the token or the library's state is gone, or is in a condition that only a fresh session mends. Handles die with them.
        RvError::CryptokiNotInitialized
        | RvError::DeviceError
        | RvError::DeviceMemory
        | RvError::DeviceRemoved
        | RvError::FunctionFailed
        | RvError::GeneralError
        | RvError::HostMemory
        | RvError::KeyHandleInvalid
        | RvError::ObjectHandleInvalid
        | RvError::OperationActive
        | RvError::SessionClosed
        | RvError::SessionCount
        | RvError::SessionHandleInvalid
        | RvError::SlotIdInvalid
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::UnwrappingKeyHandleInvalid
        | RvError::UserNotLoggedIn
        | RvError::WrappingKeyHandleInvalid => HsmError::Away(told),
        RvError::CurveNotSupported
        | RvError::DomainParamsInvalid
        | RvError::FunctionNotSupported
        | RvError::KeySizeRange
        | RvError::MechanismInvalid
        | RvError::MechanismParamInvalid => cannot(&format!("lacks something ({told})")),
        _ => HsmError::Refused(told),
    }
}

fn cannot(what: &str) -> HsmError {
    HsmError::Cannot { what: what.to_owned(), mend: "`keystead doctor hsm` says what it can.".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_session_mends_is_told_from_what_it_does_not() {
        assert!(value(RvError::SessionHandleInvalid, "Sign").passes());
        assert!(value(RvError::DeviceRemoved, "Sign").passes());
        assert!(!value(RvError::MechanismInvalid, "Sign").passes());
        assert!(!value(RvError::KeyNotWrappable, "WrapKey").passes());
    }

    #[test]
    fn a_wrong_pin_is_told_from_a_locked_one_and_neither_passes() {
        assert_eq!(value(RvError::PinIncorrect, "Login"), HsmError::PinWrong);
        assert_eq!(returned(cryptoki_sys::CKR_PIN_LOCKED, "Login"), HsmError::PinLocked);
        assert!(!HsmError::PinWrong.passes() && !HsmError::PinLocked.passes());
    }
}
