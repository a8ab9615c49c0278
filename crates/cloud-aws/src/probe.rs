//! A look at our own permissions that changes nothing (CM-070, CM-072).
//!
//! Every action is tried on a key that cannot exist. AWS answers "denied" when the action is not permitted and "no such key" when it is; nothing can be
//! changed either way. Two limits, told in the report instead of guessed over:
//! - CreateKey works on no key. It is tried with a usage that its kind of key cannot have, which AWS always refuses; but AWS does not say whether it checks the
//!   permission first. "Denied" is certain, everything else is "untested".
//! - A permission that hangs on a key's origin or tag denies the key that cannot exist. The policy that we make therefore names that key (see `policy`); with a
//!   policy of another making, "missing" may be wrong, and the mend says so.

use aws_sdk_kms::{
    primitives::Blob,
    types::{
        AlgorithmSpec, DataKeySpec, ExpirationModelType, GrantOperation, KeyUsageType, MacAlgorithmSpec, OriginType, SigningAlgorithmSpec, Tag, WrappingKeySpec,
    },
};
use keystead_cloud::{CloudError, Finding, Kind, ProbeReport, Standing};

use crate::{
    actions::{Action, IMPOSSIBLE_KEY, NEEDED},
    client::AwsCloud,
    list::patiently,
    own,
    send::send,
};

/// What must not be possible, as far as it can be tried: a sample of the patterns in [`FORBIDDEN`](crate::actions::FORBIDDEN).
#[derive(Debug, Clone, Copy)]
enum Use {
    Encrypt,
    Decrypt,
    GenerateDataKey,
    Sign,
    GenerateMac,
    CreateGrant,
}

const USES: [(Use, &str); 6] = [
    (Use::Encrypt, "kms:Encrypt"),
    (Use::Decrypt, "kms:Decrypt"),
    (Use::GenerateDataKey, "kms:GenerateDataKey"),
    (Use::Sign, "kms:Sign"),
    (Use::GenerateMac, "kms:GenerateMac"),
    (Use::CreateGrant, "kms:CreateGrant"),
];

impl AwsCloud {
    /// The whole look.
    pub(crate) async fn probe_permissions(&self) -> Result<ProbeReport, CloudError> {
        let identity = patiently(|| self.check_account()).await?;
        let mut findings = Vec::new();
        for action in NEEDED {
            findings.push(needed(*action, answer(patiently(|| Box::pin(self.try_needed(*action))).await)?));
        }
        for (usage, name) in USES {
            findings.extend(unneeded(name, answer(patiently(|| self.try_use(usage)).await)?));
        }
        Ok(ProbeReport { identity, account: self.account.clone(), findings })
    }

    fn impossible_key(&self) -> String {
        format!("arn:{}:kms:{}:{}:key/{IMPOSSIBLE_KEY}", self.region.partition.name, self.region.name, self.account)
    }

    /// A Region that a multi-Region key of this one could have a replica in.
    fn some_other_region(&self) -> &str {
        self.region.partition.another_region(&self.region.name)
    }

