//! A key that its cloud no longer has is made anew with the same material: what of the old one comes back by that, and what is lost for good.

use super::spec::{KeySpec, KeyUsage};

/// What a cloud never gives back, whatever the key was for.
const LOST: [&str; 3] = [
    "The old ARN and key id: what names the key by them, and not by an alias, has to be changed.",
    "Its grants: make them anew where they are still wanted.",
    "The old key's history in the cloud's audit trail stays with the old ARN.",
];

/// What cannot come back of a key of this kind and use, each as a sentence.
pub fn lost(spec: KeySpec, usage: KeyUsage) -> Vec<&'static str> {
    let ciphertexts = (usage == KeyUsage::Encrypt && !spec.is_pair()).then_some(
        "What was encrypted under the old key: its ciphertexts name the old key, and AWS opens them with no other, not even with one that has the same material.",
    );
    ciphertexts.into_iter().chain(LOST).collect()
}

/// What works again with a key of this kind and use, each as a sentence.
pub fn regained(spec: KeySpec, usage: KeyUsage) -> Vec<&'static str> {
    let aliases = "The aliases: what encrypts or asks by alias goes on with the new key.";
    let by_use = match usage {
        KeyUsage::Encrypt if spec.is_pair() => "What was encrypted with the public half: the new key opens it, if the request names the new key.",
        KeyUsage::Encrypt => "What was encrypted outside the cloud's own format: the material is the same.",
        KeyUsage::Sign => "Signatures: the public half is the same, so that old signatures verify, and new ones do with the old public half.",
        KeyUsage::Mac => "Message authentication codes: the old ones verify, if the request names the new key.",
        KeyUsage::KeyAgreement => "Shared secrets: with the same other half they are the same.",
    };
    vec![aliases, by_use]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric ciphertext is the one thing that nobody must be promised.
    #[test]
    fn what_was_encrypted_symmetrically_is_lost_and_nothing_else_by_its_use() {
        for spec in KeySpec::ALL {
            for usage in spec.usages() {
                let (lost, regained) = (lost(spec, *usage), regained(spec, *usage));
                let is_symmetric = *usage == KeyUsage::Encrypt && !spec.is_pair();
                assert_eq!(lost.iter().any(|what| what.contains("ciphertexts")), is_symmetric, "{spec:?} {usage:?}");
                assert!(lost.len() >= 3 && regained.len() == 2, "{spec:?} {usage:?}");
                assert!(lost.iter().chain(&regained).all(|what| what.ends_with('.')), "{spec:?} {usage:?}");
            }
        }
    }
}
