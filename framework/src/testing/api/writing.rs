//! Creations, updates and deletions, by the rules of the real server.

use super::{
    answer::{Complaint, Refusal},
    meta,
    path::Place,
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

fn merged(old: &Value, patch: &Value) -> Result<Value, Refusal> {
    if !patch.is_object() {
        let go = "json: cannot unmarshal array into Go value of type map[string]interface {}";
        return Err(Refusal::bad_request(format!("error decoding patch: {go}")));
    }
    let mut object = old.clone();
    json_patch::merge(&mut object, patch);
    match meta::misread(&object) {
        Some(why) => Err(Refusal::unreadable_patch(&object, &why)),
        None => Ok(object),
    }
}

/// An object has the type that the request is for.
fn typed(served: &Served, object: &Value) -> Result<(), Refusal> {
    let resource = &served.resource;
    let sent = |field: &str| object[field].as_str().unwrap_or_default();
    for (field, expected) in [("apiVersion", &resource.api_version), ("kind", &resource.kind)] {
        if sent(field) != expected {
            let complaint = Complaint::Invalid(format!("{:?}", sent(field)), format!("must be {expected}"));
            let name = meta::text(object, "name");
            return Err(Refusal::invalid_as(sent("kind"), served, name, field, &complaint));
        }
    }
    Ok(())
}

/// A whole object that was sent: its type, and what can be read of its metadata.
fn readable(served: &Served, object: &Value) -> Result<(), Refusal> {
    let resource = &served.resource;
    let version = object["apiVersion"].as_str().unwrap_or_default();
    if version != resource.api_version {
        return Err(Refusal::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({})",
            resource.api_version
        )));
    }
    typed(served, object)?;
    let Some(why) = meta::misread(object) else { return Ok(()) };
    let (kind, version) = (&resource.kind, &resource.version);
    Err(Refusal::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}")))
}

fn named_alike(object: &Value, name: &str) -> Result<(), Refusal> {
    match meta::text(object, "name") {
        same if same == name => Ok(()),
        "" => Err(Refusal::bad_request("the name of the object is empty")),
        other => Err(Refusal::bad_request(format!(
            "the name of the object ({other}) does not match the name on the URL ({name})"
        ))),
    }
}

/// Puts the namespace of the request into the object.
fn located(object: &mut Value, place: &Place) -> Result<(), Refusal> {
    let Some(namespace) = &place.namespace else { return Ok(()) };
    let sent = meta::text(object, "namespace");
    if !sent.is_empty() && sent != namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    meta::set(object, "namespace", namespace.as_str());
    Ok(())
}

/// Refuses what was made of an older state, or of another object.
fn current(
    served: &Served,
    name: &str,
    object: &mut Value,
    old: &Value,
    replaced: bool,
) -> Result<(), Refusal> {
    let (uid, known) = (meta::text(object, "uid"), meta::text(old, "uid"));
    if replaced && !uid.is_empty() && uid != known {
        let place = [meta::text(old, "namespace"), name];
        let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let (group, plural) = (&served.resource.group, &served.resource.plural);
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{group}/{plural}/{place}, ResourceVersion: 0, \
             AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {known}"
        );
        return Err(Refusal::conflict(served, name, Some(why)));
    }
    match meta::text(object, "resourceVersion") {
        "" if replaced && !served.allows_unconditional_updates() => {
            let complaint = Complaint::Invalid("0".into(), "must be specified for an update".into());
            let (kind, field) = (&served.resource.plural, "metadata.resourceVersion");
            return Err(Refusal::invalid_as(kind, served, name, field, &complaint));
        }
        "" => {}
        version => {
            if version.parse::<u64>().is_err() {
                let go = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
                return Err(Refusal::broken(go));
            }
            if version != meta::text(old, "resourceVersion") {
                return Err(Refusal::conflict(served, name, None));
            }
        }
    }
    meta::take_over(object, "resourceVersion", old);
    Ok(())
}

/// The old object with the new one's status: all that a request for the status may change.
fn with_status_of(old: &Value, new: &Value) -> Value {
    let mut object = old.clone();
    match (new.get("status"), object.as_object_mut()) {
        (Some(status), _) => object["status"] = status.clone(),
        (None, Some(fields)) => {
            fields.remove("status");
        }
        (None, None) => {}
    }
    object
}

/// Takes over what a request can't change, counts generations, and refuses what mustn't be.
fn admit(served: &Served, name: &str, object: &mut Value, old: &Value) -> Result<(), Refusal> {
    if served.status_subresource {
        *object = with_status_of(object, old);
    }
    for field in ["creationTimestamp", "generation"] {
        meta::take_over(object, field, old);
    }
    if meta::text(object, "uid").is_empty() {
        meta::take_over(object, "uid", old);
    }
    if meta::is_deleting(old) {
        meta::take_over(object, "deletionTimestamp", old);
        meta::take_over(object, "deletionGracePeriodSeconds", old);
    }
    meta::normalize(object);
    for field in ["uid", "deletionTimestamp"] {
        let value = meta::text(object, field);
        if value != meta::text(old, field) {
            let complaint = Complaint::Immutable(value.to_owned());
            return Err(Refusal::invalid(served, name, &format!("metadata.{field}"), &complaint));
        }
    }
    no_new_finalizers(served, name, object, old)?;
    long_enough(served, name, object)?;
    if essence(served, object) != essence(served, old) {
        meta::next_generation(object);
    }
    Ok(())
}

/// What generations are counted of.
fn essence(served: &Served, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("metadata");
        if served.status_subresource {
            fields.remove("status");
        }
    }
    object
}

fn no_new_finalizers(served: &Served, name: &str, object: &Value, old: &Value) -> Result<(), Refusal> {
    let known = meta::finalizers(old);
    let new: Vec<_> = meta::finalizers(object).into_iter().filter(|one| !known.contains(one)).collect();
    if !meta::is_deleting(old) || new.is_empty() {
        return Ok(());
    }
    let list = new.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
    );
    Err(Refusal::invalid(served, name, "metadata.finalizers", &Complaint::Forbidden(why)))
}

fn long_enough(served: &Served, name: &str, object: &Value) -> Result<(), Refusal> {
    if meta::annotations_length(object) <= meta::LONGEST_ANNOTATIONS {
        return Ok(());
    }
    let complaint = Complaint::TooLong(meta::LONGEST_ANNOTATIONS);
    Err(Refusal::invalid(served, name, "metadata.annotations", &complaint))
}

fn preconditions(served: &Served, name: &str, asked: &Value, old: &Value) -> Result<(), Refusal> {
    let kinds = [
        ("uid", "UID", "UID in record"),
        ("resourceVersion", "ResourceVersion", "ResourceVersion in record"),
    ];
    for (field, title, record) in kinds {
        let (wanted, found) = (asked[field].as_str(), meta::text(old, field));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(Refusal::precondition(served, name, [title, wanted, record, found]));
        }
    }
    Ok(())
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
