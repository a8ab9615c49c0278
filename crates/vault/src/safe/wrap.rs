//! The only way out: material wrapped under somebody's RSA public key, a cloud's or a person's.

use super::{export_key::ExportKey, material, module::material::Piece, place::Held, vault::Vault};
use crate::{
    Random, SecretBytes, VaultError, WayAround,
    hazmat::rsa::{PublicKeyError, Recipient, WrapError},
};
use keystead_domain::{Hash, KeySpec, WrapMethod, WrappingKeySpec};

impl Vault {
    /// Wraps material for a cloud, under the public key (SubjectPublicKeyInfo in DER) that it offered. `asked_for` is the size that it was asked to offer:
    /// a key of another size is not the answer to our question.
    ///
    /// # Errors
    /// [`VaultError::WrappingKey`], [`VaultError::TooLong`] (direct RSA-OAEP only), and those of opening what is held.
    pub fn wrap_for_cloud(&self, held: &Held<'_>, public_key: &[u8], method: WrapMethod, asked_for: WrappingKeySpec) -> Result<Vec<u8>, VaultError> {
        let recipient = cloud_key(public_key, asked_for.bits()).map_err(VaultError::WrappingKey)?;
        self.wrap(held, recipient, method)
    }

    /// By which method material of this kind goes to a cloud that takes OAEP with either hash: the one that is preferred, or what a hardware module can instead.
    ///
    /// # Errors
    /// [`VaultError::Sealed`]; [`VaultError::Module`] when the root's module can do neither.
    pub fn method_for_cloud(&self, spec: KeySpec, preferred: WrapMethod) -> Result<WrapMethod, VaultError> {
        self.with_roots(|roots| match roots.current.module() {
            Some(module) => module.method(spec, preferred),
            None => Ok(preferred),
        })
    }

    /// Under which way around material of this kind is wrapped by this method: `None` where it stays in the hardware module, or there is none.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn way_around(&self, spec: KeySpec, method: WrapMethod) -> Result<Option<WayAround>, VaultError> {
        self.with_roots(|roots| Ok(roots.current.module().and_then(|module| module.way_around(spec, method))))
    }

    /// Wraps material for a person who holds the private half of `to`, as [`export_method`] says.
    ///
    /// # Errors
    /// Those of opening what is held.
    pub fn export(&self, held: &Held<'_>, to: &ExportKey) -> Result<Vec<u8>, VaultError> {
        self.wrap(held, to.recipient().again()?, export_method(held.place.spec))
    }

    fn wrap(&self, held: &Held<'_>, recipient: Recipient, method: WrapMethod) -> Result<Vec<u8>, VaultError> {
        self.with_roots(|roots| {
            if let Some(module) = material::module_of(roots, held)? {
                return module.wrap(Piece::read(module, held)?, recipient, method, self.shared_random());
            }
            on_the_host(&recipient, method, &material::open(roots, held)?.0, self.random())
        })
    }
}

/// Wraps plain material in this process.
pub(crate) fn on_the_host(to: &Recipient, method: WrapMethod, material: &SecretBytes, random: &dyn Random) -> Result<Vec<u8>, VaultError> {
    let wrapped = match method {
        WrapMethod::RsaOaep(hash) => to.oaep(hash, material.expose()),
        WrapMethod::RsaAesKwp(hash) => to.aes_kwp(hash, material.expose(), random),
    };
    wrapped.map_err(|error| match error {
        WrapError::TooLong { max } => VaultError::TooLong { max, found: material.len() },
        WrapError::Provider(failed) => VaultError::Provider(failed),
    })
}

/// How a key leaves for a person: RSAES-OAEP with SHA-256 (CM-064); a pair, which is longer than any RSA block, by RSA-AES-KWP.
pub const fn export_method(spec: KeySpec) -> WrapMethod {
    if spec.is_pair() { WrapMethod::RsaAesKwp(Hash::Sha256) } else { WrapMethod::RsaOaep(Hash::Sha256) }
}

fn cloud_key(der: &[u8], expected: usize) -> Result<Recipient, PublicKeyError> {
    let recipient = Recipient::from_spki(der)?;
    match recipient.bits() {
        found if found == expected => Ok(recipient),
        found => Err(PublicKeyError::UnexpectedSize { expected, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        der::DerError,
        safe::testing::{House, counting},
    };
    use aws_lc_rs::{
        encoding::AsDer as _,
        rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
    };

    fn pair() -> (PrivateDecryptingKey, Vec<u8>) {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a fresh pair");
        let public = private.public_key().as_der().expect("its public half").as_ref().to_vec();
        (private, public)
    }

    #[test]
    fn a_key_of_another_size_than_was_asked_for_is_refused() {
        let house = House::new("house");
        let sealed = house.generate().sealed;
        let held = house.held(sealed.as_bytes());
        let method = WrapMethod::RsaOaep(Hash::Sha256);
        let result = house.vault.wrap_for_cloud(&held, &pair().1, method, WrappingKeySpec::Rsa4096);
        assert_eq!(result, Err(VaultError::WrappingKey(PublicKeyError::UnexpectedSize { expected: 4096, found: 2048 })));
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        let house = House::new("house");
        let sealed = house.generate().sealed;
        let method = WrapMethod::RsaAesKwp(Hash::Sha1);
        let result = house.vault.wrap_for_cloud(&house.held(sealed.as_bytes()), b"no key", method, WrappingKeySpec::Rsa2048);
        assert_eq!(result, Err(VaultError::WrappingKey(DerError::Malformed.into())));
    }

    #[test]
    fn an_export_opens_with_the_private_half_only_it_has() {
        let house = House::new("house");
        let sealed = house.take_in(&counting()).sealed;
        let (private, public) = pair();
        let to = ExportKey::from_spki_der(&public).expect("a sound key");
        let wrapped = house.vault.export(&house.held(sealed.as_bytes()), &to).expect("32 bytes fit");
        let mut plain = [0; 256];
        let private = OaepPrivateDecryptingKey::new(private).expect("the private half");
        let plain = private.decrypt(&OAEP_SHA256_MGF1SHA256, &wrapped, &mut plain, None).expect("it was wrapped for it");
        assert_eq!(*plain, counting());
    }

    #[test]
    fn damaged_material_is_not_wrapped() {
        let house = House::new("house");
        let mut sealed = house.generate().sealed.into_bytes();
        sealed[50] ^= 1;
        let to = ExportKey::from_spki_der(&pair().1).expect("a sound key");
        assert_eq!(house.vault.export(&house.held(&sealed), &to), Err(VaultError::DoesNotOpen(crate::Blob::Material)));
    }
}
