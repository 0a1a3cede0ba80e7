//! The text of a column's type, before the server has seen it.

use std::fmt;

/// A type as the spec writes it: `varchar(50)`.
///
/// Only what PostgreSQL's own check lets through is refused here; whether the type exists, the server says
/// ([`types`](crate::types)). The text itself never becomes part of the table's definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnType(String);

/// Why a text is no type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnTypeError {
    /// There is no text.
    #[error("its type is empty: give a type such as integer or varchar(50)")]
    Empty,
    /// A comment would swallow what follows the type, and `to_regtype` lets it through.
    #[error("its type {0:?} contains a comment (-- or /*), which isn't allowed")]
    Comment(String),
    /// No text in PostgreSQL can have the character with code zero.
    #[error("its type {0:?} contains a NUL character")]
    Nul(String),
}

impl ColumnType {
    /// Takes the text of a type.
    ///
    /// # Errors
    ///
    /// [`ColumnTypeError`] for an empty text, a comment or a NUL.
    pub fn parse(text: &str) -> Result<Self, ColumnTypeError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(ColumnTypeError::Empty);
        }
        if trimmed.contains("--") || trimmed.contains("/*") {
            return Err(ColumnTypeError::Comment(text.to_owned()));
        }
        if trimmed.contains('\0') {
            return Err(ColumnTypeError::Nul(text.to_owned()));
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// The text, without white space at its ends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The integer type behind `serial` and its kin, which are no types but a way to write a column with a
    /// sequence.
    pub fn serial_base(&self) -> Option<&'static str> {
        match self.0.to_ascii_lowercase().as_str() {
            "smallserial" | "serial2" => Some("smallint"),
            "serial" | "serial4" => Some("integer"),
            "bigserial" | "serial8" => Some("bigint"),
            _ => None,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_nul_and_nothing_are_refused() {
        for (text, why) in [
            ("", "empty"),
            (" \t", "empty"),
            ("integer -- x", "comment"),
            ("integer); DROP TABLE x; --", "comment"),
            ("integer /* x */", "comment"),
            ("int\0eger", "NUL"),
        ] {
            let error = ColumnType::parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        assert_eq!(ColumnType::parse(" numeric(10, 2) ").unwrap().as_str(), "numeric(10, 2)");
    }

    #[test]
    fn the_serial_family_is_known_in_any_case() {
        for (text, behind) in [
            ("serial", Some("integer")),
            ("BIGSERIAL", Some("bigint")),
            ("serial2", Some("smallint")),
            ("integer", None),
            ("serial[]", None),
        ] {
            assert_eq!(ColumnType::parse(text).unwrap().serial_base(), behind, "{text}");
        }
    }
}
