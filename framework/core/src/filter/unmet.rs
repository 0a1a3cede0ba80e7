//! Unmet condition: why a filter doesn't select an object, or a change of it.

use super::Match;
use crate::diff::Field;
use serde_json::Value;
use std::fmt;

/// The first condition of a filter that isn't fulfilled. It prints in words, with the values that the filter names, and
/// none of the object's.
#[derive(Clone, Copy, Debug)]
pub enum Unmet<'a> {
    /// That on a label.
    Label(&'a str, &'a Match),
    /// That on an annotation.
    Annotation(&'a str, &'a Match),
    /// That on the field, before the change and after it.
    Field(&'a Field, &'a Match),
    /// The field hasn't changed; without one, nothing has.
    Unchanged(Option<&'a Field>),
    /// That on the field before the change.
    Old(&'a Field, &'a Match),
    /// That on the field now.
    New(&'a Field, &'a Match),
    /// The condition of the handler's own.
    When,
}

impl fmt::Display for Unmet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key, wanted) => write!(f, "label {key} {}", Instead(wanted)),
            Self::Annotation(key, wanted) => write!(f, "annotation {key} {}", Instead(wanted)),
            Self::Field(field, wanted) | Self::New(field, wanted) => {
                write!(f, "field {field} {}", Instead(wanted))
            }
            Self::Unchanged(Some(field)) => write!(f, "field {field} hasn't changed"),
            Self::Unchanged(None) => f.write_str("nothing has changed"),
            Self::Old(field, wanted) => write!(f, "field {field}, before the change, {}", Instead(wanted)),
            Self::When => f.write_str("its condition `when` doesn't hold"),
        }
    }
}

/// What a value is that doesn't fulfil a condition.
struct Instead<'a>(&'a Match);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Match::Is(wanted) => write!(f, "isn't {wanted}"),
            Match::Present => f.write_str("is missing"),
            Match::Absent => f.write_str("is there"),
            Match::OneOf(wanted) => write!(f, "isn't one of {}", Value::from(wanted.clone())),
            Match::NoneOf(others) => write!(f, "is one of {}", Value::from(others.clone())),
            Match::Passes(_) => f.write_str("doesn't pass the handler's test"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_is_not_fulfilled_is_told_in_words() {
        let (gold, field) = (Match::from("gold"), Field::from("spec.tier"));
        let several = || vec!["a".into(), Value::from(1)];
        for (unmet, expected) in [
            (Unmet::Label("tier", &gold), r#"label tier isn't "gold""#),
            (Unmet::Label("tier", &Match::Present), "label tier is missing"),
            (Unmet::Annotation("a/b", &Match::Absent), "annotation a/b is there"),
            (Unmet::Field(&field, &Match::OneOf(several())), r#"field spec.tier isn't one of ["a",1]"#),
            (Unmet::New(&field, &Match::NoneOf(several())), r#"field spec.tier is one of ["a",1]"#),
            (Unmet::Old(&field, &gold), r#"field spec.tier, before the change, isn't "gold""#),
            (
                Unmet::New(&field, &Match::passes(Value::is_null)),
                "field spec.tier doesn't pass the handler's test",
            ),
            (Unmet::Unchanged(Some(&field)), "field spec.tier hasn't changed"),
            (Unmet::Unchanged(None), "nothing has changed"),
            (Unmet::When, "its condition `when` doesn't hold"),
        ] {
            assert_eq!(unmet.to_string(), expected);
        }
    }
}
