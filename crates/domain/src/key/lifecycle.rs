//! The life of a key, as one table: `capabilities.md`, the lifecycle matrix, CM-053 to CM-068.
//!
//! A retry is not an error: what is already so answers [`Verdict::NoOp`], what may never be answers [`Verdict::Refused`], and the two are kept apart.

use crate::Invalid;

/// Where a key stands (CM-051).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Not yet a key: its creation is running. The matrix calls this "no prior state".
    Creating,
    /// In use.
    Active,
    /// Taken out of use: disabled in the cloud, material removed there.
    Inactive,
    /// A successor took over the aliases; this one still decrypts.
    Replaced,
    /// The cloud counts down to deletion.
    PendingDeletion,
    /// Gone, here and there; what remains is the record.
    Deleted,
}

/// What is asked of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Disable, then remove the material from the cloud (CM-054).
    Deactivate,
    /// The same, by the schedule, of a key whose successor has been in use for the grace of its rotation (FT-077).
    Retire,
    /// Take the key out of use wherever it is, with everything that has its material, and show that it is (FT-019).
    Kill,
    /// Import the material again and enable (CM-055).
    Activate,
    /// Import the material again, whatever the cloud lost (CM-056).
    Upload,
    /// Make a successor that takes over the aliases (CM-057).
    Renew,
    /// Make it anew in its cloud, which no longer has it, as it happens to the old one.
    Recreate,
    /// Give the same cloud key new material.
    RotateInPlace,
    /// Undo of a renewal, asked of the successor: the aliases go back to the predecessor.
    Revert,
    /// Undo of a renewal, as it happens to the predecessor.
    Reinstate,
    /// Disable the key for a while, to see who needs it; by itself it comes back (AW-045).
    RehearseDeletion,
    /// Start the cloud's countdown (CM-058).
    ScheduleDeletion,
    /// Stop the countdown, then remove the material (CM-060).
    CancelDeletion,
    /// The countdown has ended: destroy the material here (CM-061).
    CleanUp,
    /// Name the public key for an export, and the person who asked (CM-063).
    PrepareExport,
    /// Hand out the wrapped material to another person (CM-064 to CM-066).
    DownloadExport,
    /// Change name, expiry, tags, alias or description (CM-067).
    Update,
    /// Make a replica of a multi-Region primary in another Region (FT-047).
    Replicate,
    /// Make a replica the primary of its family.
    Promote,
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Done, and the key then stands elsewhere.
    To(KeyState),
    /// Done, and the key stands where it stood.
    Stay,
    /// Already so: accepted, without effect.
    NoOp,
    /// Not from here.
    Refused,
}

/// Every state, in the order of the table.
pub const STATES: [KeyState; 6] = [KeyState::Creating, KeyState::Active, KeyState::Inactive, KeyState::Replaced, KeyState::PendingDeletion, KeyState::Deleted];

/// The table: one row an event, one column a state.
#[rustfmt::skip]
pub const TABLE: [(Event, [Verdict; 6]); 19] = {
    use Event::*;
    use KeyState::{Active as A, Inactive as I, Replaced as R, PendingDeletion as P, Deleted as D};
    use Verdict::{NoOp as NOP, Refused as NO, Stay as STAY, To};
    [
        //                 CREATING  ACTIVE   INACTIVE  REPLACED  PENDING_DELETION  DELETED
        (Deactivate,       [NO,      To(I),   NOP,      NO,       NO,               NO  ]),
        (Retire,           [NO,      NO,      NOP,      To(I),    NO,               NO  ]),
        (Kill,             [NO,      To(I),   NOP,      To(I),    NOP,              NO  ]),
        (Activate,         [NO,      NOP,     To(A),    NO,       NO,               NO  ]),
        (Upload,           [NO,      STAY,    NO,       STAY,     NO,               NO  ]),
        (Renew,            [NO,      To(R),   NO,       NO,       NO,               NO  ]),
        (Recreate,         [NO,      To(D),   To(D),    NO,       NO,               NO  ]),
        (RotateInPlace,    [NO,      STAY,    NO,       NO,       NO,               NO  ]),
        (Revert,           [NO,      To(R),   NO,       NO,       NO,               NO  ]),
        (Reinstate,        [NO,      NOP,     NO,       To(A),    NO,               NO  ]),
        (RehearseDeletion, [NO,      STAY,    NO,       STAY,     NO,               NO  ]),
        (ScheduleDeletion, [NO,      To(P),   To(P),    To(P),    NOP,              NOP ]),
        (CancelDeletion,   [NO,      NO,      NO,       NO,       To(I),            NO  ]),
        (CleanUp,          [NOP,     NOP,     NOP,      NOP,      To(D),            NOP ]),
        (PrepareExport,    [NO,      STAY,    STAY,     STAY,     STAY,             NO  ]),
        (DownloadExport,   [NO,      STAY,    STAY,     STAY,     STAY,             NO  ]),
        (Update,           [NO,      STAY,    STAY,     NO,       NO,               NO  ]),
        (Replicate,        [NO,      STAY,    NO,       NO,       NO,               NO  ]),
        (Promote,          [NO,      STAY,    NO,       NO,       NO,               NO  ]),
    ]
};

