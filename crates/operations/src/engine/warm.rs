//! Import parameters that were fetched ahead: their form under the vault's seal, and their way from the cloud and to an import (FX-029).
//!
//! AWS's documentation tells to fetch parameters for every import, and does not say what comes of using a set twice. So a set serves one material, and goes in the
//! transaction that notes the import. Behind a crash or a lost answer the same material may go out under it again; if the cloud then refuses it, a fresh set is fetched.

use keystead_cloud::{Call, CloudKeyId, WrappingKey};
use keystead_domain::{Timestamp, WrapMethod, WrappingKeySpec, time::SECOND};
use keystead_store::{
    keys::KeyRow,
    keystores::KeystoreRow,
    warm::{self, WarmRow},
};
use keystead_vault::{ParametersPlace, VaultError};

use super::{
    Engine,
    call::StepError,
    material::{account_key, at_the_vault},
    perform::Bench,
};

/// Parameters that end sooner than this are not used: the call waits for its turn.
const LEFT_MIN: i64 = 60 * SECOND;

/// A wrapping key that was fetched ahead.
pub(super) struct Warm {
    pub(super) offered: WrappingKey,
    pub(super) fetched_at: Timestamp,
}

impl Engine {
    /// The parameters that are here for a key, if they last long enough and fit.
    pub(super) async fn warm_of(&self, key: &KeyRow, method: WrapMethod, spec: WrappingKeySpec) -> Result<Option<Warm>, StepError> {
        let id = key.id.clone();
        let found = self.parts.store.read("warm.of", move |tx| warm::of(tx, &id)).await?;
        let soon = self.now().plus_micros(LEFT_MIN);
        let Some(row) = found.filter(|row| row.valid_to > soon) else { return Ok(None) };
        let sealing = self.account_key(&key.account_id).await?;
        let place = ParametersPlace { account: &key.account_id, key: &key.id };
        let opened = match at_the_vault(&self.parts.vault, |vault| vault.open_parameters(place, account_key(&sealing), &row.sealed)) {
            Err(VaultError::DoesNotOpen(what)) => {
                tracing::error!(key = %key.id, ?what, "import parameters do not open: they are damaged or somebody else's, and fresh ones are fetched");
                self.spend(key, row.fetched_at).await?;
                return Ok(None);
            }
            other => other?,
        };
        let offered = unpack(&opened).filter(|(offered, of)| offered.method == method && *of == spec);
        Ok(offered.map(|(offered, _)| Warm { offered, fetched_at: row.fetched_at }))
    }

    /// Drops parameters that the cloud does not take.
    pub(super) async fn spend(&self, key: &KeyRow, fetched_at: Timestamp) -> Result<(), StepError> {
        let id = key.id.clone();
        Ok(self.parts.store.write("warm.spend", move |tx| warm::spend(tx, &id, fetched_at)).await?)
    }

    /// Fetches parameters for a key, and keeps them sealed.
    ///
    /// # Errors
    /// The cloud's, the vault's or the store's.
    pub(crate) async fn warm_up(&self, keystore: &KeystoreRow, key: &KeyRow) -> Result<(), StepError> {
        let cloud = self.parts.clouds.connect(keystore).await?;
        let id = CloudKeyId(key.cloud_key_id.clone().ok_or_else(|| StepError::Missing(key.id.clone()))?);
        let capabilities = cloud.capabilities();
        let preferred = capabilities.wrap_for(key.spec).ok_or(StepError::NotImportable(key.spec))?;
        let method = self.parts.vault.method_for_cloud(key.spec, preferred)?;
        let spec = capabilities.wrapping_key;
        let bench = Bench::to_look(keystore.clone(), cloud.clone(), self.now());
        let offered = self.look(&bench, Call::WrappingKey, cloud.wrapping_key(&id, method, spec)).await?.value;
        let sealing = self.account_key(&key.account_id).await?;
        let place = ParametersPlace { account: &key.account_id, key: &key.id };
        let sealed = at_the_vault(&self.parts.vault, |vault| vault.seal_parameters(place, account_key(&sealing), &pack(&offered, spec)))?;
        let row = WarmRow { key_id: key.id.clone(), keystore_id: keystore.id.clone(), sealed, valid_to: offered.valid_to, fetched_at: self.now() };
        Ok(self.parts.store.write("warm.keep", move |tx| warm::keep(tx, &row)).await?)
    }
}

/// A line that says how to wrap, under how many bits, until when, and how long the public key is; then public key and token.
fn pack(offered: &WrappingKey, spec: WrappingKeySpec) -> Vec<u8> {
    let WrappingKey { public_key, token, method, valid_to } = offered;
    let head = format!("{} {} {} {}\n", method.as_str(), spec.bits(), valid_to.as_micros(), public_key.len());
    [head.as_bytes(), public_key, token].concat()
}

fn unpack(packed: &[u8]) -> Option<(WrappingKey, WrappingKeySpec)> {
    let end = packed.iter().position(|byte| *byte == b'\n')?;
    let mut head = std::str::from_utf8(packed.get(..end)?).ok()?.split(' ');
    let method = WrapMethod::parse(head.next()?)?;
    let bits: usize = head.next()?.parse().ok()?;
    let spec = [WrappingKeySpec::Rsa2048, WrappingKeySpec::Rsa3072, WrappingKeySpec::Rsa4096].into_iter().find(|spec| spec.bits() == bits)?;
    let valid_to = Timestamp::from_micros(head.next()?.parse().ok()?);
    let length: usize = head.next()?.parse().ok()?;
    let (public_key, token) = packed.get(end + 1..)?.split_at_checked(length)?;
    Some((WrappingKey { public_key: public_key.to_vec(), token: token.to_vec(), method, valid_to }, spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::Hash;

    #[test]
    fn parameters_are_read_as_they_were_written_and_cut_ones_are_none() {
        let offered = WrappingKey {
            public_key: b"public\nkey".to_vec(),
            token: b"to ken".to_vec(),
            method: WrapMethod::RsaAesKwp(Hash::Sha256),
            valid_to: Timestamp::from_secs(1_790_000_000),
        };
        let packed = pack(&offered, WrappingKeySpec::Rsa4096);
        let (read, spec) = unpack(&packed).expect("is whole");
        assert_eq!((read.public_key, read.token, read.method), (offered.public_key.clone(), offered.token.clone(), offered.method));
        assert_eq!((read.valid_to, spec), (offered.valid_to, WrappingKeySpec::Rsa4096));
        let head = packed.len() - offered.public_key.len() - offered.token.len();
        assert!((0..head + offered.public_key.len()).all(|at| unpack(&packed[..at]).is_none()), "cut");
    }
}
