//! Reference to the Secret by which an object's database is reached.

use super::{SpecError, present, shape, text};
use serde_json::{Map, Value};

/// The field.
pub(super) const FIELD: &str = "connectionSecretRef";
const SHAPE: &str = "a map with the name of a Secret";
/// The longest name of an object, and of a key.
const LONGEST: usize = 253;
/// The longest name of a namespace.
const LONGEST_LABEL: usize = 63;

/// The Secret that says where an object's table is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// Its name.
    pub name: String,
    /// Its namespace; `None`: the object's own.
    pub namespace: Option<String>,
    /// The key with the database's URL; `None`: one of those that are known.
    pub key: Option<String>,
}

impl SecretRef {
    /// Reads the field of a spec, whatever else is wrong there.
    pub(super) fn from_spec(spec: &Value) -> Result<Option<Self>, SpecError> {
        let Some(value) = spec.as_object().and_then(|spec| present(spec, FIELD)) else { return Ok(None) };
        let field = format!("spec.{FIELD}");
        let fields = value.as_object().ok_or_else(|| shape(&field, SHAPE, value))?;
        if let Some(unknown) = fields.keys().find(|key| !["name", "namespace", "key"].contains(&&***key)) {
            return Err(SpecError::Reference {
                field: format!("{field}.{unknown}"),
                expected: "absent: it isn't known",
            });
        }
        let Some(name) = part(fields, "name", "the name of a Secret", |text| is_name(text, LONGEST, "-."))?
        else {
            return Err(SpecError::Reference {
                field: format!("{field}.name"),
                expected: "the name of a Secret",
            });
        };
        Ok(Some(Self {
            name,
            namespace: part(fields, "namespace", "the name of a namespace", |text| {
                is_name(text, LONGEST_LABEL, "-")
            })?,
            key: part(fields, "key", "a key of the Secret", is_key)?,
        }))
    }
}

/// A text in the reference, if it is there.
fn part(
    fields: &Map<String, Value>,
    name: &str,
    expected: &'static str,
    is_valid: impl FnOnce(&str) -> bool,
) -> Result<Option<String>, SpecError> {
    let Some(value) = present(fields, name) else { return Ok(None) };
    let field = format!("spec.{FIELD}.{name}");
    let text = text(value, || field.clone(), expected)?;
    if is_valid(text) { Ok(Some(text.to_owned())) } else { Err(SpecError::Reference { field, expected }) }
}

/// Whether Kubernetes takes a text for a name: it becomes a part of a path.
fn is_name(text: &str, longest: usize, between: &str) -> bool {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=longest).contains(&text.len())
        && text.chars().all(|c| is_end(c) || between.contains(c))
        && text.starts_with(is_end)
        && text.ends_with(is_end)
}

fn is_key(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Option<SecretRef>, SpecError> {
        SecretRef::from_spec(&json!({ FIELD: value }))
    }

    #[test]
    fn the_reference_has_a_name_and_may_have_a_namespace_and_a_key() {
        let reference = |namespace: Option<&str>, key: Option<&str>| SecretRef {
            name: "pg-app".to_owned(),
            namespace: namespace.map(str::to_owned),
            key: key.map(str::to_owned),
        };
        for (value, expected) in [
            (json!(null), None),
            (json!({"name": "pg-app"}), Some(reference(None, None))),
            (json!({"name": "pg-app", "key": null}), Some(reference(None, None))),
            (
                json!({"name": "pg-app", "namespace": "db", "key": "pgbouncer-uri"}),
                Some(reference(Some("db"), Some("pgbouncer-uri"))),
            ),
        ] {
            assert_eq!(read(&value).unwrap(), expected, "{value}");
        }
        for spec in [json!(null), json!("x"), json!({"tableName": "t"})] {
            assert_eq!(SecretRef::from_spec(&spec), Ok(None));
        }
    }

    #[test]
    fn a_reference_that_can_be_none_is_rejected_with_what_it_should_be() {
        let long = "a".repeat(254);
        for (value, why) in [
            (
                json!("pg-app"),
                "spec.connectionSecretRef must be a map with the name of a Secret, not a string",
            ),
            (json!({}), "spec.connectionSecretRef.name must be the name of a Secret"),
            (json!({"name": 7}), "spec.connectionSecretRef.name must be the name of a Secret, not a number"),
            (json!({"name": ""}), "spec.connectionSecretRef.name must be the name of a Secret"),
            (json!({"name": "a/../b"}), "spec.connectionSecretRef.name must be the name of a Secret"),
            (json!({"name": "-a"}), "spec.connectionSecretRef.name must be the name of a Secret"),
            (json!({"name": "A"}), "spec.connectionSecretRef.name must be the name of a Secret"),
            (json!({ "name": long }), "spec.connectionSecretRef.name must be the name of a Secret"),
            (
                json!({"name": "a", "namespace": "b.c"}),
                "spec.connectionSecretRef.namespace must be the name of a namespace",
            ),
            (json!({"name": "a", "key": "b/c"}), "spec.connectionSecretRef.key must be a key of the Secret"),
            (
                json!({"name": "a", "keys": "b"}),
                "spec.connectionSecretRef.keys must be absent: it isn't known",
            ),
        ] {
            let error = read(&value).unwrap_err().to_string();
            assert_eq!(error, why, "{value}");
        }
    }
}
