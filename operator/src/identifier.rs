//! Reads the names of tables and columns as PostgreSQL does.
//!
//! In a query, `WEBSITE_USERS` is the table `website_users`, and `"WEBSITE_USERS"` is another one. Names in
//! the spec follow the same rule, so that a query can use the name as it is in the spec. Statements always
//! contain the quoted form, in which reserved words, spaces and quotes are harmless.
//!
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>

use std::fmt;

/// The longest name in PostgreSQL, in bytes. It truncates longer ones with a mere NOTICE.
pub const MAX_BYTES: usize = 63;

/// The columns that every table has already.
const SYSTEM_COLUMNS: [&str; 6] = ["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// A name as in the catalog: folded to lower case unless it was quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(String);

/// A text that can't be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// The name is empty.
    #[error("the name {0:?} is empty")]
    Empty(String),
    /// PostgreSQL would truncate the name.
    #[error(
        "the name {name:?} has {bytes} bytes, and PostgreSQL keeps at most {MAX_BYTES}: choose a shorter one"
    )]
    TooLong {
        /// The name, folded and without its quotes.
        name: String,
        /// Its length in bytes.
        bytes: usize,
    },
    /// PostgreSQL can't store the character with code zero.
    #[error("the name {0:?} contains a NUL character, which PostgreSQL can't store")]
    Nul(String),
    /// `schema.table`, or a name with a dot that lacks its quotes.
    #[error(
        "the name {0:?} has a dot outside quotes: give the name alone, or quote it if the dot is part of it: \
         {quoted}",
        quoted = yaml_quoted(.0)
    )]
    Dot(String),
    /// A quote inside an unquoted name, an unclosed quote, or something after the closing one.
    #[error(
        "the name {0:?} is quoted incorrectly: put a double quote before and after it, and double those \
         inside"
    )]
    Quotes(String),
    /// White space in an unquoted name.
    #[error(
        "the name {0:?} has white space outside quotes: remove it, or quote the name if it is part of it: {quoted}",
        quoted = yaml_quoted(.0)
    )]
    WhiteSpace(String),
    /// A control character in an unquoted name.
    #[error("the name {0:?} has a control character outside quotes: remove it")]
    Control(String),
    /// A column can't have the name of a system column.
    #[error("{0} is a system column that every table has: choose another name for the column")]
    SystemColumn(Identifier),
}

impl Identifier {
    /// Reads a name as PostgreSQL does in a query: folded to lower case, unless it is in double quotes.
    ///
    /// Only ASCII letters are folded, as the server does with UTF-8. An unquoted name may contain every
    /// character that can't be mistaken for syntax; in a query, more of them would need quotes.
    ///
    /// # Errors
    ///
    /// [`IdentifierError`], which tells what to do.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.contains('\0') {
            return Err(IdentifierError::Nul(text.to_owned()));
        }
        let name = match text.strip_prefix('"') {
            Some(rest) => unquote(rest).ok_or_else(|| malformed(text, rest))?,
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

    /// The name as in the catalog, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The quoted name, as in a statement.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(&self.0))
    }
}

/// A name from the catalog as a quoted identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Splits a qualified name, as PostgreSQL prints it, into the schema and the name, both as in the catalog.
pub fn split_qualified(text: &str) -> Option<(String, String)> {
    let (schema, rest) = first_part(text)?;
    let (name, rest) = first_part(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((schema, name))
}

/// The first part of a qualified name, and what follows it.
fn first_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

/// A text as a string literal.
///
/// With a backslash it has the E form, because the plain form depends on `standard_conforming_strings`.
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    if text.contains('\\') { format!("E'{escaped}'") } else { format!("'{escaped}'") }
}

/// The name between quotes; the caller has removed the opening one.
fn unquote(rest: &str) -> Option<String> {
    let inner = rest.strip_suffix('"')?;
    let name = inner.replace("\"\"", "\0");
    (!name.contains('"')).then(|| name.replace('\0', "\""))
}

fn malformed(text: &str, rest: &str) -> IdentifierError {
    let dotted = rest.contains("\".");
    if dotted { IdentifierError::Dot(text.to_owned()) } else { IdentifierError::Quotes(text.to_owned()) }
}

fn fold(text: &str) -> Result<String, IdentifierError> {
    let reject = |why: fn(String) -> IdentifierError| Err(why(text.to_owned()));
    if text.trim().is_empty() {
        return reject(IdentifierError::Empty);
    }
    if text.contains('"') {
        return reject(IdentifierError::Quotes);
    }
    if text.contains('.') {
        return reject(IdentifierError::Dot);
    }
    if text.contains(char::is_whitespace) {
        return reject(IdentifierError::WhiteSpace);
    }
    if text.contains(char::is_control) {
        return reject(IdentifierError::Control);
    }
    Ok(text.to_ascii_lowercase())
}

/// The quoted name as a YAML string.
fn yaml_quoted(text: &str) -> String {
    format!("'{}'", quote(text.trim()).replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn qualified_names_are_split_as_postgresql_prints_them() {
        for (text, expected) in [
            ("public.users", Some(("public", "users"))),
            ("\"a.b\".\"c\"\"d\"", Some(("a.b", "c\"d"))),
            ("public.\"Users\"", Some(("public", "Users"))),
            ("users", None),
            ("a.b.c", None),
            ("\"a", None),
            (".b", None),
            ("a.", None),
            ("", None),
        ] {
            let split = split_qualified(text);
            let split = split.as_ref().map(|(schema, name)| (schema.as_str(), name.as_str()));
            assert_eq!(split, expected, "{text}");
        }
    }

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
    fn the_error_names_the_mistake_in_a_name() {
        for (text, why) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("\"\"", "is empty"),
            ("a\0b", "NUL"),
            ("\"a\0b\"", "NUL"),
            ("public.users", "'\"public.users\"'"),
            ("\"public\".\"users\"", "dot outside quotes"),
            ("\"public\".users", "dot outside quotes"),
            ("a\"b", "quoted incorrectly"),
            ("\"a", "quoted incorrectly"),
            ("\"", "quoted incorrectly"),
            ("\"\"\"", "quoted incorrectly"),
            ("\"a\"b\"", "quoted incorrectly"),
            ("\"a\" b", "quoted incorrectly"),
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
    fn the_limit_counts_bytes_of_the_name_without_quotes() {
        assert!(Identifier::parse(&"a".repeat(63)).is_ok());
        assert!(Identifier::parse(&format!("\"{}\"", "a".repeat(63))).is_ok());
        assert!(Identifier::parse(&format!("\"{}\"", "\"\"".repeat(63))).is_ok());
        let error = Identifier::parse(&"é".repeat(32)).expect_err("64 bytes").to_string();
        assert!(error.contains("64 bytes"), "{error}");
    }

    #[test]
    fn only_columns_can_not_have_names_of_system_columns() {
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
        fn a_displayed_name_reads_as_itself(text in ".{0,40}") {
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
