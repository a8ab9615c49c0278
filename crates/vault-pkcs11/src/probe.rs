//! What a module can, found out by letting it: wrapped as for a cloud, and opened as a cloud would. What it lists is told beside that.

mod unwrapping;

use std::time::{Duration, Instant};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    key_wrap::{AES_256, AesKek, KeyWrapPadded as _},
    rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use cryptoki_sys::CK_MECHANISM_TYPE;
use keystead_domain::{Hash, KeyFamily, KeySpec};
use keystead_vault::{Abilities, HsmError, HsmKey, HsmSession, Mac, Origin, Purpose, der};
use zeroize::Zeroizing;

use crate::classify;

/// Finds out what a module can. What it makes for this ends with the job.
///
/// # Errors
/// [`HsmError::Cannot`] for what Keystead cannot do without; [`HsmError`] when the module is away.
pub(crate) fn abilities(session: &dyn HsmSession) -> Result<Abilities, HsmError> {
    seals(session)?;
    let cloud = Cloud::new()?;
    let oaep = [Hash::Sha256, Hash::Sha1].into_iter();
    let oaep = gather(oaep, |hash| Ok(cloud.opens(session, hash, session.generate(Purpose::Transport)?.key)?.is_some()))?;
    let known = known_key(session, &cloud, &oaep)?;
    let unwraps_oaep = unwrapping::hashes(session, &cloud, known.as_ref())?;
    let (wraps_by_rfc_5649, pads) = match known {
        Some((key, value)) => wraps(session, key, &value)?,
        None => (false, false),
    };
    let mut makes = gather(KeySpec::ALL.into_iter().filter(|spec| !is_large(*spec)), |spec| Ok(or_not_made(|| makes(session, spec))?.unwrap_or_default()))?;
    if makes.contains(&KeySpec::Rsa2048) {
        makes.extend(KeySpec::ALL.into_iter().filter(|spec| is_large(*spec)));
    }
    Ok(Abilities { makes, oaep, unwraps_oaep, wraps_by_rfc_5649, pads, allow: Vec::new() })
}

/// Those for which the answer is yes. That a module cannot is an answer; that it is away, or did not this time, is not.
fn gather<T: Copy>(all: impl Iterator<Item = T>, can: impl Fn(T) -> Result<bool, HsmError>) -> Result<Vec<T>, HsmError> {
    let mut found = Vec::new();
    for one in all {
        if or_not(|| can(one))?.unwrap_or_default() {
            found.push(one);
        }
    }
    Ok(found)
}

