//! The core: what an event means, what is to be done, and what is written. Pure: no tokio, no client,
//! no clock (`now` is an argument), no I/O.

pub mod body;
pub mod cause;
pub mod cycle;
pub mod diff;
pub mod error;
pub mod essence;
pub mod filter;
pub mod patch;
pub mod progress;
pub mod retry;
pub mod selector;
pub mod storage;
pub mod syntax;
pub mod task;
pub mod version;

/// Why handlers are called.
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
    /// The name that progress records carry as their `purpose`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Resume => "resume",
        }
    }

    /// The name in log lines: `Creation`, `Updating`, `Deletion`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Create => "Creation",
            Self::Update => "Updating",
            Self::Delete => "Deletion",
            Self::Resume => "Resuming",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
