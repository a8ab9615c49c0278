//! Suites that every implementation of a trait must pass: the same checks, every plug.

pub mod cloud;
