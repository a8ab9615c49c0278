//! Who asks, and may they: users, roles, sessions, and the decision. A denial beats a permission; what nobody allows is refused. Conditions, permission
//! boundaries and service control policies are not simulated; key policies are kept and checked for form but grant and deny nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::errors::{AwsError, Code};
use super::regions::Partition;
use crate::clock::{DAY, Micros};
use crate::config::{RoleSeed, SecretAccessKey, Statement, UserSeed};

/// Sessions beyond this number make room by forgetting those that ended more than a day ago.
const SESSIONS_KEPT: usize = 4_096;

/// What an identity may do.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    allow: Vec<Statement>,
    deny: Vec<Statement>,
}

/// How a decision fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    NotAllowed,
    Denied,
}

impl Policy {
    /// Whether this action on this resource is allowed.
    pub(crate) fn decide(&self, action: &str, resource: &str) -> Decision {
        let speaks = |statement: &Statement| {
            statement.actions.iter().any(|pattern| matches_ignoring_case(pattern, action))
                && statement.resources.iter().any(|pattern| matches(pattern, resource))
        };
        if self.deny.iter().any(speaks) {
            Decision::Denied
        } else if self.allow.iter().any(speaks) {
            Decision::Allowed
        } else {
            Decision::NotAllowed
        }
    }
}

/// Someone whose signature was right.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// `arn:aws:iam::…:user/…` or `arn:aws:sts::…:assumed-role/…/…`.
    pub(crate) arn: String,
    pub(crate) account: String,
    /// `UserId` of GetCallerIdentity.
    pub(crate) user_id: String,
    pub(crate) access_key: String,
    pub(crate) partition: Partition,
    /// The role's ARN, for a session.
    pub(crate) role: Option<String>,
    policy: Arc<Policy>,
}

impl Caller {
    /// Refuses what this caller may not do, in AWS's words.
    pub(crate) fn authorize(&self, action: &str, resource: &str) -> Result<(), AwsError> {
        let why = match self.policy.decide(action, resource) {
            Decision::Allowed => return Ok(()),
            Decision::NotAllowed => format!("because no identity-based policy allows the {action} action"),
            Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        };
        Err(AwsError::new(Code::AccessDenied, format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", self.arn)))
    }

    pub(crate) fn decide(&self, action: &str, resource: &str) -> Decision {
        self.policy.decide(action, resource)
    }
}

/// What an access key stands for.
struct User {
    seed: UserSeed,
    partition: Partition,
    user_id: String,
    policy: Arc<Policy>,
}

/// A role, as STS sees it.
pub(crate) struct Role {
    pub(crate) seed: RoleSeed,
    pub(crate) account: String,
    /// The last part of the ARN.
    pub(crate) name: String,
    pub(crate) role_id: String,
    partition: Partition,
    policy: Arc<Policy>,
}

/// Temporary credentials.
struct Session {
    secret: Zeroizing<String>,
    token: Zeroizing<String>,
    expires: Micros,
    role_arn: String,
    name: String,
}

/// Why a user or role was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SeedError {
    /// The account is not an account id.
    #[error("account: {0:?} is not twelve digits; give the AWS account id without dashes")]
    Account(String),
    /// The partition is not simulated.
    #[error("partition: {0:?} is unknown; use aws, aws-us-gov or aws-cn")]
    Partition(String),
    /// The ARN is not a role's.
    #[error("arn: {0:?} is not the ARN of a role; write arn:aws:iam::<account>:role/<name>")]
    RoleArn(String),
    /// The access key is empty.
    #[error("access_key: it is empty; give for example AKIAIOSFODNN7EXAMPLE")]
    AccessKey,
}

/// Credentials found by an access key id.
pub(crate) struct Credentials {
    pub(crate) caller: Caller,
    pub(crate) secret: Zeroizing<String>,
    /// Token and end, for a session.
    pub(crate) session: Option<(Zeroizing<String>, Micros)>,
}

/// All identities.
#[derive(Default)]
pub(crate) struct Iam {
    users: BTreeMap<String, User>,
    roles: BTreeMap<String, Role>,
    sessions: HashMap<String, Session>,
}

impl Iam {
    /// Adds a user, or replaces the one with the same access key.
    pub(crate) fn put_user(&mut self, seed: UserSeed) -> Result<(), SeedError> {
        let partition = Partition::named(&seed.partition).ok_or_else(|| SeedError::Partition(seed.partition.clone()))?;
        if seed.access_key.is_empty() {
            return Err(SeedError::AccessKey);
        }
        if !is_account(&seed.account) {
            return Err(SeedError::Account(seed.account));
        }
        let on_everything = |actions: &[String]| vec![Statement { actions: actions.to_vec(), resources: vec!["*".to_owned()] }];
        let policy = Arc::new(Policy { allow: on_everything(&seed.allow), deny: on_everything(&seed.deny) });
        let user_id = stable_id("AIDA", &[&seed.account, &seed.name]);
        self.users.insert(seed.access_key.clone(), User { seed, partition, user_id, policy });
        Ok(())
    }

