//! Why a key of a batch waits, was skipped or failed: the words that its own command would have been answered with, kept with the key.

use keystead_domain::{Event, Invalid};
use keystead_operations::Problem;
use keystead_store::keys::KeyRow;

use crate::{
    Error,
    error::{busy_words, wrong_state_words},
};

/// A refusal in the words of a problem.
pub(crate) fn problem_of(error: &Error) -> Problem {
    match error {
        Error::Invalid(Invalid { field, reason, mend }) => Problem::new("invalid-input", format!("{field} {reason}."), mend),
        Error::WrongState { key, state, event } => {
            let (detail, mend) = wrong_state_words(key, *state, *event);
            Problem::new("wrong-state", detail, mend)
        }
        Error::Busy { name, operation } => {
            let (detail, _) = busy_words(name, operation);
            Problem::new("busy", detail, "Nothing is needed: it is tried again.")
        }
        Error::Sealed | Error::RootChanged => {
            Problem::new("vault-sealed", "The vault is sealed.", "Unseal it: `keystead vault unseal`. Then the batch goes on by itself.")
        }
        Error::MovedOn => Problem::new("moved-on", "Somebody changed the key at the same moment.", "Nothing is needed: it is tried again."),
        Error::Problem(problem) => problem.clone(),
        Error::NotFound { what, name } => {
            Problem::new("not-found", format!("There is no {what} {name}."), format!("`keystead {what} list` shows what there is."))
        }
        Error::Taken { field, value } => Problem::new("name-taken", format!("The {field} {value} is in use."), "Choose another one."),
        other => {
            tracing::error!(?other, "a key of a batch could not be begun by a fault of our own");
            Problem::new(
                "internal",
                "Keystead could not do it, by a fault of its own.",
                "Ask for this key alone. If it happens again, look into the server's log.",
            )
        }
    }
}

/// Whether a key that could not be begun is tried again: what is in its way passes by itself, or when somebody mends it for all.
pub(crate) fn passes(error: &Error) -> bool {
    const PASSING: [&str; 8] =
        ["vault-sealed", "store-unavailable", "disk-full", "moved-on", "hsm-away", "cloud-throttled", "cloud-unreachable", "outcome-unknown"];
    match error {
        Error::Busy { .. } | Error::MovedOn | Error::Sealed | Error::RootChanged => true,
        Error::Problem(problem) => PASSING.contains(&problem.kind.as_str()),
        _ => false,
    }
}

/// Nothing had to be done.
pub(crate) fn already_so(key: &KeyRow, event: Event) -> Problem {
    let detail = match event {
        Event::Update => format!("{} has all of it already.", key.name),
        _ => format!("{} is {} already.", key.name, key.state.as_str()),
    };
    Problem::new("already-so", detail, "Nothing is needed.")
}
