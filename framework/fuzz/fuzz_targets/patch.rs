//! The requests of a patch make the edits (by RFC 7396), and then there is nothing more to request.
#![no_main]

use korf_core::{
    Part,
    body::Body,
    patch::{Edit, Edits, Finalizer, Function, Omit, Request},
    storage::{Storage, StorageConfig},
};
use korf_fuzz::values;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const PREFIX: &str = "kopf.zalando.org/";
const STORED: &str = "kopf.zalando.org/fuzz";

/// The edits, in their order.
struct Asked {
    merged: [Value; 2],
    spec: Option<Value>,
    stored: Value,
    finalizer: Option<Finalizer>,
}

fuzz_target!(|bytes: &[u8]| {
    let [object, first, second, spec, stored, options] = values(bytes);
    let option = |bit: i64| options.as_i64().unwrap_or_default() & bit != 0;
    let name = kopf().finalizer().to_owned();
    let body = Body::from(identified(object));
    let mut asked = Asked {
        // Edits that ask for two specs are never done.
        merged: [first, second].map(|merged| without(if option(1) { "spec" } else { "" }, possible(merged))),
        spec: option(1).then_some(spec),
        stored: json!({"metadata": {"annotations": {STORED: stored.as_str()}}}),
        finalizer: None,
    };
    let after = sent(&asked.edits(), &body, option(8));
    assert_eq!(ours(&after), ours(&body));

    asked.merged = asked.merged.map(|merged| leaving_ours(merged, &body));
    asked.finalizer =
        option(2).then(|| if option(4) { Finalizer::Add(name) } else { Finalizer::Remove(name) });
    let after = sent(&asked.edits(), &body, option(8));
    assert_eq!(visible(after.value()), visible(&asked.done_to(&body)), "{:?}", asked.edits());
    assert_eq!(sent(&asked.edits(), &after, option(8)), after, "there is nothing more to request");
});

fn kopf() -> Storage {
    StorageConfig { kopf: true, ..StorageConfig::default() }
        .storage("fuzz")
        .expect("the names are Kubernetes'")
}

fn without(field: &str, mut object: Value) -> Value {
    object.as_object_mut().and_then(|fields| fields.remove(field));
    object
}

/// The object after all requests of a patch.
fn sent(edits: &Edits, body: &Body, status_subresource: bool) -> Body {
    let draft = edits.draft(body, &kopf(), Omit::default());
    edits.order().into_iter().fold(body.clone(), |body, part| {
        let Some(request) = draft.request(part, &body, status_subresource) else { return body };
        let after = written(&body, &request, status_subresource);
        assert_eq!(request.inconsistencies(&after), [""; 0]);
        after
    })
}

/// The fields that no handler changes, without those that are stored here.
fn ours(body: &Body) -> Value {
    let annotations = body.annotations().into_iter().flatten();
    let stored = annotations.filter(|(key, _)| key.starts_with(PREFIX) && *key != STORED);
    let stored: Map<_, _> = stored.map(|(key, value)| (key.clone(), value.clone())).collect();
    let held = body.finalizers().any(|name| name == kopf().finalizer());
    bare(rounded(json!({"annotations": stored, "held": held})))
}

/// Without the edits of our fields, which have no effect.
fn leaving_ours(mut asked: Value, body: &Body) -> Value {
    let ours = kopf().finalizer().to_owned();
    let holds = |body: &Body| body.finalizers().any(|name| name == ours);
    let other = holds(&asked.clone().into()) != holds(body);
    if let Some(Value::Object(metadata)) = asked.get_mut("metadata") {
        metadata.retain(|field, _| field != "finalizers" || !other);
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.retain(|key, _| !key.starts_with(PREFIX));
        }
    }
    if let Some(Value::Object(status)) = asked.get_mut("status") {
        status.remove("kopf");
    }
    asked
}

impl Asked {
    fn edits(&self) -> Edits {
        let modify = self.spec.clone().map(|spec| {
            let modify = Arc::new(move |object: &mut Value| object["spec"] = spec.clone());
            Edit::Modify(Function { handler: "fuzz".into(), modify })
        });
        let mut edits: Edits = self.merged.iter().cloned().map(Edit::Merge).chain(modify).collect();
        edits.store(self.stored.clone());
        self.finalizer.iter().for_each(|change| edits.set_finalizer(change.clone()));
        edits
    }

    /// The object after them, one after the other.
    fn done_to(&self, body: &Body) -> Value {
        let mut object = body.value().clone();
        self.merged.iter().for_each(|merged| json_patch::merge(&mut object, merged));
        if let Some(spec) = &self.spec {
            object["spec"] = spec.clone();
        }
        json_patch::merge(&mut object, &self.stored);
        let mut names: Vec<_> = Body::from(object.clone()).finalizers().map(str::to_owned).collect();
        match &self.finalizer {
            Some(Finalizer::Add(name)) if !names.contains(name) && !body.is_deleting() => {
                names.push(name.clone())
            }
            Some(Finalizer::Remove(name)) if names.contains(name) => names.retain(|other| other != name),
            _ => return object,
        }
        object["metadata"]["finalizers"] = names.into();
        object
    }
}

/// An object with an identity.
fn identified(value: Value) -> Value {
    let mut object = possible(value);
    let identity = json!({
        "apiVersion": "korf.dev/v1", "kind": "Fuzz",
        "metadata": {"name": "fuzz", "namespace": "default", "uid": "u", "resourceVersion": "1"},
    });
    json_patch::merge(&mut object, &identity);
    object
}

/// Without what no API server has or accepts: metadata, annotations and a status that are no mappings, another identity.
fn possible(value: Value) -> Value {
    let Value::Object(mut object) = value else { return json!({}) };
    object.retain(|field, value| !["metadata", "status"].contains(&field.as_str()) || value.is_object());
    ["apiVersion", "kind"].iter().for_each(|field| drop(object.remove(*field)));
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|field, value| match field.as_str() {
            "annotations" => value.is_object(),
            "finalizers" => value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
            "name" | "namespace" | "uid" | "resourceVersion" => false,
            _ => true,
        });
    }
    object.into()
}

/// The object that the API server makes of a request: it writes `1.0` as `1`.
fn written(body: &Body, request: &Request, status_subresource: bool) -> Body {
    let mut patch = request.patch.clone();
    let guards = patch["metadata"].as_object_mut().expect("there are guards");
    let (uid, version) = (guards.remove("uid"), guards.remove("resourceVersion"));
    assert!(version.is_none_or(|version| version == body.version()));
    assert!(uid.is_none_or(|uid| uid == body.uid()));
    let fields = patch.as_object_mut().expect("it is a merge patch");
    fields.retain(|field, _| !status_subresource || (field == "status") == (request.part == Part::Status));
    let mut object = body.value().clone();
    json_patch::merge(&mut object, &patch);
    object["metadata"]["resourceVersion"] = format!("{}1", body.version()).into();
    rounded(object).into()
}

fn rounded(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, rounded(value))).collect(),
        Value::Array(items) => items.into_iter().map(rounded).collect(),
        Value::Number(number) => {
            match number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15) {
                Some(whole) => (whole as i64).into(),
                None => number.into(),
            }
        }
        value => value,
    }
}

/// An object without its version, and without what is the same as absent: nulls, and empty mappings.
fn visible(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = Value::Null;
    bare(rounded(object))
}

fn bare(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, bare(value)));
            let fields: Map<_, _> = fields.filter(|(_, value)| !value.is_null()).collect();
            if fields.is_empty() { Value::Null } else { fields.into() }
        }
        Value::Array(items) => items.into_iter().map(bare).collect(),
        value => value,
    }
}
