//! Health tests of NIST SP 800-90B, section 4.4, on the bytes that keys are made of.
//!
//! To be honest about them: they are meant for raw noise. What reaches us is the output of a generator, conditioned long before, and the module tests its own
//! noise. Here they are a sanity check that catches a source which is stuck, empty or wired wrongly; they cannot show that a source is good.

use crate::{
    Random, SecretBytes,
    secret::{Secret, is_one_byte_repeated},
};

/// How many samples are drawn and tested before the ones that are used (section 4.3: a start-up test takes at least 1024).
const STARTUP_LEN: usize = 1024;

/// Cutoff of the repetition count test: 1 + ⌈α/H⌉ with 8 bits of entropy a sample and α = 40, a false alarm in 2^40 (section 4.4.1).
const REPETITION_CUTOFF: usize = 6;

/// Window of the adaptive proportion test for samples that are not binary (section 4.4.2).
const PROPORTION_WINDOW: usize = 512;

/// Cutoff of the adaptive proportion test: 1 + CRITBINOM(512, 2^-8, 1 - 2^-40).
const PROPORTION_CUTOFF: usize = 19;

/// What the birth record of a generated key says was passed.
pub(crate) const TESTS: &[&str] = &[
    "repetition count (NIST SP 800-90B, section 4.4.1), cutoff 6, on 1024 start-up bytes and the material; sanity check on conditioned output",
    "adaptive proportion (NIST SP 800-90B, section 4.4.2), window 512, cutoff 19, on the start-up bytes; sanity check on conditioned output",
    "material is not one byte repeated",
];

/// Which test a source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HealthFailure {
    /// The same byte came too often in a row.
    #[error("the same byte came {REPETITION_CUTOFF} times in a row")]
    Repetition,
    /// One byte came too often in a window.
    #[error("one byte came {PROPORTION_CUTOFF} times in {PROPORTION_WINDOW}")]
    Proportion,
}

/// A fresh key from a source that passed.
pub(crate) fn tested_key<const N: usize>(random: &dyn Random) -> Result<Secret<N>, HealthFailure> {
    let fresh = tested(random, N)?;
    Ok(Secret::init_with(|bytes| bytes.copy_from_slice(fresh.expose())))
}

/// Fresh bytes from a source that passed. The tested stream is thrown away but for its end, which is the answer.
pub(crate) fn tested(random: &dyn Random, len: usize) -> Result<SecretBytes, HealthFailure> {
    let stream = SecretBytes::init_with(STARTUP_LEN + len, |bytes| random.fill(bytes));
    let (startup, fresh) = stream.expose().split_at(STARTUP_LEN);
    repetition(stream.expose())?;
    startup.chunks_exact(PROPORTION_WINDOW).try_for_each(proportion)?;
    if is_one_byte_repeated(fresh) {
        return Err(HealthFailure::Repetition);
    }
    Ok(SecretBytes::init_with(len, |bytes| bytes.copy_from_slice(fresh)))
}

fn repetition(samples: &[u8]) -> Result<(), HealthFailure> {
    if samples.windows(REPETITION_CUTOFF).any(is_one_byte_repeated) { Err(HealthFailure::Repetition) } else { Ok(()) }
}

/// Section 4.4.2: count how often the first sample of the window comes in it.
fn proportion(window: &[u8]) -> Result<(), HealthFailure> {
    let count = window.iter().filter(|sample| Some(*sample) == window.first()).count();
    if count >= PROPORTION_CUTOFF { Err(HealthFailure::Proportion) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{
        SystemRandom,
        seeded::{Seeded, Stuck},
    };

    #[test]
    fn a_sound_source_passes() {
        assert_eq!(tested(&SystemRandom, 32).expect("the system is sound").len(), 32);
        assert!((0..64).all(|_| tested(&Seeded::new("health"), 64).is_ok()));
    }

    #[test]
    fn a_stuck_source_fails_whatever_it_is_stuck_at() {
        for byte in [0, 0xaa, 0xff] {
            assert_eq!(tested(&Stuck(byte), 32).err(), Some(HealthFailure::Repetition));
        }
    }

    #[test]
    fn five_in_a_row_are_luck_and_six_are_not() {
        assert_eq!(repetition(&[1, 2, 2, 2, 2, 2, 3]), Ok(()));
        assert_eq!(repetition(&[1, 2, 2, 2, 2, 2, 2, 3]), Err(HealthFailure::Repetition));
    }

    #[test]
    fn eighteen_in_a_window_are_luck_and_nineteen_are_not() {
        let window = |often: usize| (0..PROPORTION_WINDOW).map(|at| if at < often { 7 } else { 8 + (at % 100) as u8 }).collect::<Vec<_>>();
        assert_eq!(proportion(&window(18)), Ok(()));
        assert_eq!(proportion(&window(19)), Err(HealthFailure::Proportion));
    }

    #[test]
    fn a_source_that_favours_one_byte_fails() {
        struct Leaning;
        impl Random for Leaning {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = if at % 3 == 0 { 0 } else { at as u8 });
            }
        }
        assert_eq!(tested(&Leaning, 32).err(), Some(HealthFailure::Proportion));
    }
}
