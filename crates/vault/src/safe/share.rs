//! Shares of an unlock key, as people hold and type them:
//!
//! `keystead-share-1-3of5-a1b2c3d4-XXXXX-XXXXX-…`: format, threshold and count, the set that it belongs to, and twelve groups of Crockford's base 32, which
//! has no I, L, O and U to mistake. The groups hold the share's number (1 byte), its 32 bytes and a check sum (4 bytes) over everything before it.

use super::share_set::numbers_are_possible;
use crate::{
    Random, SHARES_MAX, SecretText,
    hazmat::{aad::Aad, shamir::Point},
    random,
    secret::Secret,
};
use aws_lc_rs::digest::{SHA256, digest};
use keystead_domain::Invalid;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Number, point, check sum.
const PAYLOAD_LEN: usize = 1 + 32 + 4;
/// The payload's length in base 32: 296 bits in 60 digits, with four bits of zero at the end.
const DIGITS: usize = 60;
const GROUP: usize = 5;
/// Longest text that is looked at, in bytes: a share typed with many blanks, and far from what a stranger could fill the memory with.
const TEXT_LEN_MAX: usize = 512;

/// Which set of shares: shares of another root, or of this root's earlier unlock key, have another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetId(pub(crate) [u8; 4]);

impl SetId {
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self(random::public(random))
    }
}

impl std::fmt::Display for SetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// One share of an unlock key. It cannot be printed or cloned by accident; [`text`](Self::text) is for its keeper.
pub struct Share {
    pub(super) threshold: u8,
    pub(super) count: u8,
    pub(super) set: SetId,
    pub(super) point: Point,
}

/// Why a share is none, or not one that helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareError {
    /// It does not begin as shares do, or ends early.
    NotAShare,
    /// Written by a later version of Keystead.
    UnknownFormat,
    /// Not 2 ≤ k ≤ n ≤ 16, or a number beyond n.
    Numbers,
    /// A character that no share has; counted from 1, in what follows the set.
    BadCharacter {
        /// Which one.
        at: usize,
    },
    /// Too few or too many characters after the set.
    Length {
        /// How many there are.
        found: usize,
    },
    /// The check sum does not fit: a slip of the pen.
    CheckSum,
    /// Not one of this vault's: forged, or of another vault, or of an earlier root. Which of these is not said, and neither is the set that would open it: who
    /// offers a share need not be a keeper.
    NotOfThisVault,
    /// This one was there before.
    Duplicate {
        /// The share's number.
        number: u8,
    },
    /// Not enough yet.
    TooFew {
        /// How many there are.
        have: u8,
        /// How many it takes.
        need: u8,
    },
}

impl ShareError {
    fn words(&self) -> (String, String) {
        let (reason, mend) = match self {
            Self::NotAShare => ("is not a share".into(), "Give the whole line, from `keystead-share-1-` on.".into()),
            Self::UnknownFormat => ("has a format that this version does not know".into(), "Use the version of Keystead that made it, or a later one.".into()),
            Self::Numbers => ("cannot be one of so many".into(), format!("Check the part like `3of5`: at least 2, at most {SHARES_MAX}.")),
            Self::BadCharacter { at } => (format!("has a character that no share has, at place {at} after the set"), "Compare it with the paper.".into()),
            Self::Length { found } => (format!("has {found} characters after the set, not {DIGITS}"), format!("Give all {} groups.", DIGITS / GROUP)),
            Self::CheckSum => ("does not fit its check sum".into(), "One character or more was mistyped; compare it with the paper.".into()),
            Self::NotOfThisVault => (
                "is not one of this vault's, and was not counted".into(),
                "Give one of the shares that were made with the present root; those of an earlier root, or of another vault, open nothing here.".into(),
            ),
            Self::Duplicate { number } => (format!("is number {number}, which is there already"), "Give another keeper's share.".into()),
            Self::TooFew { have, need } => (format!("is not enough: there are {have} of {need}"), "Give further keepers' shares.".into()),
        };
        (reason, mend)
    }
}

impl std::fmt::Display for ShareError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (reason, mend) = self.words();
        write!(f, "the share {reason}. {mend}")
    }
}

impl std::error::Error for ShareError {}

impl From<ShareError> for Invalid {
    fn from(error: ShareError) -> Self {
        let (reason, mend) = error.words();
        Self::new("share", reason, mend)
    }
}

