//! The dead man's timer of rehearsed deletions: whatever became of who began one, the key is enabled again when its time has come (AW-045).
//!
//! A look finds what is due in the rows. The state in the WHERE lets one node only go on with each, and behind the key's lock nobody else changes the key.

use keystead_audit::{Entry, Outcome};
use keystead_domain::{
    KeyState, Timestamp,
    alert::AlertKind,
    rehearsal::{self, Next, OVERDUE, RehearsalState},
    time::SECOND,
};
use keystead_store::{
    StoreError, Tx, keys,
    keys::KeyRow,
    keystores,
    keystores::KeystoreRow,
    rehearsals::{self, RehearsalRow},
    uses::{self, UseRow},
};

use crate::{
    Engine, Saga,
    alerts::{About, Telling},
    saga::end_rehearsal::EndRehearsal,
    stored::Stored,
    usage::UseKnown,
    words::{self, Who},
};

/// Users who were refused that an alert names.
const NAMED: usize = 5;
/// How many one look goes on with.
const AT_ONCE: u32 = 64;
/// How long one rests whose key another operation has in hand.
const REST: i64 = 10 * SECOND;
/// The rule in the audit log.
const RULE: &str = "rehearsal-is-over";

impl Engine {
    /// One look at rehearsals whose time has come. Answers how many it went on with.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_rehearsals(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let due = self.parts().store.read("rehearsals.due", move |tx| rehearsals::due(tx, now, AT_ONCE)).await?;
        let mut acted = 0;
        for row in due {
            acted += usize::from(self.or_next_rehearsal(row).await);
        }
        Ok(acted)
    }

    /// Goes on with one. What goes wrong with it holds up no other: that one rests.
    async fn or_next_rehearsal(&self, row: RehearsalRow) -> bool {
        match self.go_on_with_rehearsal(row.clone()).await {
            Ok(went_on) => went_on,
            // Another node was faster.
            Err(StoreError::MovedOn(_)) => false,
            Err(error) => {
                tracing::error!(rehearsal = %row.id, %error, "a rehearsal does not go on; it is tried again");
                if let Err(error) = self.let_rest(&row, REST).await {
                    tracing::error!(rehearsal = %row.id, %error, "a rehearsal cannot rest");
                }
                false
            }
        }
    }

    async fn go_on_with_rehearsal(&self, row: RehearsalRow) -> Result<bool, StoreError> {
        let wanted = row.key_id.clone();
        let found = self.parts().store.read("rehearsals.key", move |tx| {
            let Some(key) = keys::by_id(tx, &wanted)? else { return Ok(None) };
            Ok::<_, StoreError>(keystores::by_id(tx, &key.keystore_id)?.map(|keystore| (key, keystore)))
        });
        let Some((key, keystore)) = found.await? else { return Err(StoreError::Corrupt("a rehearsal without a key".to_owned())) };
        if rehearsal::is_overdue(row.state, row.ends_at, self.now()) {
            self.tell_overdue(&row, &key).await?;
        }
        match rehearsal::next(row.state, key.state) {
            Next::Enable => self.end_rehearsal(&row, &key, &keystore).await,
            Next::GiveWay => self.give_way(&row, &key).await.map(|()| true),
            Next::Tell => self.tell_rehearsal(&row, &key).await.map(|()| true),
            Next::Wait => self.let_rest(&row, OVERDUE).await.map(|()| false),
        }
    }

    /// Begins to enable the key; `false` when another operation has it in hand.
    async fn end_rehearsal(&self, row: &RehearsalRow, key: &KeyRow, keystore: &KeystoreRow) -> Result<bool, StoreError> {
        let saga = Saga::EndRehearsal(EndRehearsal { key: Stored(key.id.clone()), rehearsal: Stored(row.id.clone()) });
        let intent = self.intend(&saga, keystore, &Who::system(), RULE, None).detail("name", key.name.clone());
        let (ending, now) = (row.clone(), self.now());
        let written = self.parts().store.write("rehearsals.intent", move |tx| {
            let operation = intent.write(tx)?;
            begin_to_end(tx, &ending, now)?;
            Ok::<_, StoreError>(operation)
        });
        match written.await {
            Ok(operation) => {
                self.start(operation);
                Ok(true)
            }
            Err(error) if error.is_unique("locks") => self.let_rest(row, REST).await.map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// Looks again later, if nobody has gone on with it meanwhile.
    async fn let_rest(&self, row: &RehearsalRow, micros: i64) -> Result<(), StoreError> {
        let (id, state, at) = (row.id.clone(), row.state, self.now().plus_micros(micros));
        self.parts().store.write("rehearsals.rest", move |tx| rehearsals::rest(tx, &id, state, at)).await
    }

    /// Somebody has taken the key out of use meanwhile: their word counts.
    async fn give_way(&self, row: &RehearsalRow, key: &KeyRow) -> Result<(), StoreError> {
        let (id, key_id, now) = (row.id.clone(), key.id.clone(), self.now());
        let entry = self.entry_of_rehearsal(key, "overtaken", &format!("{} is {}", key.name, key.state.as_str()));
        let end = move |tx: &mut Tx<'_>| {
            if keys::by_id(tx, &key_id)?.is_some_and(|key| is_usable(key.state)) {
                return Err(StoreError::MovedOn("key"));
            }
            rehearsals::end(tx, &id, RehearsalState::Running, RehearsalState::Overtaken, None, now)?;
            tx.audit(entry.clone());
            Ok(())
        };
        self.parts().store.write("rehearsals.give_way", end).await
    }

    /// Asks who used the key since, and tells it.
    async fn tell_rehearsal(&self, row: &RehearsalRow, key: &KeyRow) -> Result<(), StoreError> {
        let (before, after) = (UseKnown::read(&row.used_before), self.last_use(key).await);
        let why = format!("before, {}; since the key is enabled again, {}", before.in_words(), in_words_since(&after, row.enabling_at.unwrap_or(row.ends_at)));
        let why = why + &self.refused_meanwhile(row, key).await?;
        let entry = self.entry_of_rehearsal(key, "ended", &why);
        let mend = "A use that came back says that somebody needs it; none says little. Look in the applications' logs and in CloudTrail for DisabledException of that time.";
        let alert = self.telling_of_rehearsal(AlertKind::RehearsalEnded, row, key, vec![("why", why), ("mend", mend.to_owned())]);
        let (id, used_after, now) = (row.id.clone(), after.to_json(), self.now());
        let end = move |tx: &mut Tx<'_>| {
            rehearsals::end(tx, &id, RehearsalState::Watching, RehearsalState::Ended, Some(&used_after), now)?;
            tx.audit(entry.clone());
            alert.write(tx).map(drop)
        };
        self.parts().store.write("rehearsals.end", end).await
    }

    /// Who was refused while the key was disabled, as the keystore's queue told it: these need it.
    async fn refused_meanwhile(&self, row: &RehearsalRow, key: &KeyRow) -> Result<String, StoreError> {
        let Some(id) = key.cloud_key_id.clone() else { return Ok(String::new()) };
        let (keystore, since) = (key.keystore_id.clone(), row.begun_at);
        let users = self.parts().store.read("uses.of_key", move |tx| uses::of_key(tx, &keystore, &id, since)).await?;
        Ok(in_words_refused(&users))
    }

    /// The key should be enabled, and is not: somebody's application stands still.
    async fn tell_overdue(&self, row: &RehearsalRow, key: &KeyRow) -> Result<(), StoreError> {
        let mend = format!(
            "Keystead tries on. `keystead operation list --key {}` shows why it does not succeed; enable the key in the cloud if that cannot wait.",
            key.name
        );
        let alert = self.telling_of_rehearsal(AlertKind::RehearsalOverdue, row, key, vec![("mend", mend)]).at_once();
        self.parts().store.write("rehearsals.tell_overdue", move |tx| alert.write(tx).map(drop)).await
    }

    fn telling_of_rehearsal(&self, kind: AlertKind, row: &RehearsalRow, key: &KeyRow, more: Vec<(&'static str, String)>) -> Telling {
        let mut facts = vec![
            ("key", key.name.clone()),
            ("key_id", key.id.to_string()),
            ("keystore", key.keystore_name.clone()),
            ("begun_at", row.begun_at.rfc3339()),
            ("ends_at", row.ends_at.rfc3339()),
        ];
        facts.extend(more);
        let once = format!("{}/{}", kind.as_str(), row.id);
        self.telling(About { account: &row.account_id, keystore: Some(&key.keystore_id), kind, subject: key.id.as_str(), topic: "", once, facts })
    }

    fn entry_of_rehearsal(&self, key: &KeyRow, how: &str, why: &str) -> Entry {
        words::entry(self.parts().random.as_ref(), self.now(), &key.account_id, &Who::system(), "key.end-rehearsal", RULE)
            .key(key)
            .outcome(Outcome::Succeeded)
            .detail("how", how)
            .detail("why", why)
            .done()
    }
}

