//! What a look at our own permissions finds.

/// One permission, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The action in the cloud's own name: `kms:ImportKeyMaterial`.
    pub action: String,
    /// How it stands.
    pub standing: Standing,
    /// What to do, when something is to be done.
    pub mend: Option<String>,
}

/// How a permission stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Needed and there.
    Granted,
    /// Needed and not there.
    Missing,
    /// There and not needed.
    Excess,
    /// It could not be told without changing something.
    Untested,
}

/// The whole look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// Who we are there: the ARN of the assumed role.
    pub identity: String,
    /// The cloud account we ended in.
    pub account: String,
    /// One finding a permission.
    pub findings: Vec<Finding>,
}

impl ProbeReport {
    /// Whether nothing is missing.
    pub fn is_sufficient(&self) -> bool {
        self.findings.iter().all(|finding| finding.standing != Standing::Missing)
    }
}