impl Share {
    /// Reads a share as it was typed: upper or lower case, groups parted by dashes or blanks, O for 0 and I or L for 1.
    ///
    /// # Errors
    /// [`ShareError`]; a share that is read at all has the right check sum.
    pub fn parse(text: &str) -> Result<Self, ShareError> {
        if text.len() > TEXT_LEN_MAX {
            return Err(ShareError::NotAShare);
        }
        let text = Zeroizing::new(text.to_ascii_lowercase());
        let mut parts = text.split(|c: char| c == '-' || c.is_whitespace()).filter(|part| !part.is_empty());
        if (parts.next(), parts.next()) != (Some("keystead"), Some("share")) {
            return Err(ShareError::NotAShare);
        }
        if parts.next().ok_or(ShareError::NotAShare)? != "1" {
            return Err(ShareError::UnknownFormat);
        }
        let (threshold, count) = numbers(parts.next().ok_or(ShareError::NotAShare)?)?;
        let set = parts.next().and_then(set).ok_or(ShareError::NotAShare)?;
        let payload = decode(parts.flat_map(str::chars))?;
        Self::checked(threshold, count, set, &payload)
    }

    fn checked(threshold: u8, count: u8, set: SetId, payload: &[u8; PAYLOAD_LEN]) -> Result<Self, ShareError> {
        let (number, rest) = (payload[0], &payload[1..]);
        let (y, sum) = rest.split_at(32);
        let point = Point { x: number, y: Secret::init_with(|bytes| bytes.copy_from_slice(y)) };
        let share = Self { threshold, count, set, point };
        if share.check_sum() != sum {
            return Err(ShareError::CheckSum);
        }
        if !(1..=count).contains(&number) {
            return Err(ShareError::Numbers);
        }
        Ok(share)
    }

    /// The share as text, for its keeper and nobody else.
    pub fn text(&self) -> SecretText {
        let mut payload = Zeroizing::new([0; PAYLOAD_LEN]);
        payload[0] = self.point.x;
        payload[1..33].copy_from_slice(self.point.y.expose());
        payload[33..].copy_from_slice(&self.check_sum());
        let mut text = Zeroizing::new(String::with_capacity(128));
        text.push_str(&format!("keystead-share-1-{}of{}-{}", self.threshold, self.count, self.set));
        encode(&payload, &mut text);
        SecretText::new(text)
    }

    /// Which share of its set, from 1.
    pub fn number(&self) -> u8 {
        self.point.x
    }

    /// How many shares of its set open the vault.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// How many shares its set has.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// The set that it belongs to.
    pub fn set(&self) -> SetId {
        self.set
    }

    /// Four bytes of SHA-256: no proof of anything, but one in 4,294,967,296 slips passes.
    fn check_sum(&self) -> [u8; 4] {
        let head = Aad::of("keystead share 1").bytes(&[self.threshold, self.count]).bytes(&self.set.0).bytes(&[self.point.x]);
        let whole = Zeroizing::new([head.as_bytes(), self.point.y.expose()].concat());
        let mut sum = [0; 4];
        sum.iter_mut().zip(digest(&SHA256, &whole).as_ref()).for_each(|(to, from)| *to = *from);
        sum
    }
}

fn numbers(text: &str) -> Result<(u8, u8), ShareError> {
    let (threshold, count) = text.split_once("of").ok_or(ShareError::NotAShare)?;
    match (threshold.parse(), count.parse()) {
        (Ok(threshold), Ok(count)) if numbers_are_possible(threshold, count) => Ok((threshold, count)),
        _ => Err(ShareError::Numbers),
    }
}

fn set(text: &str) -> Option<SetId> {
    let mut set = [0; 4];
    hex::decode_to_slice(text, &mut set).ok()?;
    Some(SetId(set))
}

fn encode(payload: &[u8; PAYLOAD_LEN], text: &mut String) {
    for place in 0..DIGITS {
        if place % GROUP == 0 {
            text.push('-');
        }
        let digit = bits(payload, 8, place, 5);
        text.push(char::from(ALPHABET[usize::from(digit)]));
    }
}

fn decode(digits: impl Iterator<Item = char>) -> Result<Zeroizing<[u8; PAYLOAD_LEN]>, ShareError> {
    let mut values = Zeroizing::new([0; DIGITS]);
    let mut found = 0;
    for digit in digits {
        let value = value(digit).ok_or(ShareError::BadCharacter { at: found + 1 })?;
        if let Some(place) = values.get_mut(found) {
            *place = value;
        }
        found += 1;
    }
    if found != DIGITS {
        return Err(ShareError::Length { found });
    }
    // The bits behind the payload are zero in every share that we wrote; a one there is a slip, too.
    if bits(values.as_slice(), 5, PAYLOAD_LEN, 8) != 0 {
        return Err(ShareError::CheckSum);
    }
    let mut payload = Zeroizing::new([0; PAYLOAD_LEN]);
    payload.iter_mut().enumerate().for_each(|(place, byte)| *byte = bits(values.as_slice(), 5, place, 8));
    Ok(payload)
}

