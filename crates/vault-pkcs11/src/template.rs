//! The attributes of every key that is made, unwrapped or brought in. Each use is said, those that are not meant with *false*: a module's defaults are its own.

use cryptoki::object::{Attribute, KeyType, ObjectClass};
use keystead_domain::{KeyFamily, KeySpec};
use keystead_vault::{AccountPart, Purpose, RootId};

/// Length of an account's MAC key, and of AES-256, in bytes.
pub(crate) const KEY_LEN: u64 = 32;

/// What a key may be used for.
#[derive(Default)]
struct Uses {
    encrypt: bool,
    decrypt: bool,
    wrap: bool,
    unwrap: bool,
    sign: bool,
}

fn uses(purpose: Purpose) -> Uses {
    match purpose {
        Purpose::Material(spec) => match spec.family() {
            KeyFamily::Aes => Uses { encrypt: true, ..Uses::default() },
            KeyFamily::Hmac | KeyFamily::Rsa | KeyFamily::Ec => Uses { sign: true, ..Uses::default() },
        },
        Purpose::Unwrapping | Purpose::UnwrappingPair => Uses { unwrap: true, ..Uses::default() },
        Purpose::Checking => Uses { sign: true, ..Uses::default() },
        Purpose::Account => Uses { encrypt: true, decrypt: true, ..Uses::default() },
        Purpose::Document => Uses::default(),
        Purpose::AccountMac => Uses { sign: true, ..Uses::default() },
        Purpose::Transport => Uses { wrap: true, ..Uses::default() },
    }
}

/// Class and type of a key.
fn kind(purpose: Purpose) -> (ObjectClass, KeyType) {
    match purpose {
        Purpose::Material(spec) => match spec.family() {
            KeyFamily::Aes => (ObjectClass::SECRET_KEY, KeyType::AES),
            KeyFamily::Hmac => (ObjectClass::SECRET_KEY, KeyType::GENERIC_SECRET),
            KeyFamily::Rsa => (ObjectClass::PRIVATE_KEY, KeyType::RSA),
            KeyFamily::Ec => (ObjectClass::PRIVATE_KEY, KeyType::EC),
        },
        Purpose::AccountMac | Purpose::Document => (ObjectClass::SECRET_KEY, KeyType::GENERIC_SECRET),
        Purpose::UnwrappingPair => (ObjectClass::PRIVATE_KEY, KeyType::RSA),
        Purpose::Unwrapping | Purpose::Checking | Purpose::Account | Purpose::Transport => (ObjectClass::SECRET_KEY, KeyType::AES),
    }
}

/// A key of a job: sensitive, and to be taken out wrapped only.
pub(crate) fn key(purpose: Purpose) -> Vec<Attribute> {
    let ((class, key_type), uses) = (kind(purpose), uses(purpose));
    let mut template = vec![
        Attribute::Class(class),
        Attribute::KeyType(key_type),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(true),
        Attribute::Decrypt(uses.decrypt),
        Attribute::Unwrap(uses.unwrap),
        Attribute::Sign(uses.sign),
    ];
    if class == ObjectClass::SECRET_KEY {
        template.extend([Attribute::Encrypt(uses.encrypt), Attribute::Wrap(uses.wrap), Attribute::Verify(false)]);
    }
    template
}

/// An account's key that a session keeps: used there, and never taken out again.
pub(crate) fn kept(part: AccountPart) -> Vec<Attribute> {
    let purpose = match part {
        AccountPart::Sealing => Purpose::Account,
        AccountPart::Mac => Purpose::AccountMac,
    };
    let mut template = key(purpose);
    for attribute in &mut template {
        if matches!(attribute, Attribute::Extractable(_)) {
            *attribute = Attribute::Extractable(false);
        }
    }
    template
}

/// Length of a secret key that is made, in bytes.
pub(crate) fn len(purpose: Purpose) -> u64 {
    match purpose {
        Purpose::Material(spec) => spec.material_len().map_or(KEY_LEN, |len| len as u64),
        _ => KEY_LEN,
    }
}

