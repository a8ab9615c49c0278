//! Material that somebody brings wrapped: nothing unwraps but what was wrapped under the key (AES-KWP and AES-KW, RFC 5649 and RFC 3394), or under the pair (RSAES-OAEP and
//! RSA-AES-KWP).
#![no_main]

use std::sync::{Arc, LazyLock};

use keystead_domain::{AccountId, KeyId, KeySpec, Timestamp, VersionId, WrapMethod};
use keystead_vault::{AccountKey, Held, NewUnlock, Place, SealedAccountKey, SealedMaterial, SecretBytes, SystemRandom, UnlockSecret, Vault, root};
use libfuzzer_sys::fuzz_target;

struct House {
    vault: Vault,
    account: AccountId,
    key: KeyId,
    version: VersionId,
    account_key: SealedAccountKey,
}

impl House {
    fn new() -> Self {
        let file = || SecretBytes::from((1u8..=32).collect::<Vec<u8>>());
        let created = root::create(&NewUnlock::KeyFile(file()), &SystemRandom).unwrap_or_else(|error| panic!("{error}"));
        let vault = Vault::sealed(created.record, Arc::new(SystemRandom));
        vault.unseal(&UnlockSecret::KeyFile(file())).expect("it is the right file");
        let at = Timestamp::from_secs(1_790_000_000);
        let account = AccountId::new(at, [1; 10]);
        let account_key = vault.new_account_key(&account, 1).expect("the vault is open");
        Self { vault, account, key: KeyId::new(at, [2; 10]), version: VersionId::new(at, [3; 10]), account_key }
    }

    fn place(&self) -> Place<'_> {
        Place { account: &self.account, key: &self.key, version: &self.version, spec: KeySpec::Aes256, generation: 1 }
    }

    fn account_key(&self) -> AccountKey<'_> {
        AccountKey { generation: 1, sealed: self.account_key.as_bytes() }
    }
}

static HOUSE: LazyLock<(House, SealedMaterial, SealedMaterial)> = LazyLock::new(|| {
    let house = House::new();
    let kek = house.vault.generate(&house.place(), house.account_key()).unwrap_or_else(|error| panic!("{error}")).sealed;
    let place = Place { spec: KeySpec::Rsa4096, ..house.place() };
    let pair = house.vault.generate(&place, house.account_key()).unwrap_or_else(|error| panic!("{error}")).sealed;
    (house, kek, pair)
});

fuzz_target!(|wrapped: &[u8]| {
    let (house, kek, pair) = &*HOUSE;
    let held = Held { place: house.place(), account_key: house.account_key(), sealed: kek.as_bytes() };
    assert!(house.vault.take_in_wrapped(&house.place(), house.account_key(), wrapped, &held, None).is_err());
    let place = Place { spec: KeySpec::Rsa4096, ..house.place() };
    let held = Held { place, account_key: house.account_key(), sealed: pair.as_bytes() };
    for method in WrapMethod::ALL {
        assert!(house.vault.take_in_by_pair(&house.place(), house.account_key(), wrapped, &held, method, None).is_err());
    }
});