/// Digit number `place` of `width` bits, out of digits of `from` bits; high bits first, zeros behind the end.
fn bits(digits: &[u8], from: usize, place: usize, width: usize) -> u8 {
    (place * width..(place + 1) * width).fold(0, |digit, bit| {
        let bit = digits.get(bit / from).map_or(0, |source| source >> (from - 1 - bit % from) & 1);
        digit << 1 | bit
    })
}

fn value(digit: char) -> Option<u8> {
    let digit = match digit.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        digit => digit,
    };
    ALPHABET.iter().position(|known| char::from(*known) == digit).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random::seeded::Seeded, safe::share_set};
    use proptest::prelude::*;

    const SET: SetId = SetId([0xa1, 0xb2, 0xc3, 0xd4]);

    fn shares() -> Vec<Share> {
        let key = Secret::init_with(|bytes| Seeded::new("share key").fill(bytes));
        share_set::split(&key, 3, 5, SET, &Seeded::new("shares")).expect("splitting works").1
    }

    fn texts() -> Vec<String> {
        shares().iter().map(|share| share.text().expose().to_owned()).collect()
    }

    fn refusal(text: &str) -> ShareError {
        Share::parse(text).err().expect("it is no share")
    }

    #[test]
    fn a_share_is_read_back_as_it_was_written() {
        for text in texts() {
            assert!(text.starts_with("keystead-share-1-3of5-a1b2c3d4-"), "{text}");
            let share = Share::parse(&text).expect("we wrote it");
            assert_eq!((share.threshold(), share.count(), share.set(), share.text().expose()), (3, 5, SET, text.as_str()));
        }
    }

    #[test]
    fn people_may_type_it_their_way() {
        let text = texts().remove(0);
        for typed in
            [text.to_uppercase(), text.replace('-', " "), format!("  {}\n", text.replace('-', " - ")), text.to_lowercase().replace('0', "o").replace('1', "l")]
        {
            // The format number and the set id are hexadecimal or decimal, where l and o have no place.
            let typed = if typed.contains("share-l") { typed.replace("share-l", "share-1").replace("alb2", "a1b2") } else { typed };
            assert_eq!(Share::parse(&typed).expect("the same share").text().expose(), text, "{typed}");
        }
    }

    #[test]
    fn every_slip_in_every_place_is_found() {
        let text = texts().remove(1);
        for at in 0..text.len() {
            for slip in ["0", "7", "Z", "b"] {
                let mut typed = text.clone();
                typed.replace_range(at..=at, slip);
                let same = typed.to_lowercase() == text.to_lowercase();
                assert_eq!(Share::parse(&typed).is_ok(), same, "{typed}");
            }
        }
    }

    #[test]
    fn each_slip_has_its_own_words() {
        let text = texts().remove(0);
        assert_eq!(refusal("hello"), ShareError::NotAShare);
        assert_eq!(refusal(&text[..17]), ShareError::NotAShare);
        assert_eq!(refusal(&text.replace("share-1-", "share-2-")), ShareError::UnknownFormat);
        assert_eq!(refusal(&text.replace("3of5", "1of5")), ShareError::Numbers);
        assert_eq!(refusal(&text.replace("3of5", "6of5")), ShareError::Numbers);
        assert_eq!(refusal(&text.replace("3of5", "3of17")), ShareError::Numbers);
        assert_eq!(refusal(&text.replace("3of5", "2of5")), ShareError::CheckSum);
        assert_eq!(refusal(&text[..text.len() - 1]), ShareError::Length { found: 59 });
        assert_eq!(refusal(&format!("{text}0")), ShareError::Length { found: 61 });
        assert_eq!(refusal(&format!("{}U", &text[..text.len() - 1])), ShareError::BadCharacter { at: 60 });
    }

    #[test]
    fn a_text_as_long_as_a_book_is_not_looked_at() {
        let padded = |blanks: usize| format!("{}{}", texts()[0], " ".repeat(blanks));
        assert!(Share::parse(&padded(100)).is_ok());
        assert_eq!(refusal(&padded(100_000)), ShareError::NotAShare);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", tail in "[0-9a-zA-Z -]{0,70}", head in "[0-9]{0,3}of[0-9]{0,4}") {
            let _ = (Share::parse(&text), Share::parse(&format!("keystead-share-1-{head}-a1b2c3d4-{tail}")));
        }
    }
}