/// The kind of pair that a purpose asks for.
pub(crate) const fn pair(purpose: Purpose) -> Option<KeySpec> {
    match purpose {
        Purpose::Material(spec) if spec.is_pair() => Some(spec),
        Purpose::UnwrappingPair => Some(KeySpec::Rsa4096),
        _ => None,
    }
}

/// The public half of a pair that is made. It does in the module what shows that the private half is the other; that of a pair which unwraps does nothing there.
pub(crate) fn public(purpose: Purpose, spec: KeySpec) -> Vec<Attribute> {
    let verifies = matches!(purpose, Purpose::Material(_));
    let mut template = vec![Attribute::Token(false), Attribute::Private(false), Attribute::Verify(verifies), Attribute::Encrypt(false), Attribute::Wrap(false)];
    match (spec.modulus_bits(), curve(spec)) {
        (Some(bits), _) => template.extend([Attribute::ModulusBits((bits as u64).into()), Attribute::PublicExponent(vec![1, 0, 1])]),
        (_, Some(curve)) => template.push(Attribute::EcParams(curve.to_vec())),
        (None, None) => {}
    }
    template
}

/// A foreign RSA public key that wraps.
pub(crate) fn recipient(modulus: &[u8], exponent: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::RSA),
        Attribute::Token(false),
        Attribute::Private(false),
        Attribute::Wrap(true),
        Attribute::Encrypt(false),
        Attribute::Verify(false),
        Attribute::Modulus(modulus.to_vec()),
        Attribute::PublicExponent(exponent.to_vec()),
    ]
}

/// Which of a root's two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootUse {
    Wrapping,
    Sealing,
}

impl RootUse {
    /// The key's CKA_ID: the root's name, and one byte.
    pub(crate) fn id(self, root: RootId) -> Vec<u8> {
        let last = match self {
            Self::Wrapping => b'w',
            Self::Sealing => b's',
        };
        [&root.0[..], &[last]].concat()
    }

    /// What people see of it in the token's list. The id's beginning tells the roots of two vaults apart.
    fn label(self, root: RootId) -> String {
        format!("{root}, {}", self.as_str())
    }

    /// What it does, as the end of a sentence.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Wrapping => "wraps keys",
            Self::Sealing => "seals records",
        }
    }
}

/// What keeps a root's key where it is beyond its template, where the module knows the attributes; those that fewer modules know stand behind.
pub(crate) static ROOT_STAYS: [Attribute; 3] = [Attribute::Derive(false), Attribute::Copyable(false), Attribute::Destroyable(false)];
/// The same for one that comes out of its copy. What cannot be modified stands last: SoftHSM2 sets what it unwraps attribute by attribute, and none behind that one.
pub(crate) static RESTORED_STAYS: [Attribute; 4] =
    [Attribute::Derive(false), Attribute::Copyable(false), Attribute::Destroyable(false), Attribute::Modifiable(false)];

/// A key of a root, but for its length and whether it can be modified, which is said where one is made: in the token for good, never to be taken out, and either for keys or
/// for bytes.
pub(crate) fn root(id: RootId, of: RootUse) -> Vec<Attribute> {
    let is_wrapping = of == RootUse::Wrapping;
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Label(of.label(id).into_bytes()),
        Attribute::Id(of.id(id)),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Wrap(is_wrapping),
        Attribute::Unwrap(is_wrapping),
        Attribute::Encrypt(!is_wrapping),
        Attribute::Decrypt(!is_wrapping),
        Attribute::Sign(false),
        Attribute::Verify(false),
    ]
}

/// The same for the session alone: to see whether the module makes it.
pub(crate) fn rehearsed(id: RootId, of: RootUse) -> Vec<Attribute> {
    let of_the_session = |attribute| if matches!(attribute, Attribute::Token(_)) { Attribute::Token(false) } else { attribute };
    root(id, of).into_iter().map(of_the_session).collect()
}

