//! The binary: everything it does is in `keystead-cli`.

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// Every freed allocation is wiped: also the buffers of HTTP, JSON and TLS, which know nothing of secrets.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    keystead_cli::main()
}
