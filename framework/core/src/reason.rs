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
    /// The time of a resync has come: nothing has happened to the object.
    Resync,
    /// Something else has asked for a turn of the object: a handler, or a change of another object.
    Triggered,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Update, Self::Delete, Self::Resume, Self::Resync, Self::Triggered];

    /// Whether it calls resume handlers because nothing else is to be done: nothing of the object has changed.
    pub const fn is_resumption(self) -> bool {
        matches!(self, Self::Resume | Self::Resync | Self::Triggered)
    }

    /// The reason that progress records carry as their `purpose`: Kopf knows one for all resumptions.
    #[must_use]
    pub const fn purpose(self) -> Self {
        if self.is_resumption() { Self::Resume } else { self }
    }

    /// The name in logs; that of a [`purpose`](Self::purpose) is part of progress records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Resume => "resume",
            Self::Resync => "resync",
            Self::Triggered => "triggered",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
