//! Keystead: testkit.

pub mod conformance;
pub mod emulator;
pub mod postgres;
pub mod smtp;
pub mod wire;
