//! Triggers: turns for other objects.

use super::ObjectRef;
use crate::{
    argument::{FromCall, Rejection, Requirements},
    builder::KubeKind,
    runtime::{Target, Triggers},
    scope::HandlerScope,
};
use kube::core::ApiResource;
use std::{fmt, marker::PhantomData};

#[doc = include_str!("../../docs/trigger.md")]
pub struct Trigger<K> {
    triggers: Triggers,
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
        self.triggers.give(Target::new(&ApiResource::erase::<K>(&()), object));
    }

    /// Takes out the objects that were triggered, for a test of a handler.
    pub fn take(&self) -> Vec<ObjectRef<K>> {
        let objects = self.triggers.take().into_iter().filter_map(|target| target.object);
        let named = objects.map(|(namespace, name)| match namespace {
            Some(namespace) => ObjectRef::new(name).within(namespace),
            None => ObjectRef::new(name),
        });
        named.collect()
    }
}

impl<S: HandlerScope, K: KubeKind> FromCall<S> for Trigger<K> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        Ok(Self { triggers: S::context(call).triggers.clone(), kind: PhantomData })
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.resumed::<K>();
    }
}

impl<K> Clone for Trigger<K> {
    fn clone(&self) -> Self {
        Self { triggers: self.triggers.clone(), kind: PhantomData }
    }
}

/// A trigger that reaches no operator, for a test of a handler.
impl<K> Default for Trigger<K> {
    fn default() -> Self {
        Self { triggers: Triggers::default(), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Trigger<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger").finish_non_exhaustive()
    }
}