/// Moves a rehearsal to its end, in the transaction of the intent that enables the key.
///
/// # Errors
/// [`StoreError::MovedOn`] when it does not run any more, or when the key was taken out of use since it was read.
pub fn begin_to_end(tx: &mut Tx<'_>, row: &RehearsalRow, now: Timestamp) -> Result<(), StoreError> {
    // Behind the lock nobody changes the key any more; before it, somebody may have killed it.
    if keys::by_id(tx, &row.key_id)?.is_none_or(|key| !is_usable(key.state)) {
        return Err(StoreError::MovedOn("key"));
    }
    let look_again = row.ends_at.max(now).plus_micros(OVERDUE);
    rehearsals::ending(tx, &row.id, now, look_again)
}

/// Whether a key in this state shall be enabled.
pub fn is_usable(state: KeyState) -> bool {
    matches!(state, KeyState::Active | KeyState::Replaced)
}

/// What is known of the use since then: an older one is none.
fn in_words_since(known: &UseKnown, time: Timestamp) -> String {
    match known.is_seen_since(time) {
        Some(true) | None => known.in_words(),
        Some(false) => "not seen in use".to_owned(),
    }
}

/// Those of a key's users who were refused, each once, the last first; a few, and how many more.
fn in_words_refused(users: &[UseRow]) -> String {
    let mut refused: Vec<&str> = Vec::new();
    for user in users.iter().filter(|user| !user.refusal.is_empty()) {
        if !refused.contains(&user.who.as_str()) {
            refused.push(&user.who);
        }
    }
    let named = refused.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match refused.len() {
        0 => String::new(),
        count if count > NAMED => format!("; refused meanwhile, as the queue told: {named} and {} more", count - NAMED),
        _ => format!("; refused meanwhile, as the queue told: {named}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_cloud::Used;
    use keystead_domain::KeystoreId;

    #[test]
    fn who_was_refused_is_named_once_and_not_without_end_aw_045() {
        let user = |who: usize, refusal: &str| UseRow {
            keystore_id: KeystoreId::new(Timestamp::from_secs(0), [0; 10]),
            cloud_key_id: "k".into(),
            who: format!("user-{who}"),
            operation: "Decrypt".into(),
            refusal: refusal.into(),
            session: String::new(),
            origin: String::new(),
            first_at: Timestamp::from_secs(0),
            last_at: Timestamp::from_secs(0),
            heard: 1,
        };
        assert_eq!(in_words_refused(&[user(1, "")]), "");
        assert_eq!(in_words_refused(&[user(1, "x"), user(1, "y"), user(2, "")]), "; refused meanwhile, as the queue told: user-1");
        let many: Vec<UseRow> = (0..7).map(|who| user(who, "x")).collect();
        assert!(in_words_refused(&many).ends_with("user-4 and 2 more"), "{}", in_words_refused(&many));
    }

    #[test]
    fn a_use_from_before_is_none_behind_the_end_aw_045() {
        let seen = UseKnown::Seen(Used { at: Timestamp::from_secs(5), operation: "Decrypt".to_owned() });
        assert!(in_words_since(&seen, Timestamp::from_secs(5)).contains("Decrypt"));
        assert_eq!(in_words_since(&seen, Timestamp::from_secs(6)), "not seen in use");
        assert!(in_words_since(&UseKnown::Untold("no".to_owned()), Timestamp::from_secs(6)).contains("not known"));
    }
}
