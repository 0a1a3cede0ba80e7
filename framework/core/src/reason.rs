//! Reason for which change handlers are called.

use std::fmt;

/// The reason for which handlers are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The object has no diff-base: nothing has handled it yet.
    Create,
    /// The essence differs from the diff-base.
    Update,
    /// The object is being deleted and waits for our finalizer.
    Delete,
    /// The operator was started, and the object was handled before.
    Resume,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Delete, Self::Resume];

    /// The name that progress records carry as their `purpose`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Resume => "resume",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
