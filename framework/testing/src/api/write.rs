//! Writes: creations, updates and deletions, by the rules of the real server.

use super::{
    admission::{
        admit, check_annotations, check_name, check_object, check_preconditions, check_type, check_version,
        json_patch, merge, set_namespace, with_status_of,
    },
    answer::{FieldError, Rejection},
    managers::{Author, Manager, Managers},
    meta,
    namespaces::is_namespace,
    served::ServedKind,
    store::{Store, Stored},
    target::Collection,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const NOT_A_NAME: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// The result of a deletion.
pub(super) enum Deleted {
    /// It waits for its finalizers.
    Marked(Stored),
    /// It is gone.
    Gone(Stored),
}

/// The change of an object.
pub(super) enum Update {
    /// Replaces it with a whole object.
    Replace(Value),
    /// A merge patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)).
    Merge(Value),
    /// A JSON patch ([RFC 6902](https://www.rfc-editor.org/rfc/rfc6902)).
    Json(Value),
}

/// The object of a request.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub collection: &'a Collection,
    pub name: &'a str,
    /// The request is for its status.
    pub status: bool,
}

impl Store {
    pub(super) fn create(
        &mut self,
        collection: &Collection,
        object: Value,
        author: Author<'_>,
    ) -> Result<Stored, Rejection> {
        let manager = Manager { name: author.manager.to_owned(), applies: false, status: false };
        self.create_by(collection, object, author, manager)
    }

