//! Keys: what they are made of, how long they live, and what may happen to them when.

pub mod custody;
pub mod deletion;
pub mod expiry;
pub mod family;
pub mod importance;
pub mod lifecycle;
pub mod native;
pub mod recreation;
pub mod spec;