/// Tries a thing. Only what says that the module cannot is taken for that; another refusal is tried once more, and then there is no telling what it can.
fn or_not<T>(work: impl Fn() -> Result<T, HsmError>) -> Result<Option<T>, HsmError> {
    let tried = work();
    let tried = if matches!(&tried, Err(error) if !classify::is_never(error) && !error.passes()) { work() } else { tried };
    match tried {
        Ok(done) => Ok(Some(done)),
        Err(error) if classify::is_never(&error) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Tries to make a kind of key. Modules say in many ways that they have a curve not (kryoptic: a general error), so a refusal that is repeated is taken for that: the
/// worst that comes of it is that this kind is refused, in words, until the next opening.
fn or_not_made<T>(work: impl Fn() -> Result<T, HsmError>) -> Result<Option<T>, HsmError> {
    match or_not(work) {
        Err(HsmError::Refused(_)) => Ok(None),
        other => other,
    }
}

/// Without this there is no vault.
fn seals(session: &dyn HsmSession) -> Result<(), HsmError> {
    let lacking = |what: &str| HsmError::Cannot { what: what.to_owned(), mend: "Keystead needs it. Choose another module.".to_owned() };
    let key = session.generate(Purpose::Account)?.key;
    let (nonce, aad, text) = ([7; 12], b"beside it", b"a text");
    let sealed = or_not(|| session.seal(key, nonce, aad, text))?.ok_or_else(|| lacking("has no AES-GCM (CKM_AES_GCM)"))?;
    let opened = session.open(key, nonce, aad, &sealed)?;
    let other = match session.open(key, nonce, b"something else", &sealed) {
        Err(HsmError::Unauthentic) => None,
        other => Some(other?),
    };
    if opened.expose() != text || other.is_some() {
        return Err(lacking("opens AES-GCM wrongly"));
    }
    let mac = session.generate(Purpose::AccountMac)?.key;
    or_not(|| session.mac(mac, Mac::Sha256, text))?.ok_or_else(|| lacking("has no HMAC-SHA-256 (CKM_SHA256_HMAC)")).map(drop)
}

/// The other side of a wrapping: an RSA pair that lives as long as the probe.
struct Cloud {
    private: OaepPrivateDecryptingKey,
    /// The same private half as PKCS#8.
    document: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl Cloud {
    fn new() -> Result<Self, HsmError> {
        let failed = |_| HsmError::Refused("no RSA pair for the probe".to_owned());
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(failed)?;
        let public = private.public_key().as_der().map_err(failed)?.as_ref().to_vec();
        let document: Pkcs8V1Der<'_> = private.as_der().map_err(failed)?;
        let document = Zeroizing::new(document.as_ref().to_vec());
        Ok(Self { private: OaepPrivateDecryptingKey::new(private).map_err(failed)?, document, public })
    }

    fn wrapped(&self, session: &dyn HsmSession, hash: Hash, key: HsmKey) -> Result<Vec<u8>, HsmError> {
        let numbers = der::read_spki(&self.public).map_err(|error| HsmError::Refused(error.to_string()))?;
        session.oaep(numbers.modulus, numbers.exponent, hash, key)
    }

    /// The key, if it was wrapped as the standard says: OAEP notices when it was not.
    fn opens(&self, session: &dyn HsmSession, hash: Hash, key: HsmKey) -> Result<Option<Zeroizing<Vec<u8>>>, HsmError> {
        let wrapped = self.wrapped(session, hash, key)?;
        let mut room = Zeroizing::new(vec![0; wrapped.len()]);
        let algorithm = if hash == Hash::Sha1 { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
        let opened = self.private.decrypt(algorithm, &wrapped, &mut room, None);
        Ok(opened.ok().filter(|key| key.len() == 32).map(|key| Zeroizing::new(key.to_vec())))
    }
}

/// A key of the session, and its value.
type Known = (HsmKey, Zeroizing<Vec<u8>>);

/// A key that wraps, and its value: brought in, or else taken out as a cloud would. It wraps nothing but what the probe makes.
fn known_key(session: &dyn HsmSession, cloud: &Cloud, oaep: &[Hash]) -> Result<Option<Known>, HsmError> {
    let mut value = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *value).map_err(|_| HsmError::Refused("no randomness for the probe".to_owned()))?;
    if let Some(key) = or_not(|| session.bring_in(&value, Purpose::Transport))? {
        return Ok(Some((key, Zeroizing::new(value.to_vec()))));
    }
    let Some(hash) = oaep.first() else { return Ok(None) };
    let key = session.generate(Purpose::Transport)?.key;
    Ok(cloud.opens(session, *hash, key)?.map(|value| (key, value)))
}

/// Whether its wrapping is AES-KWP, and whether it puts zeros behind what is no multiple of eight bytes.
fn wraps(session: &dyn HsmSession, under: HsmKey, value: &[u8]) -> Result<(bool, bool), HsmError> {
    let through = |spec| {
        let Some(made) = or_not_made(|| session.generate(Purpose::Material(spec)))? else { return Ok(Through::NotMade) };
        let wrapped = or_not(|| session.wrap(under, made.key))?;
        Ok::<_, HsmError>(wrapped.and_then(|wrapped| unwrapped(value, &wrapped)).map_or(Through::Lost, Through::Opened))
    };
    let is_kwp = matches!(through(KeySpec::Hmac256)?, Through::Opened(secret) if secret.len() == 32);
    let pads_secrets = through(KeySpec::Hmac224)?.is_spoilt(|secret| secret.len() == 28);
    let pads_pairs = through(KeySpec::EcP256)?.is_spoilt(|document| der::document_len(document) == Some(document.len()));
    Ok((is_kwp, pads_secrets || pads_pairs))
}

/// What became of a key that was to be made, wrapped and opened as a cloud would.
enum Through {
    /// The module does not make this kind.
    NotMade,
    /// It is made, but is not wrapped, or its wrapping does not open.
    Lost,
    Opened(Zeroizing<Vec<u8>>),
}

impl Through {
    /// Whether a kind of key that is made does not come out as it should. One that does not come out at all was not seen to be fine.
    fn is_spoilt(&self, is_whole: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::NotMade => false,
            Self::Lost => true,
            Self::Opened(material) => !is_whole(material),
        }
    }
}

fn unwrapped(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut room = Zeroizing::new(vec![0; wrapped.len()]);
    let len = AesKek::new(&AES_256, key).ok()?.unwrap_with_padding(wrapped, &mut room).ok()?.len();
    room.truncate(len);
    Some(room)
}

/// RSA pairs of more than 2048 bits take long; a module that makes the smaller is believed.
const fn is_large(spec: KeySpec) -> bool {
    matches!(spec, KeySpec::Rsa3072 | KeySpec::Rsa4096)
}

/// Whether it makes a kind of key, and can show which it is.
fn makes(session: &dyn HsmSession, spec: KeySpec) -> Result<bool, HsmError> {
    let key = session.generate(Purpose::Material(spec))?.key;
    match spec.family() {
        KeyFamily::Aes => session.encrypt_block(key, [0; 16]).map(drop)?,
        KeyFamily::Hmac => session.mac(key, Mac::of(spec), b"text").map(drop)?,
        KeyFamily::Rsa | KeyFamily::Ec => session.sign(key, spec, &[7; 32]).map(drop)?,
    }
    Ok(true)
}

/// How fast a module did something, one session after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Speed {
    /// What.
    pub what: &'static str,
    /// How often in a second; `None` when it cannot.
    pub per_second: Option<f64>,
}

/// So often a thing is done at most when it is measured: each turn asks a module for something.
const TURNS_MAX: u32 = 10_000;

/// Measures what Keystead asks of a module, each for about this long. What a turn makes is destroyed with it.
pub(crate) fn measure(session: &dyn HsmSession, each: Duration) -> Vec<Speed> {
    let cloud = Cloud::new().ok();
    let key = |purpose| session.generate(purpose).map(|made| made.key);
    let once = |spec| key(Purpose::Material(spec)).map(|made| session.forget(made));
    let (account, transport, material) = (key(Purpose::Account), key(Purpose::Transport), key(Purpose::Material(KeySpec::Aes256)));
    let both = || Ok::<_, HsmError>((transport.clone()?, material.clone()?));
    vec![
        speed("make AES_256", each, || once(KeySpec::Aes256)),
        speed("make EC_P256", each, || once(KeySpec::EcP256)),
        speed("make RSA_2048", each, || once(KeySpec::Rsa2048)),
        speed("wrap a key under a key", each, || both().and_then(|(under, key)| session.wrap(under, key)).map(drop)),
        speed("seal 100 bytes", each, || session.seal(account.clone()?, [1; 12], b"", &[0; 100]).map(drop)),
        speed("wrap for a cloud (RSA_2048, OAEP with SHA-256)", each, || wrap_once(session, cloud.as_ref(), Hash::Sha256, material.clone()?)),
        speed("wrap for a cloud (RSA_2048, OAEP with SHA-1)", each, || wrap_once(session, cloud.as_ref(), Hash::Sha1, material.clone()?)),
    ]
}

fn wrap_once(session: &dyn HsmSession, cloud: Option<&Cloud>, hash: Hash, key: HsmKey) -> Result<(), HsmError> {
    let cloud = cloud.ok_or_else(|| HsmError::Refused("no RSA pair for the probe".to_owned()))?;
    cloud.wrapped(session, hash, key).map(drop)
}

fn speed(what: &'static str, each: Duration, work: impl Fn() -> Result<(), HsmError>) -> Speed {
    let (began, mut count) = (Instant::now(), 0_u32);
    while count == 0 || (count < TURNS_MAX && began.elapsed() < each) {
        if work().is_err() {
            return Speed { what, per_second: None };
        }
        count += 1;
    }
    Speed { what, per_second: Some(f64::from(count) / began.elapsed().as_secs_f64()) }
}

/// One thing that was found out, and what it means for Keystead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// Whether the module can all that Keystead wants of it there.
    pub is_whole: bool,
    /// What was found.
    pub found: String,
    /// What Keystead does with it.
    pub so: String,
}

