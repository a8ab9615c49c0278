//! Why an operation waits or failed, in users' words. Operators read the log; here stands what the person who asked can do.

use keystead_cloud::{CloudError, Kind};
use keystead_store::StoreError;
use keystead_vault::{HsmError, VaultError};
use serde::{Deserialize, Serialize};

use crate::engine::call::StepError;

/// A problem with a stable type; the API shows it as RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, in the manual: `role-not-assumable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, as a sentence.
    pub detail: String,
    /// What to do, as a sentence.
    pub mend: String,
    /// The cloud's code, for who talks to the cloud's support.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cloud_code: Option<String>,
    /// The cloud's request id, for the same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cloud_request: Option<String>,
}

impl Problem {
    /// A problem of our own.
    pub fn new(kind: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), detail: detail.into(), mend: mend.into(), cloud_code: None, cloud_request: None }
    }

    /// As the journal and the operation's row keep it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// Reads it back; `None` for what is no problem.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl From<&CloudError> for Problem {
    fn from(error: &CloudError) -> Self {
        let (kind, mend) = cloud_words(error.kind);
        let detail = match error.kind {
            // The cloud names the action and the resource; that is what a platform engineer needs.
            Kind::AccessDenied | Kind::RoleNotAssumable | Kind::BadInput | Kind::LimitExceeded | Kind::WrongState | Kind::Unsupported => {
                format!("{} was refused: {}", error.call, error.message)
            }
            Kind::AliasTaken | Kind::ReplicaThere => error.message.clone(),
            _ => format!("{} did not succeed ({}).", error.call, error.code),
        };
        Self { kind: kind.to_owned(), detail, mend: mend.to_owned(), cloud_code: Some(error.code.clone()), cloud_request: error.request_id.clone() }
    }
}

/// One row a kind: the stable type, and the mend.
fn cloud_words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Unreachable => ("cloud-unreachable", "Check network, proxy and endpoint of the cloud; Keystead goes on by itself once it answers."),
        Kind::OutcomeUnknown => ("cloud-no-answer", "Nothing is needed: Keystead looks what became of the call and goes on."),
        Kind::Throttled => ("cloud-throttled", "Nothing is needed: Keystead slows down. Others use the same quota, or it is too small."),
        Kind::CloudFailure => ("cloud-failure", "Nothing is needed: Keystead tries again. See the cloud's status page if it lasts."),
        Kind::NotFound => (
            "cloud-key-gone",
            "The cloud no longer knows the key. Look in its audit trail who deleted it; make it anew here (`keystead key recreate NAME`), renew or delete it.",
        ),
        Kind::WrongState => {
            ("cloud-wrong-state", "The key was changed in the cloud directly. Compare `key show` with the cloud's console and undo that change.")
        }
        Kind::AccessDenied => (
            "cloud-access-denied",
            "Give the role this permission: `keystead keystore policy` prints the whole policy (with `--native` for keys of the cloud's own), `keystead keystore check` what is missing.",
        ),
        Kind::RoleNotAssumable => {
            ("role-not-assumable", "Compare the role's trust policy with `keystead keystore policy`: principal, external id and ARN must fit.")
        }
        Kind::Credentials => ("cloud-credentials", "Check Keystead's own cloud credentials, and its clock."),
        Kind::BadToken => ("cloud-import-token", "Try again: Keystead takes a fresh wrapping key."),
        Kind::WrongMaterial => {
            ("wrong-material", "The cloud binds this key to other material. Keystead never replaces it silently: look in the key's history, and renew it.")
        }
        Kind::BadCiphertext => ("cloud-cannot-unwrap", "The cloud could not open what it was sent. Report this with the cloud's request id."),
        Kind::LimitExceeded => ("cloud-limit", "Raise the quota in the cloud account, or delete what is no longer needed there."),
        Kind::AliasTaken => ("alias-taken", "Choose another alias, or remove that one in the cloud first."),
        Kind::ReplicaThere => (
            "replica-there",
            "Somebody else made a replica in that Region, or one counts down to deletion there. Wait until it is gone, or choose a keystore in another Region.",
        ),
        Kind::BadInput => ("cloud-bad-input", "Change the value that the cloud names."),
        Kind::Unsupported => ("cloud-unsupported", "This cloud, Region or key type cannot do that."),
    }
}