/// What the table says of an event in a state.
pub fn verdict(state: KeyState, event: Event) -> Verdict {
    let row = TABLE.iter().find(|(name, _)| *name == event).map(|(_, row)| row);
    let column = STATES.iter().position(|name| *name == state);
    match (row, column) {
        (Some(row), Some(column)) => row[column],
        _ => Verdict::Refused,
    }
}

/// The states from which an event is accepted, for the mend of a refusal.
pub fn accepted_from(event: Event) -> Vec<KeyState> {
    STATES.into_iter().filter(|state| verdict(*state, event) != Verdict::Refused).collect()
}

impl KeyState {
    /// The name in the API, the command line and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Replaced => "REPLACED",
            Self::PendingDeletion => "PENDING_DELETION",
            Self::Deleted => "DELETED",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        STATES
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Invalid::new("state", "is not a state", "Give ACTIVE, INACTIVE, REPLACED, PENDING_DELETION or DELETED."))
    }
}

impl Event {
    /// The event as a person would say it, behind "cannot be".
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivated",
            Self::Retire => "retired",
            Self::Kill => "killed",
            Self::Activate => "activated",
            Self::Upload => "uploaded",
            Self::Renew => "renewed",
            Self::Recreate => "made anew",
            Self::RotateInPlace => "rotated in place",
            Self::Revert => "reverted",
            Self::Reinstate => "reinstated",
            Self::RehearseDeletion => "disabled to rehearse its deletion",
            Self::ScheduleDeletion => "scheduled for deletion",
            Self::CancelDeletion => "kept: its deletion is not pending, so it cannot be cancelled",
            Self::CleanUp => "cleaned up",
            Self::PrepareExport => "prepared for export",
            Self::DownloadExport => "exported",
            Self::Update => "updated",
            Self::Replicate => "replicated",
            Self::Promote => "promoted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table as text; the manual shows the same file.
    fn drawn() -> String {
        let mut text = format!("{:<18}", "");
        for state in STATES {
            text.push_str(&format!("{:<20}", state.as_str()));
        }
        for (event, row) in TABLE {
            text = format!("{}\n{:<18}", text.trim_end(), format!("{event:?}"));
            for verdict in row {
                let cell = match verdict {
                    Verdict::To(state) => format!("-> {}", state.as_str()),
                    Verdict::Stay => "ok".to_owned(),
                    Verdict::NoOp => "nop".to_owned(),
                    Verdict::Refused => "no".to_owned(),
                };
                text.push_str(&format!("{cell:<20}"));
            }
        }
        format!("{}\n", text.trim_end())
    }

    /// The table as a graph; `docs/lifecycle.dot` holds it, and the manual shows it drawn.
    fn graph() -> String {
        let mut text =
            "digraph lifecycle {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  CREATING -> ACTIVE [label=\"Create\"];\n".to_owned();
        for (event, row) in TABLE {
            for (state, verdict) in STATES.iter().zip(row) {
                if let Verdict::To(next) = verdict {
                    text.push_str(&format!("  {} -> {} [label=\"{event:?}\"];\n", state.as_str(), next.as_str()));
                }
            }
        }
        text.push_str("}\n");
        text
    }

    #[test]
    fn the_table_is_the_one_in_the_manual() {
        assert_eq!(drawn(), include_str!("../../../../docs/lifecycle.txt"), "write this to docs/lifecycle.txt:\n{}", drawn());
        assert_eq!(graph(), include_str!("../../../../docs/lifecycle.dot"), "write this to docs/lifecycle.dot:\n{}", graph());
    }

    #[test]
    fn every_event_has_one_row() {
        for (event, _) in TABLE {
            assert_eq!(TABLE.iter().filter(|(other, _)| *other == event).count(), 1, "{event:?}");
        }
    }

    #[test]
    fn nothing_comes_back_from_deleted() {
        for (event, _) in TABLE {
            assert!(!matches!(verdict(KeyState::Deleted, event), Verdict::To(_) | Verdict::Stay), "{event:?}");
        }
    }
}
