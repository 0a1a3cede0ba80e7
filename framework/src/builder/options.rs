//! Options that handlers of all families have.

use super::{Configurable, HandlerBuilder, Registrable};
use crate::{
    core::{
        diff::Field,
        filter::{Match, When, selector},
    },
    families::Parameter,
    filter::{ConditionFn, ConditionScope},
    needs::Need,
};
use std::time::Duration;

impl<S: Configurable> HandlerBuilder<S> {
    /// Replaces the id, which names the handler in logs and in the progress records on the objects: another id is another
    /// handler. The [`field`](Self::field) is appended to it.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The value that the handler takes as its [`Param`](crate::extract::Param), so that one function can be several
    /// handlers.
    pub fn param<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.param = Some(Parameter::new(value));
        self
    }

    /// Only operators of this name, which [`Operator::new`](crate::Operator::new) is given, have the handler.
    pub fn operator(mut self, name: impl Into<String>) -> Self {
        self.operator = Some(name.into());
        self
    }

    /// A permission that the handler needs for its own requests. The command `manifests` grants it.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    /// use korf::{handler::Need, on_create};
    ///
    /// let handler = on_create::<ConfigMap>("fill").needs(Need::of::<Secret>(["get"])).run(async || {});
    /// ```
    pub fn needs(mut self, need: Need) -> Self {
        self.requirements.need(need);
        self
    }

    /// Only objects with such a label: a value, or a [`Match`]. Further calls add conditions; all must hold.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::Pod;
    /// use korf::{on_create, filter::Match};
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

    /// Only objects whose labels match this selector, as kubectl takes it: `app=web,tier,!legacy`. See
    /// [`selector`](crate::filter::selector).
    ///
    /// An operator with a handler whose selector can't be parsed doesn't start.
    pub fn labels(mut self, labels: &str) -> Self {
        match selector(labels) {
            Ok(labels) => self.filter.labels.extend(labels),
            Err(invalid) => self.mistake = Some(invalid.to_string()),
        }
        self
    }

    /// Only objects with such an annotation: a value, or a [`Match`]. Further calls add conditions; all must hold.
    pub fn annotation(mut self, key: impl Into<String>, wanted: impl Into<Match>) -> Self {
        self.filter.annotations.push((key.into(), wanted.into()));
        self
    }

    /// Only objects that have this field, or had it before the change. An update handler is called only for changes of
    /// the field.
    ///
    /// The field is appended to the handler's id: `id/spec.size`. The handler's `Diff`, `OldValue` and `NewValue` are
    /// those of the field.
    pub fn field(mut self, field: impl Into<Field>) -> Self {
        self.filter.field = Some(field.into()).filter(|field| !field.is_root());
        self
    }

    /// Only objects whose [`field`](Self::field) has such a value now, or had it before the change.
    pub fn value(mut self, wanted: impl Into<Match>) -> Self {
        self.filter.value = Some(wanted.into());
        self
    }

    /// Only objects for which this condition holds: a function or closure of arguments that are made from the object and its
    /// change, such as `|pod: Object<Pod>| …`. It is evaluated last, when all other filters match. The module
    /// [`filter`](crate::filter) has an example, and functions that combine conditions.
    ///
    /// If it panics, or an argument is rejected, that is an ERROR, and the object is throttled: the longer, the more often
    /// in a row.
    pub fn when<C, Arguments>(mut self, condition: C) -> Self
    where
        C: ConditionFn<S::Condition, Arguments>,
    {
        self.condition = Some(Box::new(move |kind, field| {
            When::new(move |input| {
                let call = S::Condition::call(&kind, field.as_ref(), input)?;
                condition.holds(&call).map_err(|rejection| rejection.to_string())
            })
        }));
        self
    }
}

impl<S: Registrable> HandlerBuilder<S> {
    /// The longest time from the start of the first attempt; a running attempt is interrupted then. Without it, there
    /// is no limit.
    pub fn timeout(mut self, longest: Duration) -> Self {
        self.limits.timeout = Some(longest);
        self
    }
}
