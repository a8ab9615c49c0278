//! What one test logs. One subscriber serves the whole process: with one a thread, tracing would forget places that another thread came to first.

use std::{cell::RefCell, io::Write, sync::Once};

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

static SUBSCRIBER: Once = Once::new();

/// Keeps what this thread logs from now on, at the finest level.
pub fn record() {
    SUBSCRIBER.call_once(|| tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(|| ThisThread).init());
    LOG.set(Some(Vec::new()));
}

/// What this thread has logged since.
pub fn recorded() -> Vec<u8> {
    LOG.take().unwrap_or_default()
}

struct ThisThread;

impl Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.as_mut().map(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
