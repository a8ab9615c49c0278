//! Copies and the rotation of their source: which of them get successors behind it, how far that has come, and how a copy that was left behind follows (FT-016,
//! FT-074, FT-078).

use keystead_domain::{Invalid, rotation::Strategy, waves};
use keystead_identity::Principal;
use keystead_operations::{
    Saga,
    schedule::waves::{Followers, WithCopies},
};
use keystead_store::{
    StoreError, Tx, keys,
    keys::KeyRow,
    lineages,
    page::{Listed, Page},
    waves::Wave,
};

use super::lifecycle::{Also, Ask};
use crate::{App, Error, Request, Started, error::TxError, who};

/// Which copies shall be rotated with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copies {
    /// None.
    None,
    /// All that are in use.
    All,
    /// These, by id or name.
    Named(Vec<String>),
}

/// A rotation as it is asked for, with the copies that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateCopies {
    /// How; left out, as the policy that counts says, where the cloud can.
    pub strategy: Option<Strategy>,
    /// Which.
    pub copies: Copies,
    /// How many a wave has behind the first one, 1 to 100.
    pub wave: u32,
}

/// What whoever rotates a key without its copies is told.
const COPIES_STAY: &str = "Its copies keep the material of the predecessor: rotate them with it, or let each follow by itself with `keystead key rotate COPY`.";

