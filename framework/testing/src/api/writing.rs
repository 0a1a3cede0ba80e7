//! Creations, updates and deletions, by the rules of the real server.

use super::{
    answer::{Complaint, Refusal},
    meta,
    path::Place,
    rules::{
        admit, current, located, long_enough, merged, named_alike, preconditions, readable, typed,
        with_status_of,
    },
    served::Served,
    store::{Store, Stored},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const NOT_A_NAME: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// What became of an object that was to be deleted.
pub(super) enum Deleted {
    /// It waits for its finalizers.
    Marked(Stored),
    /// It is gone.
    Gone(Stored),
}

/// How an object is changed.
pub(super) enum Update {
    /// A whole object takes its place.
    Replace(Value),
    /// A merge patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)).
    Merge(Value),
}

/// The object that a request speaks of.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub place: &'a Place,
    pub name: &'a str,
    /// The request is for its status.
    pub status: bool,
}

impl Store {
    pub(super) fn create(
        &mut self,
        place: &Place,
        mut object: Value,
        now: Timestamp,
    ) -> Result<Stored, Refusal> {
        let served = self.served(&place.family)?.clone();
        readable(&served, &object)?;
        if !meta::text(&object, "resourceVersion").is_empty() {
            return Err(Refusal::broken("resourceVersion should not be set on objects to be created"));
        }
        located(&mut object, place)?;
        let name = self.named(&mut object, &served)?;
        if let Ok(other) = self.get(place, &name) {
            return Err(Refusal::already_exists(&served, &name, meta::is_deleting(&other)));
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"] {
            meta::set(&mut object, field, Value::Null);
        }
        if served.status_subresource {
            object.as_object_mut().map(|fields| fields.remove("status"));
        }
        meta::normalize(&mut object);
        served.shape(&mut object);
        long_enough(&served, &name, &object)?;
        meta::set(&mut object, "creationTimestamp", meta::time(now));
        meta::set(&mut object, "uid", format!("00000000-0000-4000-8000-{:012}", self.fresh()));
        if served.generation {
            meta::set(&mut object, "generation", 1);
        }
        self.store(place, &name, object)
    }

    /// The name that an object asks for, or gets.
    fn named(&mut self, object: &mut Value, served: &Served) -> Result<String, Refusal> {
        let (name, begin) =
            (meta::text(object, "name").to_owned(), meta::text(object, "generateName").to_owned());
        match (name.as_str(), begin.as_str()) {
            ("", "") => {
                let complaint = Complaint::Required("name or generateName is required");
                Err(Refusal::invalid(served, "", "metadata.name", &complaint))
            }
            ("", begin) => {
                let name = format!("{begin}{:05}", self.fresh());
                meta::set(object, "name", name.as_str());
                Ok(name)
            }
            (name, _) if !meta::is_name(name) => {
                let complaint = Complaint::Invalid(format!("\"{name}\""), NOT_A_NAME.into());
                Err(Refusal::invalid(served, name, "metadata.name", &complaint))
            }
            _ => Ok(name),
        }
    }

    pub(super) fn update(&mut self, subject: Subject<'_>, update: Update) -> Result<Stored, Refusal> {
        let Subject { place, name, status } = subject;
        let served = self.served(&place.family)?.clone();
        let mut object = match &update {
            Update::Replace(object) => {
                readable(&served, object)?;
                named_alike(object, name)?;
                object.clone()
            }
            Update::Merge(_) => Value::Null,
        };
        let old = self.get(place, name)?;
        if let Update::Merge(patch) = &update {
            object = merged(&old, patch)?;
            named_alike(&object, name)?;
            typed(&served, &object)?;
        }
        located(&mut object, place)?;
        current(&served, name, &mut object, &old, matches!(update, Update::Replace(_)))?;
        served.shape(&mut object);
        let mut object = if status { with_status_of(&old, &object) } else { object };
        if !status {
            admit(&served, name, &mut object, &old)?;
        }
        self.put(subject, object, old)
    }

    /// Stores a new state; an object that is being deleted goes with its last finalizer, and one that is as before
    /// stays as it is.
    fn put(&mut self, subject: Subject<'_>, object: Value, old: Stored) -> Result<Stored, Refusal> {
        let Subject { place, name, .. } = subject;
        if meta::is_deleting(&old)
            && meta::finalizers(&object).is_empty()
            && !meta::finalizers(&old).is_empty()
        {
            self.remove(place, name)?;
            return Ok(Arc::new(object));
        }
        if object == *old {
            return Ok(old);
        }
        self.store(place, name, object)
    }

    pub(super) fn delete(
        &mut self,
        place: &Place,
        name: &str,
        options: &Value,
        now: Timestamp,
    ) -> Result<Deleted, Refusal> {
        let (served, old) = (self.served(&place.family)?.clone(), self.get(place, name)?);
        preconditions(&served, name, &options["preconditions"], &old)?;
        if meta::finalizers(&old).is_empty() {
            self.remove(place, name)?;
            return Ok(Deleted::Gone(old));
        }
        if meta::is_deleting(&old) {
            return Ok(Deleted::Marked(old));
        }
        let mut object = (*old).clone();
        meta::set(&mut object, "deletionTimestamp", meta::time(now));
        meta::set(&mut object, "deletionGracePeriodSeconds", 0);
        meta::next_generation(&mut object);
        self.store(place, name, object).map(Deleted::Marked)
    }
}

/// The answer to a deletion that was carried out at once.
pub(super) fn success(served: &Served, object: &Value) -> Value {
    let mut details = json!({"name": meta::text(object, "name"), "kind": served.resource.plural});
    if !served.resource.group.is_empty() {
        details["group"] = served.resource.group.as_str().into();
    }
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
