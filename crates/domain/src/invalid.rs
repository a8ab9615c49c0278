//! The one form of "that input cannot be": which field, why, and what to do instead.

/// A value from outside that breaks a rule. Nothing has been changed when it is returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The field as the caller knows it, for example `aliases` or `tags.team`.
    pub field: String,
    /// What is wrong, as half a sentence: "is empty".
    pub reason: String,
    /// What to do instead, as a sentence: "Give 1 to 64 characters."
    pub mend: String,
}

impl Invalid {
    /// Names the field, the reason and the mend.
    pub fn new(field: impl Into<String>, reason: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into(), mend: mend.into() }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}. {}", self.field, self.reason, self.mend)
    }
}

impl std::error::Error for Invalid {}
