//! PKCS#8 files as people have them: PEM or DER, encrypted or not. What is something else is named, with the command that mends it.

use pkcs8::EncryptedPrivateKeyInfoRef;

use super::pem;
use crate::{MaterialRefused, SecretBytes, der, hazmat::pbes2};

/// The label of an encrypted document (RFC 7468, section 11).
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// Longest file that is looked at, in bytes: an RSA pair of 4096 bits has about 3 KiB in PEM.
const LEN_MAX: usize = 16 * 1024;

/// Reads a file down to the plain DER of a private key. A passphrase that is not needed is not looked at.
pub(super) fn open(file: &SecretBytes, passphrase: Option<&SecretBytes>) -> Result<SecretBytes, MaterialRefused> {
    if file.len() > LEN_MAX {
        return Err(MaterialRefused::NotPkcs8);
    }
    let label = std::str::from_utf8(file.expose()).ok().and_then(|text| Some((text, pem::first_label(text)?)));
    let der = match label {
        Some((text, label)) => &block(text, label)?,
        None => file,
    };
    match EncryptedPrivateKeyInfoRef::try_from(der.expose()) {
        Ok(encrypted) => decrypt(&encrypted, passphrase),
        Err(_) if label.is_some_and(|(_, label)| label == ENCRYPTED) => Err(MaterialRefused::UnknownEncryption),
        Err(_) => Ok(SecretBytes::from(der.expose().to_vec())),
    }
}

fn block(text: &str, label: &str) -> Result<SecretBytes, MaterialRefused> {
    match label {
        "PRIVATE KEY" | ENCRYPTED => {}
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "EC PARAMETERS" => return Err(MaterialRefused::OlderPem),
        _ => return Err(MaterialRefused::NotPrivate),
    }
    pem::read(text).map(|pem| SecretBytes::from(pem.der)).map_err(|_| MaterialRefused::NotPkcs8)
}

fn decrypt(encrypted: &EncryptedPrivateKeyInfoRef<'_>, passphrase: Option<&SecretBytes>) -> Result<SecretBytes, MaterialRefused> {
    let passphrase = passphrase.ok_or(MaterialRefused::PassphraseMissing)?;
    let opened = pbes2::open(&encrypted.encryption_algorithm, encrypted.encrypted_data.as_bytes(), passphrase.expose());
    let opened = opened.map_err(|refusal| match refusal {
        pbes2::Refusal::UnknownScheme => MaterialRefused::UnknownEncryption,
        pbes2::Refusal::TooManyRounds => MaterialRefused::TooManyRounds,
        pbes2::Refusal::WrongPassphrase => MaterialRefused::WrongPassphrase,
    })?;
    // The padding of one wrong passphrase in 256 fits by chance; what comes out is no document then.
    if der::document_len(opened.expose()) == Some(opened.len()) { Ok(opened) } else { Err(MaterialRefused::WrongPassphrase) }
}
