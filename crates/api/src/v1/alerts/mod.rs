//! Alerts: an operation, a file.

pub mod list;
pub mod schedule;
pub mod show;
pub mod test;
