//! Rotation policies of keys, keystores and the installation: set, shown, cleared (FT-076, FT-077, FX-027).

use keystead_domain::{
    Invalid, KeyState, KeystoreId, RegionRole, Timestamp,
    rotation::{Due, Policy, Rule, Scope, Strategy, Wish, advice},
};
use keystead_identity::{Action, Principal};
use keystead_operations::{schedule, words::Words};
use keystead_store::{
    StoreError, Tx,
    keys::KeyRow,
    page::{Listed, Page},
    rotations,
    rotations::PolicyRow,
};

use super::rules::check_rotated_by_policy;
use crate::{App, Error, permit};

/// What a policy is for, as people name it: `key:orders`, `keystore:payments-eu`, `default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A key by id or name, with its successors.
    Key(String),
    /// A keystore by id or name.
    Keystore(String),
    /// Every other key.
    Default,
}

impl Target {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what is none of the three.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("key", name)) => Ok(Self::Key(name.to_owned())),
            Some(("keystore", name)) => Ok(Self::Keystore(name.to_owned())),
            None if text == "default" => Ok(Self::Default),
            _ => Err(Error::NotFound { what: "rotation policy", name: text.to_owned() }),
        }
    }
}

/// How something is rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// What was asked about, in the words of [`Target`].
    pub target: String,
    /// The policy that counts there: its own, or the nearest.
    pub policy: Option<PolicyRow>,
    /// When it is rotated next; of a key only, and only while it is ACTIVE.
    pub next: Option<Timestamp>,
    /// When it was last rotated; of a key only.
    pub last: Option<Timestamp>,
    /// How the next rotation is done: as the policy says, where the cloud can; of a key only.
    pub strategy: Option<Strategy>,
    /// How often the key can still be rotated in place; of a key only.
    pub in_place_left: Option<u32>,
    /// What a rotation will not do for the key's users.
    pub warnings: Vec<&'static str>,
}

/// What a target turned out to be.
enum Subject {
    Key(Box<KeyRow>),
    Keystore(KeystoreId, String),
    Default,
}

impl Subject {
    fn scope(&self) -> Scope {
        match self {
            Self::Key(key) => Scope::Key(key.lineage_id.clone()),
            Self::Keystore(id, _) => Scope::Keystore(id.clone()),
            Self::Default => Scope::Default,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Key(key) => &key.name,
            Self::Keystore(_, name) => name,
            Self::Default => "",
        }
    }

    /// In the words of [`Target`].
    fn target(&self) -> String {
        named(&self.scope(), self.name())
    }

    fn action(&self) -> Action {
        if matches!(self, Self::Key(_)) { Action::ManageKeys } else { Action::ManageKeystores }
    }

    fn told(&self, words: Words) -> Words {
        match self {
            Self::Key(key) => words.key(key),
            Self::Keystore(id, name) => words.keystore(id, name),
            Self::Default => words,
        }
    }
}

/// A scope in the words of [`Target`].
pub fn named(scope: &Scope, name: &str) -> String {
    if *scope == Scope::Default { "default".to_owned() } else { format!("{}:{name}", scope.as_str()) }
}

impl App {
    async fn subject(&self, principal: &Principal, target: &Target) -> Result<Subject, Error> {
        Ok(match target {
            Target::Key(name) => Subject::Key(Box::new(self.key(principal, name).await?)),
            Target::Keystore(name) => {
                let keystore = self.active_keystore(principal, name).await?;
                Subject::Keystore(keystore.id, keystore.name)
            }
            Target::Default => Subject::Default,
        })
    }

