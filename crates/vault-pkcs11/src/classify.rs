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

/// What a module of PKCS#11 v3 says to a text that does not open under AES-GCM; the `cryptoki` crate has no name for it.
const AEAD_DECRYPT_FAILED: RvError = RvError::UnknownErrorCode(cryptoki_sys::CKR_AEAD_DECRYPT_FAILED);

/// Whether a value says both *this input does not fit* and *I have failed*: modules use these for either. Whether the session still works tells which.
pub(crate) fn is_ambiguous(rv: RvError) -> bool {
    matches!(rv, RvError::DeviceError | RvError::GeneralError | RvError::FunctionFailed) || is_foreign(rv)
}

/// Whether nobody but the module's maker knows what a value means. It is never a verdict on what was given to the module, however often it is said.
pub(crate) fn is_foreign(rv: RvError) -> bool {
    matches!(rv, RvError::VendorDefined(_) | RvError::UnknownErrorCode(_)) && rv != AEAD_DECRYPT_FAILED
}

/// Whether a value says of a text that it does not open.
pub(crate) fn is_unauthentic(rv: RvError) -> bool {
    matches!(rv, RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange | RvError::DataLenRange) || rv == AEAD_DECRYPT_FAILED
}

/// What modules say, besides that they lack a mechanism, when they never do a thing with this kind of key or parameter.
const NEVER: [RvError; 12] = [
    RvError::ActionProhibited,
    RvError::ArgumentsBad,
    RvError::AttributeTypeInvalid,
    RvError::AttributeValueInvalid,
    RvError::KeyFunctionNotPermitted,
    RvError::KeyNotWrappable,
    RvError::KeyTypeInconsistent,
    RvError::KeyUnextractable,
    RvError::TemplateIncomplete,
    RvError::TemplateInconsistent,
    RvError::WrappingKeySizeRange,
    RvError::WrappingKeyTypeInconsistent,
];

/// Whether an error says that the module cannot do a thing at all, and not only that it did not do it.
pub(crate) fn is_never(error: &HsmError) -> bool {
    match error {
        HsmError::Cannot { .. } => true,
        HsmError::Refused(told) => NEVER.iter().any(|rv| told.ends_with(&format!(": {rv:?}"))),
        _ => false,
    }
}

/// Whether a module says that it does not know an attribute, or not with this value.
pub(crate) fn is_of_template(rv: RvError) -> bool {
    matches!(rv, RvError::AttributeTypeInvalid | RvError::AttributeValueInvalid | RvError::AttributeReadOnly | RvError::TemplateInconsistent)
}

/// An ambiguous value that a module said twice, though it works: it has refused, if the value can mean that.
pub(crate) fn repeated(rv: RvError, function: &str) -> HsmError {
    let told = format!("{function}: {rv:?}");
    if is_foreign(rv) { HsmError::Away(told) } else { HsmError::Refused(told) }
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
        _ if is_foreign(rv) => HsmError::Away(told),
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
    fn what_only_the_maker_knows_passes_and_is_no_verdict() {
        for rv in [cryptoki_sys::CKR_VENDOR_DEFINED | 1, 0x0fff_fff0] {
            let Rv::Error(value) = Rv::from(rv) else { panic!("{rv:#x} is an error") };
            assert!(returned(rv, "Decrypt").passes() && repeated(value, "Decrypt").passes());
            assert!(is_ambiguous(value) && !is_unauthentic(value));
        }
        assert!(!is_ambiguous(AEAD_DECRYPT_FAILED) && is_unauthentic(AEAD_DECRYPT_FAILED) && !value(AEAD_DECRYPT_FAILED, "Decrypt").passes());
        assert!(!is_unauthentic(RvError::ArgumentsBad) && !is_unauthentic(RvError::KeyFunctionNotPermitted));
    }

    #[test]
    fn what_a_module_never_does_is_told_from_what_it_did_not_do() {
        for rv in [RvError::MechanismInvalid, RvError::ArgumentsBad, RvError::KeyNotWrappable, RvError::TemplateInconsistent] {
            assert!(is_never(&value(rv, "WrapKey")), "{rv:?}");
        }
        for rv in [RvError::FunctionRejected, RvError::DeviceRemoved, RvError::FunctionCanceled, RvError::EncryptedDataInvalid] {
            assert!(!is_never(&value(rv, "WrapKey")), "{rv:?}");
        }
    }

    #[test]
    fn a_wrong_pin_is_told_from_a_locked_one_and_neither_passes() {
        assert_eq!(value(RvError::PinIncorrect, "Login"), HsmError::PinWrong);
        assert_eq!(returned(cryptoki_sys::CKR_PIN_LOCKED, "Login"), HsmError::PinLocked);
        assert!(!HsmError::PinWrong.passes() && !HsmError::PinLocked.passes());
    }
}
