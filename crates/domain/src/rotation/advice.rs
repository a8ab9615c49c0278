//! Where an alias that moves does not help: what people should know before a key is rotated.

use crate::{KeyUsage, key::spec::KeySpec};

/// What the rotation of a key will not do for its users.
pub fn warnings(spec: KeySpec, usage: KeyUsage, has_alias: bool, deactivates: bool) -> Vec<&'static str> {
    let mut said = Vec::new();
    if has_alias {
        said.push("Whoever names the key by its id or ARN, and not by its alias, goes on using the predecessor.");
    } else {
        said.push("The key has no alias: nobody is led to the successor. Give it one, and have applications name the alias.");
    }
    match usage {
        KeyUsage::Encrypt if spec.is_pair() => {
            said.push("Decrypt with the alias does not open what was encrypted under the predecessor's public key: name the predecessor by its ARN.");
        }
        KeyUsage::Encrypt => {}
        KeyUsage::Sign => said.push("Verify with the alias refuses what the predecessor signed: name the predecessor by its ARN, or keep its public key."),
        KeyUsage::Mac => said.push("VerifyMac with the alias refuses what the predecessor made: name the predecessor by its ARN."),
        KeyUsage::KeyAgreement => said.push("Who holds the predecessor's public key agrees on other secrets than the successor: hand out the new public key."),
    }
    if spec.is_pair() {
        said.push("Whoever holds a copy of the public key has the predecessor's: `keystead key public-key` prints the new one.");
    }
    if deactivates {
        said.push(
            "Behind the grace the predecessor is deactivated: what was made under it can then not be opened or verified in AWS until it is activated again.",
        );
    }
    said
}

/// Of a key that has aliases in its cloud which nobody gave it here.
pub const STRANGE_ALIASES: &str = "In its cloud the key has aliases that Keystead does not know as its own, and they stay at the predecessor: `keystead key show` names them, and \
     `keystead key update --add-alias` has them move.";

/// How few rotations in place that are left are told: time enough to give the key an alias, and its users the name.
const FEW: u32 = 3;

/// What the rotation of a key in place will not do, and what it asks for from then on.
pub fn in_place(left: u32, has_alias: bool) -> Vec<&'static str> {
    let mut said = vec![
        "It cannot be undone: the cloud encrypts under the new material from then on, and keeps the old to decrypt.",
        "The key needs every material that it ever had: while the cloud lacks one, it cannot be used. Keystead keeps them all and imports them all again.",
    ];
    if left <= FEW {
        said.push("Few rotations in place are left, and a key has 25 for its whole life: behind them a successor takes over the aliases, and can be rotated in place again.");
    }
    if left <= FEW && !has_alias {
        said.push("The key has no alias that a successor could take over: give it one, and have applications name the alias.");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_is_told_what_an_alias_does_not_do_for_it() {
        for spec in KeySpec::ALL {
            for usage in spec.usages() {
                let said = warnings(spec, *usage, true, false).join(" ");
                assert!(said.contains("ARN"), "{spec:?} {usage:?}");
                let is_harmed = *usage != KeyUsage::Encrypt || spec.is_pair();
                let words = ["Decrypt with", "Verify with", "VerifyMac with", "agrees on"];
                assert_eq!(words.iter().any(|word| said.contains(word)), is_harmed, "{spec:?} {usage:?}");
                assert_eq!(said.contains("public key has"), spec.is_pair(), "{spec:?}");
            }
        }
        assert!(warnings(KeySpec::Aes256, KeyUsage::Encrypt, false, true).join(" ").contains("no alias"));
        assert!(warnings(KeySpec::Aes256, KeyUsage::Encrypt, true, true).join(" ").contains("deactivated"));
    }

    #[test]
    fn the_end_of_rotations_in_place_is_told_before_it_comes() {
        for left in 0..=25 {
            assert_eq!(in_place(left, true).join(" ").contains("successor takes over"), left <= 3, "{left}");
            assert_eq!(in_place(left, false).join(" ").contains("give it one"), left <= 3, "{left}");
        }
        assert!(in_place(25, true).join(" ").contains("cannot be undone"));
    }
}
