//! What the process does for its secrets: no core dumps, nobody attaches, memory stays out of swap.

use rustix::{
    fs::Mode,
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, set_dumpable_behavior, umask},
};

/// Files that this process makes from here on (database, configuration, key file) are its owner's only.
pub(crate) fn own_files() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Closes the process up. What the system does not allow is told and not fatal: a developer's machine has small limits.
pub(crate) fn harden() {
    own_files();
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
    // ONFAULT: pages are locked as they are used, so that unused thread stacks cost nothing.
    if let Err(error) = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        tracing::info!(%error, "memory is not locked: it may be swapped. Raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity in a systemd unit), or use no swap");
    }
}
