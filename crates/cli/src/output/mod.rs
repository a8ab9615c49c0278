//! What a command says: its result on standard output, as a table for people or as JSON for scripts; everything else on standard error.

pub mod adoption;
pub mod alert;
pub mod audit;
pub mod batch;
pub mod blast;
pub mod ceremony;
pub mod dependants;
pub mod drift;
pub mod drill;
pub mod estate;
pub mod health;
pub mod json;
pub mod key;
pub mod keystore;
pub mod kill;
pub mod link;
pub mod operation;
pub mod recreation;
pub mod rehearsal;
pub mod restore;
pub mod rotation;
pub mod table;
pub mod usage;
pub mod user;
pub mod uses;
pub mod vault;
pub mod wave;

use std::io::{self, IsTerminal as _, Write as _};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{args::global::Format, client::read, error::CliError, problem::Problem};

/// One of many: a line of a table.
pub trait Row: DeserializeOwned {
    /// The heads of the columns.
    const HEADER: &'static [&'static str];
    /// One cell a column.
    fn cells(&self) -> Vec<String>;
}

/// One thing, told whole.
pub trait Sheet: DeserializeOwned {
    /// Names and values; those without a value are left out.
    fn fields(&self) -> Vec<(&'static str, Option<String>)>;
    /// What stands below them, as text.
    fn below(&self) -> String {
        String::new()
    }
}

/// How results are said.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    /// In this format.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether scripts are listening.
    pub const fn is_json(self) -> bool {
        matches!(self.format, Format::Json)
    }

    /// Whether somebody can watch progress.
    pub fn is_watched(self) -> bool {
        !self.is_json() && io::stderr().is_terminal()
    }

    /// Whether somebody can be asked, and reads what is said.
    pub fn is_dialogue(self) -> bool {
        !self.is_json() && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Many things.
    ///
    /// # Errors
    /// [`CliError`].
    pub fn many<T: Row>(self, items: &[Value]) -> Result<(), CliError> {
        if self.is_json() {
            return self.json(&Value::Array(items.to_vec()));
        }
        let rows = items.iter().map(|item| read::<T>(item).map(|row| row.cells())).collect::<Result<Vec<_>, _>>()?;
        print(&table::grid(T::HEADER, rows))
    }

    /// One thing.
    ///
    /// # Errors
    /// [`CliError`].
    pub fn one<T: Sheet>(self, item: &Value) -> Result<(), CliError> {
        if self.is_json() {
            return self.json(item);
        }
        let thing: T = read(item)?;
        print(&format!("{}{}", table::sheet(thing.fields()), thing.below()))
    }

    /// A text for people, and the same as JSON for scripts.
    ///
    /// # Errors
    /// [`CliError`].
    pub fn text(self, text: &str, item: &Value) -> Result<(), CliError> {
        if self.is_json() { self.json(item) } else { print(text) }
    }

    /// JSON, whatever the format.
    ///
    /// # Errors
    /// [`CliError`].
    pub fn json(self, item: &Value) -> Result<(), CliError> {
        print(&json::pretty(item))
    }

    /// A remark that is no part of the result.
    pub fn note(self, text: &str) {
        complain(&if self.is_json() { json::line(&serde_json::json!({ "note": text })) } else { format!("{}\n", table::clean(text)) });
    }

    /// What went wrong.
    pub fn problem(self, problem: &Problem) {
        let as_json = || serde_json::to_value(problem).map(|value| json::pretty(&value)).unwrap_or_default();
        complain(&if self.is_json() { as_json() } else { problem.block() });
    }
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// [`CliError::Output`].
pub fn print(text: &str) -> Result<(), CliError> {
    write(io::stdout().lock(), text.as_bytes())
}

/// Writes bytes and flushes, forgiving a reader who left.
///
/// # Errors
/// [`CliError::Output`].
pub fn write(mut sink: impl io::Write, bytes: &[u8]) -> Result<(), CliError> {
    match sink.write_all(bytes).and_then(|()| sink.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// Writes to standard error. If nobody can hear it, nobody can be told so.
fn complain(text: &str) {
    let _nobody_hears = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_left_is_no_error_but_a_full_disk_is() {
        assert!(write(Broken(io::ErrorKind::BrokenPipe), b"x").is_ok());
        assert!(matches!(write(Broken(io::ErrorKind::StorageFull), b"x"), Err(CliError::Output(_))));
    }
}
