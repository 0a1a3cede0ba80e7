//! What in an object isn't the user's.

use super::{KOPF_PREFIX, MARKER, Storage};
use crate::{body::Body, patch::difference};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What `kubectl apply` keeps: the whole object once more.
const KUBECTL: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What changes with each write, whoever writes; only there where a handler asks for all of `metadata`.
const SYSTEM: [&str; 3] = ["managedFields", "resourceVersion", "generation"];

/// The annotations of one object that aren't its user's: kubectl's, and those of operators.
///
/// As in Kopf (`_detect_marked_prefixes`), a prefix is an operator's if the object has `<prefix>/kopf-managed`, or if
/// it is `kopf.zalando.org` or ends in it. Without this, two operators would wake each other up for ever.
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
        let is_kopfs =
            prefix.strip_suffix(KOPF_PREFIX).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        is_kopfs || self.marked.contains(prefix)
    }
}

impl Storage {
    /// Takes out of an essence of this object what isn't the user's, and what is empty then.
    pub(crate) fn clean(&self, body: &Body, essence: &mut Map<String, Value>) {
        self.place.clean(essence);
        let technical = Technical::of(body);
        within(essence, "metadata", |metadata| {
            within(metadata, "annotations", |all| all.retain(|key, _| !technical.contains(key)));
            within(metadata, "labels", |_| ());
            metadata.retain(|key, _| !SYSTEM.contains(&key.as_str()));
            self.clean_finalizers(metadata);
        });
        within(essence, "status", |_| ());
    }

    /// Makes what is ours in an object what it was `before`, whatever a handler's function has done to it.
    pub(crate) fn restore(&self, object: &mut Value, before: &Value) {
        let mut others = before.clone();
        for value in [&mut *object, &mut others] {
            if let Value::Object(fields) = value {
                self.place.clean(fields);
            }
        }
        if let Some(ours) = difference(&others, before) {
            json_patch::merge(object, &ours);
        }
        self.restore_finalizer(&mut object["metadata"], &before["metadata"]["finalizers"]);
    }

    fn restore_finalizer(&self, metadata: &mut Value, before: &Value) {
        let Value::Object(metadata) = metadata else { return };
        let is_ours = |finalizer: &Value| finalizer == self.finalizer();
        let listed = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(is_ours));
        let held = listed(before);
        let list = metadata.remove("finalizers").unwrap_or_default();
        if held == listed(&list) {
            metadata.insert("finalizers".into(), list);
            return;
        }
        let others = list.as_array().into_iter().flatten().filter(|finalizer| !is_ours(finalizer)).cloned();
        let ours = held.then(|| Value::from(self.finalizer()));
        metadata.insert("finalizers".into(), others.chain(ours).collect());
    }

    fn clean_finalizers(&self, metadata: &mut Map<String, Value>) {
        let Some(Value::Array(finalizers)) = metadata.get_mut("finalizers") else { return };
        finalizers.retain(|finalizer| finalizer != self.finalizer());
        if finalizers.is_empty() {
            metadata.remove("finalizers");
        }
    }
}

/// Changes a mapping inside of another one, and removes it if it is empty then, or null.
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
