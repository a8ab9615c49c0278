//! States of a key, and which operation each of them lets through. The table is data: cloud-byok.md, section 2.6 (AWS KMS Developer Guide, "Key states of
//! AWS KMS keys"). Operations of later years (RotateKeyOnDemand, the list of rotations, cryptography under imported HMAC and asymmetric keys) follow the
//! row of their kind.

use serde::{Deserialize, Serialize};

use super::super::errors::{AwsError, Code};

/// `KeyState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
    PendingReplicaDeletion,
    PendingImport,
    Unavailable,
    Creating,
    Updating,
}

impl KeyState {
    /// As KeyMetadata shows it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::PendingImport => "PendingImport",
            Self::Unavailable => "Unavailable",
            Self::Creating => "Creating",
            Self::Updating => "Updating",
        }
    }

    const fn column(self) -> usize {
        match self {
            Self::Enabled => 0,
            Self::Disabled => 1,
            Self::PendingDeletion | Self::PendingReplicaDeletion => 2,
            Self::PendingImport => 3,
            Self::Unavailable => 4,
            Self::Creating => 5,
            Self::Updating => 6,
        }
    }
}

/// What an operation meets in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Pass,
    IsDisabled,
    IsPendingDeletion,
    IsNotPendingDeletion,
    IsPendingImport,
    IsUnavailable,
    IsCreating,
    IsUpdating,
}

type Row = [Cell; 7];

// The notes of the reference's table.
const OK: Cell = Cell::Pass;
const X1: Cell = Cell::IsDisabled;
const X3: Cell = Cell::IsPendingDeletion;
const X4: Cell = Cell::IsNotPendingDeletion;
const X5: Cell = Cell::IsPendingImport;
const X11: Cell = Cell::IsUnavailable;
const X14: Cell = Cell::IsCreating;
const X15: Cell = Cell::IsUpdating;

/// Rows that several operations share; the columns are Enabled, Disabled, PendingDeletion, PendingImport, Unavailable, Creating, Updating.
const ANY: Row = [OK, OK, OK, OK, OK, OK, OK];
const USE: Row = [OK, X1, X3, X5, X11, X14, OK];
const EDIT: Row = [OK, OK, X3, OK, OK, OK, OK];
const SWITCH: Row = [OK, OK, X3, X5, OK, X14, X15];
const FAMILY: Row = [OK, X1, X3, X5, X11, X14, X15];

const TABLE: &[(&str, Row)] = &[
    ("CancelKeyDeletion", [X4, X4, OK, X4, X4, X4, X4]),
    ("CreateAlias", EDIT),
    ("CreateGrant", [OK, X1, X3, X5, OK, X14, OK]),
    ("Decrypt", USE),
    ("DeleteAlias", ANY),
    ("DeleteImportedKeyMaterial", [OK, OK, OK, OK, X11, X14, X15]),
    ("DeriveSharedSecret", USE),
    ("DescribeKey", ANY),
    ("DisableKey", SWITCH),
    ("EnableKey", SWITCH),
    ("Encrypt", USE),
    ("GenerateDataKey", USE),
    ("GenerateDataKeyWithoutPlaintext", USE),
    ("GenerateMac", USE),
    ("GetKeyLastUsage", ANY),
    ("GetKeyPolicy", ANY),
    ("GetKeyRotationStatus", ANY),
    ("GetParametersForImport", [OK, OK, X3, OK, X11, X14, X15]),
    ("GetPublicKey", USE),
    ("ImportKeyMaterial", [OK, OK, X3, OK, X11, X14, OK]),
    ("ListGrants", ANY),
    ("ListKeyPolicies", ANY),
    ("ListKeyRotations", ANY),
    ("ListResourceTags", ANY),
    ("PutKeyPolicy", ANY),
    ("ReEncrypt", USE),
    ("ReplicateKey", FAMILY),
    ("RevokeGrant", ANY),
    ("RotateKeyOnDemand", FAMILY),
    ("ScheduleKeyDeletion", [OK, OK, X3, OK, OK, OK, X15]),
    ("Sign", USE),
    ("TagResource", EDIT),
    ("UntagResource", EDIT),
    ("UpdateAlias", EDIT),
    ("UpdateKeyDescription", EDIT),
    ("UpdatePrimaryRegion", [OK, X1, X3, X5, X11, X14, OK]),
    ("Verify", USE),
    ("VerifyMac", USE),
];

/// Whether an operation asks for a key's state.
#[cfg(test)]
pub(crate) fn has_row(operation: &str) -> bool {
    TABLE.iter().any(|(name, _)| *name == operation)
}

