//! The way out of a module: material wrapped inside under a foreign RSA key. PKCS#11's one-call form of RSA-AES-KWP exists in few modules; it is composed of two
//! wraps here, so that a module needs OAEP and KWP only.

use std::sync::Arc;

use keystead_domain::{Hash, KeySpec, WrapMethod};

use super::{ModuleRoot, material::Piece};
use crate::{
    Abilities, HsmError, HsmKey, HsmSession, Purpose, Random, SecretBytes, VaultError, WayAround, der,
    hazmat::{key_wrap, pair, rsa::Recipient},
    safe::{import, wrap},
    secret::Secret,
};

impl ModuleRoot {
    /// By which method material of this kind goes to a cloud: the one that is preferred, the same with SHA-1 where the module has no other, or the preferred one
    /// on the host where that is allowed.
    pub(crate) fn method(&self, spec: KeySpec, preferred: WrapMethod) -> Result<WrapMethod, VaultError> {
        choose(self.abilities(), spec, preferred).map_err(VaultError::from)
    }

    /// What [`wrap`](Self::wrap) does for want of something better.
    pub(crate) fn way_around(&self, spec: KeySpec, method: WrapMethod) -> Option<WayAround> {
        (!can_inside(self.abilities(), spec, method)).then_some(WayAround::HostWrap)
    }

    /// Wraps what is held under a foreign key.
    pub(crate) fn wrap(&self, held: Piece, to: Recipient, method: WrapMethod, random: Arc<dyn Random>) -> Result<Vec<u8>, VaultError> {
        let spec = held.spec;
        if can_inside(self.abilities(), spec, method) {
            return self.run(move |session| {
                let key = held.carried(session)?;
                Ok(wrap_inside(session, key, &to, method)?)
            });
        }
        if !can_on_the_host(self.abilities()) {
            return Err(falls_short(spec, method).into());
        }
        let material = self.reveal(held, random.clone())?;
        wrap::on_the_host(&to, method, &material, random.as_ref())
    }

    /// The way around `host-wrap`: what is held, in the host's memory. Whoever asks has looked whether it is allowed.
    fn reveal(&self, held: Piece, random: Arc<dyn Random>) -> Result<SecretBytes, VaultError> {
        let spec = held.spec;
        self.run(move |session| {
            let key = held.carried(session)?;
            reveal(session, key, spec, random.as_ref())
        })
    }

    /// The same for a key that moves to a module which would not read what this one wraps.
    pub(super) fn reveal_for_a_move(&self, held: Piece, random: Arc<dyn Random>) -> Result<SecretBytes, VaultError> {
        if can_on_the_host(self.abilities()) {
            return self.reveal(held, random);
        }
        let what = format!("puts zeros behind {} when it wraps it, and no other module reads that", held.spec.as_str());
        let mend = "Set allow = [\"host-wrap\"] for it under [hsm] until the root has moved: then the host hands such keys over, and sees them.".to_owned();
        Err(HsmError::Cannot { what, mend }.into())
    }
}

/// Under which way around a key of this kind lives, for its birth record: when its material meets the host.
pub(super) fn way_around(abilities: &Abilities, spec: KeySpec) -> Option<&'static str> {
    let person = wrap::export_method(spec);
    let to_a_cloud = [person, with_sha1(person)].into_iter().any(|method| can_inside(abilities, spec, method));
    match (can_on_the_host(abilities), to_a_cloud, can_inside(abilities, spec, person)) {
        (false, ..) | (true, true, true) => None,
        (true, true, false) => Some("host-wrap: while this key is exported to a person, the host has its material in memory"),
        (true, false, _) => Some("host-wrap: while this key is wrapped for a cloud or a person, the host has its material in memory"),
    }
}

fn choose(abilities: &Abilities, spec: KeySpec, preferred: WrapMethod) -> Result<WrapMethod, HsmError> {
    let inside = [preferred, with_sha1(preferred)].into_iter().find(|method| can_inside(abilities, spec, *method));
    inside.or(can_on_the_host(abilities).then_some(preferred)).ok_or_else(|| falls_short(spec, preferred))
}

const fn with_sha1(method: WrapMethod) -> WrapMethod {
    match method {
        WrapMethod::RsaOaep(_) => WrapMethod::RsaOaep(Hash::Sha1),
        WrapMethod::RsaAesKwp(_) => WrapMethod::RsaAesKwp(Hash::Sha1),
    }
}

fn can_inside(abilities: &Abilities, spec: KeySpec, method: WrapMethod) -> bool {
    match method {
        // A private key is longer than what most modules put into one block of RSA, and few take it there at all.
        WrapMethod::RsaOaep(hash) => !spec.is_pair() && abilities.oaep.contains(&hash) && !abilities.spoils(spec),
        WrapMethod::RsaAesKwp(hash) => abilities.oaep.contains(&hash) && abilities.wraps_by_rfc_5649 && !abilities.spoils(spec),
    }
}

fn can_on_the_host(abilities: &Abilities) -> bool {
    abilities.allow.contains(&WayAround::HostWrap) && abilities.wraps_by_rfc_5649
}

/// Whether a key of this kind could go to a cloud from a module that can so much: one that could not would be locked in there.
pub(super) fn lets_out(abilities: &Abilities, spec: KeySpec) -> bool {
    choose(abilities, spec, wrap::export_method(spec)).is_ok()
}

