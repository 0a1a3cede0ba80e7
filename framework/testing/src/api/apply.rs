//! Server-side apply: creates an object or merges into it, by the fields that each manager has applied.

use super::{
    admission::{check_name, set_namespace},
    answer::{FieldError, Rejection},
    fields::{Difference, fields, merge, remove},
    managers::{Author, Manager},
    meta,
    served::ServedKind,
    store::{Store, Stored},
    write::Subject,
};
use serde_json::{Map, Value};

/// The result of an apply.
pub(super) enum Applied {
    /// There was no such object.
    Created(Stored),
    Merged(Stored),
}

impl Store {
    /// Applies a configuration. With `force`, fields are taken over from other managers.
    pub(super) fn apply(
        &mut self,
        subject: Subject<'_>,
        mut config: Value,
        force: bool,
        author: Author<'_>,
    ) -> Result<Applied, Rejection> {
        let Subject { collection, name, status } = subject;
        let served = self.served(&collection.group_resource)?.clone();
        check_config(&served, &config)?;
        let manager = Manager { name: author.manager.to_owned(), applies: true, status };
        let Ok(old) = self.get(collection, name) else {
            if status {
                return Err(Rejection::not_found(&served, name));
            }
            return self.create_applied(subject, config, author, manager).map(Applied::Created);
        };
        keep_part(&served, &mut config, status);
        let shape = served.shape();
        let (mut object, mut managers) = (merge(&old, &config, shape), self.managers(collection, name));
        check_name(&object, name)?;
        set_namespace(&mut object, collection)?;
        let changed = Difference::between(&old, &object, shape).set;
        let conflicts = managers.conflicts(&manager, &changed);
        if !force && !conflicts.is_empty() {
            return Err(Rejection::apply_conflict(&served, &conflicts));
        }
        for gone in managers.applied(manager, fields(&config, shape), &changed) {
            remove(&mut object, &gone, shape);
        }
        self.finish(subject, object, old, managers).map(Applied::Merged)
    }

    fn create_applied(
        &mut self,
        Subject { collection, name, .. }: Subject<'_>,
        mut config: Value,
        author: Author<'_>,
        manager: Manager,
    ) -> Result<Stored, Rejection> {
        let served = self.served(&collection.group_resource)?;
        if meta::text(&config, "name").is_empty() {
            return Err(Rejection::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        check_name(&config, name)?;
        let uid = meta::text(&config, "uid");
        if !uid.is_empty() {
            let error = FieldError::Immutable(uid.to_owned());
            return Err(Rejection::invalid(served, name, "metadata.uid", &error));
        }
        // A version that isn't there is no conflict for an apply.
        meta::set(&mut config, "resourceVersion", Value::Null);
        self.create_by(collection, config, author, manager)
    }
}

fn check_config(served: &ServedKind, config: &Value) -> Result<(), Rejection> {
    if !config.is_object() {
        return Err(Rejection::not_done("a body that isn't JSON"));
    }
    let [version, kind] = ["apiVersion", "kind"].map(|field| config[field].as_str().unwrap_or_default());
    // Go writes group, version and kind; the core group has no name.
    let begin = if version.contains('/') { "" } else { "/" };
    if version != served.resource.api_version || kind != served.resource.kind {
        return Err(Rejection::bad_request(format!("invalid object type: {begin}{version}, Kind={kind}")));
    }
    if config["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Rejection::bad_request("metadata.managedFields must be nil"));
    }
    let Some((path, value)) = meta::wrong_text(config) else { return Ok(()) };
    Err(Rejection::internal_error(format!(
        "failed to create typed patch object ({}/{}; {begin}{version}, Kind={kind}): .metadata.{path}: expected \
         string, got &value.valueUnstructured{{Value:{value}}}",
        meta::text(config, "namespace"),
        meta::text(config, "name"),
    )))
}

/// A request for the status applies the status alone, and others apply all but that.
fn keep_part(served: &ServedKind, config: &mut Value, status: bool) {
    let Some(parts) = config.as_object_mut().filter(|_| served.status_subresource) else { return };
    if !status {
        parts.remove("status");
        return;
    }
    parts.retain(|part, _| ["apiVersion", "kind", "metadata", "status"].contains(&part.as_str()));
    if let Some(metadata) = parts.get_mut("metadata").and_then(Value::as_object_mut) {
        let known: Map<_, _> = std::mem::take(metadata);
        let identity = ["name", "namespace", "uid", "resourceVersion"];
        metadata.extend(known.into_iter().filter(|(field, _)| identity.contains(&field.as_str())));
    }
}
