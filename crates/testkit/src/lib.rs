//! Keystead: testkit.

pub mod conformance;
pub mod emulator;
pub mod postgres;
pub mod shim;
pub mod smtp;
pub mod token;
pub mod wire;
