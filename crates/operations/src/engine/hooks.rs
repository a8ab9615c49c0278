//! Where the crash harness looks in: before and after every journal write and every cloud call.

use keystead_cloud::Call;

/// A place at which a process can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The journal is about to be written; the name is the transaction's.
    BeforeWrite(&'static str),
    /// The journal has been written.
    AfterWrite(&'static str),
    /// A cloud call is about to go out.
    BeforeCall(Call),
    /// The answer of a cloud call is in, and nothing is written yet.
    AfterCall(Call),
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    On,
    /// Do nothing more, as if the process had died here.
    Die,
}

/// Told of each place that a run comes to.
pub trait Hooks: Send + Sync {
    /// The run has come to this place.
    fn reached(&self, point: Point) -> Flow;
}

/// Production: nobody looks in.
pub struct NoHooks;

impl Hooks for NoHooks {
    fn reached(&self, _: Point) -> Flow {
        Flow::On
    }
}