/// Refuses an operation on a key that is not in the state for it.
pub(crate) fn check(operation: &str, state: KeyState, arn: &str) -> Result<(), AwsError> {
    let row = TABLE.iter().find(|(name, _)| *name == operation).map_or(&ANY, |(_, row)| row);
    let (code, what) = match row[state.column()] {
        Cell::Pass => return Ok(()),
        Cell::IsDisabled => (Code::Disabled, "is disabled."),
        Cell::IsPendingDeletion => (Code::InvalidState, "is pending deletion."),
        Cell::IsNotPendingDeletion => (Code::InvalidState, "is not pending deletion."),
        Cell::IsPendingImport => (Code::InvalidState, "is pending import."),
        Cell::IsUnavailable => (Code::InvalidState, "is unavailable."),
        Cell::IsCreating => (Code::InvalidState, "is creating."),
        Cell::IsUpdating => (Code::InvalidState, "is updating."),
    };
    Err(AwsError::new(code, format!("{arn} {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, printed: what a change to the data changes shows here.
    const GOLDEN: &str = "\
operation                        Enabled  Disabled PendDel  PendImp  Unavail  Creating Updating
CancelKeyDeletion                X4       X4       ok       X4       X4       X4       X4
CreateAlias                      ok       ok       X3       ok       ok       ok       ok
CreateGrant                      ok       X1       X3       X5       ok       X14      ok
Decrypt                          ok       X1       X3       X5       X11      X14      ok
DeleteAlias                      ok       ok       ok       ok       ok       ok       ok
DeleteImportedKeyMaterial        ok       ok       ok       ok       X11      X14      X15
DeriveSharedSecret               ok       X1       X3       X5       X11      X14      ok
DescribeKey                      ok       ok       ok       ok       ok       ok       ok
DisableKey                       ok       ok       X3       X5       ok       X14      X15
EnableKey                        ok       ok       X3       X5       ok       X14      X15
Encrypt                          ok       X1       X3       X5       X11      X14      ok
GenerateDataKey                  ok       X1       X3       X5       X11      X14      ok
GenerateDataKeyWithoutPlaintext  ok       X1       X3       X5       X11      X14      ok
GenerateMac                      ok       X1       X3       X5       X11      X14      ok
GetKeyLastUsage                  ok       ok       ok       ok       ok       ok       ok
GetKeyPolicy                     ok       ok       ok       ok       ok       ok       ok
GetKeyRotationStatus             ok       ok       ok       ok       ok       ok       ok
GetParametersForImport           ok       ok       X3       ok       X11      X14      X15
GetPublicKey                     ok       X1       X3       X5       X11      X14      ok
ImportKeyMaterial                ok       ok       X3       ok       X11      X14      ok
ListGrants                       ok       ok       ok       ok       ok       ok       ok
ListKeyPolicies                  ok       ok       ok       ok       ok       ok       ok
ListKeyRotations                 ok       ok       ok       ok       ok       ok       ok
ListResourceTags                 ok       ok       ok       ok       ok       ok       ok
PutKeyPolicy                     ok       ok       ok       ok       ok       ok       ok
ReEncrypt                        ok       X1       X3       X5       X11      X14      ok
ReplicateKey                     ok       X1       X3       X5       X11      X14      X15
RevokeGrant                      ok       ok       ok       ok       ok       ok       ok
RotateKeyOnDemand                ok       X1       X3       X5       X11      X14      X15
ScheduleKeyDeletion              ok       ok       X3       ok       ok       ok       X15
Sign                             ok       X1       X3       X5       X11      X14      ok
TagResource                      ok       ok       X3       ok       ok       ok       ok
UntagResource                    ok       ok       X3       ok       ok       ok       ok
UpdateAlias                      ok       ok       X3       ok       ok       ok       ok
UpdateKeyDescription             ok       ok       X3       ok       ok       ok       ok
UpdatePrimaryRegion              ok       X1       X3       X5       X11      X14      ok
Verify                           ok       X1       X3       X5       X11      X14      ok
VerifyMac                        ok       X1       X3       X5       X11      X14      ok
";

    fn note(outcome: Result<(), AwsError>) -> &'static str {
        let Err(error) = outcome else { return "ok" };
        match error.message.trim_start_matches("ARN ") {
            "is disabled." if error.code == Code::Disabled => "X1",
            "is pending deletion." => "X3",
            "is not pending deletion." => "X4",
            "is pending import." => "X5",
            "is unavailable." => "X11",
            "is creating." => "X14",
            "is updating." => "X15",
            other => panic!("an error without a note: {other}"),
        }
    }

    #[test]
    fn the_table_of_operation_and_state_is_that_of_the_reference() {
        use KeyState::{Creating, Disabled, Enabled, PendingDeletion, PendingImport, Unavailable, Updating};
        let mut printed = format!("{:33}{}\n", "operation", "Enabled  Disabled PendDel  PendImp  Unavail  Creating Updating");
        for (operation, _) in TABLE {
            let cells = [Enabled, Disabled, PendingDeletion, PendingImport, Unavailable, Creating, Updating].map(|state| note(check(operation, state, "ARN")));
            printed += format!("{operation:33}{}", cells.map(|cell| format!("{cell:9}")).concat()).trim_end();
            printed.push('\n');
        }
        assert_eq!(printed, GOLDEN);
    }

    #[test]
    fn a_primary_that_waits_for_its_replicas_counts_as_pending_deletion() {
        for (operation, _) in TABLE {
            assert_eq!(check(operation, KeyState::PendingReplicaDeletion, "a"), check(operation, KeyState::PendingDeletion, "a"), "{operation}");
        }
    }
}