    async fn try_needed(&self, action: Action) -> Result<(), CloudError> {
        let (kms, key, call) = (&self.kms, self.impossible_key(), action.operation());
        let alias = format!("alias/keystead/{IMPOSSIBLE_KEY}");
        match action {
            Action::CreateKey => self.try_create_key().await,
            Action::ListKeys => send!(self, call, kms.list_keys().limit(1)).map(drop),
            Action::ListAliases => send!(self, call, kms.list_aliases().limit(1)).map(drop),
            Action::GetKeyPolicy => send!(self, call, kms.get_key_policy().key_id(key).policy_name("default")).map(drop),
            Action::ListGrants => send!(self, call, kms.list_grants().key_id(key)).map(drop),
            Action::GetKeyLastUsage => send!(self, call, kms.get_key_last_usage().key_id(key)).map(drop),
            Action::DescribeKey => send!(self, call, kms.describe_key().key_id(key)).map(drop),
            Action::ListResourceTags => send!(self, call, kms.list_resource_tags().key_id(key)).map(drop),
            Action::GetParametersForImport => {
                let request = kms.get_parameters_for_import().wrapping_algorithm(AlgorithmSpec::RsaesOaepSha256).wrapping_key_spec(WrappingKeySpec::Rsa4096);
                send!(self, call, request.key_id(key)).map(drop)
            }
            Action::ImportKeyMaterial => {
                let request = kms.import_key_material().import_token(Blob::new([0])).encrypted_key_material(Blob::new([0]));
                send!(self, call, request.expiration_model(ExpirationModelType::KeyMaterialDoesNotExpire).key_id(key)).map(drop)
            }
            Action::GetPublicKey => send!(self, call, kms.get_public_key().key_id(key)).map(drop),
            Action::ListKeyRotations => send!(self, call, kms.list_key_rotations().key_id(key)).map(drop),
            Action::RotateKeyOnDemand => send!(self, call, kms.rotate_key_on_demand().key_id(key)).map(drop),
            Action::EnableKey => send!(self, call, kms.enable_key().key_id(key)).map(drop),
            Action::DisableKey => send!(self, call, kms.disable_key().key_id(key)).map(drop),
            Action::TagResource => send!(self, call, kms.tag_resource().key_id(key).set_tags(Some(own_mark()))).map(drop),
            Action::UntagResource => send!(self, call, kms.untag_resource().key_id(key).tag_keys("probe")).map(drop),
            Action::UpdateKeyDescription => send!(self, call, kms.update_key_description().key_id(key).description("probe")).map(drop),
            Action::ReplicateKey => send!(self, call, kms.replicate_key().key_id(key).replica_region(self.some_other_region())).map(drop),
            Action::UpdatePrimaryRegion => send!(self, call, kms.update_primary_region().key_id(key).primary_region(self.some_other_region())).map(drop),
            Action::DeleteImportedKeyMaterial => send!(self, call, kms.delete_imported_key_material().key_id(key)).map(drop),
            Action::ScheduleKeyDeletion => send!(self, call, kms.schedule_key_deletion().key_id(key).pending_window_in_days(30)).map(drop),
            Action::CancelKeyDeletion => send!(self, call, kms.cancel_key_deletion().key_id(key)).map(drop),
            Action::CreateAlias => send!(self, call, kms.create_alias().alias_name(alias).target_key_id(key)).map(drop),
            Action::UpdateAlias => send!(self, call, kms.update_alias().alias_name(alias).target_key_id(key)).map(drop),
            Action::DeleteAlias => send!(self, call, kms.delete_alias().alias_name(alias)).map(drop),
        }
    }

    /// An order that nobody can fill: a symmetric key (the default kind) for message authentication codes (AWS KMS API reference, CreateKey, KeyUsage).
    async fn try_create_key(&self) -> Result<(), CloudError> {
        let request = self.kms.create_key().origin(OriginType::External).key_usage(KeyUsageType::GenerateVerifyMac);
        let request = request.bypass_policy_lockout_safety_check(false).multi_region(false).set_tags(Some(own_mark()));
        send!(self, "CreateKey", request).map(drop)
    }

    async fn try_use(&self, usage: Use) -> Result<(), CloudError> {
        let (kms, key, blob) = (&self.kms, self.impossible_key(), Blob::new([0; 32]));
        match usage {
            Use::Encrypt => send!(self, "Encrypt", kms.encrypt().key_id(key).plaintext(blob)).map(drop),
            Use::Decrypt => send!(self, "Decrypt", kms.decrypt().key_id(key).ciphertext_blob(blob)).map(drop),
            Use::GenerateDataKey => send!(self, "GenerateDataKey", kms.generate_data_key().key_id(key).key_spec(DataKeySpec::Aes256)).map(drop),
            Use::Sign => send!(self, "Sign", kms.sign().key_id(key).message(blob).signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)).map(drop),
            Use::GenerateMac => send!(self, "GenerateMac", kms.generate_mac().key_id(key).message(blob).mac_algorithm(MacAlgorithmSpec::HmacSha256)).map(drop),
            Use::CreateGrant => {
                let principal = format!("arn:{}:iam::{}:root", self.region.partition.name, self.account);
                send!(self, "CreateGrant", kms.create_grant().key_id(key).grantee_principal(principal).operations(GrantOperation::DescribeKey)).map(drop)
            }
        }
    }
}

/// The tag that our policy asks for at creation.
fn own_mark() -> Vec<Tag> {
    Tag::builder().tag_key(own::MANAGED_BY.0).tag_value(own::MANAGED_BY.1).build().into_iter().collect()
}

/// What AWS said to a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Permitted: done, or no such key.
    Permitted,
    /// Not permitted.
    Denied,
    /// Refused for another reason, perhaps before the permission was looked at.
    Unclear,
}

