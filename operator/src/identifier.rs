//! The names of tables and columns, read as PostgreSQL reads them.
//!
//! `WEBSITE_USERS` in a query is the table `website_users`; `"WEBSITE_USERS"` is another one. A name in the
//! spec follows the same rule, so that a query that copies the name from the spec finds the table. What goes
//! into a statement is always quoted, which makes reserved words, blanks and quotes ordinary characters of a
//! name.
//!
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>

use std::fmt;

/// The longest name that PostgreSQL keeps, in bytes. It cuts longer ones with nothing but a NOTICE.
pub const MAX_BYTES: usize = 63;

/// The columns that every table has.
const SYSTEM_COLUMNS: [&str; 6] = ["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// A name as the catalog has it: folded if it was written bare, exact if it was written in quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// There is nothing, or nothing between the quotes.
    #[error("the name {0:?} is empty")]
    Empty(String),
    /// PostgreSQL would cut the name.
    #[error(
        "the name {name:?} has {bytes} bytes, and PostgreSQL keeps at most {MAX_BYTES}: choose a shorter one"
    )]
    TooLong {
        /// The name, folded and without its quotes.
        name: String,
        /// Its length.
        bytes: usize,
    },
    /// No text in PostgreSQL can have the character with code zero.
    #[error("the name {0:?} contains a NUL character, which PostgreSQL can't store")]
    Nul(String),
    /// `schema.table`, or a dotted name that lacks its quotes.
    #[error("the name {0:?} has a dot outside quotes: give the name alone, or quote it if the dot belongs to \
             it: {quoted}", quoted = yaml_quoted(.0))]
    Dot(String),
    /// A quote in a bare name, or one that isn't closed, or something after the closing one.
    #[error(
        "the quotes of the name {0:?} are broken: put one before the name and one after it, and double those \
         inside"
    )]
    Quotes(String),
    /// White space in a bare name.
    #[error("the name {0:?} has white space outside quotes: remove it, or quote the name if it belongs to \
             it: {quoted}", quoted = yaml_quoted(.0))]
    WhiteSpace(String),
    /// A line break or the like in a bare name.
    #[error("the name {0:?} has a control character outside quotes: remove it")]
    Control(String),
    /// `ctid` and the like.
    #[error("{0} is a system column that every table has: choose another name for the column")]
    SystemColumn(Identifier),
}

impl Identifier {
    /// Reads a name as PostgreSQL does in a query: folded, unless it is in double quotes.
    ///
    /// Only ASCII letters are folded, as the server does with UTF-8. A bare name may have any character that
    /// can't be mistaken for syntax; PostgreSQL itself would want quotes around more of them.
    ///
    /// # Errors
    ///
    /// [`IdentifierError`], with the text and what to do.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.contains('\0') {
            return Err(IdentifierError::Nul(text.to_owned()));
        }
        let name = match text.strip_prefix('"') {
            Some(rest) => unquote(rest).ok_or_else(|| broken(text, rest))?,
            None => fold(text)?,
        };
        match name.len() {
            0 => Err(IdentifierError::Empty(text.to_owned())),
            1..=MAX_BYTES => Ok(Self(name)),
            bytes => Err(IdentifierError::TooLong { name, bytes }),
        }
    }

    /// Reads the name of a column.
    ///
    /// # Errors
    ///
    /// As [`Identifier::parse`], and for the names of system columns.
    pub fn parse_column(text: &str) -> Result<Self, IdentifierError> {
        let name = Self::parse(text)?;
        if SYSTEM_COLUMNS.contains(&name.as_str()) {
            return Err(IdentifierError::SystemColumn(name));
        }
        Ok(name)
    }

    /// The name as the catalog has it, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name in quotes, as it goes into a statement.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(&self.0))
    }
}

/// Any text of the catalog as a quoted identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Any text as a string literal.
///
/// The E form, because the meaning of a backslash in the plain one depends on `standard_conforming_strings`.
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    if text.contains('\\') { format!("E'{escaped}'") } else { format!("'{escaped}'") }
}

/// What stands between the opening quote, which the caller took off, and the closing one at the very end.
fn unquote(rest: &str) -> Option<String> {
    let inner = rest.strip_suffix('"')?;
    let name = inner.replace("\"\"", "\0");
    (!name.contains('"')).then(|| name.replace('\0', "\""))
}

fn broken(text: &str, rest: &str) -> IdentifierError {
    let dotted = rest.contains("\".");
    if dotted { IdentifierError::Dot(text.to_owned()) } else { IdentifierError::Quotes(text.to_owned()) }
}

