//! How long a restore takes: a pure function of what there is to restore and of the cloud's quotas, told before and kept to (FX-030, FT-019).

use keystead_cloud::{Call, Capabilities};
use keystead_domain::time::SECOND;
use keystead_store::restores::Stock;

use crate::quota::forecast_micros;

/// Parameters that end sooner than this after now count as gone: an import waits for its turn.
pub const WARM_MARGIN: i64 = 30 * 60 * SECOND;

/// The calls of one kind that a restore makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLoad {
    /// Which call.
    pub call: Call,
    /// How many.
    pub count: u64,
    /// How long they take under their quota, in microseconds.
    pub micros: i64,
}

/// What a restore will take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The whole, in microseconds.
    pub micros: i64,
    /// Call by call, in the order in which a key's are made. The first look is apart from the rest: it comes before.
    pub calls: Vec<CallLoad>,
    /// The call that takes longest.
    pub tightest: Option<Call>,
}

/// Foretells a restore that looks at `looked` keys and gives back what is in stock. Keys go side by side, so that of the calls of an upload only the tightest counts;
/// the look at all keys comes before.
pub fn forecast(capabilities: &Capabilities, looked: u64, stock: &Stock) -> Forecast {
    let load = |call: Call, count: u64| CallLoad { call, count, micros: forecast_micros(capabilities, call, count) };
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let look = load(Call::Observe, looked);
    // Parameters serve one import: of a key that was rotated in place all materials but one are cold.
    let uploads = [
        load(Call::WrappingKey, count(stock.materials - stock.warm)),
        load(Call::Import, count(stock.materials)),
        load(Call::Observe, count(stock.keys)),
        load(Call::PublicKey, count(stock.pairs)),
    ];
    let longest = uploads.iter().map(|load| load.micros).max().unwrap_or_default();
    let calls: Vec<CallLoad> = std::iter::once(look).chain(uploads).filter(|load| load.count > 0).collect();
    let tightest = calls.iter().filter(|load| load.micros > 0).max_by_key(|load| load.micros).map(|load| load.call);
    Forecast { micros: look.micros.saturating_add(longest), calls, tightest }
}

#[cfg(test)]
mod tests {
    use keystead_cloud::Quota;

    use super::*;

    fn aws() -> Capabilities {
        let quotas = [(Call::WrappingKey, 1.0), (Call::Import, 15.0), (Call::Observe, 2000.0), (Call::PublicKey, 2000.0)];
        let quotas = quotas.map(|(call, per_second)| Quota { call, per_second }).to_vec();
        Capabilities { quotas, ..crate::quota::tests::capabilities() }
    }

    fn seconds(stock: Stock) -> i64 {
        forecast(&aws(), 10_000, &stock).micros / SECOND
    }

    const COLD: Stock = Stock { keys: 10_000, warm: 0, materials: 10_000, pairs: 2_000 };

    #[test]
    fn ten_thousand_cold_keys_take_three_hours_and_warm_ones_less_than_twelve_minutes_fx_029() {
        assert_eq!(seconds(COLD), 10_314);
        let warm = Stock { warm: 10_000, ..COLD };
        assert_eq!(seconds(warm), 692);
        assert_eq!(forecast(&aws(), 10_000, &warm).tightest, Some(Call::Import));
    }

    #[test]
    fn half_warm_keys_take_as_long_as_the_cold_half() {
        assert_eq!(seconds(Stock { warm: 5_000, ..COLD }), 5_159);
        assert_eq!(forecast(&aws(), 10_000, &Stock { warm: 5_000, ..COLD }).tightest, Some(Call::WrappingKey));
    }

    #[test]
    fn a_key_with_several_materials_is_warm_for_one_of_them() {
        let forecast = forecast(&aws(), 1, &Stock { keys: 1, warm: 1, materials: 3, pairs: 0 });
        let counts: Vec<(Call, u64)> = forecast.calls.iter().map(|load| (load.call, load.count)).collect();
        assert_eq!(counts, [(Call::Observe, 1), (Call::WrappingKey, 2), (Call::Import, 3), (Call::Observe, 1)]);
    }

    #[test]
    fn nothing_takes_no_time() {
        assert_eq!(forecast(&aws(), 0, &Stock::default()), Forecast { micros: 0, calls: vec![], tightest: None });
    }
}