/// What `keystead doctor hsm` tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Token and library.
    pub description: String,
    /// What was found out.
    pub findings: Vec<Finding>,
    /// How fast it is.
    pub speeds: Vec<Speed>,
}

impl Report {
    pub(crate) fn new(description: String, abilities: &Abilities, mechanisms: &[CK_MECHANISM_TYPE], roots: &[(String, Origin)], speeds: Vec<Speed>) -> Self {
        let findings = vec![
            makes_finding(abilities),
            oaep_finding(abilities),
            unwrapping::finding(abilities),
            wrap_finding(abilities),
            padding_finding(abilities),
            listed(mechanisms),
            roots_finding(roots),
        ];
        Self { description, findings, speeds }
    }
}

fn finding(what: &'static str, is_whole: bool, found: impl Into<String>, so: impl Into<String>) -> Finding {
    Finding { what, is_whole, found: found.into(), so: so.into() }
}

fn makes_finding(abilities: &Abilities) -> Finding {
    let names = |makes: bool| KeySpec::ALL.into_iter().filter(|spec| abilities.makes.contains(spec) == makes).map(KeySpec::as_str).collect::<Vec<_>>();
    let (can, cannot) = (names(true).join(", "), names(false).join(", "));
    let so = if cannot.is_empty() { "Keystead makes every kind of key in it.".to_owned() } else { format!("Keystead cannot make {cannot} with it.") };
    finding("kinds of key", cannot.is_empty(), can, so)
}

