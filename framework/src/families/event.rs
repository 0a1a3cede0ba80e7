//! Event handlers: called once for each watch event of an object, and never retried.

use super::{EventKind, Family, Invoke, KindSelection, Parameter};
pub use korf_core::queue::WatchEventType;

use crate::{
    builder::{Configurable, HandlerBuilder, Registrable},
    call::{ObjectCall, object_call},
    core::filter::Filter,
    filter::ObjectCondition,
    scope::scopes,
};
use std::{fmt, panic::Location, time::Duration};

/// An event handler: its id, filter and timeout, and its function.
#[derive(Clone)]
pub struct EventHandler {
    /// Names the handler in logs.
    pub id: String,
    /// The objects that it is for.
    pub filter: Filter,
    /// The kinds that it is for, if these are several.
    pub(crate) kinds: Option<KindSelection>,
    /// The longest time that a call may take; none: no limit.
    pub timeout: Option<Duration>,
    /// The value that it was registered with.
    pub param: Option<Parameter>,
    /// Calls the function.
    pub invoke: Invoke<EventCall>,
}

impl fmt::Debug for EventHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHandler").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One call of an event handler.
#[derive(Clone, Debug)]
pub struct EventCall {
    pub(crate) object: ObjectCall,
    pub(crate) event: WatchEventType,
}

object_call!(EventCall);

impl EventCall {
    /// The watch event that the handler is called for.
    pub fn event(&self) -> WatchEventType {
        self.event
    }
}

scopes! {
    EventCall:

    /// A handler of every watch event of objects of kind `K`, whatever has changed.
    WatchEvent;
}

impl<K: 'static> Configurable for WatchEvent<K> {
    type Options = Option<KindSelection>;
    type Condition = ObjectCondition<K>;
}

impl<K: 'static> Registrable for WatchEvent<K> {
    fn family(builder: HandlerBuilder<Self>, invoke: Invoke<EventCall>) -> Family {
        Family::Event(EventHandler {
            id: builder.id,
            filter: builder.filter,
            kinds: builder.options,
            timeout: builder.limits.timeout,
            param: builder.param,
            invoke,
        })
    }
}

/// A handler for every watch event of objects of kind `K`, or of [`AnyKind`](crate::AnyKind). It is called once: errors are
/// only logged.
#[track_caller]
pub fn on_event<K: EventKind>(id: impl Into<String>) -> HandlerBuilder<WatchEvent<K>> {
    HandlerBuilder::begin_for(K::kind(), id.into(), K::selection(), Location::caller())
}
