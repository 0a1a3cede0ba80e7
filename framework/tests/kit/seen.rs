//! Record of what handlers have seen.

use std::{
    mem,
    sync::{Arc, Mutex},
};

/// What handlers have seen, in its order.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    pub fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap())
    }
}
