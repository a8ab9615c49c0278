//! Whose a key's material is, and which part a key plays among the Regions of a multi-Region key.

use crate::{Invalid, key::lifecycle::Event};

/// Where a key's material is kept (design, section 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Custody {
    /// In the vault, for this key.
    #[default]
    Own,
    /// In the vault, for another key: this one is a copy of it in another keystore (FT-015, FT-027).
    Linked,
    /// In the cloud alone: the row is a pointer, a virtual key (FT-014).
    Native,
}

impl Custody {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Own, Self::Linked, Self::Native];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Linked => "linked",
            Self::Native => "native",
        }
    }

    /// Whether a key that is taken out of use is emptied in its cloud. Not where the material could not come back: such a key is disabled only.
    pub const fn empties_on_deactivation(self) -> bool {
        !matches!(self, Self::Native)
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `custody`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|custody| custody.as_str() == text);
        found.ok_or_else(|| Invalid::new("custody", "is not a kind of custody", "Give own, linked or native."))
    }

    /// Why an event that needs the material here is not for a key of this custody; `None`: it is.
    pub fn refusal(self, event: Event) -> Option<Invalid> {
        let needs_material = matches!(event, Event::Upload | Event::Renew | Event::Recreate | Event::PrepareExport | Event::DownloadExport);
        (self == Self::Native && needs_material).then(|| {
            let reason = format!("cannot be {}: its material is the cloud's, and Keystead holds a pointer", event.participle());
            Invalid::new("key", reason, "Adopt it: `keystead key adopt NAME` makes a successor with material of the vault, and moves its aliases.")
        })
    }
}

/// Which part a key plays in a family of Regions (AWS KMS Developer Guide, "Multi-Region keys in AWS KMS").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RegionRole {
    /// None: it lives in one Region.
    #[default]
    Single,
    /// The one from which replicas are made (FT-047).
    Primary,
    /// The same key in another Region.
    Replica,
}

impl RegionRole {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Single, Self::Primary, Self::Replica];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `region_role`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| Invalid::new("region_role", "is not a part in a family of Regions", "Give single, primary or replica."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for custody in Custody::ALL {
            assert_eq!(Custody::parse(custody.as_str()), Ok(custody));
        }
        for role in RegionRole::ALL {
            assert_eq!(RegionRole::parse(role.as_str()), Ok(role));
        }
    }

    #[test]
    fn what_needs_material_is_refused_where_only_the_cloud_has_it_ft_014() {
        for event in [Event::Upload, Event::Renew, Event::PrepareExport, Event::DownloadExport] {
            let refused = Custody::Native.refusal(event).expect("there is nothing to do it with");
            assert!(refused.reason.contains("the cloud's") && refused.mend.contains("adopt"), "{refused}");
            assert_eq!(Custody::Own.refusal(event).or(Custody::Linked.refusal(event)), None);
        }
        for event in [Event::Deactivate, Event::Activate, Event::ScheduleDeletion, Event::CancelDeletion, Event::CleanUp, Event::Update, Event::Revert] {
            assert_eq!(Custody::Native.refusal(event), None, "{event:?}");
        }
        assert_eq!(Custody::ALL.map(Custody::empties_on_deactivation), [true, true, false]);
    }

    #[test]
    fn names_that_are_no_custody_are_refused() {
        assert_eq!(Custody::parse("borrowed").expect_err("no such kind").field, "custody");
        assert_eq!(RegionRole::parse("secondary").expect_err("no such part").field, "region_role");
    }
}
