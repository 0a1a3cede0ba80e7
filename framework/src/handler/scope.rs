//! What a handler handles: a kind, and what happens to it.

use std::marker::PhantomData;

/// What a handler handles: a kind, and what happens to it.
///
/// [`Creation`], [`Update`], [`Deletion`], [`Resuming`], [`FieldChange`], [`Sub`] and [`RawEvent`]. An argument that
/// makes sense in some of them only (the old spec of an object that is being created?) implements
/// [`FromCall`](crate::FromCall) for those alone.
pub trait Scope: 'static {
    /// The kind of the objects.
    type Kind: 'static;
}

/// A scope of changes, which handlers are called for until they succeed: all but [`RawEvent`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no change: a raw event has no reason, no attempts, nothing old and no sub-handlers",
    label = "there is no such thing in a raw event",
    note = "a handler of `#[korf::on_create]`, `on_update`, `on_delete`, `on_resume` or `on_field` can take this"
)]
pub trait Change: Scope {}

/// A scope in which something was different before: [`Update`] and [`FieldChange`].
pub trait Transition: Change {}

macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident: $($is:ident)*;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $scope<K>(PhantomData<fn() -> K>);
        impl<K: 'static> Scope for $scope<K> {
            type Kind = K;
        }
        $(impl<K: 'static> $is for $scope<K> {})*
    )*};
}

scopes! {
    /// A handler of objects of kind `K` that nothing has handled yet.
    Creation: Change;
    /// A handler of objects of kind `K` whose essence has changed.
    Update: Change Transition;
    /// A handler of objects of kind `K` that are being deleted.
    Deletion: Change;
    /// A handler of objects of kind `K` that were handled before the operator was started.
    Resuming: Change;
    /// A handler of one field of objects of kind `K`: called when it has changed, for whatever reason.
    FieldChange: Change Transition;
    /// A sub-handler, called for whatever reason its parent is called for: see [`SubHandlers`](crate::SubHandlers).
    Sub: Change;
    /// A handler of every event of the watch, whether anything was changed by it or not.
    RawEvent:;
}
