//! The whole house under test: a real server over a real database, with a simulated AWS on the real wire. One binary, many subjects.

mod application;
mod cli;
mod comparison;
mod crash;
mod expiry;
mod kill;
mod matrix;
mod memory;
mod process;
mod recovery;
mod refusals;
mod tidy;
mod world;
