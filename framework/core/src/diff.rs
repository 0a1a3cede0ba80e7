//! Differences between two JSON values: the fields that were added, changed and removed.
//!
//! The rules are Kopf's (`kopf/_cogs/structs/diffs.py`), with two exceptions, because handlers are chosen by the
//! differences: the order of the items is fixed (by key; Kopf's is that of a set), and `true` isn't `1` (in Python it is).

mod field;
#[cfg(test)]
mod tests;

pub use field::Field;

use serde_json::{Map, Number, Value};
use std::{collections::BTreeSet, fmt, sync::Arc};

/// The change of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// It was absent or null, and has a value now.
    Add,
    /// It has another value.
    Change,
    /// It had a value, and is absent or null now.
    Remove,
}

impl Op {
    /// The name in log lines: `add`, `change`, `remove`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffItem {
    /// The kind of change.
    pub op: Op,
    /// The field; the root if the values differ as a whole.
    pub field: Field,
    /// The value before; null when it was added.
    pub old: Value,
    /// The value now; null when it was removed.
    pub new: Value,
}

/// The differences between two values, in the order of their fields' keys: cheap to clone.
///
/// It prints as in Kopf: `(('add', ('spec', 'x'), None, 1),)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff(Arc<[DiffItem]>);

impl Diff {
    /// A change from an unknown value: one change of the whole, with null as the old value.
    pub fn unknown(new: Value) -> Self {
        [DiffItem { op: Op::Change, field: Field::default(), old: Value::Null, new }].into_iter().collect()
    }

    /// Whether the old value is unknown, because the object was too large to be stored (see
    /// [`storage`](crate::storage)). Any field may have changed, or none.
    pub fn is_unknown(&self) -> bool {
        // Otherwise, a value that was null is an addition.
        matches!(&self.0[..], [DiffItem { op: Op::Change, old: Value::Null, field, .. }] if field.keys().is_empty())
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The items.
    pub fn iter(&self) -> std::slice::Iter<'_, DiffItem> {
        self.0.iter()
    }

    /// The differences at and below one field, with paths relative to it.
    ///
    /// Deeper items lose the path's keys, an item of the field itself moves to the root, and an item above it
    /// (`spec` was added as a whole) is compared again below the field.
    #[must_use]
    pub fn reduce<S: AsRef<str>>(&self, path: &[S]) -> Self {
        if let ([item], true) = (&self.0[..], self.is_unknown()) {
            return Self::unknown(resolve(&item.new, path).clone());
        }
        let mut reduced = Vec::new();
        for item in self {
            if let Some(rest) = item.field.below(path) {
                reduced.push(DiffItem { field: rest, ..item.clone() });
            } else if let Some(tail) = item.field.rest_of(path) {
                let (old, new) = (resolve(&item.old, tail), resolve(&item.new, tail));
                compare(old, new, &mut Field::default(), &mut reduced);
            }
        }
        Self(reduced.into())
    }

    /// Whether anything differs at or below one field.
    pub fn contains<S: AsRef<str>>(&self, path: &[S]) -> bool {
        !self.reduce(path).is_empty()
    }
}

impl FromIterator<DiffItem> for Diff {
    fn from_iter<I: IntoIterator<Item = DiffItem>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Diff {
    type Item = &'a DiffItem;
    type IntoIter = std::slice::Iter<'a, DiffItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The differences between two values.
///
/// - Null is the same as absent: a value against null is one item, at the top of what was added or removed.
/// - Mappings are compared key by key.
/// - Everything else is compared as a whole, lists too: one added element is a change of the list. Inside
///   of lists null is a value like any other.
/// - Numbers compare by value (`1` is `1.0`), because the API server doesn't always return them as they were
///   written; no number is a boolean.
pub fn diff(old: &Value, new: &Value) -> Diff {
    let mut items = Vec::new();
    compare(old, new, &mut Field::default(), &mut items);
    Diff(items.into())
}

fn compare(old: &Value, new: &Value, field: &mut Field, items: &mut Vec<DiffItem>) {
    let op = match (old, new) {
        (Value::Object(old), Value::Object(new)) => return compare_maps(old, new, field, items),
        _ if equal(old, new) => return,
        (Value::Null, _) => Op::Add,
        (_, Value::Null) => Op::Remove,
        _ => Op::Change,
    };
    items.push(DiffItem { op, field: field.clone(), old: old.clone(), new: new.clone() });
}

fn compare_maps(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    field: &mut Field,
    items: &mut Vec<DiffItem>,
) {
    // Sorted here, because serde_json's own order depends on its feature `preserve_order`.
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        field.push(key);
        compare(old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), field, items);
        field.pop();
    }
}

/// Whether two values are the same, with numbers compared by value.
///
/// Unlike [`diff`], a null in a mapping isn't the same as an absent key.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => equal_numbers(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// Exact for every pair: an integer isn't rounded to a float to be compared with one.
fn equal_numbers(a: &Number, b: &Number) -> bool {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.as_f64() == b.as_f64(),
        _ => false,
    }
}

/// The value of a number as an integer, however it is written; none for fractions, and for floats that no
/// 64-bit integer equals.
pub(super) fn whole(number: &Number) -> Option<i128> {
    if let Some(integer) = number.as_i128() {
        return Some(integer);
    }
    let float = number.as_f64()?;
    let limit = 2f64.powi(64);
    // Within the limit, a whole float converts exactly.
    (float.fract() == 0.0 && float.abs() < limit).then_some(float as i128)
}

/// The value at a path; null where there is none, also below anything that isn't a mapping.
pub fn resolve<'a, S: AsRef<str>>(value: &'a Value, path: &[S]) -> &'a Value {
    path.iter().fold(value, |value, key| value.get(key.as_ref()).unwrap_or(&Value::Null))
}
