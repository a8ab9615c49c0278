//! Everything that somebody could do to an audit log or to its export, and what the check says about it.

mod entries;
mod fixture;
mod log;
mod noise;
