//! Arguments of handlers, each made from the call that it is part of: see [`FromCall`].

mod adoption;
mod attempt;
mod context;
mod daemon;
mod events;
mod fit;
mod index;
mod memo;
mod meta;
mod object;
mod patch;
mod reference;
mod resource;
mod setup;
#[cfg(test)]
mod tests;
mod trigger;

pub use crate::{
    argument::{FromCall, Rejection, Requirements},
    core::{Reason, body::Body, diff::Diff},
    event_queue::{EventRequest, Severity},
    families::{SubHandlers, WatchEventType},
    reply::Status,
};
pub use adoption::Owns;
pub use attempt::{Attempt, Elapsed, Started};
pub use context::{Param, State};
pub use daemon::{Live, Stopped};
pub use events::EventRecorder;
pub(crate) use fit::{IsKind, StatusIs};
pub use index::Index;
pub(crate) use index::{AnyIndex, IndexType, Indexes};
pub use memo::Memo;
pub use meta::{Annotations, Generation, Labels, Meta, Name, ObjectNamespace, ResourceVersion, Uid};
pub use object::{
    New, NewValue, Object, ObjectAs, Old, OldObject, OldObjectAs, OldSpec, OldValue, Spec, StatusValue,
};
pub use patch::ObjectPatch;
pub use reference::ObjectRef;
pub use setup::OperatorSetup;
pub use tokio_util::sync::CancellationToken;
pub use trigger::Trigger;

/// The argument derefs to its shared value, and a test of a handler makes it of a plain one.
macro_rules! shared {
    ($argument:ident $(<$T:ident>)?: $value:ty) => {
        impl $(<$T>)? std::ops::Deref for $argument $(<$T>)? {
            type Target = $value;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl $(<$T>)? From<$value> for $argument $(<$T>)? {
            fn from(value: $value) -> Self {
                Self(std::sync::Arc::new(value))
            }
        }
    };
}

use shared;
