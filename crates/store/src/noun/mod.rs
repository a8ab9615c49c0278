//! The nouns, a file each: its row, and its functions over a transaction.

pub mod accounts;
pub mod alerts;
pub mod attempts;
pub mod audit;
pub mod ceremonies;
pub mod channels;
pub mod due;
pub mod exports;
pub mod journal;
pub mod keys;
pub mod keystores;
pub mod lineages;
pub mod links;
pub mod locks;
pub mod operations;
pub mod page;
pub mod quotas;
mod readable;
pub mod requests;
pub mod rotations;
pub mod schedules;
pub mod syncs;
pub mod users;
pub mod vault;
pub mod versions;
pub mod views;
pub mod waves;
