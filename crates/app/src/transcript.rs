//! What the keepers of shares did together, as a signed transcript that anyone can verify, and a rehearsal in which they prove their shares and nothing changes.

use keystead_audit::{Outcome, VerifierKey};
use keystead_domain::Timestamp;
use keystead_identity::{Action, Principal};
use keystead_operations::engine::material::at_the_vault;
use keystead_vault::{Keepers, RootRecord, Share};
use zeroize::Zeroizing;

use crate::{
    App, Error, permit,
    rotation::{read_shares, unproved},
};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A new root was made, and its shares shown.
    Rotation,
    /// Shares were shown to the root that is.
    Rehearsal,
}

/// All that a transcript says.
pub(crate) struct Facts<'a> {
    pub what: What,
    pub installation: &'a str,
    pub record: &'a RootRecord,
    pub keepers: &'a Keepers,
    /// Numbers of the shares that were shown.
    pub shown: &'a [u8],
    /// Who led it.
    pub by: &'a Principal,
    pub at: Timestamp,
}

impl Facts<'_> {
    /// The text that is signed: a line a fact.
    fn text(&self) -> String {
        let Self { what, installation, record, keepers, shown, by, at } = self;
        let what = match what {
            What::Rotation => "a new root was made",
            What::Rehearsal => "shares were rehearsed, and nothing was changed",
        };
        let (place, do_what) = match record.module_root() {
            Some(root) => (format!("opened by {}, in the token: {root}", record.kind()), "restore the copy of"),
            None => (format!("opened by {}", record.kind()), "open"),
        };
        let mut lines = vec![
            "keystead root transcript 1".to_owned(),
            what.to_owned(),
            format!("installation: {installation}"),
            format!("at: {}", at.rfc3339()),
            format!("led by: {} ({})", by.name, by.user),
            format!("root: generation {}, mark {}, {place}", record.generation(), record.mark()),
            format!("keepers: {} of {} shares {do_what} it; set {}", keepers.threshold, keepers.commitments.len(), keepers.set),
            format!("shares that were shown, and are right: {}", listed(shown)),
        ];
        let commitment = |(at, commitment): (usize, &[u8; 32])| format!("commitment to share {}: {}", at + 1, hex::encode(commitment));
        lines.extend(keepers.commitments.iter().enumerate().map(commitment));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// What a rehearsal showed.
pub struct Rehearsed {
    /// How many shares it takes.
    pub threshold: u8,
    /// Numbers of those that were shown.
    pub shown: Vec<u8>,
    /// A signed note.
    pub transcript: String,
}

impl App {
    /// Whether these shares open the vault, or restore the copy of its root where it lies in a module. Nothing changes. The vault is open, and stays so.
    ///
    /// # Errors
    /// [`Error::Invalid`] for shares that do not, or a root without any; [`Error::Sealed`].
    pub async fn rehearse(&self, principal: &Principal, shares: Vec<Zeroizing<String>>) -> Result<Rehearsed, Error> {
        let shares = read_shares(&shares)?;
        let proof = permit(principal, Action::ManageVault, &principal.account, shares)?;
        if self.is_sealed() {
            return Err(self.or_root_changed(Error::Sealed).await);
        }
        self.vault().record().keepers().ok_or_else(no_keepers)?;
        let shown = numbers(&proof.payload);
        let engine = self.engine.clone();
        let proved = tokio::task::spawn_blocking(move || engine.parts().vault.rehearse(proof.payload)).await;
        let record = match proved.map_err(|error| Error::Internal(error.to_string()))? {
            Ok(record) => record,
            Err(error) => {
                let entry = self.entry(principal, "vault.rehearse", proof.rule).outcome(Outcome::Refused).detail("shares", listed(&shown)).done();
                return Err(self.tell(entry).await.err().unwrap_or_else(|| unproved(error)));
            }
        };
        let keepers = record.keepers().ok_or_else(no_keepers)?;
        self.tell(self.entry(principal, "vault.rehearse", proof.rule).detail("set", keepers.set.to_string()).detail("shares", listed(&shown)).done()).await?;
        let transcript = self.transcript(What::Rehearsal, principal, &record, &shown).await?.unwrap_or_default();
        Ok(Rehearsed { threshold: keepers.threshold, shown, transcript })
    }

    /// The signed transcript; `None` where no shares were in it.
    pub(crate) async fn transcript(&self, what: What, by: &Principal, record: &RootRecord, shown: &[u8]) -> Result<Option<String>, Error> {
        let Some(keepers) = record.keepers() else { return Ok(None) };
        let (signer, installation) = (self.audit_key().await?, self.account().await?);
        let facts = Facts { what, installation: installation.as_str(), record, keepers: &keepers, shown, by, at: self.now() };
        let key = VerifierKey::parse(&signer.vkey).map_err(|error| Error::Internal(error.to_string()))?;
        let text = facts.text();
        let signature = at_the_vault(self.vault(), |vault| vault.sign_log(&signer.sealed, text.as_bytes()))?;
        Ok(Some(key.note(&text, &signature)))
    }
}

/// Their numbers, in order.
pub(crate) fn numbers(shares: &[Share]) -> Vec<u8> {
    let mut numbers: Vec<u8> = shares.iter().map(Share::number).collect();
    numbers.sort_unstable();
    numbers
}

/// For the audit log.
pub(crate) fn listed(numbers: &[u8]) -> String {
    numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

fn no_keepers() -> Error {
    let mend = "Shares are made with a root: `keystead vault rotate root --to shares`, or `--to hsm --backup`.";
    Error::Invalid(keystead_domain::Invalid::new("shares", "cannot be rehearsed: no shares open this vault, or restore its root", mend))
}
