//! Filters: conditions on objects and their changes, which select those that a handler is for.
//!
//! A handler's options make its filter: labels, annotations, a field, and a condition of your own by `when`. [`all`],
//! [`any`], [`not`] and [`none`] combine conditions.
//!
//! ```
//! use k8s_openapi::api::core::v1::Pod;
//! use korf::{Diff, Object, filter::{all, any, not}};
//!
//! fn is_bound(pod: Object<Pod>) -> bool {
//!     pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
//! }
//!
//! fn is_big(diff: Diff) -> bool {
//!     diff.len() > 9
//! }
//!
//! let one = korf::on_update::<Pod>("one").when(is_bound).run(async || {});
//! let both = korf::on_update::<Pod>("both").when(all((is_bound, is_big))).run(async || {});
//! let neither = korf::on_update::<Pod>("neither").when(not(any((is_bound, is_big)))).run(async || {});
//! let closure = korf::on_update::<Pod>("closure")
//!     .when(|pod: Object<Pod>| pod.metadata.labels.is_some())
//!     .run(async || {});
//! ```

pub use korf_core::filter::{ChangeInput, Filter, FilterInput, InvalidSelector, Match, When, selector};

use crate::{
    argument::{FromCall, Rejection},
    call::ObjectView,
    core::{body::Body, diff::Field},
    families::{Change, Kind},
    scope::{ChangeScope, ObjectScope, Scope},
};
use std::{marker::PhantomData, sync::Arc};

/// The scope of a change handler's condition: there is an object and its change, but no operator.
#[derive(Debug)]
pub struct Condition<K>(PhantomData<fn() -> K>);

/// One evaluation of a change handler's condition.
#[derive(Clone, Debug)]
pub struct ConditionCall {
    object: ObjectView,
    change: Change,
}

impl AsRef<ObjectView> for ConditionCall {
    fn as_ref(&self) -> &ObjectView {
        &self.object
    }
}

impl AsRef<Change> for ConditionCall {
    fn as_ref(&self) -> &Change {
        &self.change
    }
}

impl<K: 'static> Scope for Condition<K> {
    type Call = ConditionCall;
}

impl<K: 'static> ObjectScope for Condition<K> {
    type Kind = K;
}

impl<K: 'static> ChangeScope for Condition<K> {}

/// The scope of an event handler's or a timer's condition: there is only an object.
#[derive(Debug)]
pub struct ObjectCondition<K>(PhantomData<fn() -> K>);

impl<K: 'static> Scope for ObjectCondition<K> {
    type Call = ObjectView;
}

impl<K: 'static> ObjectScope for ObjectCondition<K> {
    type Kind = K;
}

/// Scopes of conditions.
pub trait ConditionScope: ObjectScope {
    /// The call of a condition, from the input of its filter.
    #[doc(hidden)]
    fn call(kind: &Arc<Kind>, field: Option<&Field>, input: &FilterInput<'_>) -> Result<Self::Call, String>;
}

impl<K: 'static> ConditionScope for Condition<K> {
    fn call(
        kind: &Arc<Kind>,
        field: Option<&Field>,
        input: &FilterInput<'_>,
    ) -> Result<ConditionCall, String> {
        let change = input.change.as_ref().ok_or("there is no change")?;
        let old = change.old.cloned();
        let change = Change {
            reason: change.reason,
            old: old.clone(),
            new: Arc::clone(change.new),
            diff: field.map_or_else(|| change.diff.clone(), |field| change.diff.reduce(field.keys())),
            field: field.cloned(),
        };
        let mut object = view(kind, input.body);
        object.fallback = old.filter(|_| change.reason == crate::Reason::Delete);
        Ok(ConditionCall { object, change })
    }
}

impl<K: 'static> ConditionScope for ObjectCondition<K> {
    fn call(kind: &Arc<Kind>, _field: Option<&Field>, input: &FilterInput<'_>) -> Result<ObjectView, String> {
        Ok(view(kind, input.body))
    }
}

fn view(kind: &Arc<Kind>, body: &Body) -> ObjectView {
    ObjectView { kind: Arc::clone(kind), body: body.clone(), fallback: None, cache: Arc::default() }
}

