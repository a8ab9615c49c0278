//! Knocks: somebody tried to log in or to unseal, and was not let in. Each is told to the audit log, but whoever tries a thousand times a minute shall not fill
//! it: the first knock of a kind is told at once, those that follow within a minute are counted, and the minute's end tells how many they were.
//!
//! Nothing of a secret is told. Two knocks with one token can be seen to be alike by its mark: a hash under a salt that only this process has, so that it is no
//! check value for anybody who guesses what was shown.

use std::{net::IpAddr, sync::PoisonError};

use keystead_audit::{Entry, Outcome};
use keystead_domain::{AccountId, Timestamp, time::SECOND};
use keystead_identity::token;
use keystead_operations::words::{self, Who};
use keystead_store::{StoreError, users::UserRow};
use zeroize::Zeroizing;

use crate::{App, Error};

/// How long knocks of a kind are counted before they are told, in microseconds.
const MINUTE: i64 = 60 * SECOND;
/// How many kinds of knocks one address has a minute; what is beyond is counted together.
const KINDS_OF_ADDRESS_MAX: usize = 8;
/// How many kinds of knocks there are a minute; what is beyond is counted together, whatever its address.
const KINDS_MAX: usize = 64;
/// What stands for the marks of all that are counted together.
const OTHERS: &str = "others";
/// How many hexadecimal digits a mark has.
const MARK_LEN: usize = 8;

/// A kind of knock: those that are alike are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Knock {
    /// What was tried, in the audit log's word.
    action: &'static str,
    /// Which rule refused it.
    rule: &'static str,
    /// From where, as far as the listener knows.
    from: Option<IpAddr>,
    /// By which the secret can be told from others: a mark, or its kind.
    mark: String,
    /// The user who is locked out and whose token it was.
    user: Option<UserRow>,
}

struct Window {
    knock: Knock,
    began: Timestamp,
    /// Knocks since the last entry.
    untold: u64,
}

/// The knocks of the last minute.
pub(crate) struct Knocks {
    salt: [u8; 32],
    windows: Vec<Window>,
}

impl Knocks {
    pub fn new(salt: [u8; 32]) -> Self {
        Self { salt, windows: Vec::new() }
    }

    fn mark(&self, shown: &str) -> String {
        let salted = Zeroizing::new(format!("{}{shown}", hex::encode(self.salt)));
        token::hash(&salted).chars().take(MARK_LEN).collect()
    }

    /// Counts an knock; answers it when it is to be told now.
    fn count(&mut self, knock: Knock, now: Timestamp) -> Option<Knock> {
        let knock = self.kind_of(knock);
        if let Some(window) = self.windows.iter_mut().find(|window| window.knock == knock) {
            window.untold += 1;
            return None;
        }
        self.windows.push(Window { knock: knock.clone(), began: now, untold: 0 });
        Some(knock)
    }

    /// The knock itself, or what it is counted as when there are too many kinds.
    fn kind_of(&self, knock: Knock) -> Knock {
        let of_address = self.windows.iter().filter(|window| window.knock.from == knock.from).count();
        if self.windows.iter().any(|window| window.knock == knock) || (of_address < KINDS_OF_ADDRESS_MAX && self.windows.len() < KINDS_MAX) {
            return knock;
        }
        let from = knock.from.filter(|_| self.windows.len() < KINDS_MAX);
        Knock { from, mark: OTHERS.to_owned(), user: None, ..knock }
    }

    /// Takes back what could not be told: it is counted still.
    fn put_back(&mut self, counted: Vec<(Knock, u64)>, now: Timestamp) {
        for (knock, count) in counted {
            match self.windows.iter_mut().find(|window| window.knock == knock) {
                Some(window) => window.untold += count,
                None => self.windows.push(Window { knock, began: now, untold: count }),
            }
        }
    }

    /// Ends the windows that are a minute old (or, with `all`, every one), and answers what was counted in them and not told.
    fn ended(&mut self, now: Timestamp, all: bool) -> Vec<(Knock, u64)> {
        let is_over = |window: &mut Window| all || now.as_micros() - window.began.as_micros() >= MINUTE;
        self.windows.extract_if(.., is_over).filter(|window| window.untold > 0).map(|window| (window.knock, window.untold)).collect()
    }
}

impl App {
    /// Tells the audit log of a token that lets nobody in. `None` stands for what cannot be a token.
    pub(crate) async fn refuse_token(&self, shown: Option<&str>, locked_out: Option<UserRow>, from: Option<IpAddr>) -> Result<(), Error> {
        let mark = match shown {
            Some(shown) => self.with_knocks(|knocks| knocks.mark(shown)),
            None => "not a token".to_owned(),
        };
        let rule = if locked_out.is_some() { "user-is-active" } else { "token-is-known" };
        self.refuse_knock(Knock { action: "user.authenticate", rule, from, mark, user: locked_out }).await
    }

    /// Tells the audit log of a secret that does not open the vault.
    pub(crate) async fn refuse_unseal(&self, kind: &'static str, from: Option<IpAddr>) -> Result<(), Error> {
        self.refuse_knock(Knock { action: "vault.unseal", rule: "knows-the-secret", from, mark: kind.to_owned(), user: None }).await
    }

    async fn refuse_knock(&self, knock: Knock) -> Result<(), Error> {
        self.tell_knocks(false).await?;
        let now = self.now();
        let Some(knock) = self.with_knocks(|knocks| knocks.count(knock, now)) else { return Ok(()) };
        self.tell_counted(vec![(knock, 1)]).await
    }

