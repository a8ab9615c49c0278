//! Randomness comes in by the door: [`Random`] is what the vault asks, [`SystemRandom`] is what production gives.

/// A source of random bytes for keys and nonces. It is given to the vault once, at construction.
pub trait Random: Send + Sync {
    /// Fills all of `bytes`. It may not return before it has.
    fn fill(&self, bytes: &mut [u8]);

    /// What the birth record of a key says of the source. Only [`SystemRandom`] may claim more than this.
    fn mechanism(&self) -> &'static str {
        "an injected source of random bytes, not for production"
    }
}

/// The cryptographic module's own generator: AWS-LC's CTR_DRBG with AES-256 (NIST SP 800-90A, section 10.2.1), seeded from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // A nonce that is not random would give away the key that it is used with. There is nothing to return to: AWS-LC itself aborts here, too.
            std::process::abort();
        }
    }

    fn mechanism(&self) -> &'static str {
        "CTR_DRBG with AES-256 (NIST SP 800-90A, section 10.2.1), seeded from the operating system"
    }
}

/// An array of fresh random bytes that are no secret: nonces, salts, set ids.
pub(crate) fn public<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

#[cfg(test)]
pub(crate) mod seeded {
    //! The same bytes at every run: SHA-256 over a seed and a counter.

    use std::sync::atomic::{AtomicU64, Ordering};

    pub(crate) struct Seeded {
        seed: &'static str,
        counter: AtomicU64,
    }

    impl Seeded {
        pub(crate) fn new(seed: &'static str) -> Self {
            Self { seed, counter: AtomicU64::new(0) }
        }
    }

    impl super::Random for Seeded {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(32) {
                let counter = self.counter.fetch_add(1, Ordering::SeqCst);
                let block = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{}/{counter}", self.seed).as_bytes());
                chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
            }
        }
    }

    /// A broken source: the same byte for ever.
    pub(crate) struct Stuck(pub(crate) u8);

    impl super::Random for Stuck {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_never_gives_the_same_bytes_twice() {
        assert_ne!(public::<32>(&SystemRandom), public::<32>(&SystemRandom));
    }
}