/// A condition: a function or closure of at most six arguments, which implement [`FromCall`] for the condition's scope, that
/// returns whether a handler is for an object.
///
/// A condition should be pure, since it is evaluated several times for each change. If an argument is rejected, korf can't
/// tell whether the handler is for the object: the log has an ERROR, and the object is throttled, with all its handlers. An
/// argument `Option<_>` or `Result<_, Rejection>` is never rejected, and leaves the decision to the condition.
#[diagnostic::on_unimplemented(
    message = "this is not a condition in `{S}`",
    label = "not a function of such arguments that returns a `bool`",
    note = "a condition is a function or closure of arguments that need no operator, with their types: `|name: Name| …`"
)]
pub trait ConditionFn<S: Scope, Arguments>: Send + Sync + 'static {
    /// Whether it holds.
    ///
    /// # Errors
    /// An argument is rejected.
    fn holds(&self, call: &S::Call) -> Result<bool, Rejection>;
}

macro_rules! conditions {
    ($($argument:ident)*) => {
        impl<S, F, $($argument,)*> ConditionFn<S, ($($argument,)*)> for F
        where
            S: Scope,
            F: Fn($($argument),*) -> bool + Send + Sync + 'static,
            $($argument: FromCall<S>,)*
        {
            fn holds(&self, _call: &S::Call) -> Result<bool, Rejection> {
                Ok(self($($argument::from_call(_call)?),*))
            }
        }
    };
}

conditions!();
conditions!(A);
conditions!(A B);
conditions!(A B C);
conditions!(A B C D);
conditions!(A B C D E);
conditions!(A B C D E G);

/// The result of [`not`].
#[derive(Clone, Copy, Debug)]
pub struct Not<C>(C);

/// Holds if the condition doesn't.
pub fn not<C>(condition: C) -> Not<C> {
    Not(condition)
}

#[diagnostic::do_not_recommend]
impl<S: Scope, A: 'static, C: ConditionFn<S, A>> ConditionFn<S, Not<A>> for Not<C> {
    fn holds(&self, call: &S::Call) -> Result<bool, Rejection> {
        Ok(!self.0.holds(call)?)
    }
}

/// The result of [`all`].
#[derive(Clone, Copy, Debug)]
pub struct All<C>(C);

/// Holds if all conditions of a tuple do; at most six.
pub fn all<C>(conditions: C) -> All<C> {
    All(conditions)
}

/// The result of [`any`].
#[derive(Clone, Copy, Debug)]
pub struct Any<C>(C);

/// Holds if one of the conditions of a tuple does; at most six.
pub fn any<C>(conditions: C) -> Any<C> {
    Any(conditions)
}

/// Holds if none of the conditions of a tuple does; at most six.
pub fn none<C>(conditions: C) -> Not<Any<C>> {
    not(any(conditions))
}

macro_rules! combined {
    ($($condition:ident $arguments:ident $index:tt),*) => {
        #[diagnostic::do_not_recommend]
        impl<S: Scope, $($condition, $arguments: 'static,)*> ConditionFn<S, All<($($arguments,)*)>> for All<($($condition,)*)>
        where
            $($condition: ConditionFn<S, $arguments>,)*
        {
            fn holds(&self, call: &S::Call) -> Result<bool, Rejection> {
                $(if !self.0.$index.holds(call)? {
                    return Ok(false);
                })*
                Ok(true)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<S: Scope, $($condition, $arguments: 'static,)*> ConditionFn<S, Any<($($arguments,)*)>> for Any<($($condition,)*)>
        where
            $($condition: ConditionFn<S, $arguments>,)*
        {
            fn holds(&self, call: &S::Call) -> Result<bool, Rejection> {
                $(if self.0.$index.holds(call)? {
                    return Ok(true);
                })*
                Ok(false)
            }
        }
    };
}

combined!(A X 0);
combined!(A X 0, B Y 1);
combined!(A X 0, B Y 1, C Z 2);
combined!(A X 0, B Y 1, C Z 2, D V 3);
combined!(A X 0, B Y 1, C Z 2, D V 3, E W 4);
combined!(A X 0, B Y 1, C Z 2, D V 3, E W 4, F U 5);

#[cfg(test)]
mod tests;