    /// Sets a policy, in the place of the one that was there.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field; [`Error::NotFound`].
    pub async fn set_rotation(&self, principal: &Principal, target: &Target, wish: Wish) -> Result<Rotation, Error> {
        let rule = wish.rule()?;
        let subject = self.subject(principal, target).await?;
        if let Subject::Key(key) = &subject
            && key.ties.role == RegionRole::Replica
        {
            let primary = self.primary_of(key).await?.map_or_else(String::new, |primary| primary.name);
            let mend = format!("Set the policy of the primary: `keystead rotation set --key {primary}`.");
            return Err(Invalid::new("target", "is a replica, which is rotated with its primary", mend).into());
        }
        if let Rule::Rotate(policy) = &rule {
            self.check_work(principal, &subject, policy).await?;
        }
        if let Subject::Key(key) = &subject
            && let Err((rule, refused)) = check_rotated_by_policy(key)
        {
            return Err(self.refuse(principal, "rotation.set", rule, key, refused.into()).await);
        }
        if let (Subject::Key(key), Strategy::InPlace) = (&subject, wish.strategy)
            && let Err(impossible) = self.engine.turnable(key).await?.check()
        {
            return Err(self.refuse(principal, "rotation.set", "in-place", key, impossible.into()).await);
        }
        let proof = permit(principal, subject.action(), &principal.account, wish)?;
        let row = PolicyRow {
            account_id: principal.account.clone(),
            scope: subject.scope(),
            name: subject.name().to_owned(),
            wish: proof.payload,
            set_at: self.now(),
            set_by: principal.user.to_string(),
        };
        let entry = subject.told(self.entry(principal, "rotation.set", proof.rule)).detail("target", subject.target());
        let entry = details(&row.wish).into_iter().fold(entry, |entry, (name, value)| entry.detail(name, value)).done();
        let already = entry_of_no_op(subject.told(self.entry(principal, "rotation.set", proof.rule)), &subject);
        let set = move |tx: &mut Tx<'_>| {
            let is_so = rotations::of(tx, &row.account_id, &row.scope)?.is_some_and(|before| before.wish == row.wish);
            tx.audit(if is_so { already.clone() } else { entry.clone() });
            if is_so { Ok(()) } else { rotations::set(tx, &row) }
        };
        self.store().write("rotations.set", set).await?;
        self.engine.plan_rotations().await;
        self.rotation_of(principal, subject, None).await
    }

    /// Refuses a window in which the cloud's quota does not let all keys have their turn.
    async fn check_work(&self, principal: &Principal, subject: &Subject, policy: &Policy) -> Result<(), Error> {
        if policy.window.is_none() {
            return Ok(());
        }
        let (account, scope) = (principal.account.clone(), subject.scope());
        let governed = self.store().read("rotations.governed", move |tx| rotations::governed(tx, &account, &scope)).await?;
        for (keystore, keys) in governed {
            policy.check_work(keys, self.engine.rotation_micros(&keystore).await?)?;
        }
        Ok(())
    }

    /// Takes a policy away: from then on the next nearest counts.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn clear_rotation(&self, principal: &Principal, target: &Target) -> Result<Rotation, Error> {
        let subject = self.subject(principal, target).await?;
        let proof = permit(principal, subject.action(), &principal.account, ())?;
        let entry = subject.told(self.entry(principal, "rotation.clear", proof.rule)).detail("target", subject.target()).done();
        let already = entry_of_no_op(subject.told(self.entry(principal, "rotation.clear", proof.rule)), &subject);
        let (account, scope) = (principal.account.clone(), subject.scope());
        let clear = move |tx: &mut Tx<'_>| {
            let was_there = rotations::clear(tx, &account, &scope)?;
            tx.audit(if was_there { entry.clone() } else { already.clone() });
            Ok::<_, StoreError>(())
        };
        self.store().write("rotations.clear", clear).await?;
        self.engine.plan_rotations().await;
        self.rotation_of(principal, subject, None).await
    }

    /// How a key, a keystore's keys or all others are rotated, and when; and what a rotation, done as `asked` or else as the policy says, does not do.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_rotation(&self, principal: &Principal, target: &Target, asked: Option<Strategy>) -> Result<Rotation, Error> {
        let subject = self.subject(principal, target).await?;
        let proof = permit(principal, Action::Read, &principal.account, subject)?;
        self.rotation_of(principal, proof.payload, asked).await
    }

    async fn rotation_of(&self, principal: &Principal, subject: Subject, asked: Option<Strategy>) -> Result<Rotation, Error> {
        let target = subject.target();
        let Subject::Key(key) = subject else {
            let (scope, account) = (subject.scope(), principal.account.clone());
            // A keystore without a policy of its own goes by the default.
            let look = move |tx: &mut Tx<'_>| match rotations::of(tx, &account, &scope)? {
                None => rotations::of(tx, &account, &Scope::Default),
                own => Ok(own),
            };
            let policy = self.store().read("rotations.of", look).await?;
            return Ok(Rotation { target, policy, next: None, last: None, strategy: None, in_place_left: None, warnings: Vec::new() });
        };
        // A replica is rotated with its primary.
        let (row, now) = (self.primary_of(&key).await?.unwrap_or_else(|| (*key).clone()), self.now());
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((rotations::nearest(tx, &row)?, next_turn(tx, &row, now)?));
        let (policy, next) = self.store().read("rotations.nearest", look).await?;
        let turnable = self.engine.turnable(&key).await?;
        let wish = policy.as_ref().map(|policy| policy.wish.clone()).unwrap_or_default();
        let (strategy, left) = (wish.strategy.of(&turnable), turnable.left());
        let as_asked = asked.unwrap_or(strategy);
        let mut warnings = warnings(&key, &wish, as_asked, left);
        if as_asked == Strategy::NewKey && self.has_strange_aliases(&key).await? {
            warnings.push(advice::STRANGE_ALIASES);
        }
        Ok(Rotation { target, policy, next, last: key.rotation.last, strategy: Some(strategy), in_place_left: Some(left), warnings })
    }

    /// Whether the key, or one of its replicas, has aliases in its cloud that no renewal moves.
    async fn has_strange_aliases(&self, key: &KeyRow) -> Result<bool, Error> {
        for member in std::iter::once(key.clone()).chain(self.engine.followers(key).await?) {
            if !self.aliases_in_cloud(&member).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a rotation of a key, done like this or as its policy says, will not do for its users.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn rotation_warnings(&self, principal: &Principal, id_or_name: &str, strategy: Option<Strategy>) -> Result<Vec<&'static str>, Error> {
        let target = Target::Key(id_or_name.to_owned());
        self.show_rotation(principal, &target, strategy).await.map(|rotation| rotation.warnings)
    }

    /// A page of policies.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_rotations(&self, principal: &Principal, page: Page) -> Result<Listed<PolicyRow>, Error> {
        let account = principal.account.clone();
        Ok(self.store().read("rotations.list", move |tx| rotations::list(tx, &account, &page)).await?)
    }

    /// The grace of the policy that counts for a key: what a rotation by hand goes by, too.
    pub(crate) async fn grace_of(&self, key: &KeyRow) -> Result<Option<i64>, Error> {
        let row = key.clone();
        let policy = self.store().read("rotations.nearest", move |tx| rotations::nearest(tx, &row)).await?;
        Ok(policy.and_then(|policy| policy.wish.grace))
    }

    /// How a rotation of a key by hand is done when nobody says: as its policy would do it now.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn rotation_strategy(&self, principal: &Principal, id_or_name: &str) -> Result<Strategy, Error> {
        let key = self.key(principal, id_or_name).await?;
        let row = key.clone();
        let policy = self.store().read("rotations.nearest", move |tx| rotations::nearest(tx, &row)).await?;
        match policy.map(|policy| policy.wish.strategy).unwrap_or_default() {
            Strategy::NewKey => Ok(Strategy::NewKey),
            Strategy::InPlace => Ok(Strategy::InPlace.of(&self.engine.turnable(&key).await?)),
        }
    }
}

