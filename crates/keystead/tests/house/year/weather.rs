//! The weather of the year, drawn by chance from a seed: throttling, outages of hours, and places at which the process dies.

use keystead_sandbox::{Effect, Fault};
use rand::{Rng, rngs::StdRng};

use crate::world::World;

/// What the weather did.
#[derive(Default)]
pub struct Weather {
    pub throttled: usize,
    pub outages: usize,
    pub deaths: usize,
    /// For how many more looks the cloud cannot be reached.
    outage_left: usize,
}

impl Weather {
    /// An outage lasts for some looks, hours apart by day and half an hour at night; every fourth look may die somewhere, if it has anything to do.
    pub fn change(&mut self, world: &World, random: &mut StdRng) {
        if self.outage_left > 0 {
            self.outage_left -= 1;
            return world.sandbox.add_faults([Fault { operation: "*".into(), skip: 0, count: u32::MAX, effect: Effect::Drop }]);
        }
        match random.random_range(0..400) {
            0..12 => {
                self.throttled += 1;
                let throttled = Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() };
                world.sandbox.add_faults([Fault { operation: "*".into(), skip: random.random_range(0..9), count: 6, effect: throttled }]);
            }
            12 | 13 => {
                self.outages += 1;
                self.outage_left = random.random_range(2..8);
            }
            14..114 => world.hooks.arm(Some(random.random_range(0..40))),
            _ => {}
        }
    }
}
