//! How many handlers are being called.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts the handlers that are being called.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<AtomicUsize>);

/// A handler is being called while this lives.
#[derive(Debug)]
pub struct Calling(Arc<AtomicUsize>);

impl Calls {
    /// A handler is called.
    pub fn begin(&self) -> Calling {
        self.0.fetch_add(1, Ordering::Relaxed);
        Calling(Arc::clone(&self.0))
    }

    /// How many are being called now.
    pub fn running(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
