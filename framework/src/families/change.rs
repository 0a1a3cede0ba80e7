//! Change handlers: called for creations, updates, deletions, resuming and changes of a field, and retried until they
//! succeed.

use super::{Family, Invoke, Parameter, sub::SubCalls};
use crate::{
    builder::{Configurable, HandlerBuilder, KubeKind, Registrable},
    call::{AttemptInfo, ObjectCall, object_call},
    core::{
        self, Reason,
        diff::{Diff, Field},
        filter::Match,
        handler::OnChange,
        retry::{Backoff, OnError},
    },
    filter::Condition,
    scope::{Retried, Transition, scopes},
};
use serde_json::Value;
use std::{fmt, panic::Location, sync::Arc, time::Duration};

/// A change handler: its id, what it is called on, its filter and its limits, which the core plans with, and its function.
pub type ChangeHandler = core::handler::ChangeHandler<ChangeFn>;

/// The function of a change handler, and what it was registered with.
#[derive(Clone)]
pub struct ChangeFn {
    /// The value that the handler was registered with.
    pub param: Option<Parameter>,
    /// Calls the function.
    pub invoke: Invoke<ChangeCall>,
}

impl fmt::Debug for ChangeFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeFn").field("param", &self.param).finish_non_exhaustive()
    }
}

/// One call of a change handler or a sub-handler.
#[derive(Clone, Debug)]
pub struct ChangeCall {
    pub(crate) object: ObjectCall,
    pub(crate) change: Change,
    pub(crate) attempt: AttemptInfo,
    pub(crate) subs: SubCalls,
}

object_call!(ChangeCall);

impl AsRef<Change> for ChangeCall {
    fn as_ref(&self) -> &Change {
        &self.change
    }
}

impl AsRef<AttemptInfo> for ChangeCall {
    fn as_ref(&self) -> &AttemptInfo {
        &self.attempt
    }
}

/// A change of an object, and its reason.
#[derive(Clone)]
pub struct Change {
    pub(crate) reason: Reason,
    pub(crate) old: Option<Arc<Value>>,
    pub(crate) new: Arc<Value>,
    pub(crate) diff: Diff,
    pub(crate) field: Option<Field>,
}

impl Change {
    /// The reason for which the handler is called.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The essence that was handled last; none while the object is new, and where it isn't known.
    pub fn old_essence(&self) -> Option<&Arc<Value>> {
        self.old.as_ref()
    }

    /// The object's essence.
    pub fn new_essence(&self) -> &Arc<Value> {
        &self.new
    }

    /// The difference from the old essence to the new one; of a handler with a field, in that field.
    pub fn diff(&self) -> &Diff {
        &self.diff
    }

    /// The field that the handler is for.
    pub fn field(&self) -> Option<&Field> {
        self.field.as_ref()
    }
}

// By hand: the object's content must not get into logs.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("reason", &self.reason)
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}

scopes! {
    ChangeCall:

    /// A handler of objects of kind `K` that nothing has handled yet.
    Creation: ChangeScope Retried ChangeHandlerScope;

    /// A handler of objects of kind `K` whose essence has changed.
    Update: ChangeScope Retried ChangeHandlerScope Transition;

    /// A handler of objects of kind `K` that are being deleted.
    Deletion: ChangeScope Retried ChangeHandlerScope;

    /// A handler of objects of kind `K` that were handled before, and haven't changed since: after the operator's start, and
    /// for resyncs and triggers.
    Resuming: ChangeScope Retried ChangeHandlerScope;

    /// A handler of one field of objects of kind `K`: called when it has changed, for whatever reason.
    FieldChange: ChangeScope Retried ChangeHandlerScope Transition;
}

macro_rules! registrable {
    ($($scope:ident)*) => {$(
        impl<K: 'static> Configurable for $scope<K> {
            type Options = OnChange;
            type Condition = Condition<K>;
        }

        impl<K: 'static> Registrable for $scope<K> {
            fn family(builder: HandlerBuilder<Self>, invoke: Invoke<ChangeCall>) -> Family {
                Family::Change(ChangeHandler {
                    id: builder.id,
                    on: builder.options,
                    filter: builder.filter,
                    limits: builder.limits,
                    invoke: ChangeFn { param: builder.param, invoke },
                })
            }
        }
    )*};
}

registrable!(Creation Update Deletion Resuming FieldChange);

