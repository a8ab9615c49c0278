//! Whether a module unwraps what somebody wrapped under its public half: with which hashes, and whether the key that comes out is the one that went in.

use aws_lc_rs::{
    hmac,
    rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents},
};

use super::*;
use keystead_vault::PublicNumbers;

/// A secret that is wrapped for the module: as long as an AES-256 key, and not the same backwards.
const SECRET: [u8; 32] = *b"what the probe wraps for it, 32b";

/// The hashes of RSAES-OAEP with which it unwraps.
pub(super) fn hashes(session: &dyn HsmSession, cloud: &Cloud, known: Option<&Known>) -> Result<Vec<Hash>, HsmError> {
    let Some((private, public)) = pair(session, cloud)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for hash in [Hash::Sha256, Hash::Sha1] {
        let wrapped = wrapped(&public, hash)?;
        if or_not_made(|| unwraps(session, private, hash, &wrapped, known))?.unwrap_or_default() {
            found.push(hash);
        }
    }
    Ok(found)
}

/// A pair of which the module has the private half: the probe's own, brought in, because it is there already; else one that the module makes, which takes it long.
fn pair(session: &dyn HsmSession, cloud: &Cloud) -> Result<Option<(HsmKey, PublicEncryptingKey)>, HsmError> {
    let failed = |_| HsmError::Refused("the probe's pair has no public half".to_owned());
    if let Some(private) = brought_in(session, cloud)? {
        return Ok(Some((private, PublicEncryptingKey::from_der(&cloud.public).map_err(|_| failed(()))?)));
    }
    let Some(made) = or_not_made(|| session.generate(Purpose::UnwrappingPair))? else { return Ok(None) };
    let Some(PublicNumbers::Rsa { modulus, exponent }) = made.public else { return Ok(None) };
    let public = PublicKeyComponents { n: unpadded(&modulus), e: unpadded(&exponent) };
    Ok(Some((made.key, public.try_into().map_err(|_| failed(()))?)))
}

fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn brought_in(session: &dyn HsmSession, cloud: &Cloud) -> Result<Option<HsmKey>, HsmError> {
    let mut value = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *value).map_err(|_| HsmError::Refused("no randomness for the probe".to_owned()))?;
    let Some(under) = or_not(|| session.bring_in(&value, Purpose::Unwrapping))? else { return Ok(None) };
    let mut room = vec![0; cloud.document.len() + 15];
    let kek = AesKek::new(&AES_256, &*value).map_err(|_| HsmError::Refused("no key for the probe".to_owned()))?;
    let wrapped = kek.wrap_with_padding(&cloud.document, &mut room).map_err(|_| HsmError::Refused("no wrapping for the probe".to_owned()))?;
    or_not_made(|| session.unwrap(under, wrapped, Purpose::UnwrappingPair))
}

fn wrapped(public: &PublicEncryptingKey, hash: Hash) -> Result<Vec<u8>, HsmError> {
    let failed = || HsmError::Refused("the probe cannot wrap".to_owned());
    let public = OaepPublicEncryptingKey::new(public.clone()).map_err(|_| failed())?;
    let algorithm = if hash == Hash::Sha1 { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
    let mut room = vec![0; public.ciphertext_size()];
    Ok(public.encrypt(algorithm, &SECRET, &mut room, None).map_err(|_| failed())?.to_vec())
}

/// Whether what comes out is the secret: it answers as the secret does, and is as long. An HMAC does not tell zeros behind a short key from none, and not every module
/// says how long a key is that it unwrapped; so it is wrapped once more and looked at, where there is a key to wrap it under.
fn unwraps(session: &dyn HsmSession, private: HsmKey, hash: Hash, wrapped: &[u8], known: Option<&Known>) -> Result<bool, HsmError> {
    let key = session.unwrap_oaep(private, hash, wrapped, Purpose::Material(KeySpec::Hmac256))?;
    let answer = session.mac(key, Mac::Sha256, b"text")?;
    let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), b"text");
    let seen = known.map(|(under, value)| Ok::<_, HsmError>(unwrapped(value, &session.wrap(*under, key)?))).transpose()?.flatten();
    let is_as_long = match seen {
        Some(secret) => *secret == SECRET,
        None => session.len(key)?.is_none_or(|len| len == SECRET.len()),
    };
    session.forget(key);
    Ok(answer == expected.as_ref() && is_as_long)
}

/// What `keystead doctor hsm` says of it.
pub(super) fn finding(abilities: &Abilities) -> Finding {
    let (found, so) = match abilities.unwraps_oaep.as_slice() {
        [Hash::Sha256, Hash::Sha1] => ("OAEP with SHA-256 and with SHA-1", "Keys that others wrapped under an RSA pair of the vault are unwrapped inside."),
        [Hash::Sha256] => ("OAEP with SHA-256", "Keys that others wrapped under an RSA pair of the vault are unwrapped inside, with SHA-256."),
        [_, ..] => ("OAEP with SHA-1 only", "Keys that others wrap under an RSA pair of the vault must be wrapped with SHA-1; they are unwrapped inside."),
        [] => ("no OAEP that others make", "Keys that others wrapped under an RSA pair of the vault cannot be brought in."),
    };
    super::finding("unwrapping by RSA", abilities.unwraps_oaep.contains(&Hash::Sha256), found, so)
}
