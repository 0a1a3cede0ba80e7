//! Policies of a `DatabaseTable`: what is done where a person could want either.
//!
//! Each is one of two words. Anything else is a mistake that is told, and never the default: who has misspelt `Retain` doesn't
//! want the table dropped.

use super::{SpecError, present};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Debug;

/// The most characters of an unknown word that a message shows.
const MOST_SHOWN: usize = 40;

/// All policies of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policies {
    /// What becomes of the table when the object is deleted.
    pub deletion: DeletionPolicy,
    /// Whether a table that has no owner may become the object's.
    pub adoption: AdoptionPolicy,
    /// What is done where somebody has changed the table.
    pub drift: DriftPolicy,
}

/// What becomes of the table when its object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// It is dropped.
    #[default]
    Delete,
    /// It stays, and the database isn't asked.
    Retain,
}

/// Whether a table that is there already, and has no owner, may become an object's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AdoptionPolicy {
    /// No.
    #[default]
    Never,
    /// If nothing has to be changed but its comment.
    IfCompatible,
}

/// What is done where somebody has changed an object's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DriftPolicy {
    /// The status tells it.
    Report,
    /// What loses no data is made as it was.
    #[default]
    Repair,
}

/// A policy: a field of the spec whose value is one of two words, which are the names of the variants.
trait Policy: Copy + Debug + Default + 'static {
    const FIELD: &'static str;
    const CHOICES: [Self; 2];
}

impl Policy for DeletionPolicy {
    const FIELD: &'static str = "deletionPolicy";
    const CHOICES: [Self; 2] = [Self::Delete, Self::Retain];
}

impl Policy for AdoptionPolicy {
    const FIELD: &'static str = "adoptionPolicy";
    const CHOICES: [Self; 2] = [Self::Never, Self::IfCompatible];
}

impl Policy for DriftPolicy {
    const FIELD: &'static str = "driftPolicy";
    const CHOICES: [Self; 2] = [Self::Report, Self::Repair];
}

impl Policies {
    /// Reads all policies.
    ///
    /// # Errors
    ///
    /// [`SpecError::Policy`], the first mistake.
    pub(super) fn of(spec: &Map<String, Value>) -> Result<Self, SpecError> {
        Ok(Self { deletion: read(spec)?, adoption: read(spec)?, drift: read(spec)? })
    }
}

impl DeletionPolicy {
    /// Reads the policy of a spec of any shape, whatever else is wrong with it.
    ///
    /// # Errors
    ///
    /// [`SpecError::Policy`] if it is none of the words.
    pub fn of(spec: &Value) -> Result<Self, SpecError> {
        spec.as_object().map_or(Ok(Self::default()), read)
    }
}

fn read<P: Policy>(spec: &Map<String, Value>) -> Result<P, SpecError> {
    let Some(value) = present(spec, P::FIELD) else { return Ok(P::default()) };
    let is_meant = |choice: &P| value.as_str().is_some_and(|word| word == format!("{choice:?}"));
    P::CHOICES.into_iter().find(is_meant).ok_or_else(|| {
        let [one, other] = P::CHOICES.map(|choice| format!("{choice:?}"));
        SpecError::Policy { field: P::FIELD, choices: format!("{one} or {other}"), found: shown(value) }
    })
}

/// What is there instead of a word, as a message shows it.
fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(word) if word.chars().nth(MOST_SHOWN).is_none() => format!("{word:?}"),
        _ => super::kind_of(value).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Declaration, Table};
    use serde_json::json;

    fn spec(field: &str, value: &Value) -> Value {
        json!({"tableName": "t", "columns": [{"a": "int"}], field: value})
    }

    #[test]
    fn a_policy_is_one_of_two_words_and_has_a_default() {
        let read = |field: &str, value: Value| Table::from_spec(Some(&spec(field, &value))).unwrap().policies;
        let default = Policies {
            deletion: DeletionPolicy::Delete,
            adoption: AdoptionPolicy::Never,
            drift: DriftPolicy::Repair,
        };
        for (field, value, expected) in [
            ("deletionPolicy", json!("Delete"), default),
            ("deletionPolicy", json!(null), default),
            ("deletionPolicy", json!("Retain"), Policies { deletion: DeletionPolicy::Retain, ..default }),
            ("adoptionPolicy", json!("Never"), default),
            (
                "adoptionPolicy",
                json!("IfCompatible"),
                Policies { adoption: AdoptionPolicy::IfCompatible, ..default },
            ),
            ("driftPolicy", json!("Repair"), default),
            ("driftPolicy", json!("Report"), Policies { drift: DriftPolicy::Report, ..default }),
        ] {
            assert_eq!(read(field, value.clone()), expected, "{field}: {value}");
        }
    }

    #[test]
    fn another_word_is_a_mistake_and_not_the_default() {
        for (field, value, why) in [
            (
                "deletionPolicy",
                json!("retain"),
                "spec.deletionPolicy must be Delete or Retain, not \"retain\"",
            ),
            ("deletionPolicy", json!(""), "must be Delete or Retain, not \"\""),
            ("deletionPolicy", json!(true), "must be Delete or Retain, not a boolean"),
            ("deletionPolicy", json!("x".repeat(41)), "not a string"),
            (
                "adoptionPolicy",
                json!(["Never"]),
                "spec.adoptionPolicy must be Never or IfCompatible, not a list",
            ),
            ("driftPolicy", json!("Ignore"), "spec.driftPolicy must be Report or Repair, not \"Ignore\""),
        ] {
            let error = Table::from_spec(Some(&spec(field, &value))).expect_err(why).to_string();
            assert!(error.contains(why), "{value}: {error}");
        }
    }

    #[test]
    fn the_deletion_policy_is_known_whatever_else_is_wrong() {
        for (value, expected) in [
            (json!({"deletionPolicy": "Retain"}), Some(DeletionPolicy::Retain)),
            (
                json!({"tableName": 7, "adoptionPolicy": "x", "deletionPolicy": "Retain"}),
                Some(DeletionPolicy::Retain),
            ),
            (json!({"tableName": "t", "deletionPolicy": "Keep"}), None),
            (json!({}), Some(DeletionPolicy::Delete)),
            (json!("x"), Some(DeletionPolicy::Delete)),
            (json!(null), Some(DeletionPolicy::Delete)),
        ] {
            let declared: Declaration = serde_json::from_value(value.clone()).unwrap();
            assert!(declared.table.is_err());
            assert_eq!(declared.deletion.ok(), expected, "{value}");
            assert_eq!(DeletionPolicy::of(&value).ok(), expected, "{value}");
        }
    }
}