    /// Tells the audit log of knocks whose minute is over, or of all that were counted: before the process ends.
    ///
    /// # Errors
    /// What the store says.
    pub async fn tell_knocks(&self, all: bool) -> Result<(), Error> {
        let now = self.now();
        let ended = self.with_knocks(|knocks| knocks.ended(now, all));
        if ended.is_empty() { Ok(()) } else { self.tell_counted(ended).await }
    }

    async fn tell_counted(&self, counted: Vec<(Knock, u64)>) -> Result<(), Error> {
        let told = self.write_counted(&counted).await;
        if told.is_err() {
            let now = self.now();
            self.with_knocks(|knocks| knocks.put_back(counted, now));
        }
        told
    }

    async fn write_counted(&self, counted: &[(Knock, u64)]) -> Result<(), Error> {
        let account = self.account().await?;
        let entries: Vec<Entry> = counted.iter().map(|(knock, count)| self.entry_of(knock.clone(), *count, &account)).collect();
        let told = self.store().write("audit.tell_knocks", move |tx| {
            entries.iter().for_each(|entry| tx.audit(entry.clone()));
            Ok::<_, StoreError>(())
        });
        Ok(told.await?)
    }

    fn entry_of(&self, knock: Knock, count: u64, account: &AccountId) -> Entry {
        let account = knock.user.as_ref().map_or(account, |user| &user.account_id);
        let words = words::entry(self.engine.parts().random.as_ref(), self.now(), account, &Who::anonymous(), knock.action, knock.rule);
        let words = words.outcome(Outcome::Refused).detail("count", count.to_string()).detail("shown", knock.mark);
        let words = knock.from.iter().fold(words, |words, from| words.detail("from", from.to_string()));
        knock.user.iter().fold(words, |words, user| words.subject("user", user.id.as_str(), &user.name)).done()
    }

    fn with_knocks<T>(&self, look: impl FnOnce(&mut Knocks) -> T) -> T {
        look(&mut self.knocks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn knock(from: u8, mark: &str) -> Knock {
        Knock { action: "user.authenticate", rule: "token-is-known", from: Some(IpAddr::from([10, 0, 0, from])), mark: mark.to_owned(), user: None }
    }

    #[test]
    fn the_first_is_told_at_once_and_those_that_follow_when_their_minute_is_over() {
        let mut knocks = Knocks::new([1; 32]);
        assert_eq!(knocks.count(knock(1, "a"), NOW), Some(knock(1, "a")));
        assert_eq!(knocks.count(knock(1, "a"), NOW.plus_micros(1)), None);
        assert_eq!(knocks.count(knock(1, "a"), NOW.plus_micros(MINUTE - 1)), None);
        assert_eq!(knocks.count(knock(2, "a"), NOW), Some(knock(2, "a")), "another address is another kind");
        assert_eq!(knocks.ended(NOW.plus_micros(MINUTE - 1), false), []);
        assert_eq!(knocks.ended(NOW.plus_micros(MINUTE), false), [(knock(1, "a"), 2)]);
        assert_eq!(knocks.count(knock(1, "a"), NOW.plus_micros(MINUTE)), Some(knock(1, "a")));
    }

    #[test]
    fn what_could_not_be_told_is_told_later() {
        let mut knocks = Knocks::new([1; 32]);
        let first = knocks.count(knock(1, "a"), NOW).expect("told at once");
        knocks.put_back(vec![(first, 1)], NOW);
        assert_eq!(knocks.count(knock(1, "a"), NOW), None);
        let ended = knocks.ended(NOW.plus_micros(MINUTE), false);
        assert_eq!(ended, [(knock(1, "a"), 2)]);
        knocks.put_back(ended, NOW.plus_micros(MINUTE));
        assert_eq!(knocks.ended(NOW, true), [(knock(1, "a"), 2)]);
    }

    #[test]
    fn at_the_end_of_the_process_everything_is_told() {
        let mut knocks = Knocks::new([1; 32]);
        (0..3).for_each(|_| drop(knocks.count(knock(1, "a"), NOW)));
        assert_eq!(knocks.ended(NOW, true), [(knock(1, "a"), 2)]);
    }

    #[test]
    fn a_flood_of_tokens_and_addresses_makes_few_entries_and_every_attempt_counts() {
        let mut knocks = Knocks::new([1; 32]);
        let mut told = 0;
        for from in 0..=255 {
            told += (0..20).filter(|mark| knocks.count(knock(from, &mark.to_string()), NOW).is_some()).count();
        }
        assert!(told <= KINDS_MAX + 1, "{told}");
        let counted: u64 = knocks.ended(NOW, true).iter().map(|(_, count)| count).sum();
        assert_eq!(counted + told as u64, 256 * 20);
    }

    #[test]
    fn one_address_with_many_tokens_does_not_hide_another() {
        let mut knocks = Knocks::new([1; 32]);
        (0..1000).for_each(|mark| drop(knocks.count(knock(1, &mark.to_string()), NOW)));
        assert_eq!(knocks.count(knock(2, "a"), NOW), Some(knock(2, "a")));
    }

    #[test]
    fn a_mark_tells_tokens_apart_and_says_nothing_of_them() {
        let (one, other) = (Knocks::new([1; 32]), Knocks::new([2; 32]));
        assert_eq!(one.mark("kst_a"), one.mark("kst_a"));
        assert_ne!(one.mark("kst_a"), one.mark("kst_b"));
        assert_ne!(one.mark("kst_a"), other.mark("kst_a"), "another process has another salt");
        assert!(!token::hash("kst_a").starts_with(&one.mark("kst_a")));
    }
}
