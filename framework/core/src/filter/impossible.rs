//! Impossible filters: those that no object can ever match, as far as their values tell.
//!
//! Such a filter is a mistake, and a silent one: its handler is never called. What Kubernetes doesn't allow, and what excludes
//! itself, is found here. A test of the user's own is not called: it may pass.

use super::{Filter, Match};
use crate::{
    diff::{Field, equal},
    syntax::{is_key, is_name},
};
use serde_json::Value;
use std::slice;

const A_KEY: &str = "a key is at most 63 letters, digits, `-`, `_` and `.`, which begin and end with a letter or a \
                     digit; a domain and a slash may come before them";
const A_VALUE: &str =
    "a value is at most 63 letters, digits, `-`, `_` and `.`, which begin and end with a letter or a digit";

impl Filter {
    /// Checks that some object may match.
    ///
    /// # Errors
    /// The reason why none ever does.
    pub fn check(&self) -> Result<(), String> {
        check_all(&self.labels, "label", label_value)?;
        check_all(&self.annotations, "annotation", annotation_value)?;
        let Some(field) = &self.field else { return Ok(()) };
        check_field(field)?;
        let values = [&self.value, &self.old, &self.new].into_iter().flatten();
        match field.keys() {
            [metadata, labels, key] if metadata == "metadata" && labels == "labels" => {
                values.into_iter().try_for_each(|wanted| check_label(key, wanted))?;
            }
            [metadata, annotations, key] if metadata == "metadata" && annotations == "annotations" => {
                values.into_iter().try_for_each(|wanted| check_annotation(key, wanted))?;
            }
            _ => {}
        }
        if candidates(self.value.as_ref().unwrap_or(&Match::Present)).is_empty() {
            return Err(format!("the field `{field}` can't have such a value"));
        }
        let old = self.old.as_ref().map_or_else(anything, candidates);
        let new = self.new.as_ref().map_or_else(anything, candidates);
        if old.iter().any(|old| new.iter().any(|new| is_change(*old, *new))) {
            return Ok(());
        }
        Err(format!("`old` and `new` of the field `{field}` are no change"))
    }
}

/// Whether a label or an annotation with a key can have a value, or why not.
type ValueCheck = fn(&str, Candidate<'_>) -> Result<(), String>;

/// Checks the conditions on labels or annotations, each and all together.
fn check_all(conditions: &[(String, Match)], what: &str, check: ValueCheck) -> Result<(), String> {
    for (key, wanted) in conditions {
        check_one(key, wanted, check)?;
        let of_key: Vec<_> = conditions.iter().filter(|(other, _)| other == key).map(|(_, m)| m).collect();
        let fits = |value: &Candidate<'_>| {
            check(key, *value).is_ok() && of_key.iter().all(|wanted| holds(wanted, *value))
        };
        if !of_key.iter().flat_map(|wanted| candidates(wanted)).any(|value| fits(&value)) {
            return Err(format!("the conditions on the {what} `{key}` exclude each other"));
        }
    }
    Ok(())
}

/// Checks that one of the values that fulfil a condition is possible. A condition that nothing fulfils has no such reason.
fn check_one(key: &str, wanted: &Match, check: ValueCheck) -> Result<(), String> {
    let checked: Vec<_> = candidates(wanted).into_iter().map(|value| check(key, value)).collect();
    if checked.iter().any(Result::is_ok) { Ok(()) } else { checked.into_iter().collect() }
}

/// Checks that a label can fulfil a condition.
///
/// # Errors
/// It can't have this key or such a value.
pub fn check_label(key: &str, wanted: &Match) -> Result<(), String> {
    check_one(key, wanted, label_value)
}

/// Checks that an annotation can fulfil a condition.
///
/// # Errors
/// It can't have this key or such a value.
pub fn check_annotation(key: &str, wanted: &Match) -> Result<(), String> {
    check_one(key, wanted, annotation_value)
}

fn label_value(key: &str, value: Candidate<'_>) -> Result<(), String> {
    check_entry_of("label", key, is_key(key), value)?;
    match value.and_then(Value::as_str) {
        Some(text) if !text.is_empty() && !is_name(text) => {
            Err(format!("`{text}` can't be the value of a label: {A_VALUE}"))
        }
        _ => Ok(()),
    }
}

