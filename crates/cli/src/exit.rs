//! What the process answers its caller. The numbers stand in `keystead --help`, scripts rely on them, and none ever changes its meaning.

use crate::problem::Problem;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or already so.
    Ok = 0,
    /// An operation failed, or something that has no number of its own.
    Failed = 1,
    /// The command or a value in it cannot be.
    Usage = 2,
    /// No such thing, or not for this caller.
    NotFound = 3,
    /// The state of things refuses it.
    Conflict = 4,
    /// Not known, or not allowed.
    Forbidden = 5,
    /// The cloud refused or failed.
    Cloud = 6,
    /// The vault is sealed.
    Sealed = 7,
    /// It did not end within `--timeout`; it goes on.
    Timeout = 8,
    /// No answer from the server.
    Unreachable = 9,
}

/// The list of exit codes, as `keystead --help` and the man page print it.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done, or already so
  1  an operation failed, or anything else without a number of its own
  2  usage: the command or a value in it cannot be
  3  not found
  4  refused by the state of things: wrong state, name taken, busy
  5  forbidden, or not authenticated
  6  the cloud refused or failed
  7  the vault is sealed
  8  still running after --timeout; the operation goes on
  9  the server cannot be reached";

impl Exit {
    /// What a problem means for a script: first by its type, then by the status it came with.
    pub fn of(problem: &Problem) -> Self {
        let slug = problem.slug();
        match slug {
            "vault-sealed" => return Self::Sealed,
            "stopping" => return Self::Unreachable,
            _ => {}
        }
        if problem.cloud_code.is_some() || slug.starts_with("cloud-") || matches!(slug, "role-not-assumable" | "wrong-material" | "other-material") {
            return Self::Cloud;
        }
        match problem.status {
            Some(400 | 405 | 413 | 415 | 422) => Self::Usage,
            Some(401 | 403) => Self::Forbidden,
            Some(404 | 410) => Self::NotFound,
            Some(409 | 412 | 428) => Self::Conflict,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(slug: &str, status: u16) -> Problem {
        Problem { kind: format!("https://keystead.dev/problems/{slug}"), status: Some(status), ..Problem::default() }
    }

    #[test]
    fn every_problem_has_one_exit_code() {
        for (slug, status, exit) in [
            ("invalid-input", 422, Exit::Usage),
            ("unauthenticated", 401, Exit::Forbidden),
            ("forbidden", 403, Exit::Forbidden),
            ("not-found", 404, Exit::NotFound),
            ("wrong-state", 409, Exit::Conflict),
            ("alias-taken", 409, Exit::Conflict),
            ("already-done", 409, Exit::Conflict),
            ("vault-sealed", 503, Exit::Sealed),
            ("cloud-access-denied", 502, Exit::Cloud),
            ("role-not-assumable", 409, Exit::Cloud),
            ("stopping", 503, Exit::Unreachable),
            ("store-unavailable", 503, Exit::Failed),
            ("internal", 500, Exit::Failed),
        ] {
            assert_eq!(Exit::of(&problem(slug, status)), exit, "{slug}");
        }
    }

    #[test]
    fn an_alias_that_the_cloud_knows_already_is_the_clouds_problem() {
        let taken = Problem { cloud_code: Some("AlreadyExistsException".into()), ..problem("alias-taken", 409) };
        assert_eq!(Exit::of(&taken), Exit::Cloud);
    }

    #[test]
    fn the_help_lists_every_code_in_order() {
        let all =
            [Exit::Ok, Exit::Failed, Exit::Usage, Exit::NotFound, Exit::Conflict, Exit::Forbidden, Exit::Cloud, Exit::Sealed, Exit::Timeout, Exit::Unreachable];
        let listed: Vec<&str> = EXIT_CODES.lines().skip(1).collect();
        assert_eq!(listed.len(), all.len());
        for (exit, line) in all.into_iter().zip(listed) {
            assert!(line.starts_with(&format!("  {}  ", exit as u8)), "{line}");
        }
    }
}
