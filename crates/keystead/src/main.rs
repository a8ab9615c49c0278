//! The binary: everything it does is in `keystead-cli`.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Every freed allocation is wiped: also the buffers of HTTP, JSON and TLS, which know nothing of secrets.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    keystead_cli::main()
}
