//! TOML, with lines.

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::node::{Kind, Node, Unreadable};

/// Reads a file.
///
/// # Errors
/// Line, reason and mend.
pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => Ok(lines.table(1, table.into_inner())),
        Err(error) => {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            Err((line, error.message().trim_end_matches('.').to_owned(), "Mend the TOML there.".to_owned()))
        }
    }
}

/// Where lines begin, in bytes.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1)).collect())
    }

    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte).max(1)
    }

    fn table(&self, line: usize, table: DeTable<'_>) -> Node {
        let mut pairs: Vec<(usize, String, Spanned<DeValue<'_>>)> =
            table.into_iter().map(|(key, value)| (key.span().start, key.into_inner().into_owned(), value)).collect();
        // In the order of the file.
        pairs.sort_by_key(|(at, ..)| *at);
        let pairs = pairs.into_iter().map(|(at, key, value)| {
            let line = self.at(at);
            (key, line, self.node(value))
        });
        Node { line, kind: Kind::Map(pairs.collect()) }
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Node {
        let line = self.at(value.span().start);
        let kind = match value.into_inner() {
            DeValue::Table(table) => return self.table(line, table),
            DeValue::Array(array) => Kind::List(array.into_iter().map(|value| self.node(value)).collect()),
            DeValue::String(text) => Kind::Scalar(text.into_owned().into()),
            DeValue::Boolean(is_so) => Kind::Scalar(is_so.into()),
            DeValue::Datetime(time) => Kind::Scalar(time.to_string().into()),
            DeValue::Integer(number) => Kind::Scalar(i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Into::into)),
            // No value of an estate is one: the server says so.
            DeValue::Float(number) => Kind::Scalar(number.as_str().parse::<f64>().map_or(Value::Null, Into::into)),
        };
        Node { line, kind }
    }
}
