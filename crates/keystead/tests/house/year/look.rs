//! One look of the schedule and of the courier, as often as it begins something: the same in the process of the test and in those that are killed.

use std::time::Duration;

use keystead_operations::Engine;
use keystead_server::Courier;

/// How often a look looks at most, whatever it begins.
pub const ROUNDS: usize = 40;

/// Takes up what is due, and waits until nothing is in hand.
pub async fn take_up(engine: &Engine) {
    engine.take_due().await.expect("a store");
    settled(engine).await;
}

/// Looks once at everything; answers how many operations that began. They have ended, or wait for better weather.
pub async fn round(engine: &Engine) -> usize {
    let ends = engine.look_at_expiry().await.expect("a store");
    let turns = engine.look_at_rotation().await.expect("a store");
    let copies = engine.look_at_waves().await.expect("a store");
    settled(engine).await;
    ends + turns + copies
}

/// A whole look without a mishap.
pub async fn look(engine: &Engine, courier: &Courier) {
    take_up(engine).await;
    for _ in 0..ROUNDS {
        if round(engine).await == 0 {
            break;
        }
    }
    courier.look().await.expect("a store");
}

async fn settled(engine: &Engine) {
    while engine.in_hand() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
