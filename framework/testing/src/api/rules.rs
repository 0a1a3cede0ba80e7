//! What a write may do to an object, and what the server makes of it.

use super::{
    answer::{Complaint, Refusal},
    meta,
    path::Place,
    served::Served,
};
use serde_json::Value;

/// An object after a merge patch.
pub(super) fn merged(old: &Value, patch: &Value) -> Result<Value, Refusal> {
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
pub(super) fn typed(served: &Served, object: &Value) -> Result<(), Refusal> {
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
pub(super) fn readable(served: &Served, object: &Value) -> Result<(), Refusal> {
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

pub(super) fn named_alike(object: &Value, name: &str) -> Result<(), Refusal> {
    match meta::text(object, "name") {
        same if same == name => Ok(()),
        "" => Err(Refusal::bad_request("the name of the object is empty")),
        other => Err(Refusal::bad_request(format!(
            "the name of the object ({other}) does not match the name on the URL ({name})"
        ))),
    }
}

/// Puts the namespace of the request into the object.
pub(super) fn located(object: &mut Value, place: &Place) -> Result<(), Refusal> {
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
pub(super) fn current(
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
pub(super) fn with_status_of(old: &Value, new: &Value) -> Value {
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
pub(super) fn admit(served: &Served, name: &str, object: &mut Value, old: &Value) -> Result<(), Refusal> {
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

pub(super) fn long_enough(served: &Served, name: &str, object: &Value) -> Result<(), Refusal> {
    if meta::annotations_length(object) <= meta::LONGEST_ANNOTATIONS {
        return Ok(());
    }
    let complaint = Complaint::TooLong(meta::LONGEST_ANNOTATIONS);
    Err(Refusal::invalid(served, name, "metadata.annotations", &complaint))
}

pub(super) fn preconditions(served: &Served, name: &str, asked: &Value, old: &Value) -> Result<(), Refusal> {
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
