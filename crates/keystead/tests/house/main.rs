//! The whole house under test: a real server over a real database, with a simulated AWS on the real wire. One binary, many subjects.

#![allow(clippy::print_stdout, reason = "a proof says what it saw")]

mod alerts;
mod aliases;
mod application;
mod batches;
mod cli;
mod comeback;
mod comparison;
mod crash;
mod dark;
mod dark_proof;
mod desk;
mod drift;
mod expiry;
mod exports;
mod families;
mod forgotten;
mod full_disk;
mod hsm;
mod imports;
mod in_place;
mod kill;
mod kinds;
mod linked;
mod lost_commit;
mod matrix;
mod memory;
mod migration;
mod moved;
mod native;
mod nodes;
mod process;
mod recovery;
mod refusals;
mod restore;
mod restore_proof;
mod rotation;
mod schedule;
mod strangers;
mod sweep;
mod tidy;
mod vaulted;
mod waves;
mod world;
mod year;
