//! Keystead: testkit.

pub mod conformance;
pub mod postgres;
