//! Which requests the operator may not make, as far as the API server has said so.

use crate::core::patch::Part;
use std::sync::atomic::{AtomicBool, Ordering};

/// What may be done to the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `get`.
    Read,
    /// `patch`.
    Write(Part),
}

/// Whether the operator may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// It may, as long as nothing else is known.
    There,
    /// It has waited for it in vain.
    Missing,
}

/// The rights that have turned out to be missing: whoever needs one of them doesn't wait for it anew with each object.
#[derive(Debug, Default)]
pub struct Rights {
    /// Each is true where the right is missing.
    read: AtomicBool,
    object: AtomicBool,
    status: AtomicBool,
}

impl Rights {
    /// What is known of a right.
    pub fn known(&self, action: Action) -> Right {
        if self.of(action).load(Ordering::Relaxed) { Right::Missing } else { Right::There }
    }

    /// Takes note of what the API server has said.
    pub fn note(&self, action: Action, right: Right) {
        self.of(action).store(right == Right::Missing, Ordering::Relaxed);
    }

    fn of(&self, action: Action) -> &AtomicBool {
        match action {
            Action::Read => &self.read,
            Action::Write(Part::Object) => &self.object,
            Action::Write(Part::Status) => &self.status,
        }
    }
}