fn warnings(key: &KeyRow, wish: &Wish, strategy: Strategy, left: u32) -> Vec<&'static str> {
    let by_successor = || advice::warnings(key.spec, key.usage, !key.aliases.is_empty(), wish.grace.is_some());
    match strategy {
        Strategy::InPlace => advice::in_place(left, !key.aliases.is_empty()),
        // The rotations in place are used up: this time it is a successor, and that may come as a surprise.
        Strategy::NewKey if wish.strategy == Strategy::InPlace && left == 0 => [BEHIND_THE_LAST].into_iter().chain(by_successor()).collect(),
        Strategy::NewKey => by_successor(),
    }
}

/// What is told of a key whose policy says in place and whose cloud does not.
const BEHIND_THE_LAST: &str = "The policy says in-place, and the cloud rotates this key in place no more, or never did: a successor takes over the aliases.";

/// When a key is rotated next: what the schedule would plan at this moment. Only a current key in use is rotated.
pub(super) fn next_turn(tx: &mut Tx<'_>, key: &KeyRow, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    if key.state != KeyState::Active || !key.is_current {
        return Ok(None);
    }
    Ok(schedule::turn_of(tx, key)?.and_then(|turn| match turn.policy.due(&turn.history, now) {
        Due::Now => Some(now),
        Due::At(time) => Some(time),
        Due::Never => None,
    }))
}

fn entry_of_no_op(words: Words, subject: &Subject) -> keystead_audit::Entry {
    words.detail("target", subject.target()).detail("no_op", "true").done()
}

/// What a policy says, in the audit log's words.
fn details(wish: &Wish) -> Vec<(&'static str, String)> {
    let micros = |name, value: Option<i64>| value.map(|value| (name, value.to_string()));
    let text = |name, value: &Option<String>| value.clone().map(|value| (name, value));
    let said = [
        Some(("strategy", if wish.off { "none" } else { wish.strategy.as_str() }.to_owned())),
        micros("every_micros", wish.every),
        text("cron", &wish.cron),
        text("zone", &wish.zone),
        micros("start_micros", wish.start.map(Timestamp::as_micros)),
        text("window", &wish.window),
        micros("notice_micros", wish.notice),
        micros("grace_micros", wish.grace),
    ];
    said.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_it_is_named() {
        assert_eq!(Target::parse("key:orders"), Ok(Target::Key("orders".into())));
        assert_eq!(Target::parse("keystore:eu"), Ok(Target::Keystore("eu".into())));
        assert_eq!(Target::parse("default"), Ok(Target::Default));
        for bad in ["", "orders", "user:ann", "default:x"] {
            assert!(matches!(Target::parse(bad), Err(Error::NotFound { .. })), "{bad}");
        }
    }
}
