//! The root record: all that is kept of a root, and nothing that opens it without its unlock secret.
//!
//! Format 1, numbers big-endian: format (1 byte), kind (1), what the kind needs (for shares: threshold, count, set, a commitment to each; for a hardware
//! module: the name of the root in it, 16, and for one with a copy the shares of that as above and its two keys, 40 each), root generation (4), mark of the root (16), the root under the unlock key, or for a hardware module the mark
//! and zeros under the root (60), then 0, or 1 with the previous root's generation (4) and the previous root under this root (60), or 2 with its generation and, where it
//! lies in a hardware module, its name there and its mark under this root (60). Everything before a wrapped root is authenticated with it.

use super::{
    share::SetId,
    share_set::ShareSet,
    unlock::{Backup, Method, PassphraseCost, UnlockKind},
};
use crate::{RootBackup, RootId, hazmat::gcm};

/// The one format so far.
const FORMAT: u8 = 1;
/// A 256-bit key, sealed.
pub(crate) const WRAPPED_LEN: usize = 32 + gcm::OVERHEAD;

/// A root key, wrapped, with how to open it. It is opaque; keep its bytes, and keep them durable before you [adopt](super::Vault::adopt) it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRecord {
    pub(crate) method: Method,
    pub(crate) generation: u32,
    /// Says whether two records are of the same root, without opening either.
    pub(crate) mark: [u8; 16],
    pub(crate) wrapped: [u8; WRAPPED_LEN],
    pub(crate) previous: Option<Previous>,
}

/// The root before, under the present one: it lets a rotation stop anywhere and be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) generation: u32,
    pub(crate) of: PreviousOf,
    pub(crate) wrapped: [u8; WRAPPED_LEN],
}

/// Those who have shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keepers {
    /// How many shares it takes.
    pub threshold: u8,
    /// Which set.
    pub set: SetId,
    /// SHA-256 of each share with its place, in the order of their numbers: by it a share is known, and nothing is known of it.
    pub commitments: Vec<[u8; 32]>,
}

/// What is wrapped of the root before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PreviousOf {
    /// Its key.
    Software = 1,
    /// Its name in a hardware module, and its mark.
    Module = 2,
}

/// Why bytes are not a root record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Truncated, too long, or never a record.
    #[error("the root record is damaged; restore it from a backup")]
    Damaged,
    /// A later version of Keystead wrote it.
    #[error("the root record has format {format}, which this version of Keystead does not know")]
    UnknownFormat {
        /// Its first byte.
        format: u8,
    },
}

impl RootRecord {
    /// The bytes to keep. They are no secret by themselves, but who has them can try passphrases.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend(self.wrapped);
        match &self.previous {
            None => bytes.push(0),
            Some(previous) => {
                bytes.push(previous.of as u8);
                bytes.extend(previous.generation.to_be_bytes());
                bytes.extend(previous.wrapped);
            }
        }
        bytes
    }

    /// Reads the bytes back.
    ///
    /// # Errors
    /// [`RecordError`]. That the record is authentic shows only when it is opened.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes {
            [FORMAT, rest @ ..] => read(&mut Reader(rest)).ok_or(RecordError::Damaged),
            [format, ..] => Err(RecordError::UnknownFormat { format: *format }),
            [] => Err(RecordError::Damaged),
        }
    }

    /// Whether two records are of one root, however either opens.
    pub fn is_of_same_root(&self, other: &Self) -> bool {
        (self.generation, self.mark) == (other.generation, other.mark)
    }

    /// Which root of its hardware module it is; `None` for one in software.
    pub fn module_root(&self) -> Option<crate::RootId> {
        match &self.method {
            Method::Module { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Whose shares open it, or restore its copy where it lies in a module and has one.
    pub fn keepers(&self) -> Option<Keepers> {
        match &self.method {
            Method::Shares(set) | Method::Module { backup: Some(Backup { set, .. }), .. } => {
                Some(Keepers { threshold: set.threshold, set: set.id, commitments: set.commitments().to_vec() })
            }
            _ => None,
        }
    }

    /// Threshold and count of the shares that restore its copy, if it lies in a module and has one.
    pub fn backup(&self) -> Option<(u8, u8)> {
        match &self.method {
            Method::Module { backup: Some(Backup { set, .. }), .. } => Some((set.threshold, set.count())),
            _ => None,
        }
    }

    /// What tells this root from every other, in hexadecimal. It is no secret.
    pub fn mark(&self) -> String {
        hex::encode(self.mark)
    }

    /// What kind of secret opens it.
    pub fn kind(&self) -> UnlockKind {
        self.method.kind()
    }

    /// Which root this is, from 1.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The root that a running rotation leaves behind.
    pub fn previous_generation(&self) -> Option<u32> {
        self.previous.as_ref().map(|previous| previous.generation)
    }

    /// How hard the passphrase is to try, if it opens by one.
    pub fn passphrase_cost(&self) -> Option<PassphraseCost> {
        match &self.method {
            Method::Passphrase { cost, .. } => Some(*cost),
            _ => None,
        }
    }

    /// Threshold, count and set of its shares, if it opens by them.
    pub fn shares(&self) -> Option<(u8, u8, SetId)> {
        match &self.method {
            Method::Shares(set) => Some((set.threshold, set.count(), set.id)),
            _ => None,
        }
    }

    /// Everything before the wrapped root, which is bound to it.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = vec![FORMAT];
        match &self.method {
            Method::Passphrase { salt, cost } => {
                head.push(1);
                head.extend(salt);
                [cost.memory_kib, cost.passes, cost.lanes].iter().for_each(|number| head.extend(number.to_be_bytes()));
            }
            Method::KeyFile => head.push(2),
            Method::Shares(set) => {
                head.push(3);
                write_set(&mut head, set);
            }
            Method::Module { id: RootId(id), backup: None } => {
                head.push(4);
                head.extend(id);
            }
            Method::Module { id: RootId(id), backup: Some(Backup { set, keys }) } => {
                head.push(5);
                head.extend(id);
                write_set(&mut head, set);
                head.extend(keys.wrapping);
                head.extend(keys.sealing);
            }
        }
        head.extend(self.generation.to_be_bytes());
        head.extend(self.mark);
        head
    }
}

fn write_set(to: &mut Vec<u8>, set: &ShareSet) {
    to.extend([set.threshold, set.count()]);
    to.extend(set.id.0);
    to.extend(set.commitments().as_flattened());
}

fn share_set(from: &mut Reader<'_>) -> Option<ShareSet> {
    let ([threshold, count], id) = (from.bytes()?, SetId(from.bytes()?));
    let commitments: Option<Vec<_>> = (0..count).map(|_| from.bytes()).collect();
    ShareSet::new(threshold, id, commitments?)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_be_bytes)
    }
}

