//! How often AWS KMS lets a call be made. Quotas move: this table is data with a date, and the operator may say otherwise.

use keystead_cloud::{Call, Quota};

/// Where the figures come from.
pub const SOURCE: &str = "AWS KMS Developer Guide, \"Request quotas\" (requests-per-second.html)";
/// When they were read.
pub const SOURCE_DATE: &str = "2026-11-21";

/// Calls per second in one account and Region, shared by everybody there: console, Terraform and Keystead.
///
/// `Observe` is DescribeKey; `List` is ListKeys, also for [`find`](keystead_cloud::Cloud::find), which then looks at tags far below their quota.
pub const TABLE: [Quota; 27] = [
    row(Call::CreateKey, 5.0),
    // Formerly one in four seconds; accounts that AWS has not moved yet need the operator's override.
    row(Call::WrappingKey, 1.0),
    row(Call::Import, 15.0),
    row(Call::Enable, 5.0),
    row(Call::Disable, 5.0),
    row(Call::DeleteMaterial, 15.0),
    row(Call::CreateAlias, 5.0),
    row(Call::UpdateAlias, 5.0),
    row(Call::DeleteAlias, 15.0),
    row(Call::Tag, 10.0),
    row(Call::Untag, 5.0),
    row(Call::Describe, 5.0),
    row(Call::ScheduleDeletion, 15.0),
    row(Call::CancelDeletion, 5.0),
    row(Call::Observe, 2000.0),
    row(Call::List, 500.0),
    row(Call::ListAliases, 500.0),
    row(Call::ListTags, 2000.0),
    row(Call::GetPolicy, 1000.0),
    row(Call::ListGrants, 100.0),
    row(Call::PublicKey, 2000.0),
    row(Call::Rotate, 5.0),
    row(Call::ListMaterials, 100.0),
    // In the primary's Region; in the replica's it counts as two CreateKey.
    row(Call::Replicate, 5.0),
    // In both Regions.
    row(Call::Promote, 5.0),
    // Cryptographic operations have far more (RSA: 1,000 a second), and applications share it: a try shall not take theirs.
    row(Call::TryUse, 100.0),
    row(Call::LastUse, 5.0),
];

const fn row(call: Call, per_second: f64) -> Quota {
    Quota { call, per_second }
}

/// The table, with the operator's own figures in place of those they name.
pub fn with_overrides(overrides: &[Quota]) -> Vec<Quota> {
    TABLE.iter().map(|quota| *overrides.iter().find(|own| own.call == quota.call).unwrap_or(quota)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_one_positive_figure() {
        for quota in TABLE {
            assert_eq!(TABLE.iter().filter(|other| other.call == quota.call).count(), 1, "{:?}", quota.call);
            assert!(quota.per_second > 0.0);
        }
    }

    #[test]
    fn the_operator_overrides_what_they_name_and_nothing_else() {
        let quotas = with_overrides(&[Quota { call: Call::WrappingKey, per_second: 0.25 }]);
        assert_eq!(quotas.len(), TABLE.len());
        for (ours, table) in quotas.iter().zip(TABLE) {
            assert_eq!(ours.per_second, if table.call == Call::WrappingKey { 0.25 } else { table.per_second }, "{:?}", table.call);
        }
    }
}
