//! Triggers: turns for other objects.

use super::ObjectRef;
use crate::{
    argument::{FromCall, Rejection, Requirements},
    builder::KubeKind,
    runtime::{Giver, Target, Triggers},
    scope::HandlerScope,
};
use kube::core::ApiResource;
use std::{fmt, marker::PhantomData};

#[doc = include_str!("../../docs/trigger.md")]
pub struct Trigger<K> {
    triggers: Triggers,
    /// The handler in whose name they are given; none in a test.
    by: Option<String>,
    kind: PhantomData<fn() -> K>,
}

impl<K: KubeKind> Trigger<K> {
    /// Gives one object a turn.
    pub fn trigger(&self, object: impl Into<ObjectRef<K>>) {
        self.give(Some(object.into().into_parts()));
    }

    /// Gives all objects of the kind that the operator handles a turn.
    pub fn trigger_all(&self) {
        self.give(None);
    }

    fn give(&self, object: Option<(Option<String>, String)>) {
        let by = self.by.as_deref().unwrap_or_default();
        self.triggers.give(Target::new(&ApiResource::erase::<K>(&()), object), Giver::here(by));
    }

    /// Takes out those given since the last time, for single objects or for all. Only a trigger of a test has any.
    fn take_some(&self, single: bool) -> Vec<Target> {
        if self.by.is_some() { Vec::new() } else { self.triggers.take_some(single) }
    }

    /// Whether all objects were triggered since the last time that this was asked, for a test of a handler. Only a `default`
    /// trigger knows; that of an operator gives what it is given at once.
    pub fn take_all(&self) -> bool {
        !self.take_some(false).is_empty()
    }

    /// Takes out the single objects that were triggered, for a test of a handler. Only a `default` trigger has any; that of an
    /// operator gives what it is given at once.
    pub fn take(&self) -> Vec<ObjectRef<K>> {
        let objects = self.take_some(true).into_iter().filter_map(|target| target.object);
        let named = objects.map(|(namespace, name)| match namespace {
            Some(namespace) => ObjectRef::new(name).within(namespace),
            None => ObjectRef::new(name),
        });
        named.collect()
    }
}

impl<S: HandlerScope, K: KubeKind> FromCall<S> for Trigger<K> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let context = S::context(call);
        Ok(Self { triggers: context.triggers.clone(), by: Some(context.handler.clone()), kind: PhantomData })
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.resumed::<K>();
    }
}

impl<K> Clone for Trigger<K> {
    fn clone(&self) -> Self {
        Self { triggers: self.triggers.clone(), by: self.by.clone(), kind: PhantomData }
    }
}

/// A trigger that reaches no operator, for a test of a handler.
impl<K> Default for Trigger<K> {
    fn default() -> Self {
        Self { triggers: Triggers::default(), by: None, kind: PhantomData }
    }
}

impl<K> fmt::Debug for Trigger<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger").finish_non_exhaustive()
    }
}
