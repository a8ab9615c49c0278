//! AWS code → what happened, whose fault, how to retry: one row each.
//!
//! Sources, by group, stand above the rows. KMS-API: AWS KMS API reference, the page of each operation, "Errors". KMS-COMMON: the same, "Common Errors".
//! STS-API: AWS STS API reference, AssumeRole and AssumeRoleWithWebIdentity. Read 2026-11-21 by way of `cloud-byok.md` sections 2.10 and 2.11.

use keystead_cloud::{Fault, Kind, Retry};

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The code as AWS writes it.
    pub code: &'static str,
    /// What happened.
    pub kind: Kind,
    /// Who has to mend it.
    pub fault: Fault,
    /// Whether to try again.
    pub retry: Retry,
}

const fn row(code: &'static str, kind: Kind, fault: Fault, retry: Retry) -> Row {
    Row { code, kind, fault, retry }
}

/// The codes of KMS, and those that any AWS service answers with.
#[rustfmt::skip]
pub const KMS: &[Row] = &[
    // Request rate. KMS Developer Guide, "Throttling AWS KMS requests". The other names are those that AWS's clients know for the same thing.
    row("ThrottlingException",             Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    row("Throttling",                      Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    row("ThrottledException",              Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    row("RequestThrottled",                Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    row("RequestThrottledException",       Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    row("RequestLimitExceeded",            Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    row("TooManyRequestsException",        Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    row("SlowDown",                        Kind::Throttled,     Fault::Ours,    Retry::Backoff),
    // Resource quotas. KMS-API. AWS's own clients take this code for throttling; in KMS it means too many keys, aliases, tags or rotations, and stays until a
    // person asks for more (KMS Developer Guide, "Quotas").
    row("LimitExceededException",          Kind::LimitExceeded, Fault::Ours,    Retry::Never),
    // The cloud failed, and may have acted before it did. KMS-API; KMS-COMMON.
    row("DependencyTimeoutException",      Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("KMSInternalException",            Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("KeyUnavailableException",         Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("InternalFailure",                 Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("InternalServerError",             Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("InternalError",                   Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("ServiceUnavailable",              Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("ServiceUnavailableException",     Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("RequestTimeout",                  Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    row("RequestTimeoutException",         Kind::CloudFailure,  Fault::Theirs,  Retry::Backoff),
    // The key, and where it stands. KMS-API; KMS Developer Guide, "Key states of AWS KMS keys" and "Eventual consistency". `refine` reads on.
    row("NotFoundException",               Kind::NotFound,      Fault::Unknown, Retry::UntilVisible),
    row("KMSInvalidStateException",        Kind::WrongState,    Fault::Ours,    Retry::Never),
    row("DisabledException",               Kind::WrongState,    Fault::Ours,    Retry::Never),
    row("ConflictException",               Kind::WrongState,    Fault::Theirs,  Retry::Backoff),
    row("AlreadyExistsException",          Kind::AliasTaken,    Fault::Ours,    Retry::Never),
    row("UnsupportedOperationException",   Kind::Unsupported,   Fault::Ours,    Retry::Never),
    // Queues. SQS API reference, ReceiveMessage; the second is what the same was called in the protocol before.
    row("QueueDoesNotExist",               Kind::NotFound,      Fault::Ours,    Retry::Never),
    row("AWS.SimpleQueueService.NonExistentQueue", Kind::NotFound, Fault::Ours, Retry::Never),
    // Importing. KMS-API, ImportKeyMaterial.
    row("ExpiredImportTokenException",     Kind::BadToken,      Fault::Ours,    Retry::FreshWrappingKey),
    row("InvalidImportTokenException",     Kind::BadToken,      Fault::Ours,    Retry::FreshWrappingKey),
    row("InvalidCiphertextException",      Kind::BadCiphertext, Fault::Ours,    Retry::FreshWrappingKey),
    row("IncorrectKeyMaterialException",   Kind::WrongMaterial, Fault::Ours,    Retry::Never),
    // Input. KMS-API; KMS-COMMON. The custom key store rows belong to CreateKey's list; we never name such a store.
    row("ValidationException",             Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("ValidationError",                 Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("InvalidAliasNameException",       Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("InvalidArnException",             Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("InvalidMarkerException",          Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("InvalidKeyUsageException",        Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("MalformedPolicyDocumentException", Kind::BadInput,     Fault::Ours,    Retry::Never),
    row("TagException",                    Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("SerializationException",          Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("CustomKeyStoreInvalidStateException",  Kind::BadInput, Fault::Ours,    Retry::Never),
    row("CustomKeyStoreNotFoundException", Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("XksKeyAlreadyInUseException",     Kind::BadInput,      Fault::Ours,    Retry::Never),
    row("XksKeyInvalidConfigurationException",  Kind::BadInput, Fault::Ours,    Retry::Never),
    row("XksKeyNotFoundException",         Kind::BadInput,      Fault::Ours,    Retry::Never),
    // Permission: IAM policy, key policy, service control policy; also for keys that we may not know of. KMS-COMMON.
    row("AccessDeniedException",           Kind::AccessDenied,  Fault::Ours,    Retry::Never),
    row("AccessDenied",                    Kind::AccessDenied,  Fault::Ours,    Retry::Never),
    row("UnauthorizedOperation",           Kind::AccessDenied,  Fault::Ours,    Retry::Never),
    // Credentials and clock. KMS-COMMON. An expired session is forgotten, so that another try begins with a fresh one.
    row("ExpiredTokenException",           Kind::Credentials,   Fault::Ours,    Retry::Backoff),
    row("ExpiredToken",                    Kind::Credentials,   Fault::Ours,    Retry::Backoff),
    row("RequestExpired",                  Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("UnrecognizedClientException",     Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("InvalidClientTokenId",            Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("InvalidToken",                    Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("SignatureDoesNotMatch",           Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("InvalidSignatureException",       Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("IncompleteSignature",             Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("IncompleteSignatureException",    Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("MissingAuthenticationToken",      Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("MissingAuthenticationTokenException", Kind::Credentials, Fault::Ours,  Retry::Never),
    row("OptInRequired",                   Kind::Credentials,   Fault::Ours,    Retry::Never),
    row("NotAuthorized",                   Kind::Credentials,   Fault::Ours,    Retry::Never),
];

/// Where STS means something else by a code than KMS, while we assume the role. The call to KMS has then not been made: nothing here leaves an outcome open,
/// and so a failure of STS is [`Kind::Unreachable`], never [`Kind::CloudFailure`].
#[rustfmt::skip]
pub const STS: &[Row] = &[
    // STS-API; IAM User Guide, "Troubleshoot assuming a role": role, trust policy or external id.
    row("AccessDenied",                    Kind::RoleNotAssumable, Fault::Ours,  Retry::Never),
    row("AccessDeniedException",           Kind::RoleNotAssumable, Fault::Ours,  Retry::Never),
    row("RegionDisabledException",         Kind::RoleNotAssumable, Fault::Ours,  Retry::Never),
    row("MalformedPolicyDocument",         Kind::RoleNotAssumable, Fault::Ours,  Retry::Never),
    row("PackedPolicyTooLarge",            Kind::RoleNotAssumable, Fault::Ours,  Retry::Never),
    row("ValidationError",                 Kind::RoleNotAssumable, Fault::Ours,  Retry::Never),
    // Web identity, as base credentials.
    row("IDPRejectedClaim",                Kind::Credentials,      Fault::Ours,  Retry::Never),
    row("InvalidIdentityToken",            Kind::Credentials,      Fault::Ours,  Retry::Never),
    row("IDPCommunicationError",           Kind::Unreachable,      Fault::Theirs, Retry::Backoff),
];

/// The row of a KMS code.
pub fn kms(code: &str) -> Option<Row> {
    KMS.iter().find(|row| row.code == code).copied()
}

/// The row of an STS code while the role is assumed.
pub fn sts(code: &str) -> Option<Row> {
    let shared = || kms(code).map(|row| if row.kind == Kind::CloudFailure { Row { kind: Kind::Unreachable, ..row } } else { row });
    STS.iter().find(|row| row.code == code).copied().or_else(shared)
}

/// A code that no row names, by its HTTP status.
pub fn unknown(status: u16) -> (Kind, Fault, Retry) {
    match status {
        429 => (Kind::Throttled, Fault::Ours, Retry::Backoff),
        403 => (Kind::AccessDenied, Fault::Ours, Retry::Never),
        500.. => (Kind::CloudFailure, Fault::Theirs, Retry::Backoff),
        _ => (Kind::BadInput, Fault::Unknown, Retry::Never),
    }
}

/// A code of STS that no row names, while the role is assumed: again no outcome is open.
pub fn unknown_of_sts(status: u16) -> (Kind, Fault, Retry) {
    match status {
        429 => (Kind::Throttled, Fault::Ours, Retry::Backoff),
        500.. => (Kind::Unreachable, Fault::Theirs, Retry::Backoff),
        _ => (Kind::RoleNotAssumable, Fault::Unknown, Retry::Never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors that aws-sdk-kms 1.129 declares for the operations that we call (`protocol_serde/shape_*.rs`), together.
    const DECLARED_BY_KMS: [&str; 21] = [
        "AlreadyExistsException",
        "CustomKeyStoreInvalidStateException",
        "CustomKeyStoreNotFoundException",
        "DependencyTimeoutException",
        "ExpiredImportTokenException",
        "IncorrectKeyMaterialException",
        "InvalidAliasNameException",
        "InvalidArnException",
        "InvalidCiphertextException",
        "InvalidImportTokenException",
        "InvalidMarkerException",
        "KMSInternalException",
        "KMSInvalidStateException",
        "LimitExceededException",
        "MalformedPolicyDocumentException",
        "NotFoundException",
        "TagException",
        "UnsupportedOperationException",
        "XksKeyAlreadyInUseException",
        "XksKeyInvalidConfigurationException",
        "XksKeyNotFoundException",
    ];
    /// `cloud-byok.md` section 2.10, every error of the table.
    const IN_THE_REFERENCE: [&str; 26] = [
        "ThrottlingException",
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        "NotFoundException",
        "KMSInvalidStateException",
        "DisabledException",
        "UnsupportedOperationException",
        "ExpiredImportTokenException",
        "InvalidImportTokenException",
        "InvalidCiphertextException",
        "IncorrectKeyMaterialException",
        "LimitExceededException",
        "ConflictException",
        "AlreadyExistsException",
        "InvalidAliasNameException",
        "TagException",
        "InvalidArnException",
        "MalformedPolicyDocumentException",
        "ValidationException",
        "AccessDeniedException",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
    ];
    /// Section 2.11: AssumeRole and AssumeRoleWithWebIdentity.
    const OF_STS: [&str; 7] = [
        "ExpiredTokenException",
        "RegionDisabledException",
        "MalformedPolicyDocument",
        "PackedPolicyTooLarge",
        "InvalidIdentityToken",
        "IDPRejectedClaim",
        "IDPCommunicationError",
    ];

    #[test]
    fn every_declared_error_has_exactly_one_row() {
        for code in DECLARED_BY_KMS.iter().chain(&IN_THE_REFERENCE) {
            assert_eq!(KMS.iter().filter(|row| row.code == *code).count(), 1, "{code}");
        }
        for row in KMS {
            assert_eq!(KMS.iter().filter(|other| other.code == row.code).count(), 1, "{}", row.code);
        }
        for code in OF_STS {
            assert!(sts(code).is_some(), "{code}");
        }
    }

    #[test]
    fn a_quota_that_is_a_limit_is_never_retried() {
        assert_eq!(kms("LimitExceededException").map(|row| (row.kind, row.retry)), Some((Kind::LimitExceeded, Retry::Never)));
    }

    #[test]
    fn no_failure_to_assume_the_role_leaves_the_outcome_of_the_call_open() {
        for code in KMS.iter().chain(STS).map(|row| row.code) {
            let row = sts(code).expect("a row");
            assert!(!matches!(row.kind, Kind::CloudFailure | Kind::OutcomeUnknown), "{code}");
        }
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_status() {
        assert_eq!(unknown(503).0, Kind::CloudFailure);
        assert_eq!(unknown(429).0, Kind::Throttled);
        assert_eq!(unknown(403).0, Kind::AccessDenied);
        assert_eq!(unknown(400), (Kind::BadInput, Fault::Unknown, Retry::Never));
    }
}
