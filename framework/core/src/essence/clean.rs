//! Cleaning of essences: removes what isn't the user's.

use super::secret;
use crate::{
    body::Body,
    kopf::{MARKER, PREFIX},
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// `kubectl apply` stores the whole object in it once more.
const KUBECTL: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Fields of the metadata that change with each write; the essence has them if a handler names all of `metadata`.
const SYSTEM: [&str; 3] = ["managedFields", "resourceVersion", "generation"];

/// An operator's own fields on an object, which must not be part of the essence.
pub trait Cleaner {
    /// The operator's finalizer.
    fn finalizer(&self) -> &str;

    /// Removes everything that the operator stores on the object.
    fn clean(&self, essence: &mut Map<String, Value>);
}

/// Removes from an essence of this object what isn't the user's, and what is empty then.
///
/// The data of Secrets is replaced by digests.
pub(crate) fn clean(essence: &mut Map<String, Value>, body: &Body, cleaner: &impl Cleaner) {
    cleaner.clean(essence);
    let technical = Technical::of(body);
    within(essence, "metadata", |metadata| {
        within(metadata, "annotations", |all| all.retain(|key, _| !technical.contains(key)));
        within(metadata, "labels", |_| ());
        metadata.retain(|key, _| !SYSTEM.contains(&key.as_str()));
        remove_finalizer(metadata, cleaner.finalizer());
    });
    within(essence, "status", |_| ());
    secret::conceal(body, essence);
}

fn remove_finalizer(metadata: &mut Map<String, Value>, name: &str) {
    let Some(Value::Array(finalizers)) = metadata.get_mut("finalizers") else { return };
    finalizers.retain(|finalizer| finalizer != name);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    }
}

/// Changes a mapping inside of another one, and removes it if it is empty or null then.
fn within(outer: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let is_empty = match outer.get_mut(key) {
        Some(Value::Object(inner)) => {
            change(inner);
            inner.is_empty()
        }
        Some(Value::Null) => true,
        _ => false,
    };
    if is_empty {
        outer.remove(key);
    }
}

/// The annotations of one object that belong to kubectl or to operators.
///
/// As in Kopf (`_detect_marked_prefixes`), a prefix is an operator's if the object has `<prefix>/kopf-managed`, or if
/// it is `kopf.zalando.org` or ends in it. Otherwise two operators would trigger each other forever.
struct Technical<'a> {
    marked: BTreeSet<&'a str>,
}

impl<'a> Technical<'a> {
    fn of(body: &'a Body) -> Self {
        let keys = body.annotations().into_iter().flat_map(Map::keys);
        let marked = keys.filter_map(|key| key.split_once('/').filter(|(_, name)| *name == MARKER));
        Self { marked: marked.map(|(prefix, _)| prefix).collect() }
    }

    fn contains(&self, key: &str) -> bool {
        key == KUBECTL || key.split_once('/').is_some_and(|(prefix, _)| self.is_operators(prefix))
    }

    fn is_operators(&self, prefix: &str) -> bool {
        let is_kopfs = prefix.strip_suffix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        is_kopfs || self.marked.contains(prefix)
    }
}
