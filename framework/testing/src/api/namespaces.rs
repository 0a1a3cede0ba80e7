//! Namespaces: what happens to the objects of one that is deleted.

use super::{
    answer::Rejection,
    meta,
    served::ServedKind,
    store::{Store, Stored},
    target::{Collection, GroupResource},
};
use jiff::Timestamp;
use serde_json::{Value, json};

fn namespaces() -> Collection {
    let group_resource = GroupResource { group: String::new(), plural: "namespaces".into() };
    Collection { group_resource, namespace: None }
}

/// Whether a kind is that of namespaces.
pub(super) fn is_namespace(group_resource: &GroupResource) -> bool {
    *group_resource == namespaces().group_resource
}

impl Store {
    /// Deletes all that is in a namespace, which stays until that is gone.
    pub(super) fn terminate(&mut self, name: &str, now: Timestamp) -> Result<Stored, Rejection> {
        let namespaces = namespaces();
        let mut terminating = self.get(&namespaces, name)?;
        if !meta::is_deleting(&terminating) {
            let mut object = (*terminating).clone();
            meta::set(&mut object, "deletionTimestamp", meta::time(now));
            object["status"] = json!({"phase": "Terminating"});
            let managers = self.managers(&namespaces, name);
            terminating = self.store(&namespaces, name, object, managers)?;
            // The namespace goes with the last of them.
            for (collection, name) in self.content(name) {
                self.delete(&collection, &name, &Value::Null, now)?;
            }
        }
        self.release(name)?;
        Ok(terminating)
    }

    /// Checks that nothing is created in a namespace that is being deleted.
    pub(super) fn check_namespace(
        &self,
        collection: &Collection,
        served: &ServedKind,
        object: &Value,
    ) -> Result<(), Rejection> {
        let Some(namespace) = &collection.namespace else { return Ok(()) };
        match self.get(&namespaces(), namespace) {
            Ok(found) if meta::is_deleting(&found) => {
                Err(Rejection::terminating(served, meta::text(object, "name"), namespace))
            }
            _ => Ok(()),
        }
    }

    /// Removes a namespace that is being deleted with the last of its objects.
    pub(super) fn release(&mut self, name: &str) -> Result<(), Rejection> {
        let is_terminating = self.get(&namespaces(), name).is_ok_and(|object| meta::is_deleting(&object));
        if is_terminating && self.content(name).is_empty() {
            return self.remove(&namespaces(), name);
        }
        Ok(())
    }
}
