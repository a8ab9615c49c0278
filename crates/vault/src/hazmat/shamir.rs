//! Shamir's secret sharing of a 256-bit key over GF(2^8), one polynomial a byte ("How to share a secret", CACM 22/11, 1979).
//!
//! The field arithmetic of the library looks things up in tables and is not constant in time. It runs once at an unseal, in the operator's own process, where
//! nobody measures it often enough to learn anything.

use super::ProviderFailed;
use crate::{Random, secret::Secret};
use blahaj::{Share, Sharks};
use rand_core::{Infallible, TryCryptoRng, TryRng};
use zeroize::Zeroizing;

/// One point of the polynomials.
pub(crate) struct Point {
    /// Where: 1 to 255.
    pub(crate) x: u8,
    /// What the 32 polynomials are there.
    pub(crate) y: Secret<32>,
}

/// Splits a secret into `count` points of which `threshold` give it back.
pub(crate) fn split(secret: &Secret<32>, threshold: u8, count: u8, random: &dyn Random) -> Result<Vec<Point>, ProviderFailed> {
    let dealer = Sharks(threshold);
    let points: Option<Vec<_>> = dealer.dealer_rng(secret.expose(), &mut Dealer(random)).take(usize::from(count)).map(|share| point(&share)).collect();
    points.ok_or(ProviderFailed { operation: "split a secret" })
}

/// The secret of at least `threshold` points at different places. Too many false points give a false secret; whoever uses it finds out.
pub(crate) fn join(points: &[&Point], threshold: u8) -> Option<Secret<32>> {
    let shares: Option<Vec<Share>> = points.iter().map(|point| share(point)).collect();
    let secret = Zeroizing::new(Sharks(threshold).recover(&shares?).ok()?);
    exactly(&secret)
}

fn point(share: &Share) -> Option<Point> {
    let bytes = Zeroizing::new(Vec::from(share));
    let (x, y) = bytes.split_first()?;
    Some(Point { x: *x, y: exactly(y)? })
}

fn share(point: &Point) -> Option<Share> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    bytes.push(point.x);
    bytes.extend(point.y.expose());
    Share::try_from(bytes.as_slice()).ok()
}

fn exactly(bytes: &[u8]) -> Option<Secret<32>> {
    let bytes: &[u8; 32] = bytes.try_into().ok()?;
    Some(Secret::init_with(|out| out.copy_from_slice(bytes)))
}

/// Our source of randomness in the form that the library asks for.
struct Dealer<'a>(&'a dyn Random);

impl TryRng for Dealer<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = Zeroizing::new([0; 4]);
        self.0.fill(bytes.as_mut());
        Ok(u32::from_be_bytes(*bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = Zeroizing::new([0; 8]);
        self.0.fill(bytes.as_mut());
        Ok(u64::from_be_bytes(*bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Dealer<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::seeded::Seeded;

    fn secret() -> Secret<32> {
        Secret::init_with(|bytes| Seeded::new("shamir").fill(bytes))
    }

    /// Every subset of five, as bits.
    fn subsets(points: &[Point]) -> impl Iterator<Item = Vec<&Point>> {
        (0u32..1 << points.len()).map(move |set| points.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, point)| point).collect())
    }

    #[test]
    fn every_subset_of_k_gives_the_secret_and_none_smaller_does() {
        for threshold in 2..=5 {
            let points = split(&secret(), threshold, 5, &Seeded::new("points")).expect("splitting works");
            for subset in subsets(&points) {
                let found = join(&subset, threshold);
                assert_eq!(found.is_some_and(|found| found.expose() == secret().expose()), subset.len() >= usize::from(threshold));
            }
        }
    }

    #[test]
    fn fewer_points_say_something_else_even_when_forced() {
        let points = split(&secret(), 3, 5, &Seeded::new("points")).expect("splitting works");
        for subset in subsets(&points).filter(|subset| subset.len() == 2) {
            assert_ne!(join(&subset, 2).expect("two points make a line").expose(), secret().expose());
        }
    }
}
