//! What an event of a key in a family of Regions concerns: the key alone, its family, or the primary, of which it is to be asked (AWS KMS Developer Guide,
//! "Multi-Region keys in AWS KMS"; FT-046 to FT-049). Expiry, state and rotation are kept in step, although AWS lets each Region go its own way.

use super::{custody::RegionRole, lifecycle::Event, lifecycle::KeyState};

/// How far an event reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The key alone.
    Alone,
    /// The key, and the replicas that stand where it stands.
    Family,
    /// The key, but only when its last replica is gone or counts down.
    BehindReplicas,
    /// Nobody: it is asked of the primary.
    AskPrimary,
}

/// How far an event reaches that is asked of a key with this part; `primary` is where the primary of a replica stands.
pub fn reach(role: RegionRole, event: Event, primary: Option<KeyState>) -> Reach {
    match role {
        RegionRole::Single => Reach::Alone,
        RegionRole::Primary => reach_of_primary(event),
        RegionRole::Replica => reach_of_replica(event, primary),
    }
}

fn reach_of_primary(event: Event) -> Reach {
    match event {
        Event::Deactivate
        | Event::Retire
        | Event::Kill
        | Event::Activate
        | Event::Upload
        | Event::Renew
        | Event::RotateInPlace
        | Event::Revert
        | Event::Reinstate
        | Event::Update => Reach::Family,
        Event::ScheduleDeletion => Reach::BehindReplicas,
        // Each Region's key is deleted for itself, and so its deletion is rehearsed.
        Event::RehearseDeletion => Reach::Alone,
        Event::CancelDeletion | Event::Recreate | Event::CleanUp | Event::PrepareExport | Event::DownloadExport | Event::Replicate | Event::Promote => {
            Reach::Alone
        }
    }
}

fn reach_of_replica(event: Event, primary: Option<KeyState>) -> Reach {
    match event {
        // Name, tags, alias and description are a replica's own; its end is not, which whoever updates it looks at.
        Event::ScheduleDeletion | Event::RehearseDeletion | Event::CleanUp | Event::PrepareExport | Event::DownloadExport | Event::Update | Event::Promote => {
            Reach::Alone
        }
        // It takes the whole family along, whichever member is named.
        Event::Kill => Reach::Family,
        // What was kept comes back into step alone.
        Event::Activate if primary == Some(KeyState::Active) => Reach::Alone,
        // A primary waits for its last replica: one that lives again would stop it half-way.
        Event::CancelDeletion if primary != Some(KeyState::PendingDeletion) => Reach::Alone,
        _ => Reach::AskPrimary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::lifecycle::TABLE;

    #[test]
    fn a_key_of_one_region_is_asked_as_ever() {
        assert!(TABLE.iter().all(|(event, _)| reach(RegionRole::Single, *event, None) == Reach::Alone));
    }

    #[test]
    fn what_takes_a_key_out_of_use_or_moves_its_end_takes_the_family_along() {
        for event in [Event::Deactivate, Event::Retire, Event::Activate, Event::Upload, Event::Renew, Event::Revert] {
            assert_eq!(reach(RegionRole::Primary, event, None), Reach::Family, "{event:?}");
        }
        assert_eq!(reach(RegionRole::Primary, Event::ScheduleDeletion, None), Reach::BehindReplicas);
    }

    #[test]
    fn a_replica_goes_alone_and_is_otherwise_asked_through_its_primary() {
        let asked = |event, primary| reach(RegionRole::Replica, event, Some(primary));
        for event in [Event::Deactivate, Event::Upload, Event::Renew, Event::Revert, Event::Replicate] {
            assert_eq!(asked(event, KeyState::Active), Reach::AskPrimary, "{event:?}");
        }
        assert_eq!((asked(Event::Activate, KeyState::Active), asked(Event::Activate, KeyState::Inactive)), (Reach::Alone, Reach::AskPrimary));
        assert_eq!(
            (asked(Event::CancelDeletion, KeyState::Active), asked(Event::CancelDeletion, KeyState::PendingDeletion)),
            (Reach::Alone, Reach::AskPrimary)
        );
        assert_eq!(asked(Event::ScheduleDeletion, KeyState::PendingDeletion), Reach::Alone);
    }
}
