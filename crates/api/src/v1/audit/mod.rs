//! The audit log: an operation, a file.

pub mod checkpoint;
pub mod export;
pub mod key;
pub mod list;
