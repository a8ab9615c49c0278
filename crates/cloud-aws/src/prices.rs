//! What AWS KMS takes for keys. Prices move: this is data with a source and a date, for forecasts only.

use keystead_cloud::Prices;

/// Prices of the commercial Regions and GovCloud, in US dollars. Requests cost extra and are not in it.
pub const PRICES: Prices = Prices {
    key_month_cents: 100,
    rotations_charged: 2,
    source: "AWS KMS pricing (aws.amazon.com/kms/pricing) and AWS's announcement of 12 April 2024 on rotations",
    date: "2026-11-21",
};
