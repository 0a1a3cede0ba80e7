//! Permissions that have turned out to be missing, so that not each object waits for them again.

use korf_core::Part;
use std::sync::atomic::{AtomicBool, Ordering};

/// A verb on the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `get`.
    Get,
    /// `patch`.
    Patch(Part),
}

/// The permissions of one kind.
#[derive(Debug, Default)]
pub struct Permissions {
    /// Each is true where the permission is missing.
    get: AtomicBool,
    object: AtomicBool,
    status: AtomicBool,
}

impl Permissions {
    /// Whether a permission is known to be missing.
    pub fn is_missing(&self, verb: Verb) -> bool {
        self.of(verb).load(Ordering::Relaxed)
    }

    /// Takes in whether a permission is missing.
    pub fn note(&self, verb: Verb, missing: bool) {
        self.of(verb).store(missing, Ordering::Relaxed);
    }

    fn of(&self, verb: Verb) -> &AtomicBool {
        match verb {
            Verb::Get => &self.get,
            Verb::Patch(Part::Object) => &self.object,
            Verb::Patch(Part::Status) => &self.status,
        }
    }
}
