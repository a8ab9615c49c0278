//! A value with its line, whatever the language of its file.

use serde_json::Value;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its line, from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A text, a number, a truth, or nothing.
    Scalar(Value),
    /// Several.
    List(Vec<Node>),
    /// Named ones, each name with its line. A name may stand twice.
    Map(Vec<(String, usize, Node)>),
}

/// Why a file cannot be read: line, half a sentence, and the mend.
pub type Unreadable = (usize, String, String);