fn annotation_value(key: &str, value: Candidate<'_>) -> Result<(), String> {
    // Kubernetes takes capital letters in their domains, though not in those of labels.
    check_entry_of("annotation", key, is_key(&key.to_lowercase()), value)
}

/// Checks what labels and annotations have in common. What has no possible key is absent from every object.
fn check_entry_of(what: &str, key: &str, is_key: bool, value: Candidate<'_>) -> Result<(), String> {
    match value {
        Some(Value::Null) => Ok(()),
        _ if !is_key => {
            let article = if what == "label" { "a" } else { "an" };
            Err(format!("`{key}` can't be the key of {article} {what}: {A_KEY}"))
        }
        None | Some(Value::String(_)) => Ok(()),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => {
            Err(format!("the {what} `{key}` is never `{value}`, since {what}s are text: write `\"{value}\"`"))
        }
        Some(_) => Err(format!("the {what} `{key}` is never a list or a mapping, since {what}s are text")),
    }
}

/// Checks that some object may have this field. A list of keys is one unless Kubernetes itself says otherwise, since a CRD
/// may have keys with dots, with slashes, and empty ones.
///
/// # Errors
/// None can.
pub fn check_field(field: &Field) -> Result<(), String> {
    if field.is_text() {
        check_text(field)?;
    }
    match field.keys() {
        [metadata, empty, ..] if metadata == "metadata" && empty.is_empty() => {
            Err(format!("no object has a field `{field}`: `metadata` has no empty key"))
        }
        [metadata, all, name @ ..] if metadata == "metadata" && (all == "labels" || all == "annotations") => {
            check_entry(field, all, name)
        }
        [metadata, fields, ..] if metadata == "metadata" && fields == "managedFields" => {
            Err("korf doesn't read `metadata.managedFields`".to_owned())
        }
        _ => Ok(()),
    }
}

/// Checks for what people write who know other notations than keys with dots.
fn check_text(field: &Field) -> Result<(), String> {
    let keys = field.keys();
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if keys.iter().any(String::is_empty) {
        let keys: Vec<_> = keys.iter().map(String::as_str).filter(|key| !key.is_empty()).collect();
        return Err(format!("no object has a field `{field}`: write `{}`", keys.join(".")));
    }
    match keys {
        [first, ..] if !first.chars().all(of_a_name) => Err(format!(
            "no object has a field `{field}`: a field is its keys with dots between them, such as `spec.size`"
        )),
        _ => Ok(()),
    }
}

/// Checks a field in the labels or annotations.
fn check_entry(field: &Field, all: &str, name: &[String]) -> Result<(), String> {
    match name {
        [] => Ok(()),
        [key] if all == "labels" => check_label(key, &Match::Present),
        [key] => check_annotation(key, &Match::Present),
        parts => Err(format!(
            "no object has a field `{field}`, since {all} have no fields; a key with dots is part of a list: `[\"metadata\", \
             \"{all}\", \"{}\"]`",
            parts.join(".")
        )),
    }
}

/// A value of a kind: one that a condition names, null where there is none, or, as none here, any other one.
type Candidate<'a> = Option<&'a Value>;

/// The values that a condition names.
fn named(wanted: &Match) -> &[Value] {
    match wanted {
        Match::Is(value) => slice::from_ref(value),
        Match::OneOf(values) | Match::NoneOf(values) => values,
        Match::Present | Match::Absent | Match::Passes(_) => &[],
    }
}

/// The values that fulfil a condition, as far as one can tell them apart.
fn candidates(wanted: &Match) -> Vec<Candidate<'_>> {
    let known = named(wanted).iter().chain([&Value::Null]).map(Some);
    known.chain([None]).filter(|value| holds(wanted, *value)).collect()
}

fn anything<'a>() -> Vec<Candidate<'a>> {
    vec![Some(&Value::Null), None]
}

fn holds(wanted: &Match, value: Candidate<'_>) -> bool {
    match (wanted, value) {
        (Match::Passes(_), _) => true,
        (_, Some(value)) => wanted.holds(value),
        (_, None) => matches!(wanted, Match::Present | Match::NoneOf(_)),
    }
}

/// Whether a field that had the first value and has the second one has changed, and is or was there.
fn is_change(old: Candidate<'_>, new: Candidate<'_>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => !equal(old, new),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
