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
        check_all(&self.labels, "label", check_label)?;
        check_all(&self.annotations, "annotation", check_annotation)?;
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

/// Checks the conditions on labels or annotations, each and all together.
fn check_all(
    conditions: &[(String, Match)],
    what: &str,
    check: impl Fn(&str, &Match) -> Result<(), String>,
) -> Result<(), String> {
    for (key, wanted) in conditions {
        check(key, wanted)?;
        let of_key: Vec<_> = conditions.iter().filter(|(other, _)| other == key).map(|(_, m)| m).collect();
        let fits = |value: &Option<&Value>| of_key.iter().all(|wanted| holds(wanted, *value));
        if !of_key.iter().flat_map(|wanted| candidates(wanted)).any(|value| fits(&value)) {
            return Err(format!("the conditions on the {what} `{key}` exclude each other"));
        }
    }
    Ok(())
}

/// Checks that a label can fulfil a condition.
///
/// # Errors
/// It can't have this key or such a value.
pub fn check_label(key: &str, wanted: &Match) -> Result<(), String> {
    if !is_key(key) {
        return Err(format!("`{key}` can't be the key of a label: {A_KEY}"));
    }
    named(wanted).iter().try_for_each(|value| {
        check_text("label", key, value)?;
        match value.as_str() {
            Some(text) if !text.is_empty() && !is_name(text) => {
                Err(format!("`{text}` can't be the value of a label: {A_VALUE}"))
            }
            _ => Ok(()),
        }
    })
}

/// Checks that an annotation can fulfil a condition.
///
/// # Errors
/// It can't have this key or such a value.
pub fn check_annotation(key: &str, wanted: &Match) -> Result<(), String> {
    // Kubernetes takes capital letters in their domains, though not in those of labels.
    if !is_key(&key.to_lowercase()) {
        return Err(format!("`{key}` can't be the key of an annotation: {A_KEY}"));
    }
    named(wanted).iter().try_for_each(|value| check_text("annotation", key, value))
}

fn check_text(what: &str, key: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Null | Value::String(_) => Ok(()),
        Value::Bool(_) | Value::Number(_) => {
            Err(format!("the {what} `{key}` is never `{value}`, since {what}s are text: write `\"{value}\"`"))
        }
        _ => Err(format!("the {what} `{key}` is never a list or a mapping, since {what}s are text")),
    }
}

