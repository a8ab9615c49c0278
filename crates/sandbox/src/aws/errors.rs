//! Errors as AWS sends them. The same mistake has two names, one in the JSON protocol of KMS and one in the Query protocol of STS; both stand in one
//! table. Codes of KMS and who is at fault: cloud-byok.md, sections 2.1 and 2.10.

use crate::random::NoRandomness;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    AccessDenied,
    AlreadyExists,
    Conflict,
    Disabled,
    DryRun,
    ExpiredImportToken,
    ExpiredToken,
    IncompleteSignature,
    IncorrectKey,
    IncorrectKeyMaterial,
    Internal,
    InvalidAliasName,
    InvalidArn,
    InvalidCiphertext,
    InvalidImportToken,
    InvalidKeyUsage,
    InvalidMac,
    InvalidMarker,
    InvalidSignature,
    InvalidState,
    LimitExceeded,
    MalformedPolicyDocument,
    MissingAuthenticationToken,
    NotFound,
    QueueDoesNotExist,
    Serialization,
    SignatureDoesNotMatch,
    Tag,
    Throttling,
    UnknownOperation,
    UnrecognizedClient,
    UnsupportedOperation,
    Validation,
}

impl Code {
    /// `__type` in the JSON protocol.
    pub(crate) const fn json_name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::AlreadyExists => "AlreadyExistsException",
            Self::Conflict => "ConflictException",
            Self::Disabled => "DisabledException",
            Self::DryRun => "DryRunOperationException",
            Self::ExpiredImportToken => "ExpiredImportTokenException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::IncompleteSignature => "IncompleteSignatureException",
            Self::IncorrectKey => "IncorrectKeyException",
            Self::IncorrectKeyMaterial => "IncorrectKeyMaterialException",
            Self::Internal => "KMSInternalException",
            Self::InvalidAliasName => "InvalidAliasNameException",
            Self::InvalidArn => "InvalidArnException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::InvalidImportToken => "InvalidImportTokenException",
            Self::InvalidKeyUsage => "InvalidKeyUsageException",
            Self::InvalidMac => "KMSInvalidMacException",
            Self::InvalidMarker => "InvalidMarkerException",
            Self::InvalidSignature => "KMSInvalidSignatureException",
            Self::InvalidState => "KMSInvalidStateException",
            Self::LimitExceeded => "LimitExceededException",
            Self::MalformedPolicyDocument => "MalformedPolicyDocumentException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::NotFound => "NotFoundException",
            Self::QueueDoesNotExist => "com.amazonaws.sqs#QueueDoesNotExist",
            Self::Serialization => "SerializationException",
            Self::SignatureDoesNotMatch => "InvalidSignatureException",
            Self::Tag => "TagException",
            Self::Throttling => "ThrottlingException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::UnsupportedOperation => "UnsupportedOperationException",
            Self::Validation => "ValidationException",
        }
    }

    /// `Code` in the Query protocol (STS API reference, "Common Errors").
    pub(crate) const fn query_name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::ExpiredToken => "ExpiredToken",
            Self::IncompleteSignature => "IncompleteSignature",
            Self::Internal => "InternalFailure",
            Self::MissingAuthenticationToken => "MissingAuthenticationToken",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
            Self::Throttling => "Throttling",
            Self::UnknownOperation => "InvalidAction",
            Self::UnrecognizedClient => "InvalidClientTokenId",
            Self::Validation => "ValidationError",
            other => other.json_name(),
        }
    }

    /// HTTP status in the JSON protocol: every fault of the client is a 400.
    pub(crate) const fn json_status(self) -> u16 {
        match self {
            Self::Internal => 500,
            _ => 400,
        }
    }

    /// HTTP status in the Query protocol.
    pub(crate) const fn query_status(self) -> u16 {
        match self {
            Self::AccessDenied | Self::ExpiredToken | Self::MissingAuthenticationToken | Self::SignatureDoesNotMatch | Self::UnrecognizedClient => 403,
            Self::Internal => 500,
            _ => 400,
        }
    }
}

/// An error on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl AwsError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A constraint of the API model that a member breaks, in AWS's words; `value` is the offending value where AWS repeats it.
    pub(crate) fn constraint(member: &str, value: Option<&str>, rule: &str) -> Self {
        let shown = value.map_or_else(String::new, |value| format!(" '{value}'"));
        Self::new(Code::Validation, format!("1 validation error detected: Value{shown} at '{}' failed to satisfy constraint: {rule}", lower_first(member)))
    }

    /// The sandbox itself failed.
    pub(crate) fn internal(what: &str) -> Self {
        Self::new(Code::Internal, what)
    }
}

impl From<NoRandomness> for AwsError {
    fn from(error: NoRandomness) -> Self {
        Self::internal(&error.to_string())
    }
}

/// `KeyId` to `keyId`: AWS's messages and CloudTrail write members that way.
pub(crate) fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_read_as_aws_writes_them() {
        let error = AwsError::constraint("PendingWindowInDays", Some("6"), "Member must have value greater than or equal to 7");
        assert_eq!(
            error.message,
            "1 validation error detected: Value '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 7"
        );
        assert_eq!(error.code.json_name(), "ValidationException");
        assert_eq!(error.code.query_name(), "ValidationError");
    }
}