    /// Creates an object whose fields belong to this manager.
    pub(super) fn create_by(
        &mut self,
        collection: &Collection,
        mut object: Value,
        author: Author<'_>,
        manager: Manager,
    ) -> Result<Stored, Rejection> {
        let served = self.served(&collection.group_resource)?.clone();
        check_object(&served, &object)?;
        if !meta::text(&object, "resourceVersion").is_empty() {
            return Err(Rejection::internal_error(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        set_namespace(&mut object, collection)?;
        self.check_namespace(collection, &served, &object)?;
        let name = self.named(&mut object, &served)?;
        if let Ok(other) = self.get(collection, &name) {
            return Err(Rejection::already_exists(&served, &name, meta::is_deleting(&other)));
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"] {
            meta::set(&mut object, field, Value::Null);
        }
        if served.status_subresource {
            object.as_object_mut().map(|fields| fields.remove("status"));
        }
        meta::normalize(&mut object);
        let managers = Managers::of_new(manager, &object, served.shape());
        served.apply_schema(&mut object);
        check_annotations(&served, &name, &object)?;
        meta::set(&mut object, "creationTimestamp", meta::time(author.now));
        meta::set(&mut object, "uid", uid(self.fresh()));
        if served.generation {
            meta::set(&mut object, "generation", 1);
        }
        self.store(collection, &name, object, managers)
    }

    /// The name of a new object, generated if it has none.
    fn named(&mut self, object: &mut Value, served: &ServedKind) -> Result<String, Rejection> {
        let (name, begin) =
            (meta::text(object, "name").to_owned(), meta::text(object, "generateName").to_owned());
        match (name.as_str(), begin.as_str()) {
            ("", "") => {
                let error = FieldError::Required("name or generateName is required");
                Err(Rejection::invalid(served, "", "metadata.name", &error))
            }
            ("", begin) => {
                let name = format!("{begin}{:05}", self.fresh());
                meta::set(object, "name", name.as_str());
                Ok(name)
            }
            (name, _) if !meta::is_name(name) => {
                let error = FieldError::Invalid(format!("\"{name}\""), NOT_A_NAME.into());
                Err(Rejection::invalid(served, name, "metadata.name", &error))
            }
            _ => Ok(name),
        }
    }

    pub(super) fn update(
        &mut self,
        subject: Subject<'_>,
        update: Update,
        author: Author<'_>,
    ) -> Result<Stored, Rejection> {
        let Subject { collection, name, status } = subject;
        let served = self.served(&collection.group_resource)?.clone();
        if let Update::Replace(object) = &update {
            check_object(&served, object)?;
            check_name(object, name)?;
        }
        let old = self.get(collection, name)?;
        let replaces = matches!(update, Update::Replace(_));
        let object = match update {
            Update::Replace(object) => object,
            Update::Merge(patch) => merge(&old, &patch)?,
            Update::Json(patch) => json_patch(&old, patch)?,
        };
        if !replaces {
            check_name(&object, name)?;
            check_type(&served, &object)?;
        }
        let object = admitted(&served, subject, object, &old, replaces)?;
        let mut managers = self.managers(collection, name);
        let manager = Manager { name: author.manager.to_owned(), applies: false, status };
        managers.updated(manager, (&old, &object), served.shape());
        self.put(subject, object, old, managers)
    }

    /// Stores the result of an apply.
    pub(super) fn finish(
        &mut self,
        subject: Subject<'_>,
        object: Value,
        old: Stored,
        managers: Managers,
    ) -> Result<Stored, Rejection> {
        let served = self.served(&subject.collection.group_resource)?.clone();
        check_name(&object, subject.name)?;
        check_type(&served, &object)?;
        let object = admitted(&served, subject, object, &old, false)?;
        self.put(subject, object, old, managers)
    }

    /// Stores a new state, unless nothing has changed. Removes an object that is being deleted with its last finalizer.
    fn put(
        &mut self,
        subject: Subject<'_>,
        object: Value,
        old: Stored,
        managers: Managers,
    ) -> Result<Stored, Rejection> {
        let Subject { collection, name, .. } = subject;
        if meta::is_deleting(&old)
            && meta::finalizers(&object).is_empty()
            && !meta::finalizers(&old).is_empty()
        {
            self.remove(collection, name)?;
            return Ok(Arc::new(object));
        }
        // A new manager of the same fields is a change, too.
        if object == *old && managers == self.managers(collection, name) {
            return Ok(old);
        }
        self.store(collection, name, object, managers)
    }

    pub(super) fn delete(
        &mut self,
        collection: &Collection,
        name: &str,
        options: &Value,
        now: Timestamp,
    ) -> Result<Deleted, Rejection> {
        let (served, old) = (self.served(&collection.group_resource)?.clone(), self.get(collection, name)?);
        check_preconditions(&served, name, &options["preconditions"], &old)?;
        if is_namespace(&collection.group_resource) {
            return self.terminate(name, now).map(Deleted::Marked);
        }
        if meta::finalizers(&old).is_empty() {
            self.remove(collection, name)?;
            return Ok(Deleted::Gone(old));
        }
        if meta::is_deleting(&old) {
            return Ok(Deleted::Marked(old));
        }
        let mut object = (*old).clone();
        meta::set(&mut object, "deletionTimestamp", meta::time(now));
        meta::set(&mut object, "deletionGracePeriodSeconds", 0);
        meta::next_generation(&mut object);
        let managers = self.managers(collection, name);
        self.store(collection, name, object, managers).map(Deleted::Marked)
    }
}

/// The new state of an object as it is stored, if the request may change it so.
fn admitted(
    served: &ServedKind,
    Subject { collection, name, status }: Subject<'_>,
    mut object: Value,
    old: &Value,
    replaced: bool,
) -> Result<Value, Rejection> {
    set_namespace(&mut object, collection)?;
    check_version(served, name, &mut object, old, replaced)?;
    served.apply_schema(&mut object);
    if status {
        return Ok(with_status_of(old, &object));
    }
    admit(served, name, &mut object, old)?;
    Ok(object)
}

/// The uid of the object with this number. The first digits spread the objects over the shards, as those of real uids do.
fn uid(number: u64) -> String {
    let spread = u32::try_from(number).unwrap_or_default().wrapping_mul(0x9e37_79b9);
    format!("{spread:08x}-0000-4000-8000-{number:012}")
}

/// The answer to a deletion without finalizers.
pub(super) fn success(served: &ServedKind, object: &Value) -> Value {
    let mut details = json!({"name": meta::text(object, "name"), "kind": served.resource.plural});
    if !served.resource.group.is_empty() {
        details["group"] = served.resource.group.as_str().into();
    }
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
