//! Keystores: places where keys live. An AWS account and Region (CM-048, CM-049), or the vault itself (FT-036).

use crate::Invalid;

/// The cloud of a keystore that is in none: its keys live in the vault alone.
pub const VAULT: &str = "vault";

/// Where a keystore is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsLocation {
    /// AWS Region, for example `eu-west-1`.
    pub region: String,
    /// The twelve digits of the AWS account.
    pub account: String,
    /// The role that Keystead assumes there; without one it uses its own credentials.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for (AWS IAM, "confused deputy").
    pub external_id: Option<String>,
}

impl AwsLocation {
    /// The place of a keystore that is in no cloud.
    pub fn nowhere() -> Self {
        Self { region: String::new(), account: String::new(), role_arn: None, external_id: None }
    }
}

/// Refuses what says where in a cloud the vault is: it is in none.
///
/// # Errors
/// [`Invalid`] naming the field that was given.
pub fn check_nowhere(location: &AwsLocation) -> Result<(), Invalid> {
    let given = [
        ("region", !location.region.is_empty()),
        ("account", !location.account.is_empty()),
        ("role_arn", location.role_arn.is_some()),
        ("external_id", location.external_id.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((field, _)) => Err(Invalid::new(field, "is given, but the vault is in no cloud", "Leave it out, or give the cloud aws.")),
        None => Ok(()),
    }
}

/// Whether a keystore is in use or was deleted. A deleted one stays, so that the audit log can name it (CM-062).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeystoreState {
    /// In use.
    Active,
    /// Deleted after every key in it was deleted.
    Deleted,
}

/// Checks the twelve digits of an AWS account.
///
/// # Errors
/// [`Invalid`] naming `account`.
pub fn check_account(text: &str) -> Result<(), Invalid> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(Invalid::new("account", "is not an AWS account number", "Give its twelve digits, for example 123456789012."))
}

/// Checks a role's ARN against partition and account (IAM reference, "IAM ARNs").
///
/// # Errors
/// [`Invalid`] naming `role_arn`.
pub fn check_role_arn(text: &str, partition: &str, account: &str) -> Result<(), Invalid> {
    let refuse = |reason: String, mend: String| Err(Invalid::new("role_arn", reason, mend));
    let example = format!("arn:{partition}:iam::{account}:role/keystead");
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, part, "iam", "", owner, resource] = parts[..] else {
        return refuse("is not the ARN of a role".into(), format!("Give an ARN like {example}."));
    };
    let path_ok = |name: &str| !name.is_empty() && name.len() <= 576 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/+=,.@_-".contains(&b));
    if arn != "arn" || !resource.strip_prefix("role/").is_some_and(path_ok) {
        return refuse("is not the ARN of a role".into(), format!("Give an ARN like {example}."));
    }
    if part != partition {
        return refuse(
            format!("is in the partition {part}, but the Region is in {partition}"),
            "Give a role of the Region's own partition: roles do not cross partitions.".into(),
        );
    }
    if owner != account {
        return refuse(
            format!("belongs to account {owner}, but the keystore to {account}"),
            "Imports work only from inside the key's account: give a role of that account.".into(),
        );
    }
    Ok(())
}

/// Checks an external id (STS API reference, AssumeRole, ExternalId).
///
/// # Errors
/// [`Invalid`] naming `external_id`.
pub fn check_external_id(text: &str) -> Result<(), Invalid> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
    if (2..=1224).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(());
    }
    Err(Invalid::new("external_id", "is not an external id", "Give 2 to 1224 letters, digits and _+=,.@:/-, or leave it out and Keystead makes one."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_must_be_of_the_same_partition_and_account() {
        assert_eq!(check_role_arn("arn:aws:iam::123456789012:role/path/keystead", "aws", "123456789012"), Ok(()));
        for bad in [
            "",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws-cn:iam::123456789012:role/x",
            "arn:aws:iam::999999999999:role/x",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert_eq!(check_role_arn(bad, "aws", "123456789012").expect_err(bad).field, "role_arn");
        }
    }

    #[test]
    fn the_vault_is_in_no_cloud() {
        assert_eq!(check_nowhere(&AwsLocation::nowhere()), Ok(()));
        let nowhere = AwsLocation::nowhere;
        for (location, field) in [
            (AwsLocation { region: "eu-west-1".into(), ..nowhere() }, "region"),
            (AwsLocation { account: "123456789012".into(), ..nowhere() }, "account"),
            (AwsLocation { role_arn: Some(String::new()), ..nowhere() }, "role_arn"),
            (AwsLocation { external_id: Some("x".into()), ..nowhere() }, "external_id"),
        ] {
            assert_eq!(check_nowhere(&location).expect_err(field).field, field);
        }
    }

    #[test]
    fn accounts_have_twelve_digits() {
        assert!(check_account("123456789012").is_ok());
        for bad in ["", "12345678901", "1234567890123", "12345678901a", "１23456789012"] {
            assert!(check_account(bad).is_err(), "{bad}");
        }
    }
}
