//! The queue that tells what is done to the keys of a keystore (CM-018).

use keystead_domain::Invalid;
use keystead_identity::{Action, Principal};
use keystead_store::{
    StoreError, Tx, events,
    events::{EventRow, QueueRow},
    keystores::KeystoreRow,
};

use crate::{App, Error, permit};

/// Who else listens to a queue, without a name.
const OTHERS: &str = "another keystore";

/// Deeds that no operation explains that are told at once.
const UNEXPLAINED_MAX: u32 = 20;

/// The queue of a keystore, and what it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQueue {
    /// The keystore.
    pub keystore: KeystoreRow,
    /// Its queue, and how it is heard.
    pub queue: Option<QueueRow>,
    /// What was done in Keystead's own name and no operation explains, the newest first: the work of stolen credentials, perhaps.
    pub unexplained: Vec<EventRow>,
}

impl App {
    /// The queue of a keystore, how it is heard, and what it told that should not be.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn event_queue(&self, principal: &Principal, keystore: &str) -> Result<EventQueue, Error> {
        let keystore = self.active_keystore(principal, keystore).await?;
        let id = keystore.id.clone();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((events::queue_of(tx, &id)?, events::unexplained(tx, &id, UNEXPLAINED_MAX)?));
        let (queue, unexplained) = self.store().read("events.queue_of", look).await?;
        Ok(EventQueue { keystore, queue, unexplained })
    }

    /// Listens to a queue from now on, or to none.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming `keystore` or `queue`.
    pub async fn set_event_queue(&self, principal: &Principal, keystore: &str, queue: Option<String>) -> Result<EventQueue, Error> {
        let found = self.active_keystore(principal, keystore).await?;
        super::demand_cloud(&found)?;
        if let Some(queue) = &queue {
            self.catalog.check_queue(&found.cloud, &found.location, queue)?;
        }
        let proof = permit(principal, Action::ManageKeystores, &found.account_id.clone(), ())?;
        let words = self.entry(principal, "keystore.set-event-queue", proof.rule).keystore(&found.id, &found.name);
        let entry = words.detail("queue", queue.clone().unwrap_or_else(|| "none".to_owned())).done();
        let (id, now, by, account) = (found.id, self.now(), principal.user.to_string(), principal.account.clone());
        let set = move |tx: &mut Tx<'_>| {
            if events::queue_of(tx, &id)?.map(|row| row.queue) == queue {
                return Ok::<_, StoreError>(None);
            }
            if let Some((owner, name)) = queue.as_deref().map_or(Ok(None), |queue| events::listener_of(tx, queue, &id))? {
                // The keystores of other accounts are nobody's business here.
                return Ok(Some(if owner == account { format!("the keystore {name}") } else { OTHERS.to_owned() }));
            }
            match &queue {
                Some(queue) => events::set_queue(tx, &id, queue, now, &by)?,
                None => events::drop_queue(tx, &id)?,
            }
            tx.audit(entry.clone());
            Ok(None)
        };
        let taken = match self.store().write("events.set_queue", set).await {
            // Somebody set it for another keystore at the same moment.
            Err(error) if error.is_unique("event_queues") => Some(OTHERS.to_owned()),
            set => set?,
        };
        match taken {
            None => self.event_queue(principal, keystore).await,
            Some(by) => {
                let reason = format!("is listened to by {by}");
                Err(Invalid::new("queue", reason, "Give each keystore a queue of its own: two would take each other's messages.").into())
            }
        }
    }
}
