//! Values that go into statements and rows that come out, for both engines.

use keystead_domain::{Timestamp, id::Id};

use crate::StoreError;

/// A value for a placeholder. Both engines know text, 64-bit integers and bytes; truth is 0 or 1, time is microseconds.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// An integer, a truth or a time.
    Int(i64),
    /// Text, an id or JSON.
    Text(&'a str),
    /// Bytes that mean nothing here.
    Bytes(&'a [u8]),
}

macro_rules! values {
    ($($from:ty => |$v:ident| $to:expr;)*) => {$(
        impl<'a> From<$from> for Value<'a> {
            fn from($v: $from) -> Self {
                $to
            }
        }
    )*};
}

values! {
    i64 => |v| Value::Int(v);
    u32 => |v| Value::Int(i64::from(v));
    bool => |v| Value::Int(i64::from(v));
    Timestamp => |v| Value::Int(v.as_micros());
    &'a str => |v| Value::Text(v);
    &'a String => |v| Value::Text(v);
    &'a [u8] => |v| Value::Bytes(v);
    &'a Vec<u8> => |v| Value::Bytes(v);
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// One cell of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One row of an answer.
#[derive(Debug, Clone)]
pub struct Row(pub(crate) Vec<Cell>);

impl Row {
    /// The text that it begins with, which is its id where it has one.
    pub(crate) fn first_text(&self) -> &str {
        match self.0.first() {
            Some(Cell::Text(text)) => text,
            _ => "",
        }
    }

    /// Reads the cells from left to right.
    pub fn read(self) -> RowReader {
        RowReader { cells: self.0.into_iter(), column: 0 }
    }
}

/// Reads a row from left to right, in the order of the SELECT.
pub struct RowReader {
    cells: std::vec::IntoIter<Cell>,
    column: usize,
}

impl RowReader {
    fn cell(&mut self) -> Cell {
        self.column += 1;
        self.cells.next().unwrap_or(Cell::Null)
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T, StoreError> {
        Err(StoreError::Corrupt(format!("column {} is not {wanted}", self.column)))
    }

    /// Text that must be there.
    pub fn text(&mut self) -> Result<String, StoreError> {
        self.opt_text()?.map_or_else(|| self.unexpected("text"), Ok)
    }

    /// Text that may be missing.
    pub fn opt_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.cell() {
            Cell::Text(text) => Ok(Some(text)),
            Cell::Null => Ok(None),
            _ => self.unexpected("text"),
        }
    }

    /// An integer that must be there.
    pub fn int(&mut self) -> Result<i64, StoreError> {
        self.opt_int()?.map_or_else(|| self.unexpected("an integer"), Ok)
    }

    /// An integer that may be missing.
    pub fn opt_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.cell() {
            Cell::Int(int) => Ok(Some(int)),
            Cell::Null => Ok(None),
            _ => self.unexpected("an integer"),
        }
    }

    /// A small count, such as a generation.
    pub fn count(&mut self) -> Result<u32, StoreError> {
        let int = self.int()?;
        u32::try_from(int).or_else(|_| self.unexpected("a count"))
    }

    /// A truth.
    pub fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.int()? != 0)
    }

    /// A truth that may be unknown.
    pub fn opt_flag(&mut self) -> Result<Option<bool>, StoreError> {
        Ok(self.opt_int()?.map(|int| int != 0))
    }

    /// A time that must be there.
    pub fn time(&mut self) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_micros(self.int()?))
    }

    /// A time that may be missing.
    pub fn opt_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int()?.map(Timestamp::from_micros))
    }

    /// Bytes that must be there.
    pub fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.opt_bytes()?.map_or_else(|| self.unexpected("bytes"), Ok)
    }

    /// Bytes that may be missing.
    pub fn opt_bytes(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self.cell() {
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            Cell::Null => Ok(None),
            _ => self.unexpected("bytes"),
        }
    }

    /// An id that must be there.
    pub fn id<T: Id>(&mut self) -> Result<T, StoreError> {
        Ok(T::read(&self.text()?)?)
    }

    /// An id that may be missing.
    pub fn opt_id<T: Id>(&mut self) -> Result<Option<T>, StoreError> {
        Ok(self.opt_text()?.map(|text| T::read(&text)).transpose()?)
    }
}