/// A handler for objects of kind `K` that nothing has handled yet.
#[track_caller]
pub fn on_create<K: KubeKind>(id: impl Into<String>) -> HandlerBuilder<Creation<K>> {
    HandlerBuilder::begin(id.into(), OnChange::Create, Location::caller())
}

/// A handler for objects of kind `K` that have changed since they were handled.
#[track_caller]
pub fn on_update<K: KubeKind>(id: impl Into<String>) -> HandlerBuilder<Update<K>> {
    HandlerBuilder::begin(id.into(), OnChange::Update, Location::caller())
}

/// A handler for objects of kind `K` that are being deleted.
#[track_caller]
pub fn on_delete<K: KubeKind>(id: impl Into<String>) -> HandlerBuilder<Deletion<K>> {
    HandlerBuilder::begin(
        id.into(),
        OnChange::Delete { optional: false, release_on_failure: false },
        Location::caller(),
    )
}

/// A handler for objects of kind `K` that were handled before, and haven't changed since: after the operator's start, and for
/// [resyncs](HandlerBuilder::resync), [triggers](crate::Trigger) and [`watches`](macro@crate::watches).
#[track_caller]
pub fn on_resume<K: KubeKind>(id: impl Into<String>) -> HandlerBuilder<Resuming<K>> {
    HandlerBuilder::begin(id.into(), OnChange::Resume { deleted: false, resync: None }, Location::caller())
}

/// A handler for objects of kind `K` one field of which has changed since they were handled, or is there for the
/// first time. A deletion by itself is no change of a field.
///
/// Its id is `id/field`, as in Kopf.
#[track_caller]
pub fn on_field<K: KubeKind>(
    id: impl Into<String>,
    field: impl Into<Field>,
) -> HandlerBuilder<FieldChange<K>> {
    HandlerBuilder::begin(id.into(), OnChange::Field, Location::caller()).field(field)
}

impl<S: Registrable + Retried> HandlerBuilder<S> {
    /// The most attempts. Without it, there is no limit.
    pub fn retries(mut self, attempts: u32) -> Self {
        self.limits.retries = Some(attempts);
        self
    }

    /// The delay after an error that names none. A [`Duration`](std::time::Duration) is a constant one.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.limits.backoff = backoff.into();
        self
    }

    /// The meaning of an error that is neither permanent nor temporary.
    pub fn errors(mut self, errors: OnError) -> Self {
        self.limits.errors = errors;
        self
    }
}

impl<S: Registrable + Transition> HandlerBuilder<S> {
    /// Only where the [`field`](Self::field) had such a value before the change. It can't be combined with
    /// [`value`](Self::value).
    pub fn old(mut self, wanted: impl Into<Match>) -> Self {
        self.filter.old = Some(wanted.into());
        self
    }

    /// Only where the [`field`](Self::field) has such a value now. It can't be combined with [`value`](Self::value).
    pub fn new(mut self, wanted: impl Into<Match>) -> Self {
        self.filter.new = Some(wanted.into());
        self
    }
}

impl<K: 'static> HandlerBuilder<Deletion<K>> {
    /// The object gets no finalizer for this handler: it is called only if something else keeps the object for long
    /// enough.
    pub fn optional(mut self) -> Self {
        if let OnChange::Delete { optional, .. } = &mut self.options {
            *optional = true;
        }
        self
    }

    /// The object goes even if the handler has failed permanently. Without it, the object is kept then, until it is
    /// changed or the operator is restarted, and the handler is tried again.
    pub fn release_on_failure(mut self) -> Self {
        if let OnChange::Delete { release_on_failure, .. } = &mut self.options {
            *release_on_failure = true;
        }
        self
    }
}

impl<K: 'static> HandlerBuilder<Resuming<K>> {
    /// Also for objects that are being deleted, in the course of their deletion.
    pub fn deleted(mut self) -> Self {
        if let OnChange::Resume { deleted, .. } = &mut self.options {
            *deleted = true;
        }
        self
    }

    /// Again after each such time, less or more up to a tenth; the first time after a start of the operator, after half of
    /// it or later. The time begins when the object was handled completely, and an update meanwhile doesn't begin it once
    /// more. The shortest one of all handlers of the kind holds for all of them.
    ///
    /// An operator with a handler whose interval is below a millisecond doesn't start.
    pub fn resync(mut self, interval: Duration) -> Self {
        if let OnChange::Resume { resync, .. } = &mut self.options {
            *resync = Some(interval);
        }
        self
    }
}
