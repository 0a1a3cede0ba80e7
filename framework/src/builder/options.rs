//! A handler's options.

use super::On;
use crate::{
    core::{
        diff::Field,
        filter::{Match, When},
        retry::{Backoff, Errors},
        task::Trigger,
    },
    handler::{Change, Deletion, Parameter, Resuming, Scope, Transition},
};
use std::time::Duration;

impl<S: Scope> On<S> {
    /// Another id than the one that the builder began with. It names the handler in logs and, kept on the
    /// objects, in progress records: another id is another handler. The [`field`](Self::field) is appended to it.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// What the handler takes as its [`Param`](crate::Param): one function can be several handlers.
    pub fn param<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.param = Some(Parameter::new(value));
        self
    }

    /// The longest time from the start of the first attempt: a running attempt is interrupted then. Without it, there
    /// is no limit.
    pub fn timeout(mut self, longest: Duration) -> Self {
        self.limits.timeout = Some(longest);
        self
    }

    /// Only objects with such a label: a value, or a [`Match`]. All labels that are asked for have to be so.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::Pod;
    /// use korf::{Match, on_create};
    ///
    /// let handler = on_create::<Pod>("web")
    ///     .label("app", "web")
    ///     .label("tier", Match::Present)
    ///     .label("legacy", Match::Absent)
    ///     .label("size", Match::passes(|size| size != "small"))
    ///     .run(async || {});
    /// ```
    pub fn label(mut self, key: impl Into<String>, wanted: impl Into<Match>) -> Self {
        self.filter.labels.push((key.into(), wanted.into()));
        self
    }

    /// Only objects with such an annotation: a value, or a [`Match`]. All annotations that are asked for have to be
    /// so.
    pub fn annotation(mut self, key: impl Into<String>, wanted: impl Into<Match>) -> Self {
        self.filter.annotations.push((key.into(), wanted.into()));
        self
    }

    /// Only objects that have this field, or had it before the change. An update handler is only called for changes of
    /// it.
    ///
    /// The field is appended to the handler's id: `id/spec.size`. What the handler takes as `Diff`, `OldValue` and
    /// `NewValue` is of that field.
    pub fn field(mut self, field: impl Into<Field>) -> Self {
        self.filter.field = Some(field.into()).filter(|field| !field.is_root());
        self
    }

    /// Only objects whose [`field`](Self::field) is so now, or was before the change.
    pub fn value(mut self, wanted: impl Into<Match>) -> Self {
        self.filter.value = Some(wanted.into());
        self
    }

    /// Only where this holds; it is asked last, when all else fits. See [`When`] for conditions made of conditions.
    ///
    /// Where it panics, that is an ERROR, and the object is left alone for a while: the longer, the more often in a row.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::Pod;
    /// use korf::{Facts, When, on_update};
    ///
    /// fn is_bound(facts: &Facts<'_>) -> bool {
    ///     facts.body.value()["spec"]["nodeName"].is_string()
    /// }
    ///
    /// fn is_big(facts: &Facts<'_>) -> bool {
    ///     facts.diff.len() > 9
    /// }
    ///
    /// let one = on_update::<Pod>("one").when(is_bound).run(async || {});
    /// let none = on_update::<Pod>("none").when(When::not(is_bound)).run(async || {});
    /// let both = on_update::<Pod>("both").when(When::all([is_bound, is_big])).run(async || {});
    /// let mixed = on_update::<Pod>("mixed")
    ///     .when(When::any([When::not(is_bound), When::new(|facts| facts.reason.is_none())]))
    ///     .run(async || {});
    /// ```
    pub fn when(mut self, condition: impl Into<When>) -> Self {
        self.filter.when = Some(condition.into());
        self
    }
}

impl<S: Change> On<S> {
    /// The most attempts; without it, there is no limit.
    pub fn retries(mut self, attempts: u32) -> Self {
        self.limits.retries = Some(attempts);
        self
    }

    /// The delay after an error that names no delay of its own. A [`Duration`] is a constant one.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.limits.backoff = backoff.into();
        self
    }

    /// What an error means that is neither permanent nor temporary.
    pub fn errors(mut self, errors: Errors) -> Self {
        self.limits.errors = errors;
        self
    }
}

impl<S: Transition> On<S> {
    /// Only where the [`field`](Self::field) was so before the change; not together with [`value`](Self::value).
    pub fn old(mut self, wanted: impl Into<Match>) -> Self {
        self.filter.old = Some(wanted.into());
        self
    }

    /// Only where the [`field`](Self::field) is so now; not together with [`value`](Self::value).
    pub fn new(mut self, wanted: impl Into<Match>) -> Self {
        self.filter.new = Some(wanted.into());
        self
    }
}

impl<K: 'static> On<Deletion<K>> {
    /// The object isn't held back for this handler, and gets no finalizer for it: the handler is called if something
    /// else holds the object back for long enough.
    pub fn optional(self) -> Self {
        self.deletion(|optional, _| *optional = true)
    }

    /// The object goes even if the handler has failed for good. Without it, the object is kept then, until it is
    /// changed or the operator is restarted, and the handler is tried again.
    pub fn let_go(self) -> Self {
        self.deletion(|_, lets_go| *lets_go = true)
    }

    fn deletion(mut self, set: impl FnOnce(&mut bool, &mut bool)) -> Self {
        if let Trigger::Delete { optional, lets_go } = &mut self.trigger {
            set(optional, lets_go);
        }
        self
    }
}

impl<K: 'static> On<Resuming<K>> {
    /// For objects that are being deleted, too, in the course of their deletion.
    pub fn deleted(mut self) -> Self {
        self.trigger = Trigger::Resume { deleted: true };
        self
    }
}
