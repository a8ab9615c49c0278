//! Durable changes in several steps: sagas, the engine that runs them, recovery, quotas and the schedule.
//!
//! *Invariants*: only this room calls a cloud for effect. Intent, audit entry and first journal line commit before the first call; around each step stand the
//! journal lines *about* and its outcome. Each step may be run twice. After a crash an operation ends in the state before it or in the state after it.
//! Material is durable in the vault before a cloud sees it, and destroyed only when every cloud copy is confirmed gone. `operations` never calls `app`.
//!
//! A saga is a list of steps, each with its undo, and two endings: what the store says when it is done, and when it was taken back. The list is a pure
//! function of what the intent wrote, so that a recovery draws the same list and needs to remember only how far it came.

pub mod alerts;
pub mod birth;
pub mod ceremony;
pub mod clouds;
pub mod dark;
pub mod effort;
pub mod engine;
pub mod explain;
pub mod family;
pub mod health;
pub mod in_place;
pub mod intent;
pub mod kill;
pub mod link;
pub mod problem;
pub mod quota;
pub mod recreation;
pub mod restore;
pub mod saga;
pub mod schedule;
pub mod step;
pub mod stored;
pub mod sync;
pub mod usage;
pub mod words;

pub use clouds::Clouds;
pub use engine::{Engine, Hooks, NoHooks, Point};
pub use intent::Intent;
pub use problem::Problem;
pub use saga::Saga;
