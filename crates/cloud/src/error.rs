//! Errors of a cloud: what kind, whose fault, how to retry. Users' words are made of [`Kind`], operators read the rest.

/// An answer, with the cloud's id of the request for the audit log.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// The answer.
    pub value: T,
    /// The cloud's request id.
    pub request_id: Option<String>,
}

impl<T> Reply<T> {
    /// The same reply with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: f(self.value), request_id: self.request_id }
    }
}

/// Who has to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// We, or who configured us: credentials, permissions, input.
    Ours,
    /// The cloud.
    Theirs,
    /// The way between.
    Wire,
    /// It cannot be told.
    Unknown,
}

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No; it will be the same.
    Never,
    /// Yes, after a growing pause; throttling and weather.
    Backoff,
    /// Yes, but for a short while only: the cloud may not yet see what we just did.
    UntilVisible,
    /// Yes, with a fresh wrapping key and token.
    FreshWrappingKey,
}

/// What happened, in words that are the same for every cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No connection was made: the call certainly had no effect.
    Unreachable,
    /// The answer was lost or unreadable: the call may have had its effect.
    OutcomeUnknown,
    /// Too many calls.
    Throttled,
    /// The cloud failed.
    CloudFailure,
    /// No such key, or not visible to us.
    NotFound,
    /// The key stands where the call is not allowed.
    WrongState,
    /// We are not permitted.
    AccessDenied,
    /// The role cannot be assumed.
    RoleNotAssumable,
    /// Our credentials are missing, wrong or expired, or our clock is.
    Credentials,
    /// The token of the wrapping key is expired, damaged or another key's.
    BadToken,
    /// The material is not the one that this key is bound to.
    WrongMaterial,
    /// The blob could not be unwrapped.
    BadCiphertext,
    /// A limit of the cloud account: more needs a person.
    LimitExceeded,
    /// The alias points at somebody else's key.
    AliasTaken,
    /// The Region has a replica of the key already.
    ReplicaThere,
    /// The cloud found our input wrong.
    BadInput,
    /// This key or Region cannot do that.
    Unsupported,
}

/// A call that failed.
#[derive(Debug, Clone)]
pub struct CloudError {
    /// What happened.
    pub kind: Kind,
    /// Who has to mend it.
    pub fault: Fault,
    /// Whether to try again.
    pub retry: Retry,
    /// The call, in the cloud's own name: `ImportKeyMaterial`.
    pub call: &'static str,
    /// The cloud's code: `ThrottlingException`.
    pub code: String,
    /// The cloud's message; for operators. It never holds material.
    pub message: String,
    /// The cloud's request id.
    pub request_id: Option<String>,
}

impl CloudError {
    /// What a cloud answers to a verb that it does not have.
    pub fn unsupported(call: &'static str, message: impl Into<String>) -> Self {
        let (kind, fault, retry) = (Kind::Unsupported, Fault::Ours, Retry::Never);
        Self { kind, fault, retry, call, code: "Unsupported".to_owned(), message: message.into(), request_id: None }
    }

    /// Whether the call may have had its effect although no answer says so.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self.kind, Kind::OutcomeUnknown | Kind::CloudFailure)
    }
}

impl std::fmt::Display for CloudError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({:?}, fault {:?}): {}", self.call, self.code, self.kind, self.fault, self.message)
    }
}

impl std::error::Error for CloudError {}
