//! Key check values: a few bytes by which two people make sure that they hold the same key, without saying more of it.

use aws_lc_rs::{
    cipher::{AES_256, EncryptingKey, UnboundCipherKey},
    cmac, hmac,
};
use keystead_domain::KeySpec;
use zeroize::Zeroizing;

use super::ProviderFailed;

/// One block of zeros.
pub(crate) const ZEROS: [u8; 16] = [0; 16];

/// AES-CMAC over a block of zeros (ANSI X9.24-1:2017, annex A).
pub(crate) fn cmac_of_zeros(key: &[u8]) -> Result<Vec<u8>, ProviderFailed> {
    let failed = || ProviderFailed { operation: "make an AES-CMAC" };
    let key = cmac::Key::new(cmac::AES_256, key).map_err(|_| failed())?;
    Ok(cmac::sign(&key, &ZEROS).map_err(|_| failed())?.as_ref().to_vec())
}

/// The first three bytes of the encrypted block of zeros. The whole block is the key with which AES-GCM authenticates (NIST SP 800-38D, section 6.3: the hash
/// subkey), so that it is wiped here and no more than these three are ever told to anybody.
pub(crate) fn zero_block(key: &[u8]) -> Result<[u8; 3], ProviderFailed> {
    let failed = || ProviderFailed { operation: "encrypt a block" };
    let key = UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::ecb).map_err(|_| failed())?;
    let mut block = Zeroizing::new(ZEROS.to_vec());
    key.encrypt(block.as_mut_slice()).map_err(|_| failed())?;
    block.first_chunk().copied().ok_or_else(failed)
}

/// HMAC (FIPS 198-1) over an empty text, with the hash that the kind names.
pub(crate) fn hmac_of_nothing(spec: KeySpec, key: &[u8]) -> Vec<u8> {
    let algorithm = match spec {
        KeySpec::Hmac224 => hmac::HMAC_SHA224,
        KeySpec::Hmac384 => hmac::HMAC_SHA384,
        KeySpec::Hmac512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(algorithm, key), b"").as_ref().to_vec()
}
