//! Texts of column types, before the server has resolved them.

use crate::identifier::MAX_BYTES;
use std::fmt;

/// Words that begin what can follow the type in a column's definition.
const CLAUSES: [&str; 12] = [
    "NOT",
    "NULL",
    "DEFAULT",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "REFERENCES",
    "GENERATED",
    "COLLATE",
    "CONSTRAINT",
    "STORAGE",
    "COMPRESSION",
];

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

    /// A word in the text, outside quotes, that begins a constraint, a default or the like: it isn't part of a type.
    pub fn clause(&self) -> Option<&'static str> {
        let unquoted: String = self.0.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let words: Vec<_> = unquoted
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map(str::to_ascii_uppercase)
            .filter(|word| !word.is_empty())
            .collect();
        // The first word is the type itself, or a part of it.
        words.iter().skip(1).find_map(|word| CLAUSES.into_iter().find(|clause| clause == word))
    }

    /// Whether the text has the size of an array, `integer[3]`, which the server ignores.
    pub fn has_array_size(&self) -> bool {
        let unquoted = self.unquoted();
        unquoted.split('[').skip(1).any(|rest| rest.trim_start().starts_with(|c: char| c.is_ascii_digit()))
    }

    /// Whether the text has several pairs of brackets, `integer[][]`, of which the server keeps one.
    pub fn has_dimensions(&self) -> bool {
        self.unquoted().matches('[').count() > 1
    }

    fn unquoted(&self) -> String {
        self.0.split('"').step_by(2).collect()
    }

    /// The last number in parentheses, as written.
    pub fn digits(&self) -> Option<&str> {
        let (_, rest) = self.0.rsplit_once('(')?;
        let (modifiers, _) = rest.split_once(')')?;
        modifiers.rsplit(',').next().map(|last| last.trim().trim_matches('\''))
    }

    /// Whether a part of the text is a name of more bytes than the server keeps.
    pub fn has_long_name(&self) -> bool {
        // Every second part is in quotes. A doubled quote is one character of the name.
        let parts = self.0.replace("\"\"", "_");
        parts.split('"').enumerate().any(|(number, part)| {
            let is_quoted = number % 2 == 1;
            let mut names = part.split(|c: char| {
                !is_quoted && c.is_ascii() && !c.is_ascii_alphanumeric() && !"_$".contains(c)
            });
            names.any(|name| name.len() > MAX_BYTES)
        })
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

    #[test]
    fn constraints_and_defaults_are_told_from_types() {
        for (text, clause) in [
            ("int not null", Some("NOT")),
            ("int default 5", Some("DEFAULT")),
            ("varchar(5) NULL", Some("NULL")),
            ("integer PRIMARY KEY", Some("PRIMARY")),
            ("bigint generated always as identity", Some("GENERATED")),
            ("text\tCHECK(a > 1)", Some("CHECK")),
            ("integer references t", Some("REFERENCES")),
            ("text collate \"C\"", Some("COLLATE")),
            ("timestamp with time zone", None),
            ("\"my default\"", None),
            ("\"a\".\"not null\"", None),
            ("default", None),
        ] {
            assert_eq!(ColumnType::parse(text).unwrap().clause(), clause, "{text}");
        }
    }

    #[test]
    fn what_the_server_cuts_is_found_in_the_text() {
        let parse = |text: &str| ColumnType::parse(text).unwrap();
        for (text, digits) in [
            ("timestamp(9)", Some("9")),
            ("timestamp ( 9 ) with time zone", Some("9")),
            ("\"timestamp\"('9')[]", Some("9")),
            ("\"interval\"(4, 9)", Some("9")),
            ("interval second(7)", Some("7")),
            ("timestamp", None),
        ] {
            assert_eq!(parse(text).digits(), digits, "{text}");
        }
        for (text, has_size) in [
            ("int[3]", true),
            ("int [ 3 ]", true),
            ("int array[4]", true),
            ("int[]", false),
            ("\"a[3]\"", false),
            ("int array", false),
        ] {
            assert_eq!(parse(text).has_array_size(), has_size, "{text}");
        }
        for (text, has_dimensions) in [
            ("int[][]", true),
            ("int [3] [ ]", true),
            ("int[]", false),
            ("\"a[][]\"[]", false),
            ("int array[4]", false),
        ] {
            assert_eq!(parse(text).has_dimensions(), has_dimensions, "{text}");
        }
        let (fits, long) = ("x".repeat(63), "x".repeat(64));
        for (text, is_long) in [
            (fits.clone(), false),
            (long.clone(), true),
            (format!("public.{long}(3)"), true),
            (format!("{fits}.{fits}"), false),
            (format!("\"{fits}\".\"{}\"[]", "a b".repeat(22)), true),
            ("é".repeat(32), true),
            ("timestamp without time zone, and with many more words than that in a row".to_owned(), false),
        ] {
            assert_eq!(parse(&text).has_long_name(), is_long, "{text}");
        }
    }
}
