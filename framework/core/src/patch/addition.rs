//! What handlers add to the object: merge patches, and functions of the object as it is by then.

use super::{
    identity,
    merge::{compose_for, difference},
};
use crate::{body::Body, error::panic_message, storage::Storage};
use serde_json::{Map, Value};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Something that a handler adds to the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Addition {
    /// A merge patch of the whole object.
    Merge(Value),
    /// A function of the whole object.
    Modify(Function),
}

/// A function that a handler has left behind: it changes the object as it is when the request is made.
#[derive(Clone)]
pub struct Function {
    /// The id of the handler.
    pub handler: String,
    /// Changes the object.
    pub modify: Arc<dyn Fn(&mut Value) + Send + Sync>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("handler", &self.handler).finish_non_exhaustive()
    }
}

/// Each is its own: nobody knows what it does.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.modify, &other.modify)
    }
}

impl Addition {
    /// Does it to an object.
    pub fn apply(&self, object: &mut Value) {
        match self {
            Self::Merge(patch) => json_patch::merge(object, patch),
            Self::Modify(function) => (function.modify)(object),
        }
    }
}

/// What all additions come to for one state of the object.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sum {
    /// The merge patch that makes them.
    pub patch: Map<String, Value>,
    /// It is for this state of the object alone: functions have made it of what they found there, or it leaves out
    /// what is ours there.
    pub exact: bool,
    /// What of them can't be done, in a sentence each.
    pub faults: Vec<String>,
}

impl Sum {
    /// Does the additions in their order. A function of which nothing can be used is left out.
    pub fn of(additions: &[Addition], body: &Body, storage: &Storage) -> Self {
        let mut sum = Self::default();
        if additions.is_empty() {
            return sum;
        }
        let mut object = body.value().clone();
        for addition in additions {
            match addition {
                Addition::Merge(patch) => sum.merge(patch, body, &mut object, storage),
                Addition::Modify(function) => sum.modify(function, &mut object, storage),
            }
        }
        if sum.exact {
            sum.patch = match difference(body.value(), &object) {
                Some(Value::Object(patch)) => patch,
                _ => Map::new(),
            };
        }
        let others = identity::take_from(&mut sum.patch, body);
        sum.faults.extend(others.map(|field| format!("another {field} isn't a handler's to ask for")));
        sum
    }

    fn merge(&mut self, patch: &Value, body: &Body, object: &mut Value, storage: &Storage) {
        let Value::Object(fields) = patch else { return };
        let mut fields = fields.clone();
        // A status is a mapping, or it is none.
        if fields.get("status").is_some_and(|status| !status.is_object()) {
            fields.remove("status");
        }
        let mut merged = object.clone();
        json_patch::merge(&mut merged, &Value::Object(fields.clone()));
        let restored = restored(merged.clone(), object, storage);
        // Then the merge patch itself would take or change what is ours.
        self.exact |= difference(&merged, &restored).is_some();
        *object = restored;
        compose_for(body.value(), &mut self.patch, fields);
    }

    fn modify(&mut self, function: &Function, object: &mut Value, storage: &Storage) {
        match modified(function, object, storage) {
            Ok(after) => {
                self.exact |= difference(object, &after).is_some();
                *object = after;
            }
            Err(why) => self.faults.push(format!("a function of handler '{}' {why}", function.handler)),
        }
    }
}

/// The object after a function; what is ours is as before.
fn modified(function: &Function, before: &Value, storage: &Storage) -> Result<Value, String> {
    let mut after = before.clone();
    let called = catch_unwind(AssertUnwindSafe(|| (function.modify)(&mut after)));
    called.map_err(|panic| format!("has no effect: {}", panic_message(panic.as_ref())))?;
    if !after.is_object() {
        return Err("has no effect: what it leaves of the object isn't a mapping".to_owned());
    }
    Ok(restored(after, before, storage))
}

/// An object with what is ours as it was before.
fn restored(mut after: Value, before: &Value, storage: &Storage) -> Value {
    // Of these, a patch can only name the fields.
    for whole in ["metadata", "status"].into_iter().filter(|whole| before[whole].is_object()) {
        if !after[whole].is_object() {
            after[whole] = Map::new().into();
        }
    }
    storage.restore(&mut after, before);
    after
}