/// Checks that some object may have this field.
///
/// # Errors
/// None can.
pub fn check_field(field: &Field) -> Result<(), String> {
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
        [metadata, all, name @ ..] if metadata == "metadata" && (all == "labels" || all == "annotations") => {
            check_entry(field, all, name)
        }
        [metadata, fields, ..] if metadata == "metadata" && fields == "managedFields" => {
            Err("korf doesn't read `metadata.managedFields`".to_owned())
        }
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
mod tests {
    use super::*;
    use crate::filter::selector;
    use serde_json::json;

    fn label(key: &str, wanted: impl Into<Match>) -> Filter {
        labels(vec![(key.to_owned(), wanted.into())])
    }

    fn labels(labels: Vec<(String, Match)>) -> Filter {
        Filter { labels, ..Filter::default() }
    }

    fn annotation(key: &str, wanted: impl Into<Match>) -> Filter {
        Filter { annotations: vec![(key.to_owned(), wanted.into())], ..Filter::default() }
    }

    fn field(field: impl Into<Field>) -> Filter {
        Filter { field: Some(field.into()), ..Filter::default() }
    }

    fn change(old: impl Into<Match>, new: impl Into<Match>) -> Filter {
        Filter { old: Some(old.into()), new: Some(new.into()), ..field("spec.size") }
    }

    #[test]
    fn what_kubernetes_does_not_allow_is_said() {
        for (filter, why) in [
            (
                label("mirror", true),
                "the label `mirror` is never `true`, since labels are text: write `\"true\"`",
            ),
            (label("size", 5), "the label `size` is never `5`, since labels are text: write `\"5\"`"),
            (
                label("size", json!([1])),
                "the label `size` is never a list or a mapping, since labels are text",
            ),
            (
                annotation("note", 1.5),
                "the annotation `note` is never `1.5`, since annotations are text: write `\"1.5\"`",
            ),
            (label("a b", "x"), &format!("`a b` can't be the key of a label: {A_KEY}")),
            (label("Example.com/a", "x"), &format!("`Example.com/a` can't be the key of a label: {A_KEY}")),
            (
                annotation("a/b/c", Match::Absent),
                &format!("`a/b/c` can't be the key of an annotation: {A_KEY}"),
            ),
            (label("app", "two words"), &format!("`two words` can't be the value of a label: {A_VALUE}")),
            (
                label("app", Match::NoneOf(vec!["a".into(), "b c".into()])),
                &format!("`b c` can't be the value of a label: {A_VALUE}"),
            ),
            (field(".data"), "no object has a field `.data`: write `data`"),
            (field("spec..size"), "no object has a field `spec..size`: write `spec.size`"),
            (
                field("/spec/size"),
                "no object has a field `/spec/size`: a field is its keys with dots between them, such as `spec.size`",
            ),
            (
                field("metadata.labels.app.kubernetes.io/name"),
                "no object has a field `metadata.labels.app.kubernetes.io/name`, since labels have no fields; a key with \
                 dots is part of a list: `[\"metadata\", \"labels\", \"app.kubernetes.io/name\"]`",
            ),
            (field("metadata.labels.a b"), &format!("`a b` can't be the key of a label: {A_KEY}")),
            (field("metadata.managedFields"), "korf doesn't read `metadata.managedFields`"),
            (
                Filter { value: Some(true.into()), ..field("metadata.labels.mirror") },
                "the label `mirror` is never `true`, since labels are text: write `\"true\"`",
            ),
        ] {
            assert_eq!(filter.check(), Err(why.to_owned()), "{filter:?}");
        }
    }

    #[test]
    fn what_excludes_itself_is_said() {
        let exclusive = Err("the conditions on the label `app` exclude each other".to_owned());
        for selected in
            ["app=a,app=b", "app,!app", "app=a,!app", "app=a,app!=a", "app in (a,b),app notin (a,b)"]
        {
            assert_eq!(labels(selector(selected).unwrap()).check(), exclusive, "{selected}");
        }
        let none = Err("the field `spec.size` can't have such a value".to_owned());
        assert_eq!(Filter { value: Some(Match::OneOf(vec![])), ..field("spec.size") }.check(), none);
        let unchanged = Err("`old` and `new` of the field `spec.size` are no change".to_owned());
        for filter in [change(5, 5), change(5, 5.0), change(Match::Absent, Match::Absent)] {
            assert_eq!(filter.check(), unchanged, "{filter:?}");
        }
    }

    #[test]
    fn what_may_match_is_left_alone() {
        let dotted = ["metadata", "labels", "app.kubernetes.io/name"];
        for filter in [
            Filter::default(),
            labels(selector("app=a,app!=b,tier,!legacy,size in (s,m),size notin (m)").unwrap()),
            labels(selector("app!=a,app!=b").unwrap()),
            label("app", ""),
            label("app", Value::Null),
            label("app", Match::passes(|_| false)),
            annotation("Example.com/Note", "two words\n"),
            field("spec.size"),
            field(dotted),
            field("metadata.labels"),
            field("spec.a/b.c[0]"),
            Filter { value: Some("x".into()), ..field(dotted) },
            Filter { value: Some(Match::Absent), ..field("spec.size") },
            change(Match::Absent, Match::Present),
            change(Match::Present, Match::Present),
            change(5, Match::Present),
            change(5, Match::passes(|_| true)),
            change(1, true),
            Filter { old: Some(5.into()), ..field("spec.size") },
        ] {
            assert_eq!(filter.check(), Ok(()), "{filter:?}");
        }
    }
}
