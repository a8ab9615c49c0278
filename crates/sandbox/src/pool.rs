//! RSA pairs for import parameters, made in background threads and handed out again and again.
//!
//! **The one deliberate weakness of this simulation:** AWS makes a fresh pair for every `GetParametersForImport`; here a size has at most two pairs, and
//! sets take them in turn. Making an RSA-4096 pair costs a third of a second of a core and would dominate every test run. Two pairs a size, not one,
//! so that a client that mixes up the public key of one set with the token of the next is found out.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

/// Pairs that a size gets at most.
const PAIRS_PER_SIZE: usize = 2;

/// Size of a wrapping key; on the wire `RSA_2048`, `RSA_3072`, `RSA_4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RsaSize {
    /// 2048 bits.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

impl RsaSize {
    /// Bytes of the modulus, and so of anything encrypted under it.
    pub(crate) const fn modulus_len(self) -> usize {
        match self {
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
        }
    }

    pub(crate) const fn key_size(self) -> KeySize {
        match self {
            Self::Rsa2048 => KeySize::Rsa2048,
            Self::Rsa3072 => KeySize::Rsa3072,
            Self::Rsa4096 => KeySize::Rsa4096,
        }
    }
}

/// Hash of RSA-OAEP; label hash and MGF1 hash are the same (cloud-byok.md, section 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OaepHash {
    Sha1,
    Sha256,
}

/// One RSA pair: the private half stays in here.
pub(crate) struct Pair {
    private: OaepPrivateDecryptingKey,
    public: Vec<u8>,
}

impl Pair {
    fn generate(size: RsaSize) -> Option<Self> {
        let private = PrivateDecryptingKey::generate(size.key_size()).ok()?;
        let public: PublicKeyX509Der<'static> = private.public_key().as_der().ok()?;
        Some(Self { public: public.as_ref().to_vec(), private: OaepPrivateDecryptingKey::new(private).ok()? })
    }

    /// SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// RSAES-OAEP-DECRYPT with an empty label (RFC 8017, section 7.1.2); `None` when it does not open.
    pub(crate) fn decrypt(&self, hash: OaepHash, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let algorithm = match hash {
            OaepHash::Sha1 => &OAEP_SHA1_MGF1SHA1,
            OaepHash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        };
        let mut out = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let plain_len = self.private.decrypt(algorithm, ciphertext, &mut out, None).ok()?.len();
        out.truncate(plain_len);
        Some(out)
    }
}

/// Names a pair inside its pool; it travels sealed in the import token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle(pub(crate) usize);

#[derive(Default)]
struct Slot {
    pairs: Vec<Arc<Pair>>,
    ordered: usize,
    failed: usize,
    next: usize,
}

#[derive(Default)]
struct Inner {
    slots: Mutex<BTreeMap<RsaSize, Slot>>,
    grown: Condvar,
}

/// A pool of RSA pairs. Clones share their pairs, so several sandboxes of one process may share a pool.
#[derive(Clone, Default)]
pub struct KeyPool {
    inner: Arc<Inner>,
}

impl KeyPool {
    /// An empty pool. A size is made when it is first asked for, or by [`KeyPool::warm`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts making the pairs of these sizes in background threads and returns at once.
    pub fn warm(&self, sizes: &[RsaSize]) {
        for size in sizes {
            self.order(*size, &mut self.lock());
        }
    }

    /// A pair if one is ready, without waiting.
    pub(crate) fn ready(&self, size: RsaSize) -> Option<(Handle, Arc<Pair>)> {
        let mut slots = self.lock();
        self.order(size, &mut slots);
        slots.get_mut(&size).and_then(Slot::take)
    }

    /// A pair; waits for the first one of its size. Call it on a thread that may block. `None`: the pairs could not be made.
    pub(crate) fn wait(&self, size: RsaSize) -> Option<(Handle, Arc<Pair>)> {
        let mut slots = self.lock();
        self.order(size, &mut slots);
        loop {
            let slot = slots.entry(size).or_default();
            if let Some(taken) = slot.take() {
                return Some(taken);
            }
            if slot.failed >= slot.ordered {
                return None;
            }
            slots = self.inner.grown.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The pair of a handle.
    pub(crate) fn pair(&self, size: RsaSize, handle: Handle) -> Option<Arc<Pair>> {
        self.lock().get(&size)?.pairs.get(handle.0).cloned()
    }

    fn order(&self, size: RsaSize, slots: &mut BTreeMap<RsaSize, Slot>) {
        let slot = slots.entry(size).or_default();
        if slot.ordered > 0 {
            return;
        }
        slot.ordered = PAIRS_PER_SIZE;
        let pool = self.clone();
        let maker = std::thread::Builder::new().name("sandbox-rsa-pool".to_owned());
        if maker.spawn(move || (0..PAIRS_PER_SIZE).for_each(|_| pool.put(size, Pair::generate(size)))).is_err() {
            slot.failed = PAIRS_PER_SIZE;
        }
    }

    fn put(&self, size: RsaSize, made: Option<Pair>) {
        let mut slots = self.lock();
        let slot = slots.entry(size).or_default();
        match made {
            Some(pair) => slot.pairs.push(Arc::new(pair)),
            None => slot.failed += 1,
        }
        drop(slots);
        self.inner.grown.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RsaSize, Slot>> {
        self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn take(&mut self) -> Option<(Handle, Arc<Pair>)> {
        let handle = Handle(self.next.checked_rem(self.pairs.len())?);
        self.next = handle.0 + 1;
        Some((handle, Arc::clone(self.pairs.get(handle.0)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_hands_its_two_pairs_out_in_turn() {
        let pool = KeyPool::new();
        let (first, _) = pool.wait(RsaSize::Rsa2048).expect("a pair");
        while pool.lock()[&RsaSize::Rsa2048].pairs.len() < PAIRS_PER_SIZE {
            std::thread::yield_now();
        }
        let order: Vec<usize> = (0..4).map(|_| pool.ready(RsaSize::Rsa2048).expect("a pair").0.0).collect();
        assert_eq!(first, Handle(0));
        assert_eq!(order, [1, 0, 1, 0]);
        let (one, two) = (pool.pair(RsaSize::Rsa2048, Handle(0)), pool.pair(RsaSize::Rsa2048, Handle(1)));
        assert_ne!(one.expect("pair 0").public(), two.expect("pair 1").public());
    }

    #[test]
    fn an_unknown_handle_is_nothing() {
        assert!(KeyPool::new().pair(RsaSize::Rsa4096, Handle(7)).is_none());
    }
}
