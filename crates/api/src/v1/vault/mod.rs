//! The vault: an operation, a file.

pub mod rotate;
pub mod seal;
pub mod show;
pub mod unseal;
