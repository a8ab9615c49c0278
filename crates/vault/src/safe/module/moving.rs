//! Keys that move from one root to another. Inside one token they are unwrapped under the one and wrapped under the other. Between two tokens they cross wrapped under a key
//! that both have and the host has not: the new token makes an RSA pair, the old one wraps an AES key under its public half. Whoever holds the host in that moment could
//! put his own public half there; but he could let the old token wrap every key for himself as well, as it does for clouds. What comes from a root in this process
//! goes in as what a person brings.
//!
//! Where a key has arrived it is opened again, and must have the fingerprint that it had.

use std::sync::Arc;

use keystead_domain::{Hash, KeySpec};

use super::{
    ModuleRoot,
    material::{self, Cradle, Piece},
};
use crate::{
    HsmError, HsmKey, HsmSession, PublicNumbers, Purpose, Random, RootKeys, VaultError,
    safe::{fingerprint::Fingerprint, material::Fresh, place::SealedMaterial},
};

/// An AES key that two tokens have: wrapped under the root of each.
#[derive(Clone)]
pub(super) struct Bridge {
    /// Under the old root; it wraps there.
    here: Vec<u8>,
    /// Under the new one; it unwraps there.
    there: Vec<u8>,
}

/// What moves.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// A key's material.
    Material(KeySpec),
    /// An account's key that makes MACs.
    AccountMac,
}

impl What {
    fn unwrap(self, session: &dyn HsmSession, under: HsmKey, wrapped: &[u8]) -> Result<HsmKey, HsmError> {
        match self {
            Self::Material(spec) => material::carried(session, under, wrapped, spec),
            Self::AccountMac => session.unwrap(under, wrapped, Purpose::AccountMac),
        }
    }
}

impl ModuleRoot {
    /// Seals material anew that lies under another root, or under this one: then it stays wrapped as it is.
    pub(crate) fn take_over(&self, from: &Self, held: Piece, cradle: Cradle, random: Arc<dyn Random>) -> Result<SealedMaterial, VaultError> {
        if self.id == from.id {
            return self.rewrap(held, cradle);
        }
        if from.abilities().spoils(held.spec) && !self.is_beside(from) {
            return self.take_over_by_host(from, held, cradle, random);
        }
        let (spec, piece) = (held.spec, held.clone());
        let (fingerprint, public) = from.run(move |session| {
            let (opened, key) = piece.unwrap(session, Purpose::Material(spec))?;
            Ok((material::fingerprint(session, &opened.account, spec, key, opened.public.as_deref())?, opened.public))
        })?;
        let wrapped = self.wrapped_here(from, What::Material(spec), move |session| {
            let opened = held.open(session)?;
            Ok((opened.account.root, opened.wrapped))
        })?;
        let kept = self.run(move |session| cradle.keep_wrapped(session, &wrapped, public.clone()))?;
        kept.if_it_is(fingerprint)
    }

    /// Seals material that lies under a root in this process.
    pub(crate) fn take_over_plain(&self, cradle: Cradle, fresh: &Fresh, fingerprint: Fingerprint, random: &dyn Random) -> Result<SealedMaterial, VaultError> {
        self.keep_incoming(cradle, fresh, random)?.if_it_is(fingerprint)
    }

    /// A module that puts zeros behind what it wraps gives other modules another key. The way around `host-wrap` cuts them off.
    fn take_over_by_host(&self, from: &Self, held: Piece, cradle: Cradle, random: Arc<dyn Random>) -> Result<SealedMaterial, VaultError> {
        let (spec, piece) = (held.spec, held.clone());
        let fingerprint = from.fingerprint(piece)?;
        let material = from.reveal_for_a_move(held, random.clone())?;
        self.take_over_plain(cradle, &Fresh::read(spec, material), fingerprint, random.as_ref())
    }

    /// A key that lies under another root, wrapped under this one. `open` says under which keys it lies, and how it is wrapped.
    pub(super) fn wrapped_here(
        &self,
        from: &Self,
        what: What,
        open: impl Fn(&dyn HsmSession) -> Result<(RootKeys, Vec<u8>), VaultError> + Send + Sync + 'static,
    ) -> Result<Vec<u8>, VaultError> {
        let id = self.id;
        if id == from.id {
            return from.run(move |session| Ok(open(session)?.1));
        }
        if self.is_beside(from) {
            return self.run(move |session| {
                let (old, wrapped) = open(session)?;
                let key = what.unwrap(session, old.wrapping, &wrapped)?;
                Ok(session.wrap(session.root(id)?.wrapping, key)?)
            });
        }
        let Bridge { here, there } = self.bridge_from(from)?;
        let crossing = from.run(move |session| {
            let (old, wrapped) = open(session)?;
            let carrier = session.unwrap(old.wrapping, &here, Purpose::Transport)?;
            let key = what.unwrap(session, old.wrapping, &wrapped)?;
            Ok(session.wrap(carrier, key)?)
        })?;
        self.run(move |session| {
            let root = session.root(id)?;
            let carrier = session.unwrap(root.wrapping, &there, Purpose::Unwrapping)?;
            let key = what.unwrap(session, carrier, &crossing)?;
            Ok(session.wrap(root.wrapping, key)?)
        })
    }

    /// The way over, which is made once.
    fn bridge_from(&self, from: &Self) -> Result<Bridge, VaultError> {
        if let Some(bridge) = self.bridge.get() {
            return Ok(bridge.clone());
        }
        let made = self.build_bridge(from)?;
        // Of two that were made at once either serves.
        Ok(self.bridge.get_or_init(|| made).clone())
    }

    fn build_bridge(&self, from: &Self) -> Result<Bridge, VaultError> {
        let hash = common_hash(from, self)?;
        let (new, old) = (self.id, from.id);
        let (public, private) = self.run(move |session| {
            let made = session.generate(Purpose::UnwrappingPair)?;
            let Some(PublicNumbers::Rsa { modulus, exponent }) = made.public else { return Err(strange().into()) };
            Ok(((modulus, exponent), session.wrap(session.root(new)?.wrapping, made.key)?))
        })?;
        let (over, here) = from.run(move |session| {
            let carrier = session.generate(Purpose::Transport)?.key;
            let over = session.oaep(&public.0, &public.1, hash, carrier)?;
            Ok((over, session.wrap(session.root(old)?.wrapping, carrier)?))
        })?;
        let there = self.run(move |session| {
            let root = session.root(new)?;
            let pair = session.unwrap(root.wrapping, &private, Purpose::UnwrappingPair)?;
            let carrier: HsmKey = session.unwrap_oaep(pair, hash, &over, Purpose::Unwrapping)?;
            Ok(session.wrap(root.wrapping, carrier)?)
        })?;
        Ok(Bridge { here, there })
    }
}

/// The better hash of those by which the one wraps and the other unwraps.
fn common_hash(from: &ModuleRoot, into: &ModuleRoot) -> Result<Hash, VaultError> {
    let both = |hash: &Hash| from.abilities().oaep.contains(hash) && into.abilities().unwraps_oaep.contains(hash);
    let cannot = || HsmError::Cannot {
        what: "and the new one have no way in common to hand a key over (RSAES-OAEP with SHA-256 or SHA-1)".to_owned(),
        mend: "`keystead doctor hsm` says what each can. Let their maker's tools clone the root, or choose another module.".to_owned(),
    };
    [Hash::Sha256, Hash::Sha1].into_iter().find(both).ok_or_else(|| cannot().into())
}

fn strange() -> HsmError {
    HsmError::Refused("it does not tell the public half of a pair".to_owned())
}
