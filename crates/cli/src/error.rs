//! Everything that can end a command, and what a person and a script are told about it.

use std::{io, path::PathBuf, time::Duration};

use keystead_domain::Invalid;
use serde_json::json;

use crate::{
    estate::Mistake,
    exit::Exit,
    output::operation::{Operation, kind_words},
    problem::Problem,
};

/// Why a command ended without its effect, or without knowing of it.
#[derive(Debug)]
pub enum CliError {
    /// The server refused.
    Refused(Box<Problem>),
    /// A value cannot be.
    Invalid(Invalid),
    /// Nobody said where the server is.
    NoServer,
    /// No answer.
    Unreachable {
        /// Where the server should be.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// An answer that this client does not understand.
    Foreign(String),
    /// An operation did not reach its end.
    OperationFailed(Box<Operation>),
    /// An operation, or an answer, was not there in time.
    TimedOut {
        /// How long we waited.
        after: Duration,
        /// The operation that still runs, as last seen.
        operation: Option<Box<Operation>>,
    },
    /// A batch came to its end, and keys in it were refused or failed; it was printed.
    BatchFailed {
        /// Its id.
        batch: String,
        /// How many keys.
        failed: u64,
    },
    /// A batch was begun, and was not finished in time.
    BatchRuns {
        /// How long we waited.
        after: Duration,
        /// Its id.
        batch: String,
        /// How many keys have no outcome yet.
        left: u64,
    },
    /// Files have mistakes; nothing was planned, and nothing done.
    Mistakes(Vec<Mistake>),
    /// An apply came to its end, and changes in it were not done; it was printed.
    ApplyFailed {
        /// Its id.
        apply: String,
        /// How many failed.
        failed: u64,
        /// How many were not reached, or were stopped.
        skipped: u64,
    },
    /// An apply was begun, and was not finished in time.
    ApplyRuns {
        /// How long we waited.
        after: Duration,
        /// Its id.
        apply: String,
        /// How many changes have no outcome yet.
        left: u64,
    },
    /// A rotation of the root was begun, and was not finished in time.
    StillRotating {
        /// How long we waited.
        after: Duration,
    },
    /// A file cannot be used.
    File {
        /// Which.
        path: PathBuf,
        /// What was tried: "read", "written".
        tried: &'static str,
        /// What the system says.
        reason: io::Error,
    },
    /// Standard output cannot be written to.
    Output(io::Error),
    /// An audit log is not what it should be.
    NotVerified(Box<Problem>),
    /// The cloud does not allow what a keystore needs; the findings were printed.
    NotSufficient {
        /// The keystore.
        keystore: String,
    },
    /// `doctor` found something; the checks were printed.
    NotHealthy {
        /// How many checks failed.
        failed: usize,
    },
    /// A part of Keystead that runs in this process failed.
    Local(String),
}

impl From<Invalid> for CliError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl CliError {
    /// A file that could not be read.
    pub fn reading(path: impl Into<PathBuf>, reason: io::Error) -> Self {
        Self::File { path: path.into(), tried: "read", reason }
    }

    /// A file that could not be written.
    pub fn writing(path: impl Into<PathBuf>, reason: io::Error) -> Self {
        Self::File { path: path.into(), tried: "written", reason }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(problem) => Exit::of(problem),
            Self::Invalid(_) | Self::NoServer | Self::Mistakes(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::OperationFailed(operation) => operation.problem.as_ref().map_or(Exit::Failed, Exit::of),
            Self::TimedOut { .. } | Self::StillRotating { .. } | Self::BatchRuns { .. } | Self::ApplyRuns { .. } => Exit::Timeout,
            Self::NotSufficient { .. } => Exit::Cloud,
            Self::BatchFailed { .. }
            | Self::ApplyFailed { .. }
            | Self::Foreign(_)
            | Self::File { .. }
            | Self::Output(_)
            | Self::NotVerified(_)
            | Self::NotHealthy { .. }
            | Self::Local(_) => Exit::Failed,
        }
    }