    /// Adds a role, or replaces the one with the same ARN; its living sessions take the new policy at once.
    pub(crate) fn put_role(&mut self, seed: RoleSeed) -> Result<(), SeedError> {
        let wrong = || SeedError::RoleArn(seed.arn.clone());
        let parts: Vec<&str> = seed.arn.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts[..] else { return Err(wrong()) };
        let name = resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        let partition = Partition::named(partition).ok_or_else(|| SeedError::Partition(partition.to_owned()))?;
        if !is_account(account) {
            return Err(SeedError::Account(account.to_owned()));
        }
        let (account, name) = (account.to_owned(), name.to_owned());
        let policy = Arc::new(Policy { allow: seed.allow.clone(), deny: seed.deny.clone() });
        let role_id = stable_id("AROA", &[&seed.arn]);
        self.roles.insert(seed.arn.clone(), Role { account, name, role_id, partition, policy, seed });
        Ok(())
    }

    pub(crate) fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.get(arn)
    }

    /// Keeps a new session of a role.
    pub(crate) fn open_session(&mut self, role_arn: &str, name: &str, keys: &SessionKeys, expires: Micros, now: Micros) {
        if self.sessions.len() >= SESSIONS_KEPT {
            self.sessions.retain(|_, session| session.expires > now - DAY);
        }
        let session = Session {
            secret: Zeroizing::new(keys.secret.expose().to_owned()),
            token: keys.token.clone(),
            expires,
            role_arn: role_arn.to_owned(),
            name: name.to_owned(),
        };
        self.sessions.insert(keys.access_key.clone(), session);
    }

    /// What an access key id stands for.
    pub(crate) fn credentials(&self, access_key: &str) -> Option<Credentials> {
        self.user_credentials(access_key).or_else(|| self.session_credentials(access_key))
    }

    fn user_credentials(&self, access_key: &str) -> Option<Credentials> {
        let user = self.users.get(access_key)?;
        let seed = &user.seed;
        let caller = Caller {
            arn: format!("arn:{}:iam::{}:user/{}", user.partition.name(), seed.account, seed.name),
            account: seed.account.clone(),
            user_id: user.user_id.clone(),
            access_key: access_key.to_owned(),
            partition: user.partition,
            role: None,
            policy: Arc::clone(&user.policy),
        };
        Some(Credentials { caller, secret: Zeroizing::new(seed.secret_key.expose().to_owned()), session: None })
    }

    fn session_credentials(&self, access_key: &str) -> Option<Credentials> {
        let session = self.sessions.get(access_key)?;
        let role = self.roles.get(&session.role_arn)?;
        let caller = Caller {
            arn: role.session_arn(&session.name),
            account: role.account.clone(),
            user_id: format!("{}:{}", role.role_id, session.name),
            access_key: access_key.to_owned(),
            partition: role.partition,
            role: Some(session.role_arn.clone()),
            policy: Arc::clone(&role.policy),
        };
        Some(Credentials { caller, secret: session.secret.clone(), session: Some((session.token.clone(), session.expires)) })
    }
}

