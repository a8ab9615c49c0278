//! Why a keystore or key is not well, in people's words: what each reason means, and what mends it.

use super::{KeyReason, KeystoreReason};

impl KeystoreReason {
    /// What it means, as a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "The cloud did not answer at the last check.",
            Self::Credentials => "The cloud does not take Keystead's own credentials, or its clock.",
            Self::Denied => "The role cannot be assumed.",
            Self::DriftHostile => "Somebody changed a key in the cloud in a way that takes or destroys what is not theirs.",
            Self::PermissionsMissing => "The role lacks permissions that Keystead needs.",
            Self::DriftOpen => "Keys differ from what is wanted.",
            Self::LookLate => "It was not looked through when its policy says.",
            Self::DeedsUnexplained => {
                "Something was done in Keystead's own name in the last seven days, and no operation explains it: its credentials may be in other hands."
            }
            Self::EventsUnheard => {
                "The queue that tells what is done to its keys cannot be heard, or more comes in than is heard, for more than a quarter of an hour."
            }
            Self::OperationWaits => "An operation has been open for more than an hour, and something keeps it from getting on.",
            Self::QuotaTight => "Nearly all calls of one kind that the cloud allows are being made.",
            Self::Unchecked => "It was never checked.",
            Self::CheckLate => "It was not checked when it should have been.",
        }
    }

    /// What to do, as a sentence.
    pub fn mend(self, keystore: &str) -> String {
        match self {
            Self::Unreachable => format!("Look at network, proxy and endpoint of the cloud, then `keystead keystore check {keystore}`."),
            Self::Credentials => format!("Look at Keystead's cloud credentials and at the clock of its machine, then `keystead keystore check {keystore}`."),
            Self::Denied => format!("Compare the role's trust policy with `keystead keystore policy {keystore}`: principal, external id and ARN must fit."),
            Self::DriftHostile => format!("See what was done: `keystead drift list --keystore {keystore} --class hostile`."),
            Self::PermissionsMissing => format!("`keystead keystore check {keystore}` names each with its mend."),
            Self::DriftOpen => format!("See each: `keystead drift list --keystore {keystore}`."),
            Self::LookLate => format!("Look now: `keystead keystore sync {keystore}`; why it was not done: `keystead operation list`."),
            Self::DeedsUnexplained => {
                format!(
                    "See what and from where: `keystead drift events {keystore}`; CloudTrail has the last word. If it was not you, change the role's credentials."
                )
            }
            Self::EventsUnheard => {
                format!("See why: `keystead drift events {keystore}`. Until then changes are found by looks alone: `keystead keystore sync {keystore}`.")
            }
            Self::OperationWaits => "See which and why: `keystead operation list`.".to_owned(),
            Self::QuotaTight => "Nothing is needed: calls wait for their turn. If it lasts, have the quota raised in the cloud account.".to_owned(),
            Self::Unchecked | Self::CheckLate => {
                format!("Check it: `keystead keystore check {keystore}`. Checks by themselves are `health.check_seconds` in the configuration.")
            }
        }
    }
}

impl KeyReason {
    /// What it means, as a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::CloudKeyGone => "The cloud no longer has the key.",
            Self::DriftHostile => "Somebody changed it in the cloud in a way that takes or destroys what is not theirs.",
            Self::Expired => "Its material has ended.",
            Self::NotUsable => "It should be in use, and the cloud does not let it be used.",
            Self::DriftOpen => "It differs from what is wanted.",
            Self::EndNear => "Its material ends soon, and nothing has moved the end.",
            Self::OperationWaits => "The operation that holds it has been open for more than an hour, and something keeps it from getting on.",
            Self::KeystoreOutOfReach => "Nobody can look at it: its keystore's cloud does not answer, or does not let Keystead in.",
        }
    }

    /// What to do, as a sentence. `key` and `keystore` are what people call them by.
    pub fn mend(self, key: &str, keystore: &str) -> String {
        match self {
            Self::CloudKeyGone => format!(
                "Look in the cloud's audit trail who deleted it. Make it anew with the same material: `keystead key recreate {key} --dry-run` says what comes back and what does not."
            ),
            Self::DriftHostile | Self::DriftOpen => format!("See what differs, and the way out: `keystead drift list --key {key}`."),
            Self::Expired => {
                format!("`keystead key upload {key}` brings its material back, for the same span again; `keystead key renew {key}` makes a successor.")
            }
            Self::NotUsable => format!("Look at the cloud's word with `keystead key show {key}`; `keystead key upload {key}` brings its material back."),
            Self::EndNear => format!("Move its end with `keystead key update {key} --expires 90d`, or renew it with `keystead key renew {key}`."),
            Self::OperationWaits => format!("See why: `keystead operation list --key {key}`."),
            Self::KeystoreOutOfReach => format!("See why: `keystead keystore show {keystore}`."),
        }
    }
}
