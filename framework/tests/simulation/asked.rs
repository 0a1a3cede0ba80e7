//! Changes that handler calls ask for on the object.

use crate::{
    record::Called,
    role::Role,
    script::{Act, Addition, Ending, Finale},
};
use serde_json::{Map, Value, json};

/// A patch that depends on the object alone.
pub fn addition(addition: Addition, id: &str, object: &Value) -> Option<Value> {
    match addition {
        Addition::Nothing => None,
        Addition::Label => Some(json!({"metadata": {"labels": {"handled": "yes"}}})),
        Addition::Annotation => {
            let key = format!("handled-by-{}", id.replace('/', "."));
            Some(json!({"metadata": {"annotations": {key: "yes"}}}))
        }
        Addition::Spec => Some(json!({"spec": {"copy": object["spec"]["size"]}})),
        Addition::Status => Some(json!({"status": {"last": object["spec"]["size"]}})),
    }
}

/// The merge patch that a call of a role's handler, or of one of its sub-handlers, asks for: its addition and, if it
/// succeeded, its result.
pub fn asked(role: &Role, call: &Called) -> Value {
    let Act { addition: added, finale, .. } = role.script.act(call.attempt);
    let mut patch = addition(added, &call.id, call.body.value()).unwrap_or_else(|| json!({}));
    if call.ending == Ending::Succeeded {
        json_patch::merge(&mut patch, &returned(role, call, finale));
    }
    patch
}

fn returned(role: &Role, call: &Called, finale: Finale) -> Value {
    let result = |value| json!({"status": Map::from_iter([(call.id.clone(), value)])});
    match finale {
        _ if call.id != role.id => result(json!("made")),
        Finale::Result(value) => result(value),
        Finale::Status(status) => json!({ "status": status }),
        _ => json!({}),
    }
}
