//! The cases that both engines must pass, by theme. Each takes a [`World`](crate::world::World) and asks nothing about the engine beneath it.

mod alerts;
mod audit;
mod due;
mod exports;
mod families;
mod keys;
mod keystores;
mod links;
mod names;
mod operations;
mod pages;
mod requests;
mod rotations;
mod sealed;
mod shared;
mod transactions;
mod users;
mod waves;

pub use alerts::*;
pub use audit::*;
pub use due::*;
pub use exports::*;
pub use families::*;
pub use keys::*;
pub use keystores::*;
pub use links::*;
pub use names::*;
pub use operations::*;
pub use pages::*;
pub use requests::*;
pub use rotations::*;
pub use sealed::*;
pub use shared::*;
pub use transactions::*;
pub use users::*;
pub use waves::*;
