//! What passes over the wire, and how it is made of rows. Domain types know no serde, so that nothing is published by accident: what is not written here is not told.

pub mod alert;
pub mod audit;
pub mod batch;
pub mod ceremony;
pub mod dependants;
pub mod drift;
pub mod drill;
pub mod key;
pub mod keystore;
pub mod kill;
pub mod link;
pub mod listing;
pub mod operation;
pub mod plan;
pub mod rehearsal;
pub mod restore;
pub mod rotation;
pub mod tags;
pub mod time;
pub mod usage;
pub mod user;
pub mod vault;
pub mod wave;
