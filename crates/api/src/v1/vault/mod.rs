//! The vault: an operation, a file.

pub mod confirm_rotation;
pub mod modules;
pub mod rehearse;
pub mod rotate;
pub mod seal;
pub mod show;
pub mod unseal;