impl From<&VaultError> for Problem {
    fn from(error: &VaultError) -> Self {
        match error {
            VaultError::Sealed => {
                Self::new("vault-sealed", "The vault is sealed.", "Unseal it with `keystead vault unseal`; the operation then goes on by itself.")
            }
            VaultError::Module(error) if error.passes() => {
                Self::new("hsm-away", format!("{error}. Nothing was changed."), "Look at the module and the network to it; operations go on by themselves.")
            }
            error @ VaultError::NotMovedYet => Self::new(
                "moved-on",
                format!("The root of the vault is moving: {error}. Nothing was changed."),
                "Look at `rotation` in `keystead vault status`, and ask again when it is empty.",
            ),
            VaultError::Module(HsmError::Cannot { what, mend }) => Self::new("hsm-cannot", format!("The hardware module {what}."), mend),
            VaultError::Module(error) => {
                Self::new("hsm-refused", format!("{error}. Nothing was changed."), "`keystead doctor hsm` looks at the module; the server's log has more.")
            }
            other => Self::new(
                "vault-failure",
                format!("The vault refused: {other}."),
                "Look in the server's log, and restore the database from a backup if a row is damaged.",
            ),
        }
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Full => Self::new(
                "disk-full",
                "The database has no space left. Nothing was changed.",
                "Free space, or move the database; the operation then goes on by itself.",
            ),
            StoreError::OutcomeUnknown(_) => Self::new(
                "outcome-unknown",
                "The database's answer was lost: what was asked may or may not have been stored.",
                "Repeat the request with the same Idempotency-Key, or look whether it was done.",
            ),
            _ => Self::new("store-unavailable", "The database does not answer. Nothing was changed.", "See the server's log, and try again."),
        }
    }
}

impl From<&StepError> for Problem {
    fn from(error: &StepError) -> Self {
        match error {
            StepError::Cloud(error) => error.into(),
            StepError::Vault(error) => error.into(),
            StepError::Store(error) => error.into(),
            StepError::NotVisible => Self::new("cloud-not-visible-yet", "The cloud does not show the change yet.", "Nothing is needed: Keystead looks again."),
            StepError::StillUsable => Self::new(
                "still-usable",
                "The cloud shows the key as disabled, and lets it be used all the same.",
                "Keystead goes on trying. AWS may take some minutes; if it lasts, deny the key's use in its policy and call AWS.",
            ),
            StepError::NotYet(state) => Self::new(
                "cloud-key-still-there",
                format!("The cloud still has the key, in the state {state}."),
                "AWS deletes up to 24 hours after the date. If somebody cancelled the deletion there, schedule it again; a pointer is forgotten, and a key made anew, only when its key is gone.",
            ),
            StepError::Stray(arn) => Self::new(
                "stray-cloud-key",
                format!("The cloud has a key with Keystead's tags of this key or its lineage, which no key here names: {arn}."),
                "Nothing was made. It may be the key that is looked for: look at it there. If it is, call whoever runs Keystead: the database may be an old backup. If nobody needs it, delete it there, and ask again when it is gone.",
            ),
            StepError::AliasElsewhere { alias, key } => Self::new(
                "alias-taken",
                format!("{alias} is at another cloud key, {key}."),
                "Nothing was made. Look in the cloud's audit trail who pointed it there; remove it in the cloud, and ask again.",
            ),
            StepError::Gone => Self::new(
                "cloud-key-gone",
                "The cloud no longer has the key.",
                "Look in its audit trail who deleted it; make it anew here (`keystead key recreate NAME`), renew or delete it.",
            ),
            StepError::NotEnabled(state) => Self::new(
                "disabled-in-cloud",
                format!("The cloud does not let the key be used: it is {state} there, and would not come back as it is."),
                "Sync the keystore and see what differs with `keystead drift list`; when the key is enabled again, repeat the command.",
            ),
            StepError::TooLate(end) => Self::new(
                "too-late",
                format!("It was to be over at {}, and is not begun any more.", end.rfc3339()),
                "Repeat the command if it is still wanted.",
            ),
            StepError::NotImportable(spec) => Self::new(
                "not-importable",
                format!("The keystore's cloud takes no {} key.", spec.as_str()),
                "Choose another kind of key, or a keystore in another Region.",
            ),
            StepError::OtherMaterial => Self::new(
                "other-material",
                "The cloud says that it holds other material than Keystead sent.",
                "Do not use this key. Look in the cloud's audit trail who else imports material, and tell your security team.",
            ),
            StepError::Missing(key) => {
                Self::new("key-incomplete", format!("The record of {key} lacks what this step needs."), "Look in the operation's journal and the server's log.")
            }
            StepError::Unfinished(count) => Self::new(
                "restore-unfinished",
                format!("{count} keys or more are still on their way: what gives them their material back waits itself."),
                "See why: `keystead operation list` shows the uploads and what each waits for. Nothing is needed here: Keystead looks again.",
            ),
            StepError::Died => Self::new("died", "The process died.", "Nothing is needed."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_read_back_as_it_was_written() {
        let problem = Problem::new("vault-sealed", "The vault is sealed.", "Unseal it.");
        assert_eq!(Problem::from_json(&problem.to_json()), Some(problem));
    }
}