fn fold(text: &str) -> Result<String, IdentifierError> {
    let refuse = |why: fn(String) -> IdentifierError| Err(why(text.to_owned()));
    if text.trim().is_empty() {
        return refuse(IdentifierError::Empty);
    }
    if text.contains('"') {
        return refuse(IdentifierError::Quotes);
    }
    if text.contains('.') {
        return refuse(IdentifierError::Dot);
    }
    if text.contains(char::is_whitespace) {
        return refuse(IdentifierError::WhiteSpace);
    }
    if text.contains(char::is_control) {
        return refuse(IdentifierError::Control);
    }
    Ok(text.to_ascii_lowercase())
}

/// The quoted form as one writes it in YAML.
fn yaml_quoted(text: &str) -> String {
    format!("'{}'", quote(text.trim()).replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_read_as_postgresql_reads_them() {
        for (text, name) in [
            ("WEBSITE_USERS", "website_users"),
            ("\"WEBSITE_USERS\"", "WEBSITE_USERS"),
            ("user", "user"),
            ("Straße", "straße"),
            ("ÄB", "Äb"), // the server folds ASCII alone
            ("日本", "日本"),
            ("таблица", "таблица"),
            ("user-id", "user-id"),
            ("1st", "1st"),
            ("\"two words\"", "two words"),
            ("\"a.b\"", "a.b"),
            ("\"say \"\"hi\"\"\"", "say \"hi\""),
            ("\"\"\"\"", "\""),
            ("\" \"", " "),
            ("\"; DROP TABLE x; --\"", "; DROP TABLE x; --"),
        ] {
            assert_eq!(Identifier::parse(text).map(|read| read.0), Ok(name.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_says_why() {
        for (text, why) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("\"\"", "is empty"),
            ("a\0b", "NUL"),
            ("\"a\0b\"", "NUL"),
            ("public.users", "'\"public.users\"'"),
            ("\"public\".\"users\"", "dot outside quotes"),
            ("\"public\".users", "dot outside quotes"),
            ("a\"b", "quotes of the name"),
            ("\"a", "quotes of the name"),
            ("\"", "quotes of the name"),
            ("\"\"\"", "quotes of the name"),
            ("\"a\"b\"", "quotes of the name"),
            ("\"a\" b", "quotes of the name"),
            ("two words", "'\"two words\"'"),
            (" user", "'\"user\"'"),
            ("user\n", "white space"),
            ("a\u{7}b", "control character"),
        ] {
            let error = Identifier::parse(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_limit_is_counted_in_bytes_of_the_name_itself() {
        assert!(Identifier::parse(&"a".repeat(63)).is_ok());
        assert!(Identifier::parse(&format!("\"{}\"", "a".repeat(63))).is_ok());
        assert!(Identifier::parse(&format!("\"{}\"", "\"\"".repeat(63))).is_ok());
        let error = Identifier::parse(&"é".repeat(32)).expect_err("64 bytes").to_string();
        assert!(error.contains("64 bytes"), "{error}");
    }

    #[test]
    fn system_columns_are_refused_for_columns_alone() {
        assert!(Identifier::parse_column("CTID").is_err());
        assert!(Identifier::parse_column("\"ctid\"").is_err());
        assert!(Identifier::parse_column("\"CTID\"").is_ok());
        assert!(Identifier::parse("ctid").is_ok());
    }

    proptest! {
        #[test]
        fn a_quoted_name_reads_as_itself(name in "[^\0]{1,15}") {
            prop_assert_eq!(Identifier::parse(&quote(&name)), Ok(Identifier(name)));
        }

        #[test]
        fn what_was_read_reads_again_as_the_same(text in ".{0,40}") {
            if let Ok(read) = Identifier::parse(&text) {
                prop_assert_eq!(Identifier::parse(&read.to_string()), Ok(read));
            }
        }

        #[test]
        fn no_quote_escapes_from_a_quoted_name(name in "[^\0]*") {
            let quoted = quote(&name);
            prop_assert!(!quoted[1..quoted.len() - 1].replace("\"\"", "").contains('"'));
        }

        #[test]
        fn no_quote_escapes_from_a_literal(text in "[^\0]*") {
            let quoted = literal(&text);
            let start = quoted.find('\'').unwrap() + 1;
            let inner = quoted[start..quoted.len() - 1].replace("\\\\", "").replace("''", "");
            prop_assert!(!inner.contains('\'') && !inner.contains('\\'));
            prop_assert_eq!(quoted.starts_with('E'), text.contains('\\'));
        }
    }
}