fn read(from: &mut Reader<'_>) -> Option<RootRecord> {
    let method = method(from)?;
    let generation = from.number().filter(|generation| *generation > 0)?;
    let (mark, wrapped) = (from.bytes()?, from.bytes()?);
    let of = match from.bytes()? {
        [0] => None,
        [1] => Some(PreviousOf::Software),
        [2] => Some(PreviousOf::Module),
        _ => return None,
    };
    let previous = match of {
        None => None,
        Some(of) => Some(Previous { generation: from.number().filter(|previous| *previous < generation)?, of, wrapped: from.bytes()? }),
    };
    from.0.is_empty().then_some(RootRecord { method, generation, mark, wrapped, previous })
}

fn method(from: &mut Reader<'_>) -> Option<Method> {
    match from.bytes()? {
        [1] => {
            let salt = from.bytes()?;
            let cost = PassphraseCost { memory_kib: from.number()?, passes: from.number()?, lanes: from.number()? };
            cost.is_possible().then_some(Method::Passphrase { salt, cost })
        }
        [2] => Some(Method::KeyFile),
        [3] => share_set(from).map(Method::Shares),
        [4] => from.bytes().map(|id| Method::Module { id: RootId(id), backup: None }),
        [5] => {
            let (id, set) = (RootId(from.bytes()?), share_set(from)?);
            let keys = RootBackup { wrapping: from.bytes()?, sealing: from.bytes()? };
            Some(Method::Module { id, backup: Some(Backup { set, keys }) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> Vec<RootRecord> {
        let cost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };
        let shares = ShareSet::new(3, SetId([1, 2, 3, 4]), (0..5).map(|number| [number; 32]).collect()).expect("3 of 5 can be");
        let module = |backup| Method::Module { id: RootId([3; 16]), backup };
        let keys = RootBackup { wrapping: [8; RootBackup::LEN], sealing: [9; RootBackup::LEN] };
        let methods = [
            Method::Passphrase { salt: [7; 16], cost },
            Method::KeyFile,
            Method::Shares(shares.clone()),
            module(None),
            module(Some(Backup { set: shares, keys })),
        ];
        let before = |of| Some(Previous { generation: 8, of, wrapped: [5; WRAPPED_LEN] });
        let previous = [None, before(PreviousOf::Software), before(PreviousOf::Module)];
        let record = |method: &Method, previous: &Option<Previous>| RootRecord {
            method: method.clone(),
            generation: 9,
            mark: [6; 16],
            wrapped: [4; WRAPPED_LEN],
            previous: previous.clone(),
        };
        methods.iter().flat_map(|method| previous.iter().map(move |previous| record(method, previous))).collect()
    }

    #[test]
    fn every_kind_of_record_is_read_back() {
        for record in records() {
            assert_eq!(RootRecord::from_bytes(&record.to_bytes()), Ok(record));
        }
    }

    #[test]
    fn a_record_of_any_other_length_is_refused() {
        for record in records() {
            let mut bytes = record.to_bytes();
            for len in 0..bytes.len() {
                assert!(RootRecord::from_bytes(&bytes[..len]).is_err(), "{len} bytes of {record:?}");
            }
            bytes.push(0);
            assert_eq!(RootRecord::from_bytes(&bytes), Err(RecordError::Damaged));
        }
    }

    #[test]
    fn a_record_of_tomorrow_is_named_as_such() {
        assert_eq!(RootRecord::from_bytes(&[2, 1, 1]), Err(RecordError::UnknownFormat { format: 2 }));
    }

    #[test]
    fn a_doctored_cost_cannot_exhaust_the_machine() {
        let mut bytes = records()[0].to_bytes();
        bytes[18..22].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(RootRecord::from_bytes(&bytes), Err(RecordError::Damaged));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700), kind in 1u8..5) {
            let _ = RootRecord::from_bytes(&bytes);
            if let Ok(record) = RootRecord::from_bytes(&[&[FORMAT, kind], &bytes[..]].concat()) {
                prop_assert_eq!(record.to_bytes(), [&[FORMAT, kind], &bytes[..]].concat());
            }
        }
    }
}