/// # Errors
/// Whatever is no answer: no connection, no credentials. One call in which the cloud fails, again and again, leaves that one untested and tells the rest.
fn answer(result: Result<(), CloudError>) -> Result<Answer, CloudError> {
    match result {
        Ok(()) => Ok(Answer::Permitted),
        Err(error) => match error.kind {
            Kind::AccessDenied => Ok(Answer::Denied),
            Kind::NotFound | Kind::WrongState | Kind::BadToken => Ok(Answer::Permitted),
            Kind::BadInput | Kind::Unsupported | Kind::BadCiphertext | Kind::AliasTaken | Kind::ReplicaThere | Kind::LimitExceeded | Kind::CloudFailure => {
                Ok(Answer::Unclear)
            }
            _ => Err(error),
        },
    }
}

fn needed(action: Action, answer: Answer) -> Finding {
    let name = action.as_str();
    let (standing, mend) = match answer {
        Answer::Permitted => (Standing::Granted, None),
        Answer::Denied => (Standing::Missing, Some(missing(action))),
        Answer::Unclear => (Standing::Untested, Some(format!("{name} cannot be told without doing it. Compare the role's policy with Keystead's."))),
    };
    Finding { action: name.to_owned(), standing, mend }
}

fn missing(action: Action) -> String {
    match action {
        Action::CreateKey => "Grant kms:CreateKey, and kms:TagResource for the tags that go with it, as Keystead's policy does.".to_owned(),
        Action::CreateAlias | Action::UpdateAlias | Action::DeleteAlias => format!(
            "Grant {} on the keys and on the aliases, as Keystead's policy does. It is tried on alias/keystead/: where only other aliases are granted, compare by eye.",
            action.as_str()
        ),
        Action::ReplicateKey | Action::UpdatePrimaryRegion => {
            format!(
                "Grant {} as Keystead's policy does. Only multi-Region keys need it: as long as there are none in this keystore, nothing fails.",
                action.as_str()
            )
        }
        _ => format!(
            "Grant {} as Keystead's policy does. If your own policy grants it by origin or tag, add the statement ProbeOnAKeyThatCannotExist: only with it can this be told.",
            action.as_str()
        ),
    }
}

/// Something to say only when it is there, or cannot be told.
fn unneeded(name: &str, answer: Answer) -> Option<Finding> {
    let (standing, mend) = match answer {
        Answer::Denied => return None,
        Answer::Permitted => (Standing::Excess, format!("Deny {name}: Keystead never uses a key. Its policy does so in the statement NeverUseKeys.")),
        Answer::Unclear => (Standing::Untested, format!("{name} could not be told. Deny it as Keystead's policy does.")),
    };
    Some(Finding { action: name.to_owned(), standing, mend: Some(mend) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{actions::FORBIDDEN, error::refused};

    fn said(kind: Kind) -> Option<Answer> {
        answer(Err(refused("EnableKey", kind, ""))).ok()
    }

    #[test]
    fn denied_is_missing_and_no_such_key_is_granted() {
        assert_eq!(said(Kind::AccessDenied), Some(Answer::Denied));
        assert_eq!(said(Kind::NotFound), Some(Answer::Permitted));
        assert_eq!(needed(Action::EnableKey, Answer::Denied).standing, Standing::Missing);
        assert_eq!(needed(Action::EnableKey, Answer::Permitted).standing, Standing::Granted);
    }

    #[test]
    fn what_is_refused_for_its_form_proves_nothing() {
        assert_eq!((said(Kind::BadInput), said(Kind::CloudFailure)), (Some(Answer::Unclear), Some(Answer::Unclear)));
        assert_eq!(needed(Action::CreateKey, Answer::Unclear).standing, Standing::Untested);
    }

    #[test]
    fn trouble_on_the_way_is_no_finding() {
        for kind in [Kind::Unreachable, Kind::OutcomeUnknown, Kind::Throttled, Kind::Credentials, Kind::RoleNotAssumable] {
            assert_eq!(said(kind), None, "{kind:?}");
        }
    }

    #[test]
    fn every_use_that_is_tried_is_one_that_the_policy_denies() {
        for (_, name) in USES {
            assert!(FORBIDDEN.iter().any(|pattern| name.starts_with(pattern.trim_end_matches('*'))), "{name}");
        }
        assert_eq!(unneeded("kms:Encrypt", Answer::Denied), None);
        assert_eq!(unneeded("kms:Encrypt", Answer::Permitted).map(|finding| finding.standing), Some(Standing::Excess));
    }
}
