//! Texts of column types, before the server has resolved them.

use std::fmt;

/// A type as in the spec: `varchar(50)`.
///
/// Only what `to_regtype` wrongly accepts is rejected here; [the server](crate::types) rejects the rest. The
/// text itself never becomes part of the table's definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnType(String);

/// A text that can't be a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnTypeError {
    /// The text is empty.
    #[error("its type is empty: give a type such as integer or varchar(50)")]
    Empty,
    /// A comment, which `to_regtype` accepts, would swallow what follows the type.
    #[error("its type {0:?} contains a comment (-- or /*), which isn't allowed")]
    Comment(String),
    /// PostgreSQL can't store the character with code zero.
    #[error("its type {0:?} contains a NUL character")]
    Nul(String),
}

impl ColumnType {
    /// Accepts the text of a type.
    ///
    /// # Errors
    ///
    /// [`ColumnTypeError`] if the text is empty or contains a comment or a NUL.
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

    /// The text, trimmed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The integer type of `serial` and the like, which aren't types but a notation for a column with a
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
    fn comments_nul_and_empty_texts_are_rejected() {
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
    fn serial_types_are_recognized_in_any_case() {
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