fn oaep_finding(abilities: &Abilities) -> Finding {
    let (found, so) = match abilities.oaep.as_slice() {
        [Hash::Sha256, ..] => ("OAEP with SHA-256", "Keystead wraps for clouds and people with SHA-256."),
        [_] => (
            "OAEP with SHA-1 only",
            "Keystead wraps for clouds with SHA-1, which they take; an export to a person, by SHA-256, needs the way around host-wrap.",
        ),
        [] | [_, ..] => ("no OAEP that others read", "Nothing is wrapped for a cloud or a person without the way around host-wrap."),
    };
    finding("wrapping by RSA", abilities.oaep.contains(&Hash::Sha256), found, so)
}

fn wrap_finding(abilities: &Abilities) -> Finding {
    let (found, so) = if abilities.wraps_by_rfc_5649 {
        ("AES-KWP as RFC 5649 has it", "Keystead composes RSA-AES-KWP of it, and brings material in by it.")
    } else {
        ("another wrapping than AES-KWP", "Keystead keeps keys by it; pairs go to no cloud, and material cannot be brought in.")
    };
    finding("wrapping by AES", abilities.wraps_by_rfc_5649, found, so)
}

fn padding_finding(abilities: &Abilities) -> Finding {
    let (found, so) = if abilities.pads {
        ("zeros stand behind what is no multiple of eight bytes", "Clouds refuse that: pairs and HMAC_224 go to no cloud without the way around host-wrap.")
    } else {
        ("keys are wrapped as they are", "Every kind of key is wrapped for clouds inside.")
    };
    finding("padding", !abilities.pads, found, so)
}