impl App {
    /// What a rotation will leave behind of a key's copies; to be asked before it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn copies_left_behind(&self, principal: &Principal, id_or_name: &str, asked: &RotateCopies) -> Result<Option<&'static str>, Error> {
        let source = self.key(principal, id_or_name).await?;
        let in_use = self.store().read("waves.copies_in_use", move |tx| keystead_store::waves::copies_in_use(tx, &source.id)).await?;
        let taken_along = match &asked.copies {
            Copies::None => 0,
            Copies::All => in_use.len(),
            Copies::Named(names) => names.len(),
        };
        Ok((in_use.len() > taken_along).then_some(COPIES_STAY))
    }

    /// Rotates a key, and behind it the copies that are chosen, in waves.
    ///
    /// # Errors
    /// As every event of a key's life; [`Error::Invalid`] naming `copies` or `wave`.
    pub async fn rotate_key(&self, principal: &Principal, request: &Request, id_or_name: &str, asked: &RotateCopies) -> Result<Started, Error> {
        let size = waves::check_size(asked.wave)?;
        // First of all: what was allowed then is answered as then, whatever policy and promise say now.
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let strategy = match asked.strategy {
            Some(strategy) => strategy,
            None => self.rotation_strategy(principal, id_or_name).await?,
        };
        if strategy == Strategy::InPlace {
            return self.rotate_in_place(principal, request, id_or_name, &asked.copies).await;
        }
        if asked.copies != Copies::None {
            // Its successor's material would leave the vault.
            self.demand_exportable(principal, "key.rotate-copies", &self.key(principal, id_or_name).await?).await?;
        }
        let chosen = match &asked.copies {
            Copies::None => return self.ask(principal, request, id_or_name, Ask::Rotate).await,
            Copies::All => Followers::All,
            Copies::Named(names) => Followers::These(self.chosen(principal, id_or_name, names).await?),
        };
        self.ask_with(principal, request, id_or_name, Ask::Rotate, Some(WithCopies { followers: chosen, size, who: who(principal) })).await
    }

    async fn rotate_in_place(&self, principal: &Principal, request: &Request, id_or_name: &str, copies: &Copies) -> Result<Started, Error> {
        if *copies != Copies::None {
            let mend = "Take new-key: the source and its copies get successors.";
            return Err(Invalid::new("strategy", "is in-place, and copies shall follow: their material would stay the old one", mend).into());
        }
        self.ask(principal, request, id_or_name, Ask::RotateInPlace).await
    }

    /// The ids of copies that are named; each must be a copy of the key, in use.
    async fn chosen(&self, principal: &Principal, id_or_name: &str, names: &[String]) -> Result<Vec<keystead_domain::KeyId>, Error> {
        let source = self.key(principal, id_or_name).await?;
        let in_use = self.store().read("waves.copies_in_use", move |tx| keystead_store::waves::copies_in_use(tx, &source.id)).await?;
        let mut ids = Vec::new();
        for name in names {
            let found = in_use.iter().find(|copy| copy.id.as_str() == name || copy.name == *name);
            let Some(copy) = found.filter(|copy| !ids.contains(&copy.id)) else {
                let reason = format!("names {name}, which is no copy of {id_or_name} in use, or is named twice");
                return Err(Invalid::new("copies", reason, format!("Name copies that are ACTIVE: `keystead key links {id_or_name}` lists them.")).into());
            };
            ids.push(copy.id.clone());
        }
        Ok(ids)
    }

    /// A page of the copies that are rotated behind a key: behind this one as the successor, or behind its own.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn rotation_waves(&self, principal: &Principal, id_or_name: &str, page: Page) -> Result<Listed<Wave>, Error> {
        let key = self.key(principal, id_or_name).await?;
        let look = move |tx: &mut Tx<'_>| {
            let behind = keystead_store::waves::list(tx, &key.id, &page)?;
            match key.successor_id.as_ref().filter(|_| behind.rows.is_empty()) {
                Some(successor) => keystead_store::waves::list(tx, successor, &page),
                None => Ok::<_, StoreError>(behind),
            }
        };
        Ok(self.store().read("waves.list", look).await?)
    }

    /// A copy is rotated by itself only to follow its source, which was rotated without it.
    pub(super) async fn plan_to_follow(&self, principal: &Principal, copy: &KeyRow, grace: Option<i64>) -> Result<(Saga, Also), Error> {
        let current = self.source_to_follow(copy).await?;
        self.demand_exportable(principal, "key.renew", &current).await?;
        match self.engine.prepare_linked_successor(copy, &current.id, &who(principal), self.now()).await? {
            Some(prepared) => {
                let prepared = prepared.with_grace(grace);
                Ok((prepared.saga(), Box::new(move |tx| Ok(prepared.write(tx)?))))
            }
            None => Err(self.refuse(principal, "key.renew", "copies-rotate-with-their-source", copy, has_followed(copy, &current).into()).await),
        }
    }

    /// Whether a copy has a source that it can follow; nothing is begun, and the audit log is told nothing: the refusal is the inner error.
    pub(crate) async fn judge_follow(&self, principal: &Principal, copy: &KeyRow) -> Result<Result<(), Invalid>, Error> {
        let current = self.source_to_follow(copy).await?;
        if let Err((_, refused)) = self.judge_exportable(&current).await? {
            return Ok(Err(refused));
        }
        let prepared = self.engine.prepare_linked_successor(copy, &current.id, &who(principal), self.now()).await?;
        Ok(prepared.map(drop).ok_or_else(|| has_followed(copy, &current)))
    }

    /// Whose material a copy that follows would get.
    async fn source_to_follow(&self, copy: &KeyRow) -> Result<KeyRow, Error> {
        let source = copy.ties.source.clone();
        let look = move |tx: &mut Tx<'_>| {
            let source = source.as_ref().map_or(Ok(None), |id| keys::by_id(tx, id))?;
            let lineage = source.as_ref().map_or(Ok(None), |source| lineages::by_id(tx, &source.lineage_id))?;
            let current = lineage.map_or(Ok(None), |lineage| keys::by_id(tx, &lineage.current_key_id))?;
            // One that was a primary when it was copied may be a replica now: links have one level.
            match current.as_ref().and_then(|current| current.ties.source.clone()) {
                Some(holder) => keys::by_id(tx, &holder),
                None => Ok::<_, StoreError>(current),
            }
        };
        self.store().read("keys.source", look).await?.ok_or_else(|| Error::Internal("a copy without a source".to_owned()))
    }
}

fn has_followed(copy: &KeyRow, current: &KeyRow) -> Invalid {
    let mend = format!("Rotate its source, and this copy with it: `keystead key rotate {} --copies {}`.", current.name, copy.name);
    Invalid::new("key", format!("is a copy, and has the newest material of its source {} already", current.name), mend)
}

/// What a rotation's intent writes, with the plan of its copies behind it.
pub(super) fn with_copies(copies: Option<WithCopies>, saga: &Saga, mut also: Also, now: keystead_domain::Timestamp) -> Also {
    match (copies, saga) {
        (Some(copies), Saga::RenewKey(rotation)) => {
            let rotation = rotation.clone();
            Box::new(move |tx| {
                also(tx)?;
                Ok::<_, TxError>(copies.write(tx, &rotation.predecessor.0, &rotation.successor.0, rotation.grace, now)?)
            })
        }
        _ => also,
    }
}
