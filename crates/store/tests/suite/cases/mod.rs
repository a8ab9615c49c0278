//! The cases that both engines must pass, by theme. Each takes a [`World`](crate::world::World) and asks nothing about the engine beneath it.

mod alerts;
mod audit;
mod due;
mod exports;
mod keys;
mod keystores;
mod names;
mod native;
mod operations;
mod pages;
mod requests;
mod rotations;
mod sealed;
mod shared;
mod transactions;
mod users;

pub use alerts::*;
pub use audit::*;
pub use due::*;
pub use exports::*;
pub use keys::*;
pub use keystores::*;
pub use names::*;
pub use native::*;
pub use operations::*;
pub use pages::*;
pub use requests::*;
pub use rotations::*;
pub use sealed::*;
pub use shared::*;
pub use transactions::*;
pub use users::*;