impl Role {
    /// The ARN of a session of this role.
    pub(crate) fn session_arn(&self, session_name: &str) -> String {
        format!("arn:{}:sts::{}:assumed-role/{}/{session_name}", self.partition.name(), self.account, self.name)
    }

    /// Whether the trust policy names this caller or its role.
    pub(crate) fn trusts_by_name(&self, caller: &Caller) -> bool {
        self.seed.trusted.iter().any(|trusted| *trusted == caller.arn || Some(trusted) == caller.role.as_ref())
    }

    /// Whether the trust policy names the caller's whole account.
    pub(crate) fn trusts_account(&self, caller: &Caller) -> bool {
        let root = format!("arn:{}:iam::{}:root", caller.partition.name(), caller.account);
        self.seed.trusted.contains(&root)
    }
}

/// The keys of a new session.
pub(crate) struct SessionKeys {
    pub(crate) access_key: String,
    pub(crate) secret: SecretAccessKey,
    pub(crate) token: Zeroizing<String>,
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A unique id as IAM gives it, the same for the same thing in every run.
fn stable_id(prefix: &str, parts: &[&str]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, parts.join("\n").as_bytes());
    format!("{prefix}{}", hex::encode_upper(&hash.as_ref()[..8]))
}

fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// IAM's wildcards: `*` for any run of characters, `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((after_star, tried)) => {
                    retry = Some((after_star, tried + 1));
                    (p, t) = (after_star, tried + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(actions: &[&str], resources: &[&str]) -> Statement {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
        Statement { actions: owned(actions), resources: owned(resources) }
    }

    #[test]
    fn wildcards_match_as_in_iam() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("kms:*", "kms:CreateKey", true),
            ("kms:Describe*", "kms:DescribeKey", true),
            ("kms:Describe?ey", "kms:DescribeKey", true),
            ("kms:*Key*Plain*", "kms:GenerateDataKeyWithoutPlaintext", true),
            ("kms:CreateKey", "kms:CreateKeys", false),
            ("kms:*Key", "kms:ListAliases", false),
            ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:111122223333:key/abc", true),
            ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:999999999999:key/abc", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_denial_beats_a_permission_and_silence_refuses() {
        let policy =
            Policy { allow: vec![statement(&["KMS:*"], &["*"])], deny: vec![statement(&["kms:ScheduleKeyDeletion"], &["arn:aws:kms:*:*:key/precious"])] };
        assert_eq!(policy.decide("kms:CreateKey", "*"), Decision::Allowed);
        assert_eq!(policy.decide("kms:ScheduleKeyDeletion", "arn:aws:kms:eu-west-1:1:key/precious"), Decision::Denied);
        assert_eq!(policy.decide("kms:ScheduleKeyDeletion", "arn:aws:kms:eu-west-1:1:key/other"), Decision::Allowed);
        assert_eq!(policy.decide("sts:AssumeRole", "*"), Decision::NotAllowed);
    }

    #[test]
    fn seeds_that_make_no_sense_are_refused_with_their_field() {
        let mut iam = Iam::default();
        let user = |account: &str, partition: &str| UserSeed { partition: partition.to_owned(), ..UserSeed::new("u", account, "AKIA", "s") };
        assert_eq!(iam.put_user(user("123", "aws")), Err(SeedError::Account("123".to_owned())));
        assert_eq!(iam.put_user(user("111122223333", "aws-moon")), Err(SeedError::Partition("aws-moon".to_owned())));
        let arn = "arn:aws:iam::111122223333:user/not-a-role";
        assert_eq!(iam.put_role(RoleSeed::new(arn, &[], None)), Err(SeedError::RoleArn(arn.to_owned())));
        assert_eq!(iam.put_role(RoleSeed::new("arn:aws:iam::111122223333:role/path/Keystead", &[], None)), Ok(()));
        assert_eq!(iam.role("arn:aws:iam::111122223333:role/path/Keystead").expect("kept").name, "Keystead");
    }
}
