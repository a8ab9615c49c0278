//! Checks of making a key and filling it.

use keystead_cloud::{Import, Kind, Retry, Which};
use keystead_domain::{Hash, WrapMethod, WrappingKeySpec};

use super::{Known, Subject, kind, wrap};

/// A new key waits for material, and its names agree.
pub async fn a_new_key_is_empty(subject: &Subject<'_>) {
    let reply = subject.cloud.create_key(&subject.order()).await.expect("a key is made");
    assert!(reply.request_id.is_some_and(|id| !id.is_empty()), "the audit log wants a request id");
    let key = reply.value;
    assert!(key.arn.ends_with(&key.id.0), "{} is the ARN of {:?}", key.arn, key.id);
    let seen = subject.seen(&key.id).await;
    assert_eq!((seen.arn.as_str(), seen.enabled, seen.material_present), (key.arn.as_str(), false, Some(false)));
    assert_eq!((seen.expires, seen.deletion_at), (None, None));
}

/// After the import the key can be used (CM-053).
pub async fn material_makes_a_key_usable(subject: &Subject<'_>) {
    let key = subject.empty_key().await;
    let imported = subject.import(&key.id, &[1; 32]).await.expect("the material is taken");
    let seen = subject.seen(&key.id).await;
    assert_eq!((seen.enabled, seen.material_present), (true, Some(true)));
    assert_eq!(seen.material_id, imported.material_id, "the import and the look name the same material");
}

/// Both hashes, all sizes; the size is the one that was asked for.
pub async fn every_way_of_wrapping_is_understood(subject: &Subject<'_>) {
    for hash in [Hash::Sha1, Hash::Sha256] {
        for spec in [WrappingKeySpec::Rsa2048, WrappingKeySpec::Rsa3072, WrappingKeySpec::Rsa4096] {
            let key = subject.empty_key().await;
            let wrapping = subject.cloud.wrapping_key(&key.id, WrapMethod::RsaOaep(hash), spec).await.expect("a wrapping key").value;
            assert_eq!((wrap::bits(&wrapping.public_key), wrapping.method), (spec.bits(), WrapMethod::RsaOaep(hash)));
            assert!(wrapping.valid_to > subject.now, "{spec:?} {hash:?}");
            let import = Import { wrapped: wrap::oaep(&wrapping.public_key, hash, &[2; 32]), token: wrapping.token, expires: None, which: Which::Only };
            subject.cloud.import(&key.id, &import).await.unwrap_or_else(|error| panic!("{spec:?} {hash:?}: {error}"));
            assert!(subject.seen(&key.id).await.enabled, "{spec:?} {hash:?}");
        }
    }
}

/// The first material binds the key for ever; the same may come again (CM-056).
pub async fn the_same_material_is_taken_again_and_other_material_is_not(subject: &Subject<'_>) {
    let key = subject.empty_key().await;
    let first = subject.import(&key.id, &[3; 32]).await.expect("the first");
    assert_eq!(subject.import(&key.id, &[3; 32]).await.expect("the same again"), first);
    let other = subject.import(&key.id, &[4; 32]).await;
    if subject.is_known(Known::KeepsImportsPending) {
        assert_eq!(kind(other), Some(Kind::WrongState), "mended: strike KeepsImportsPending");
        return;
    }
    if subject.is_known(Known::TakesOtherMaterial) {
        assert!(other.is_ok(), "mended: strike TakesOtherMaterial");
        return;
    }
    let error = other.expect_err("other material");
    assert_eq!((error.kind, error.retry), (Kind::WrongMaterial, Retry::Never));
    assert_eq!(subject.seen(&key.id).await.material_id, first.material_id, "nothing was changed");
}

/// A date for the material is kept, and goes when the material is imported without one.
pub async fn an_expiry_is_set_and_taken_away(subject: &Subject<'_>) {
    let key = subject.empty_key().await;
    let date = subject.now.plus_days(30);
    let import = subject.wrapped(&key.id, &[5; 32], Some(date)).await.expect("a wrapping key");
    subject.cloud.import(&key.id, &import).await.expect("with a date");
    let shown = (!subject.is_known(Known::HidesExpiry)).then_some(date.as_secs());
    assert_eq!(subject.seen(&key.id).await.expires.map(|at| at.as_secs()), shown);
    subject.import(&key.id, &[5; 32]).await.expect("without a date");
    assert_eq!(subject.seen(&key.id).await.expires, None);
}

/// A token opens one key only.
pub async fn a_token_belongs_to_one_key(subject: &Subject<'_>) {
    let (key, other) = (subject.empty_key().await, subject.empty_key().await);
    let import = subject.wrapped(&key.id, &[6; 32], None).await.expect("a wrapping key");
    // Two low bits of every byte are turned: a token that is text stays text.
    let damaged = Import { token: import.token.iter().map(|byte| byte ^ 0x05).collect(), ..import.clone() };
    let (elsewhere, damaged) = (subject.cloud.import(&other.id, &import).await, kind(subject.cloud.import(&key.id, &damaged).await));
    if subject.is_known(Known::TakesAnyToken) {
        assert_eq!((kind(elsewhere), damaged), (None, Some(Kind::NotFound)), "mended: strike TakesAnyToken");
        return;
    }
    let error = elsewhere.expect_err("another key's token");
    assert_eq!((error.kind, error.retry, damaged), (Kind::BadToken, Retry::FreshWrappingKey, Some(Kind::BadToken)));
    assert_eq!(subject.seen(&other.id).await.material_present, Some(false));
}

/// A blob under the wrong hash cannot be opened; 128 bits are no AES-256 key.
pub async fn what_cannot_be_unwrapped_or_has_the_wrong_length_is_refused(subject: &Subject<'_>) {
    let key = subject.empty_key().await;
    let wrapping = subject.cloud.wrapping_key(&key.id, super::METHOD, super::SPEC).await.expect("a wrapping key").value;
    let import = Import { wrapped: wrap::oaep(&wrapping.public_key, Hash::Sha1, &[7; 32]), token: wrapping.token, expires: None, which: Which::Only };
    let error = subject.cloud.import(&key.id, &import).await.expect_err("the wrong hash");
    let unwrapped = if subject.is_known(Known::FailsToUnwrap) { (Kind::CloudFailure, Retry::Backoff) } else { (Kind::BadCiphertext, Retry::FreshWrappingKey) };
    assert_eq!((error.kind, error.retry), unwrapped);
    let taken = subject.is_known(Known::TakesAnyLength);
    assert_eq!(kind(subject.import(&key.id, &[7; 16]).await), (!taken).then_some(Kind::WrongMaterial), "128 bits");
    assert_eq!(subject.seen(&key.id).await.material_present, Some(taken));
}
