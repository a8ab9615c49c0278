//! Material that somebody else's module wrapped under the public half of a pair of the vault, our transport key (FX-015).
//!
//! Whatever is wrong with the wrapped bytes themselves, the answer is one and the same, until the check value of AES-KWP fits: who could tell a wrong padding of OAEP from a wrong
//! key below it, or from a text of another length, could have any ciphertext opened bit by bit, also one that was wrapped for somebody else's import years ago. The
//! length of what was sent is no secret and told apart. By OAEP alone nothing else shows that the text is ours, so that a text of another length is the same answer, too.

use keystead_domain::{Hash, KeySpec, WrapMethod};

use super::{
    CheckValue, account_key,
    birth::{Birth, Generated, Source},
    import::{check, here, trimmed},
    material,
    module::material::Cradle,
    place::{AccountKey, Held, Place},
    root::Roots,
    vault::Vault,
};
use crate::{MaterialRefused, Random, SecretBytes, VaultError, hazmat::rsa::Opener};

/// Length in bytes of what lies under a pair of 4096 bits.
pub(crate) const BLOCK_LEN: usize = 512;
/// The longest input, in bytes: a pair of 4096 bits as PKCS#8 has about 2400, and some modules write attributes behind it.
pub const WRAPPED_LEN_MAX: usize = 8 * 1024;
/// The shortest text of AES-KWP (RFC 5649, section 4.1): two blocks of eight bytes.
const KWP_LEN_MIN: usize = 16;

impl Vault {
    /// Takes in material that was wrapped under the public half of an RSA_4096 pair of this vault and the same account.
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`], [`VaultError::OtherAccount`], and those of opening the pair; [`VaultError::Module`] where the root's module has not the hash.
    pub fn take_in_by_pair(
        &self,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        wrapped: &[u8],
        pair: &Held<'_>,
        method: WrapMethod,
        expected: Option<&CheckValue>,
    ) -> Result<Generated, VaultError> {
        if pair.place.account != place.account {
            return Err(VaultError::OtherAccount);
        }
        check_form(place.spec, pair.place.spec, method, wrapped.len())?;
        if let Some(made) = self.with_roots(|roots| self.open_inside(roots, place, account_key, wrapped, pair, method, expected))? {
            return Ok(made.checked(expected));
        }
        let material = self.with_roots(|roots| open(&material::open(roots, pair)?.0, method, place.spec, wrapped, self.random()))?;
        let fresh = check(place.spec, trimmed(place.spec, material))?;
        self.keep_expected(place, account_key, &fresh, Birth::new(source(pair, method), mechanism(method), &[]), expected)
    }

    /// Unwraps in the module, if the root lies in one.
    #[expect(clippy::too_many_arguments, reason = "the roots, and all that its caller was given")]
    fn open_inside(
        &self,
        roots: &Roots,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        wrapped: &[u8],
        pair: &Held<'_>,
        method: WrapMethod,
        expected: Option<&CheckValue>,
    ) -> Result<Option<Generated>, VaultError> {
        let Some(module) = account_key::module(roots, account_key)? else { return Ok(None) };
        let cradle = Cradle::new(module, roots.current.generation, place, account_key, self.shared_random())?;
        let kept = module.take_in_by_pair(here(roots, module, pair)?, cradle, wrapped, method, expected)?;
        Ok(Some(module.generated(kept, place.spec, source(pair, method), mechanism(method))))
    }
}

/// What can be seen without a key.
fn check_form(spec: KeySpec, under: KeySpec, method: WrapMethod, found: usize) -> Result<(), MaterialRefused> {
    if under != KeySpec::Rsa4096 {
        return Err(MaterialRefused::NotAnUnwrappingKey { spec: under });
    }
    let is_so_long = match method {
        WrapMethod::RsaOaep(_) if spec.is_pair() => return Err(MaterialRefused::PairInOneBlock),
        WrapMethod::RsaOaep(_) => found == BLOCK_LEN,
        WrapMethod::RsaAesKwp(_) => (BLOCK_LEN + KWP_LEN_MIN..=WRAPPED_LEN_MAX).contains(&found),
    };
    if is_so_long { Ok(()) } else { Err(MaterialRefused::NotSoWrapped { found }) }
}

fn open(pair: &SecretBytes, method: WrapMethod, spec: KeySpec, wrapped: &[u8], random: &dyn Random) -> Result<SecretBytes, VaultError> {
    let opened = Opener::from_pkcs8(pair.expose()).and_then(|opener| match method {
        WrapMethod::RsaOaep(hash) => opener.oaep(hash, wrapped).filter(|material| Some(material.len()) == spec.material_len()),
        WrapMethod::RsaAesKwp(hash) => opener.aes_kwp(hash, wrapped, random),
    });
    opened.ok_or_else(|| MaterialRefused::NotUnwrappedByPair.into())
}

fn source(pair: &Held<'_>, method: WrapMethod) -> Source {
    Source::ImportedByPair { key: pair.place.key.clone(), version: pair.place.version.clone(), method }
}

const fn mechanism(method: WrapMethod) -> &'static str {
    match method {
        WrapMethod::RsaOaep(Hash::Sha256) => "RSAES-OAEP with SHA-256 under RSA-4096 (RFC 8017)",
        WrapMethod::RsaOaep(Hash::Sha1) => "RSAES-OAEP with SHA-1 under RSA-4096 (RFC 8017)",
        WrapMethod::RsaAesKwp(Hash::Sha256) => "AES-256-KWP (RFC 5649) under RSAES-OAEP with SHA-256 under RSA-4096 (CKM_RSA_AES_KEY_WRAP)",
        WrapMethod::RsaAesKwp(Hash::Sha1) => "AES-256-KWP (RFC 5649) under RSAES-OAEP with SHA-1 under RSA-4096 (CKM_RSA_AES_KEY_WRAP)",
    }
}
