//! Fields of an object: their paths, differences between two states, merging and removal.

use super::shape::{ListRule, Shape};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field of a map.
    Field(String),
    /// The item of a list with these keys: `name="a"`.
    Item(String),
    /// A value of a set.
    Member(String),
}

/// The path of a field. Displays as `.spec.containers[name="a"].image`, as the real server writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<Step>);

impl Path {
    fn to(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// Whether this is the path of an item of a list.
    fn is_item(&self) -> bool {
        matches!(self.0.last(), Some(Step::Item(_)))
    }

    /// Whether `other` is a path within this one.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }

    /// Whether the server manages this field, so that no one owns it.
    fn is_of_server(&self) -> bool {
        let names: Vec<_> = self.0.iter().map(Step::name).collect();
        match names.as_slice() {
            ["apiVersion" | "kind" | "metadata"] => true,
            ["metadata", field, ..] => {
                !["annotations", "finalizers", "labels", "ownerReferences"].contains(field)
            }
            _ => false,
        }
    }
}

impl Step {
    fn name(&self) -> &str {
        let (Self::Field(name) | Self::Item(name) | Self::Member(name)) = self;
        name
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Item(keys) => write!(f, "[{keys}]"),
            Step::Member(value) => write!(f, "[={value}]"),
        })
    }
}

/// The paths that differ between two states of an object.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Added, or with another value.
    pub set: BTreeSet<Path>,
    pub removed: BTreeSet<Path>,
}

impl Difference {
    pub fn between(old: &Value, new: &Value, shape: Shape<'_>) -> Self {
        let mut difference = Self::default();
        difference.walk((Some(old), Some(new)), shape, &Path::default());
        difference.set.retain(|path| !path.is_of_server());
        difference.removed.retain(|path| !path.is_of_server());
        difference
    }

    fn walk(&mut self, (old, new): (Option<&Value>, Option<&Value>), shape: Shape<'_>, path: &Path) {
        if old == new {
            return;
        }
        let (before, after) = (old.and_then(|old| parts(old, shape)), new.and_then(|new| parts(new, shape)));
        // Maps and lists that are merged have no owner themselves, but their items have.
        let was = old.is_some() && (before.is_none() || path.is_item());
        let is = new.is_some() && (after.is_none() || path.is_item());
        if is && (after.is_none() || !was) {
            self.set.insert(path.clone());
        } else if was && !is {
            self.removed.insert(path.clone());
        }
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        for step in before.keys().chain(after.keys().filter(|step| !before.contains_key(step))) {
            self.walk(
                (before.get(step).copied(), after.get(step).copied()),
                inner(shape, step),
                &path.to(step.clone()),
            );
        }
    }
}

/// The paths of all fields of an object that someone can own.
pub(super) fn fields(object: &Value, shape: Shape<'_>) -> BTreeSet<Path> {
    Difference::between(&Value::Object(Map::new()), object, shape).set
}

fn inner<'a>(shape: Shape<'a>, step: &'a Step) -> Shape<'a> {
    match step {
        Step::Field(name) => shape.field(name),
        Step::Item(_) | Step::Member(_) => shape.item(),
    }
}

/// The parts of a map or a list that is merged; none for a single value.
fn parts<'v>(value: &'v Value, shape: Shape<'_>) -> Option<BTreeMap<Step, &'v Value>> {
    match value {
        Value::Object(fields) if !fields.is_empty() && !shape.is_atomic_map() => {
            Some(fields.iter().map(|(name, value)| (Step::Field(name.clone()), value)).collect())
        }
        Value::Array(items) if !items.is_empty() => {
            Some(steps(items, shape)?.into_iter().zip(items).collect())
        }
        _ => None,
    }
}

/// The steps to the items of a list that is merged. A list with an item without its key is a single value.
fn steps(items: &[Value], shape: Shape<'_>) -> Option<Vec<Step>> {
    let rule = shape.list_rule();
    if rule == ListRule::Atomic {
        return None;
    }
    items
        .iter()
        .map(|item| match &rule {
            ListRule::Map(keys) => {
                let named = |key: &&str| {
                    let value = item.get(*key).cloned().or_else(|| shape.default_key(key))?;
                    Some(format!("{key}={value}"))
                };
                keys.iter().map(named).collect::<Option<Vec<_>>>().map(|keys| Step::Item(keys.join(",")))
            }
            _ => Some(Step::Member(item.to_string())),
        })
        .collect()
}

/// Merges an applied value into the present one.
pub(super) fn merge(live: &Value, applied: &Value, shape: Shape<'_>) -> Value {
    match (live, applied) {
        (Value::Object(old), Value::Object(new)) if !shape.is_atomic_map() => {
            let mut merged = old.clone();
            for (name, value) in new {
                let old = old.get(name).unwrap_or(&Value::Null);
                merged.insert(name.clone(), merge(old, value, shape.field(name)));
            }
            Value::Object(merged)
        }
        (Value::Array(old), Value::Array(new)) => match (steps(old, shape), steps(new, shape)) {
            (Some(before), Some(after)) => merge_lists((old, &before), (new, &after), shape),
            _ => applied.clone(),
        },
        _ => applied.clone(),
    }
}

/// Merges lists item by item: in the order of the applied list, and each other item before its old successor.
fn merge_lists(
    (old, before): (&[Value], &[Step]),
    (new, after): (&[Value], &[Step]),
    shape: Shape<'_>,
) -> Value {
    let (mut merged, mut rest) = (Vec::new(), 0);
    for (value, step) in new.iter().zip(after) {
        let place = before.iter().position(|other| other == step);
        let until = place.unwrap_or(rest);
        while rest < old.len() && (rest < until || (place.is_none() && !after.contains(&before[rest]))) {
            if !after.contains(&before[rest]) {
                merged.push(old[rest].clone());
            }
            rest += 1;
        }
        merged.push(place.map_or_else(|| value.clone(), |place| merge(&old[place], value, shape.item())));
    }
    let others = old.iter().zip(before).skip(rest).filter(|(_, step)| !after.contains(step));
    merged.extend(others.map(|(value, _)| value.clone()));
    Value::Array(merged)
}

/// Removes a field, and what becomes empty by that.
pub(super) fn remove(value: &mut Value, path: &Path, shape: Shape<'_>) {
    remove_by(value, &path.0, shape);
}

fn remove_by(value: &mut Value, path: &[Step], shape: Shape<'_>) {
    let Some((step, rest)) = path.split_first() else { return };
    match (value, step) {
        (Value::Object(fields), Step::Field(name)) => {
            if let Some(field) = fields.get_mut(name).filter(|_| !rest.is_empty()) {
                remove_by(field, rest, shape.field(name));
            }
            if rest.is_empty() || fields.get(name).is_some_and(is_empty) {
                fields.remove(name);
            }
        }
        (Value::Array(items), step) => {
            let place = steps(items, shape).and_then(|steps| steps.iter().position(|other| other == step));
            match place {
                Some(place) if rest.is_empty() => drop(items.remove(place)),
                Some(place) => remove_by(&mut items[place], rest, shape.item()),
                None => {}
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}
