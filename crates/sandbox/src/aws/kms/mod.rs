//! AWS KMS, API version 2014-11-01. One file a subject; the table of operations stands here, the table of states in `state`.

pub(crate) mod agree;
pub(crate) mod alias;
pub(crate) mod asymmetric;
pub(crate) mod cipher;
pub(crate) mod create;
pub(crate) mod data_key;
pub(crate) mod describe;
pub(crate) mod encrypt;
pub(crate) mod family;
pub(crate) mod grants;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod mac;
pub(crate) mod material;
pub(crate) mod parameters;
pub(crate) mod realm;
pub(crate) mod rotation;
pub(crate) mod sign;
pub(crate) mod spec;
pub(crate) mod state;
pub(crate) mod tags;
pub(crate) mod token;
pub(crate) mod unwrap;
pub(crate) mod usable;

use super::call::{Operation, Scene, Service, Stage};
use super::errors::AwsError;

const fn reads(name: &'static str, run: fn(&mut Scene<'_>) -> Result<Stage, AwsError>) -> Operation {
    Operation { name, service: Service::Kms, read_only: true, run }
}

const fn changes(name: &'static str, run: fn(&mut Scene<'_>) -> Result<Stage, AwsError>) -> Operation {
    Operation { name, service: Service::Kms, read_only: false, run }
}

/// Every operation of KMS that is simulated; `readOnly` as CloudTrail has it.
pub(crate) const OPERATIONS: &[Operation] = &[
    changes("CancelKeyDeletion", lifecycle::cancel_deletion),
    changes("CreateAlias", alias::create),
    changes("CreateGrant", grants::create),
    changes("CreateKey", create::create_key),
    reads("Decrypt", encrypt::decrypt),
    changes("DeleteAlias", alias::delete),
    changes("DeleteImportedKeyMaterial", import::delete_material),
    reads("DeriveSharedSecret", agree::derive),
    reads("DescribeKey", describe::describe_key),
    changes("DisableKey", lifecycle::disable),
    changes("EnableKey", lifecycle::enable),
    reads("Encrypt", encrypt::encrypt),
    reads("GenerateDataKey", data_key::generate),
    reads("GenerateDataKeyWithoutPlaintext", data_key::generate_without_plaintext),
    reads("GenerateMac", mac::generate),
    reads("GetKeyLastUsage", describe::last_usage),
    reads("GetKeyPolicy", describe::get_policy),
    reads("GetKeyRotationStatus", rotation::status),
    reads("GetParametersForImport", parameters::get_parameters),
    reads("GetPublicKey", sign::get_public_key),
    changes("ImportKeyMaterial", import::import_material),
    reads("ListAliases", list::aliases),
    reads("ListGrants", grants::list),
    reads("ListKeyPolicies", describe::list_policies),
    reads("ListKeyRotations", rotation::list),
    reads("ListKeys", list::keys),
    reads("ListResourceTags", list::tags),
    changes("PutKeyPolicy", describe::put_policy),
    reads("ReEncrypt", encrypt::re_encrypt),
    changes("ReplicateKey", family::replicate),
    changes("RevokeGrant", grants::revoke),
    changes("RotateKeyOnDemand", rotation::rotate_on_demand),
    changes("ScheduleKeyDeletion", lifecycle::schedule_deletion),
    reads("Sign", sign::sign),
    changes("TagResource", tags::tag),
    changes("UntagResource", tags::untag),
    changes("UpdateAlias", alias::update),
    changes("UpdateKeyDescription", describe::update_description),
    changes("UpdatePrimaryRegion", family::update_primary),
    reads("Verify", sign::verify),
    reads("VerifyMac", mac::verify),
];

/// An operation by its name.
pub(crate) fn operation(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_on_a_key_has_its_row_in_the_table_of_states() {
        // CreateKey has no key yet, the two lists of everything name none.
        let keyless = ["CreateKey", "ListAliases", "ListKeys"];
        for operation in OPERATIONS {
            assert_eq!(state::has_row(operation.name), !keyless.contains(&operation.name), "{}", operation.name);
        }
    }
}