fn falls_short(spec: KeySpec, method: WrapMethod) -> HsmError {
    HsmError::Cannot {
        what: format!("cannot wrap {} by {} in a form that others read", spec.as_str(), method.as_str()),
        mend:
            "`keystead doctor hsm` says what it lacks. Choose another kind of key or another module, or set allow = [\"host-wrap\"] under [hsm]: then the host \
               wraps, and has the material in its memory while it does."
                .to_owned(),
    }
}

fn wrap_inside(session: &dyn HsmSession, key: HsmKey, to: &Recipient, method: WrapMethod) -> Result<Vec<u8>, HsmError> {
    let numbers = der::read_spki(to.spki()).map_err(|error| HsmError::Refused(error.to_string()))?;
    match method {
        WrapMethod::RsaOaep(hash) => session.oaep(numbers.modulus, numbers.exponent, hash, key),
        WrapMethod::RsaAesKwp(hash) => {
            let transport = session.generate(Purpose::Transport)?.key;
            let mut wrapped = session.oaep(numbers.modulus, numbers.exponent, hash, transport)?;
            wrapped.extend(session.wrap(transport, key)?);
            Ok(wrapped)
        }
    }
}

/// The way around `host-wrap`: the module wraps under a key that the host knows. What comes out is in the form that the software root has it, without zeros
/// behind it.
fn reveal(session: &dyn HsmSession, key: HsmKey, spec: KeySpec, random: &dyn Random) -> Result<SecretBytes, VaultError> {
    let transport = Secret::<32>::init_with(|bytes| random.fill(bytes));
    let under = session.bring_in(transport.expose(), Purpose::Transport)?;
    let wrapped = session.wrap(under, key)?;
    let strange = || HsmError::Refused("what it wrapped is not what it holds".to_owned());
    let (material, _) = key_wrap::unwrap(transport.expose(), &wrapped).ok_or_else(strange)?;
    let material = import::trimmed(spec, material);
    if spec.is_pair() {
        pair::read(spec, material.expose()).ok_or_else(strange)?;
        return Ok(material);
    }
    let len = spec.material_len().filter(|len| material.expose().iter().skip(*len).all(|byte| *byte == 0)).ok_or_else(strange)?;
    if material.len() < len { Err(strange().into()) } else { Ok(material.shortened(len)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AES: KeySpec = KeySpec::Aes256;
    const EC: KeySpec = KeySpec::EcP256;
    const OAEP: WrapMethod = WrapMethod::RsaOaep(Hash::Sha256);
    const KWP: WrapMethod = WrapMethod::RsaAesKwp(Hash::Sha256);

    fn abilities(oaep: &[Hash], pads: bool, allow: &[WayAround]) -> Abilities {
        Abilities { makes: KeySpec::ALL.to_vec(), oaep: oaep.to_vec(), unwraps_oaep: oaep.to_vec(), wraps_by_rfc_5649: true, pads, allow: allow.to_vec() }
    }

    #[test]
    fn what_the_module_can_is_done_inside_with_the_better_hash() {
        let whole = abilities(&[Hash::Sha1, Hash::Sha256], false, &[WayAround::HostWrap]);
        for (spec, method) in [(AES, OAEP), (EC, KWP), (KeySpec::Rsa4096, KWP)] {
            assert_eq!(choose(&whole, spec, method), Ok(method));
            assert!(can_inside(&whole, spec, method));
        }
    }

    #[test]
    fn sha_1_comes_before_the_host() {
        let older = abilities(&[Hash::Sha1], false, &[WayAround::HostWrap]);
        assert_eq!(choose(&older, AES, OAEP), Ok(WrapMethod::RsaOaep(Hash::Sha1)));
        assert_eq!(choose(&older, EC, KWP), Ok(WrapMethod::RsaAesKwp(Hash::Sha1)));
    }

    #[test]
    fn what_the_module_cannot_is_refused_unless_the_host_may() {
        let pads = || abilities(&[Hash::Sha1], true, &[]);
        for (lacking, spec) in [(pads(), EC), (pads(), KeySpec::Hmac224), (abilities(&[], false, &[]), AES)] {
            let refused = choose(&lacking, spec, KWP).expect_err("off by default");
            assert!(matches!(&refused, HsmError::Cannot { mend, .. } if mend.contains("host-wrap")), "{refused:?}");
            let allowed = Abilities { allow: vec![WayAround::HostWrap], ..lacking };
            assert_eq!(choose(&allowed, spec, KWP), Ok(KWP));
            assert!(!can_inside(&allowed, spec, KWP), "and it is told apart");
        }
    }

    #[test]
    fn the_birth_record_says_when_the_material_meets_the_host() {
        let says = |oaep: &[Hash], pads, allow: &[WayAround], spec| way_around(&abilities(oaep, pads, allow), spec).unwrap_or_default();
        let allow = &[WayAround::HostWrap];
        assert_eq!(says(&[Hash::Sha1, Hash::Sha256], false, allow, EC), "", "allowed, and never needed");
        assert_eq!(says(&[Hash::Sha1], true, &[], EC), "", "needed, and not allowed");
        assert!(says(&[Hash::Sha1], true, allow, AES).contains("exported to a person"), "SHA-1 is for clouds alone");
        assert!(says(&[Hash::Sha1], true, allow, EC).contains("for a cloud or a person"));
    }
}