    /// The words.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) | Self::NotVerified(problem) => (**problem).clone(),
            Self::Invalid(invalid) => invalid_words(invalid),
            Self::NoServer => no_server(),
            Self::Unreachable { url, reason } => unreachable(url, reason),
            Self::Foreign(what) => foreign(what),
            Self::OperationFailed(operation) => failed(operation),
            Self::TimedOut { after, operation } => timed_out(*after, operation.as_deref()),
            Self::BatchFailed { batch, failed } => batch_failed(batch, *failed),
            Self::BatchRuns { after, batch, left } => batch_runs(*after, batch, *left),
            Self::Mistakes(mistakes) => mistakes_words(mistakes),
            Self::ApplyFailed { apply, failed, skipped } => apply_failed(apply, *failed, *skipped),
            Self::ApplyRuns { after, apply, left } => apply_runs(*after, apply, *left),
            Self::StillRotating { after } => still_rotating(*after),
            Self::File { path, tried, reason } => file(&path.display().to_string(), tried, reason),
            Self::Output(reason) => Problem::own("output", "Standard output cannot be written to", reason.to_string(), ""),
            Self::NotSufficient { keystore } => not_sufficient(keystore),
            Self::NotHealthy { failed } => Problem::own("not-healthy", format!("{failed} of the checks failed"), "", "Follow the mends in the list."),
            Self::Local(what) => Problem::own("local", what.clone(), "", ""),
        }
    }
}

fn invalid_words(invalid: &Invalid) -> Problem {
    let words = Problem::own("invalid-input", format!("{} {}", invalid.field, invalid.reason), "", invalid.mend.clone());
    Problem { field: Some(invalid.field.clone()), ..words }
}

fn no_server() -> Problem {
    let mend = "Give --url or KEYSTEAD_URL, or work in the directory in which `keystead demo` runs: its profile file is found by itself.";
    Problem::own("no-server", "Which server?", "Neither --url nor KEYSTEAD_URL is given, and no profile names one.", mend)
}

fn unreachable(url: &str, reason: &str) -> Problem {
    let mend = if reason.contains("certificate") {
        "If the server's certificate is signed by your own authority, name it with --ca-file."
    } else {
        "Check the URL, and whether the server runs: `keystead serve`, or `keystead demo` for a first look."
    };
    Problem::own("server-unreachable", format!("The server at {url} does not answer"), reason, mend)
}

fn foreign(what: &str) -> Problem {
    let mend = "Check that the URL is Keystead's, and that server and client are of the same version: `keystead status`, `keystead --version`.";
    Problem::own("foreign-answer", "The server's answer is not understood", what, mend)
}

/// The problem of the operation, told as this command's own.
fn failed(operation: &Operation) -> Problem {
    let title = format!("Operation {} failed at step {} of {}, {}", kind_words(&operation.kind), operation.step, operation.steps, operation.step_name);
    let cause = operation.problem.clone().unwrap_or_default();
    let kind = if cause.kind.is_empty() { Problem::own("operation-failed", "", "", "").kind } else { cause.kind.clone() };
    Problem { kind, title, operation: Some(operation.id.clone()), ..cause }
}

fn batch_failed(batch: &str, failed: u64) -> Problem {
    let mend = format!("See which, and why: keystead batch items {batch} --only FAILED");
    Problem::own("batch-failed", format!("Keys of the batch that were refused or failed: {failed}"), "The others have their outcome.", mend)
}

fn batch_runs(after: Duration, batch: &str, left: u64) -> Problem {
    let title = format!("The batch still runs after {} s", after.as_secs());
    let detail = format!("It goes on by itself. Keys without an outcome yet: {left}.");
    Problem::own("timeout", title, detail, format!("Wait on: keystead batch wait {batch}"))
}

/// Every mistake in a line of its own; for scripts each is an object, too.
fn mistakes_words(mistakes: &[Mistake]) -> Problem {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let list = |mistake: &Mistake| json!({ "at": mistake.at, "field": mistake.field, "reason": mistake.reason, "mend": mistake.mend });
    let problem = Problem::own("estate-mistakes", "The estate has mistakes; nothing was done", lines.join("\n"), "");
    let more = json!({ "mistakes": mistakes.iter().map(list).collect::<Vec<_>>() });
    Problem { more: more.as_object().cloned().unwrap_or_default(), ..problem }
}

fn apply_failed(apply: &str, failed: u64, skipped: u64) -> Problem {
    let mend = format!("See which, and why: keystead estate changes {apply} --only FAILED. Then plan again, and apply what is left.");
    Problem::own("apply-failed", format!("Changes that failed: {failed}; that were not reached: {skipped}"), "The others are done.", mend)
}

fn apply_runs(after: Duration, apply: &str, left: u64) -> Problem {
    let title = format!("The apply still runs after {} s", after.as_secs());
    let detail = format!("It goes on by itself. Changes without an outcome yet: {left}.");
    Problem::own("timeout", title, detail, format!("Wait on: keystead estate wait {apply}"))
}

