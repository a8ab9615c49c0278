//! The API from outside, over a real application: SQLite in a directory that vanishes, a software vault, and the simulated AWS behind the real connector.

mod again;
mod batches;
mod callers;
mod ceremonies;
mod copies;
mod document;
mod entries;
mod estates;
mod families;
mod imports;
mod keystores;
mod life;
mod log;
mod refusals;
mod service;
mod vault;
mod world;
