//! How important a key is: in which order keys get their material back, and are kept warm. People say it by a tag.

use crate::Tags;

/// The tag that says it.
pub const TAG: &str = "keystead-priority";

/// How important a key is: 1 comes first, 9 last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Importance(u32);

impl Importance {
    /// Of a key without the tag, or with another value than one digit of 1 to 9: a slip in a tag holds up no restore.
    pub const MIDDLE: Self = Self(5);

    /// Of a key with these tags.
    pub fn of(tags: &Tags) -> Self {
        match tags.get(TAG).map(str::as_bytes) {
            Some([digit @ b'1'..=b'9']) => Self(u32::from(digit - b'0')),
            _ => Self::MIDDLE,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_says_how_important_a_key_is_and_a_slip_in_it_is_none() {
        let of = |value: &str| Importance::of(&Tags::parse([(TAG.to_owned(), value.to_owned())]).expect("a tag")).get();
        assert_eq!((of("1"), of("9"), of("0"), of("10"), of("high"), of("")), (1, 9, 5, 5, 5, 5));
        assert_eq!(Importance::of(&Tags::default()), Importance::MIDDLE);
        assert!(Importance::of(&Tags::parse([(TAG.to_owned(), "2".to_owned())]).expect("a tag")) < Importance::MIDDLE);
    }
}