/// What the module itself says of the roots that it holds. It is its word: only its maker's attestation, which is had by the maker's tools, proves more.
fn roots_finding(roots: &[(String, Origin)]) -> Finding {
    let said = roots.iter().map(|(label, origin)| format!("{label}: {origin}")).collect::<Vec<_>>().join("; ");
    let is_whole = roots.iter().all(|(_, origin)| origin.is_local == Some(true) && origin.never_extractable == Some(true));
    let so = match (roots, is_whole) {
        ([], _) => "There is no root of Keystead in it yet.",
        (_, true) => "By the module's own word they were made in it and could never leave it.",
        (_, false) => "A key that was restored from a copy, or cloned, was not made in this token, and could leave it once.",
    };
    finding("roots", is_whole, if roots.is_empty() { "none".to_owned() } else { said }, so)
}

/// Mechanisms that Keystead knows by name, for whoever talks to the module's maker.
fn listed(mechanisms: &[CK_MECHANISM_TYPE]) -> Finding {
    const KNOWN: [(&str, CK_MECHANISM_TYPE); 13] = [
        ("CKM_AES_KEY_GEN", cryptoki_sys::CKM_AES_KEY_GEN),
        ("CKM_AES_GCM", cryptoki_sys::CKM_AES_GCM),
        ("CKM_AES_ECB", cryptoki_sys::CKM_AES_ECB),
        ("CKM_AES_CMAC", cryptoki_sys::CKM_AES_CMAC),
        ("CKM_AES_KEY_WRAP", cryptoki_sys::CKM_AES_KEY_WRAP),
        ("CKM_AES_KEY_WRAP_PAD", cryptoki_sys::CKM_AES_KEY_WRAP_PAD),
        ("CKM_AES_KEY_WRAP_KWP", cryptoki_sys::CKM_AES_KEY_WRAP_KWP),
        ("CKM_GENERIC_SECRET_KEY_GEN", cryptoki_sys::CKM_GENERIC_SECRET_KEY_GEN),
        ("CKM_SHA256_HMAC", cryptoki_sys::CKM_SHA256_HMAC),
        ("CKM_RSA_PKCS_KEY_PAIR_GEN", cryptoki_sys::CKM_RSA_PKCS_KEY_PAIR_GEN),
        ("CKM_RSA_PKCS_OAEP", cryptoki_sys::CKM_RSA_PKCS_OAEP),
        ("CKM_EC_KEY_PAIR_GEN", cryptoki_sys::CKM_EC_KEY_PAIR_GEN),
        ("CKM_RSA_AES_KEY_WRAP", cryptoki_sys::CKM_RSA_AES_KEY_WRAP),
    ];
    let of = |there: bool| KNOWN.iter().filter(|(_, number)| mechanisms.contains(number) == there).map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    finding("listed mechanisms", true, format!("{} in all; of those that matter: {}", mechanisms.len(), of(true)), format!("It does not list {}.", of(false)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_made_and_does_not_come_out_is_spoilt() {
        let is_whole = |material: &[u8]| material.len() == 28;
        assert!(!Through::NotMade.is_spoilt(is_whole));
        assert!(Through::Lost.is_spoilt(is_whole));
        assert!(Through::Opened(Zeroizing::new(vec![0; 32])).is_spoilt(is_whole));
        assert!(!Through::Opened(Zeroizing::new(vec![0; 28])).is_spoilt(is_whole));
    }

    #[test]
    fn one_refusal_is_not_taken_for_an_inability() {
        let refused = || HsmError::Refused("WrapKey: FunctionRejected".to_owned());
        let turns = Cell::new(0);
        let once = || if turns.replace(turns.get() + 1) == 0 { Err(refused()) } else { Ok(7) };
        assert_eq!(or_not(once), Ok(Some(7)));
        assert_eq!(or_not::<()>(|| Err(refused())), Err(refused()), "there is no telling");
        assert_eq!(or_not::<()>(|| Err(HsmError::Refused("WrapKey: KeyNotWrappable".to_owned()))), Ok(None));
    }

    #[test]
    fn a_measurement_ends_though_the_module_takes_no_time() {
        let turns = Cell::new(0);
        let measured = speed("nothing", Duration::from_secs(600), || {
            turns.set(turns.get() + 1);
            Ok(())
        });
        assert!(measured.per_second.is_some() && turns.get() == TURNS_MAX);
    }
}
