//! Admission of writes: checks, and fields that a request can't change.

use super::{
    answer::{FieldError, Rejection},
    meta,
    served::ServedKind,
    target::Collection,
};
use serde_json::Value;

/// Applies a merge patch.
pub(super) fn merge(old: &Value, patch: &Value) -> Result<Value, Rejection> {
    if !patch.is_object() {
        let go = "json: cannot unmarshal array into Go value of type map[string]interface {}";
        return Err(Rejection::bad_request(format!("error decoding patch: {go}")));
    }
    let mut object = old.clone();
    ::json_patch::merge(&mut object, patch);
    match meta::decoding_error(&object) {
        Some(why) => Err(Rejection::undecodable_patch(&object, &why)),
        None => Ok(object),
    }
}

/// Applies a JSON patch.
pub(super) fn json_patch(old: &Value, patch: Value) -> Result<Value, Rejection> {
    if patch.is_object() {
        let go = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp";
        return Err(Rejection::bad_request(format!("error decoding patch: {go}")));
    }
    let patch: ::json_patch::Patch = serde_json::from_value(patch).map_err(|_| Rejection::unpatchable())?;
    let mut object = old.clone();
    ::json_patch::patch(&mut object, &patch).map_err(|_| Rejection::unpatchable())?;
    match meta::decoding_error(&object) {
        Some(why) => Err(Rejection::undecodable_patch(&object, &why)),
        None => Ok(object),
    }
}

/// Checks that an object has the type of the request.
pub(super) fn check_type(served: &ServedKind, object: &Value) -> Result<(), Rejection> {
    let resource = &served.resource;
    let sent = |field: &str| object[field].as_str().unwrap_or_default();
    for (field, expected) in [("apiVersion", &resource.api_version), ("kind", &resource.kind)] {
        if sent(field) != expected {
            let error = FieldError::Invalid(format!("{:?}", sent(field)), format!("must be {expected}"));
            let name = meta::text(object, "name");
            return Err(Rejection::invalid_as(sent("kind"), served, name, field, &error));
        }
    }
    Ok(())
}

/// Checks that a whole object has the right type, and metadata that can be decoded.
pub(super) fn check_object(served: &ServedKind, object: &Value) -> Result<(), Rejection> {
    let resource = &served.resource;
    let version = object["apiVersion"].as_str().unwrap_or_default();
    if version != resource.api_version {
        return Err(Rejection::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({})",
            resource.api_version
        )));
    }
    check_type(served, object)?;
    let Some(why) = meta::decoding_error(object) else { return Ok(()) };
    let (kind, version) = (&resource.kind, &resource.version);
    Err(Rejection::bad_request(format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
    )))
}

pub(super) fn check_name(object: &Value, name: &str) -> Result<(), Rejection> {
    match meta::text(object, "name") {
        same if same == name => Ok(()),
        "" => Err(Rejection::bad_request("the name of the object is empty")),
        other => Err(Rejection::bad_request(format!(
            "the name of the object ({other}) does not match the name on the URL ({name})"
        ))),
    }
}

/// Sets the namespace of the object to that of the request.
pub(super) fn set_namespace(object: &mut Value, collection: &Collection) -> Result<(), Rejection> {
    let Some(namespace) = &collection.namespace else { return Ok(()) };
    let sent = meta::text(object, "namespace");
    if !sent.is_empty() && sent != namespace {
        return Err(Rejection::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    meta::set(object, "namespace", namespace.as_str());
    Ok(())
}

/// Rejects writes based on an older state, or on another object.
pub(super) fn check_version(
    served: &ServedKind,
    name: &str,
    object: &mut Value,
    old: &Value,
    replaced: bool,
) -> Result<(), Rejection> {
    let (uid, known) = (meta::text(object, "uid"), meta::text(old, "uid"));
    if replaced && !uid.is_empty() && uid != known {
        let collection = [meta::text(old, "namespace"), name];
        let collection = collection.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let (group, plural) = (&served.resource.group, &served.resource.plural);
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{group}/{plural}/{collection}, ResourceVersion: 0, \
             AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {known}"
        );
        return Err(Rejection::conflict(served, name, Some(why)));
    }
    match meta::text(object, "resourceVersion") {
        "" if replaced && !served.is_built_in() => {
            let error = FieldError::Invalid("0".into(), "must be specified for an update".into());
            let (kind, field) = (&served.resource.plural, "metadata.resourceVersion");
            return Err(Rejection::invalid_as(kind, served, name, field, &error));
        }
        "" => {}
        version => {
            if version.parse::<u64>().is_err() {
                let go = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
                return Err(Rejection::internal_error(go));
            }
            if version != meta::text(old, "resourceVersion") {
                return Err(Rejection::conflict(served, name, None));
            }
        }
    }
    meta::copy_field(object, "resourceVersion", old);
    Ok(())
}

/// The old object with the new status: a request for the status changes nothing else.
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

/// Restores fields that a request can't change, counts generations, and rejects invalid changes.
pub(super) fn admit(
    served: &ServedKind,
    name: &str,
    object: &mut Value,
    old: &Value,
) -> Result<(), Rejection> {
    if served.status_subresource {
        *object = with_status_of(object, old);
    }
    for field in ["creationTimestamp", "generation"] {
        meta::copy_field(object, field, old);
    }
    if meta::text(object, "uid").is_empty() {
        meta::copy_field(object, "uid", old);
    }
    if meta::is_deleting(old) {
        meta::copy_field(object, "deletionTimestamp", old);
        meta::copy_field(object, "deletionGracePeriodSeconds", old);
    }
    meta::normalize(object);
    for field in ["uid", "deletionTimestamp"] {
        let value = meta::text(object, field);
        if value != meta::text(old, field) {
            let error = FieldError::Immutable(value.to_owned());
            return Err(Rejection::invalid(served, name, &format!("metadata.{field}"), &error));
        }
    }
    check_finalizers(served, name, object, old)?;
    check_annotations(served, name, object)?;
    if essence(served, object) != essence(served, old) {
        meta::next_generation(object);
    }
    Ok(())
}

/// The part of an object whose changes count as generations.
fn essence(served: &ServedKind, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("metadata");
        if served.status_subresource {
            fields.remove("status");
        }
    }
    object
}

fn check_finalizers(served: &ServedKind, name: &str, object: &Value, old: &Value) -> Result<(), Rejection> {
    let known = meta::finalizers(old);
    let new: Vec<_> = meta::finalizers(object).into_iter().filter(|one| !known.contains(one)).collect();
    if !meta::is_deleting(old) || new.is_empty() {
        return Ok(());
    }
    let list = new.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
    );
    Err(Rejection::invalid(served, name, "metadata.finalizers", &FieldError::Forbidden(why)))
}

pub(super) fn check_annotations(served: &ServedKind, name: &str, object: &Value) -> Result<(), Rejection> {
    if meta::annotations_length(object) <= meta::ANNOTATIONS_LIMIT {
        return Ok(());
    }
    let error = FieldError::TooLong(meta::ANNOTATIONS_LIMIT);
    Err(Rejection::invalid(served, name, "metadata.annotations", &error))
}

pub(super) fn check_preconditions(
    served: &ServedKind,
    name: &str,
    asked: &Value,
    old: &Value,
) -> Result<(), Rejection> {
    let kinds = [
        ("uid", "UID", "UID in record"),
        ("resourceVersion", "ResourceVersion", "ResourceVersion in record"),
    ];
    for (field, title, record) in kinds {
        let (wanted, found) = (asked[field].as_str(), meta::text(old, field));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(Rejection::precondition(served, name, [title, wanted, record, found]));
        }
    }
    Ok(())
}