/// How the label of every root's key begins.
pub(crate) const ROOT_LABEL: &str = "Keystead root ";

/// How keys are found that may be those of a root.
pub(crate) fn any_root() -> Vec<Attribute> {
    vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES), Attribute::Token(true)]
}

/// How a root's key is found.
pub(crate) fn root_search(id: RootId, of: RootUse) -> Vec<Attribute> {
    vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true), Attribute::Id(of.id(id))]
}

/// The curve's object identifier in DER (RFC 5480, section 2.1.1.1; SEC 2, appendix A.2.1).
const fn curve(spec: KeySpec) -> Option<&'static [u8]> {
    match spec {
        KeySpec::EcP256 => Some(&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
        KeySpec::EcP384 => Some(&[6, 5, 0x2b, 0x81, 4, 0, 0x22]),
        KeySpec::EcP521 => Some(&[6, 5, 0x2b, 0x81, 4, 0, 0x23]),
        KeySpec::EcSecp256k1 => Some(&[6, 5, 0x2b, 0x81, 4, 0, 0x0a]),
        _ => None,
    }
}

/// Length of a point in bytes, uncompressed.
pub(crate) const fn point_len(spec: KeySpec) -> Option<usize> {
    match spec {
        KeySpec::EcP256 | KeySpec::EcSecp256k1 => Some(65),
        KeySpec::EcP384 => Some(97),
        KeySpec::EcP521 => Some(133),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_root_never_leave_and_neither_does_both() {
        for of in [RootUse::Wrapping, RootUse::Sealing] {
            let template = root(RootId([1; 16]), of);
            for must in [Attribute::Extractable(false), Attribute::Sensitive(true), Attribute::Token(true)] {
                assert!(template.contains(&must), "{must:?}");
            }
            let wraps = template.contains(&Attribute::Wrap(true)) || template.contains(&Attribute::Unwrap(true));
            let opens = template.contains(&Attribute::Encrypt(true)) || template.contains(&Attribute::Decrypt(true));
            assert!(wraps != opens, "{of:?}");
        }
    }

    #[test]
    fn the_label_of_a_root_tells_it_from_another() {
        assert_eq!(RootUse::Wrapping.label(RootId([0xa5; 16])), "Keystead root a5a5a5a5, wraps keys");
        assert!(RootUse::Wrapping.label(RootId([0xa5; 16])).starts_with(ROOT_LABEL));
        assert_eq!(RootUse::Sealing.label(RootId([1; 16])), "Keystead root 01010101, seals records");
    }

    #[test]
    fn a_key_that_a_session_keeps_cannot_be_taken_out() {
        for part in [AccountPart::Sealing, AccountPart::Mac] {
            let template = kept(part);
            for must in [Attribute::Extractable(false), Attribute::Sensitive(true), Attribute::Token(false), Attribute::Unwrap(false), Attribute::Wrap(false)] {
                assert!(template.contains(&must), "{must:?}");
            }
            assert!(!template.contains(&Attribute::Extractable(true)));
        }
    }

    #[test]
    fn every_key_of_a_job_is_sensitive_and_does_not_outlive_it() {
        let purposes =
            [Purpose::Document, Purpose::Unwrapping, Purpose::UnwrappingPair, Purpose::Checking, Purpose::Account, Purpose::AccountMac, Purpose::Transport];
        for purpose in purposes.into_iter().chain(KeySpec::ALL.map(Purpose::Material)) {
            let template = key(purpose);
            assert!(template.contains(&Attribute::Sensitive(true)) && template.contains(&Attribute::Token(false)), "{purpose:?}");
            let (wraps, opens) = (template.contains(&Attribute::Wrap(true)), template.contains(&Attribute::Decrypt(true)));
            assert!(!(wraps && opens), "{purpose:?}");
        }
    }
}
