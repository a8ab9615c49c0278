//! The sandbox from outside: over TCP, with a signer of its own, and with the official Python client.

#[path = "sandbox/boto3.rs"]
mod boto3;
#[path = "sandbox/client.rs"]
mod client;
#[path = "sandbox/clock.rs"]
mod clock;
#[path = "sandbox/control.rs"]
mod control;
#[path = "sandbox/faults.rs"]
mod faults;
#[path = "sandbox/places.rs"]
mod places;
#[path = "sandbox/signing.rs"]
mod signing;
#[path = "sandbox/traffic.rs"]
mod traffic;
