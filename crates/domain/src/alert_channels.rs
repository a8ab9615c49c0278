//! Which channels hear of a keystore and of its keys. What channels there are is the server's configuration, and comes in as an argument.
//!
//! Nobody can be left without a word: a list names one channel at least, and one that names only channels that are gone counts as none.

use std::collections::BTreeSet;

use crate::Invalid;

/// In files: every channel. No channel can be called so.
pub const EVERY: &str = "*";
/// A keystore names so many channels at most.
const NAMES_MAX: usize = 10;
/// A name has so many characters at most, as the configuration demands.
const NAME_MAX: usize = 200;

/// Which channels hear of a keystore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AlertChannels {
    /// Every one, also those that come later.
    #[default]
    All,
    /// These alone, by their names.
    Only(BTreeSet<String>),
}

/// Where an alert goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The channels, in the order of the configuration.
    pub channels: Vec<String>,
    /// None of the channels that the keystore names is there any more: every one hears of it instead.
    pub is_astray: bool,
}

impl AlertChannels {
    /// Reads a list of names. The caller says how the field is called, and how every channel is said there.
    ///
    /// # Errors
    /// [`Invalid`] naming the field, or the name in it that cannot be.
    pub fn parse(field: &str, every: &str, names: Vec<String>) -> Result<Self, Invalid> {
        if names.is_empty() {
            let mend = format!("Name one channel at least; {every} means every channel.");
            return Err(Invalid::new(field, "is empty: nobody would hear of the keystore", mend));
        }
        if names.len() > NAMES_MAX {
            let mend = format!("Give {NAMES_MAX} at most; {every} means every channel.");
            return Err(Invalid::new(field, format!("names {} channels", names.len()), mend));
        }
        let mut only = BTreeSet::new();
        for (at, name) in names.into_iter().enumerate() {
            if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
                return Err(Invalid::new(format!("{field}[{at}]"), "is no name of a channel", format!("Give 1 to {NAME_MAX} characters.")));
            }
            if !only.insert(name) {
                return Err(Invalid::new(format!("{field}[{at}]"), "is given before", "Give each channel once."));
            }
        }
        Ok(Self::Only(only))
    }

    /// Refuses names that the configuration does not have.
    ///
    /// # Errors
    /// [`Invalid`] naming the field, with the names that are there.
    pub fn demand_known(&self, field: &str, configured: &[String]) -> Result<(), Invalid> {
        let strange: Vec<&str> = self.names().filter(|name| !configured.iter().any(|known| known == name)).collect();
        if strange.is_empty() {
            return Ok(());
        }
        let mend = match configured {
            [] => "The server has none: name one in keystead.toml, under [[alerts.mail]] or [[alerts.webhook]], and restart it.".to_owned(),
            known => format!("Give one or some of these: {}.", known.join(", ")),
        };
        Err(Invalid::new(field, format!("names what is no channel of the server's configuration: {}", strange.join(", ")), mend))
    }

    /// Where an alert about the keystore goes. A channel that was lost is left out; were none left, every one hears of it.
    pub fn heard_by(&self, configured: &[String]) -> Heard {
        let Self::Only(names) = self else { return Heard { channels: configured.to_vec(), is_astray: false } };
        let channels: Vec<String> = configured.iter().filter(|name| names.contains(*name)).cloned().collect();
        if channels.is_empty() { Heard { channels: configured.to_vec(), is_astray: true } } else { Heard { channels, is_astray: false } }
    }

    /// Whether a channel that heard of the keystore before hears nothing any more.
    pub fn tells_fewer_than(&self, before: &Self) -> bool {
        match (before, self) {
            (_, Self::All) => false,
            (Self::All, Self::Only(_)) => true,
            (Self::Only(before), Self::Only(now)) => !before.is_subset(now),
        }
    }

    /// The names; none where every channel is meant.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::All => None,
            Self::Only(names) => Some(names),
        };
        names.into_iter().flatten().map(String::as_str)
    }

    /// The names as a list; `None`: every channel.
    pub fn to_list(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Only(names) => Some(names.iter().cloned().collect()),
        }
    }

    /// In one line.
    pub fn told(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Only(_) => self.names().collect::<Vec<_>>().join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn only(texts: &[&str]) -> AlertChannels {
        AlertChannels::parse("alert_channels", "null", names(texts)).expect("are names")
    }

    #[test]
    fn a_list_names_one_channel_at_least_each_once_and_ten_at_most_fx_043() {
        let refused = |texts: &[&str]| AlertChannels::parse("alerts", "[\"*\"]", names(texts)).expect_err("refused").field;
        assert_eq!(refused(&[]), "alerts");
        assert_eq!(refused(&["a", ""]), "alerts[1]");
        assert_eq!(refused(&["a\n"]), "alerts[0]");
        assert_eq!(refused(&["a", "b", "a"]), "alerts[2]");
        assert_eq!(refused(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]), "alerts");
        assert_eq!(only(&["b", "a"]), only(&["a", "b"]), "their order means nothing");
        assert_eq!(only(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]).names().count(), 10);
    }

    #[test]
    fn a_name_that_is_not_configured_is_refused_with_those_that_are() {
        let configured = names(&["mail:ops@example.com", "pager"]);
        assert_eq!(AlertChannels::All.demand_known("alerts", &[]), Ok(()));
        assert_eq!(only(&["pager"]).demand_known("alerts", &configured), Ok(()));
        let refused = only(&["beeper", "pager"]).demand_known("alerts", &configured).expect_err("refused");
        assert_eq!(refused.field, "alerts");
        assert!(refused.reason.ends_with(": beeper") && refused.mend.contains("mail:ops@example.com, pager"), "{refused}");
        assert!(only(&["pager"]).demand_known("alerts", &[]).expect_err("refused").mend.contains("keystead.toml"));
    }

    #[test]
    fn an_alert_goes_to_the_channels_of_its_keystore_and_never_nowhere_fx_043() {
        let configured = names(&["mail", "pager", "chat"]);
        let heard = |channels: AlertChannels| {
            let Heard { channels, is_astray } = channels.heard_by(&configured);
            (channels.join(" "), is_astray)
        };
        assert_eq!(heard(AlertChannels::All), ("mail pager chat".to_owned(), false));
        assert_eq!(heard(only(&["chat", "mail"])), ("mail chat".to_owned(), false));
        assert_eq!(heard(only(&["chat", "gone"])), ("chat".to_owned(), false), "one that was lost is left out");
        assert_eq!(heard(only(&["gone", "lost"])), ("mail pager chat".to_owned(), true), "and none left is all");
        assert_eq!(only(&["gone"]).heard_by(&[]).channels, Vec::<String>::new(), "no server, no channel");
    }

    #[test]
    fn who_hears_no_more_is_noticed() {
        assert!(only(&["a"]).tells_fewer_than(&AlertChannels::All));
        assert!(only(&["a", "c"]).tells_fewer_than(&only(&["a", "b"])));
        assert!(!only(&["a", "b"]).tells_fewer_than(&only(&["a"])));
        assert!(!AlertChannels::All.tells_fewer_than(&only(&["a"])));
        assert_eq!((AlertChannels::All.told(), only(&["b", "a"]).told()), ("all".to_owned(), "a, b".to_owned()));
    }
}