fn still_rotating(after: Duration) -> Problem {
    let title = format!("Keys are still being sealed anew after {} s", after.as_secs());
    Problem::own("timeout", title, "The new root is stored and is what opens the vault. The rest goes on by itself.", "Look again: keystead vault status")
}

fn timed_out(after: Duration, operation: Option<&Operation>) -> Problem {
    let Some(operation) = operation else {
        let title = format!("The server did not answer within {} s", after.as_secs());
        return Problem::own(
            "timeout",
            title,
            "It is not known whether the command had its effect.",
            "Look before you repeat it, or wait longer with --timeout.",
        );
    };
    let title = format!("Operation {} still runs after {} s", kind_words(&operation.kind), after.as_secs());
    let at = format!("It goes on by itself. It is at step {} of {}, {}.", operation.step, operation.steps, operation.step_name);
    let detail = operation.problem.as_ref().map_or(at.clone(), |problem| format!("{at}\nIt waits: {}", problem.detail));
    let mend = match operation.problem.as_ref().filter(|problem| !problem.mend.is_empty()) {
        Some(problem) => problem.mend.clone(),
        None => format!("Wait on: keystead operation wait {}", operation.id),
    };
    Problem { operation: Some(operation.id.clone()), ..Problem::own("timeout", title, detail, mend) }
}

fn file(path: &str, tried: &str, reason: &io::Error) -> Problem {
    let mend = match reason.kind() {
        io::ErrorKind::NotFound => "Check the path.",
        io::ErrorKind::PermissionDenied => "Check who may do that.",
        io::ErrorKind::AlreadyExists => "Name another file, or move that one away: it is not overwritten.",
        _ => "",
    };
    Problem::own("file", format!("{path} cannot be {tried}"), reason.to_string(), mend)
}

fn not_sufficient(keystore: &str) -> Problem {
    let mend = format!("Compare the role with `keystead keystore policy {keystore}`, and follow the mends in the list.");
    Problem::own("cloud-not-sufficient", format!("The cloud does not allow what {keystore} needs"), "", mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(problem: Option<Problem>) -> Box<Operation> {
        let json = serde_json::json!({"id": "op_1", "kind": "RENEW_KEY", "state": "RUNNING", "step": 4, "steps": 9, "step_name": "import material"});
        let mut operation: Operation = serde_json::from_value(json).expect("an operation");
        operation.problem = problem;
        Box::new(operation)
    }

    #[test]
    fn a_failed_operation_tells_its_step_its_cause_and_the_mend() {
        let cause = Problem {
            kind: "cloud-access-denied".into(),
            detail: "ImportKeyMaterial was refused.".into(),
            mend: "Give the role this permission.".into(),
            ..Problem::default()
        };
        let error = CliError::OperationFailed(running(Some(cause)));
        assert_eq!(error.exit(), Exit::Cloud);
        let block = error.problem().block();
        assert!(block.starts_with("error: Operation renew key failed at step 4 of 9, import material\n  ImportKeyMaterial was refused.\n"), "{block}");
        assert!(block.contains("mend      Give the role this permission.\n  operation op_1\n"), "{block}");
    }

    #[test]
    fn a_time_out_says_what_the_operation_waits_for() {
        let waits = Problem { kind: "vault-sealed".into(), detail: "The vault is sealed.".into(), mend: "Unseal it.".into(), ..Problem::default() };
        let error = CliError::TimedOut { after: Duration::from_secs(300), operation: Some(running(Some(waits))) };
        assert_eq!(error.exit(), Exit::Timeout);
        let block = error.problem().block();
        assert!(block.contains("It waits: The vault is sealed.") && block.contains("mend      Unseal it."), "{block}");
    }

    #[test]
    fn a_certificate_that_is_not_trusted_leads_to_ca_file() {
        let error = CliError::Unreachable { url: "https://k".into(), reason: "invalid peer certificate: UnknownIssuer".into() };
        assert_eq!(error.exit(), Exit::Unreachable);
        assert!(error.problem().mend.contains("--ca-file"));
    }

    #[test]
    fn an_invalid_value_names_its_field() {
        let problem = CliError::from(Invalid::new("days", "is 3", "Give 7 to 30.")).problem();
        assert_eq!(problem.block(), "error: days is 3\n  field     days\n  mend      Give 7 to 30.\n");
    }
}
