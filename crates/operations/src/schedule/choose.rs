//! Which of the keys that are due are taken on now: the keystores' due keys are paged through side by side, and each keystore takes its turn.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use keystead_domain::{KeystoreId, Timestamp};
use keystead_store::{
    StoreError,
    due::{self, Position, Task},
    keys::KeyRow,
    keystores::KeystoreRow,
    operations,
};

use super::turns::Turns;
use crate::Engine;

/// How many keys one look takes on, over all keystores.
const TAKEN_AT_ONCE: usize = 64;
/// How many turns one look gives: those included in which a key is passed over.
const TURNS: usize = 4 * TAKEN_AT_ONCE;
/// How many operations of the schedule may run in one keystore. A cloud that holds them up holds up no other keystore, and people's operations find room.
const RUNNING_MAX: usize = 32;
/// How many keys of a keystore are read at once.
const PAGE: u32 = 16;

/// A key that is taken on, and its keystore.
pub(super) struct Chosen {
    /// Its keystore.
    pub keystore: Arc<KeystoreRow>,
    /// The key.
    pub key: KeyRow,
}

/// What one look takes on.
pub(super) struct Choice {
    /// The keys, in the order of their turns.
    pub chosen: Vec<Chosen>,
    /// Whether more is due than that.
    pub more: bool,
}

/// A keystore that waits for its turn.
struct Line {
    keystore: Arc<KeystoreRow>,
    /// How many more of its keys may be taken on.
    room: usize,
    page: VecDeque<KeyRow>,
    after: Option<Position>,
    is_last_page: bool,
}

impl Line {
    fn new(keystore: KeystoreRow, running: &BTreeMap<KeystoreId, i64>) -> Self {
        let running = running.get(&keystore.id).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX));
        Self { keystore: Arc::new(keystore), room: RUNNING_MAX.saturating_sub(running), page: VecDeque::new(), after: None, is_last_page: false }
    }
}

impl Engine {
    /// Chooses among the due keys for which `wanted` holds.
    pub(super) async fn choose(&self, task: Task, now: Timestamp, wanted: impl Fn(&KeyRow) -> bool) -> Result<Choice, StoreError> {
        let lines = self.lines(task, now).await?;
        let mut more = lines.iter().any(|line| line.room == 0);
        let mut turns = Turns::new(lines.into_iter().filter(|line| line.room > 0), usize::from(self.draw_jitter()), TURNS);
        let mut chosen = Vec::new();
        while chosen.len() < TAKEN_AT_ONCE
            && let Some(mut line) = turns.next()
        {
            let Some(key) = self.next_key(task, now, &mut line).await? else { continue };
            if wanted(&key) {
                chosen.push(Chosen { keystore: line.keystore.clone(), key });
                line.room -= 1;
            }
            if line.room > 0 {
                turns.queue(line);
            } else {
                more = true;
            }
        }
        Ok(Choice { chosen, more: more || turns.is_anybody_waiting() })
    }

    async fn lines(&self, task: Task, now: Timestamp) -> Result<Vec<Line>, StoreError> {
        let store = &self.parts().store;
        let (keystores, running) =
            store.read("due.keystores", move |tx| Ok::<_, StoreError>((due::keystores(tx, task, now)?, operations::running_by_themselves(tx)?))).await?;
        Ok(keystores.into_iter().map(|keystore| Line::new(keystore, &running)).collect())
    }

    /// A keystore's next due key; its next page is read when the one before is used up.
    async fn next_key(&self, task: Task, now: Timestamp, line: &mut Line) -> Result<Option<KeyRow>, StoreError> {
        if line.page.is_empty() && !line.is_last_page {
            let (keystore, after) = (line.keystore.id.clone(), line.after.clone());
            let page = self.parts().store.read("due.keys", move |tx| due::keys(tx, task, &keystore, now, after.as_ref(), PAGE)).await?;
            line.page = page.into();
            line.is_last_page = line.page.len() < PAGE as usize;
            line.after = line.page.back().map(|key| Position::of(task, key));
        }
        Ok(line.page.pop_front())
    }
}
