//! Default of a column: a literal, or a function of a short list.
//!
//! The text of a spec never becomes part of a statement. It is read by the small grammar here, and printed from what was
//! read: a string is a literal again, and a function is the server's own, whatever else has its name in the search path.

use crate::{column_type::ColumnType, identifier::literal};
use serde_json::Value;
use std::fmt;

/// A default that a spec can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DefaultValue {
    /// None.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as in a statement.
    Number(String),
    /// A string, which the server reads as the column's type.
    Text(String),
    /// A function, with a precision if it has one.
    Function(&'static Function, Option<u8>),
}

/// A function that a default can have.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its name in a spec, in lower case.
    name: &'static str,
    /// How a spec writes it.
    form: Form,
    /// Whether each row gets a value of its own: a column with such a default can't be added without writing all rows.
    is_volatile: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// `now()`.
    Call,
    /// `CURRENT_DATE`.
    Word,
    /// `CURRENT_TIMESTAMP`, or `CURRENT_TIMESTAMP(3)`.
    WordWithPrecision,
}

const fn function(name: &'static str, form: Form, is_volatile: bool) -> Function {
    Function { name, form, is_volatile }
}

/// <https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT>,
/// <https://www.postgresql.org/docs/current/functions-uuid.html>
static FUNCTIONS: [Function; 14] = [
    function("now", Form::Call, false),
    function("transaction_timestamp", Form::Call, false),
    function("statement_timestamp", Form::Call, false),
    function("clock_timestamp", Form::Call, true),
    function("gen_random_uuid", Form::Call, true),
    function("uuidv4", Form::Call, true),
    function("uuidv7", Form::Call, true),
    function("current_date", Form::Word, false),
    function("current_time", Form::WordWithPrecision, false),
    function("current_timestamp", Form::WordWithPrecision, false),
    function("localtime", Form::WordWithPrecision, false),
    function("localtimestamp", Form::WordWithPrecision, false),
    function("current_user", Form::Word, false),
    function("session_user", Form::Word, false),
];

/// What to write instead of a text.
fn advice(text: &str) -> String {
    match text.ends_with(')') {
        true => "other calls can't be defaults; set such a one by hand, and it is left alone".to_owned(),
        false => format!("write a string in single quotes, \"{}\"", literal(text)),
    }
}

/// A text that can't be a default.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefaultError {
    /// A list or a map.
    #[error(
        "it must be a string, a number or a boolean, not {0}: write a list or a map as a string in single quotes"
    )]
    Shape(&'static str),
    /// Neither a literal nor a function of the list.
    #[error(
        "{text:?} is neither a literal nor one of the functions {functions}: {}",
        advice(.text.trim()),
        functions = function_names(),
    )]
    Unknown {
        /// The text.
        text: String,
    },
    /// A string without its end, or with something behind it.
    #[error("{0:?} isn't one string: put a single quote before and after it, and double those inside")]
    Quotes(String),
    /// A cast to another type.
    #[error(
        "{text:?} is cast to {to}: remove ::{to}, because a literal is read as the column's own type, {own}"
    )]
    Cast {
        /// The text.
        text: String,
        /// The type that it is cast to.
        to: String,
        /// The type of the column.
        own: String,
    },
    /// PostgreSQL can't store the character with code zero.
    #[error("it contains a NUL character, which PostgreSQL can't store: remove it")]
    Nul,
}

impl DefaultValue {
    /// Reads the default of a column of a type, as YAML gives it.
    pub(super) fn read(value: &Value, type_: &ColumnType) -> Result<Self, DefaultError> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Bool(value) => Ok(Self::Boolean(*value)),
            Value::Number(number) => Ok(Self::Number(number.to_string())),
            Value::String(text) => Self::parse(text, type_),
            Value::Array(_) => Err(DefaultError::Shape("a list")),
            Value::Object(_) => Err(DefaultError::Shape("a map")),
        }
    }

    /// Reads a text as SQL has it.
    ///
    /// # Errors
    ///
    /// [`DefaultError`], which tells what to write.
    pub fn parse(text: &str, type_: &ColumnType) -> Result<Self, DefaultError> {
        if text.contains('\0') {
            return Err(DefaultError::Nul);
        }
        let (value, cast) = split_cast(text.trim(), text)?;
        if let Some(to) = cast
            && !is_same_type(to, type_.as_str())
        {
            let (text, to, own) = (text.to_owned(), to.to_owned(), type_.as_str().to_owned());
            return Err(DefaultError::Cast { text, to, own });
        }
        literal_in(value)
            .or_else(|| function_in(value))
            .ok_or_else(|| DefaultError::Unknown { text: text.to_owned() })
    }

    /// Whether each row gets a value of its own.
    pub fn is_volatile(&self) -> bool {
        matches!(self, Self::Function(function, _) if function.is_volatile)
    }

    /// Whether the server reads it once as a time and keeps that: `'now'` is the time at which the table was made.
    pub fn is_time_of_reading(&self) -> bool {
        let Self::Text(text) = self else { return false };
        let text = text.trim().to_lowercase();
        let words = ["now", "today", "tomorrow", "yesterday"];
        text.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word))
    }
}

/// A literal or a function, and the type that follows `::`.
fn split_cast<'t>(trimmed: &'t str, text: &str) -> Result<(&'t str, Option<&'t str>), DefaultError> {
    let end = match trimmed.strip_prefix('\'') {
        Some(rest) => 1 + end_of_string(rest).ok_or_else(|| DefaultError::Quotes(text.to_owned()))?,
        None => trimmed.find("::").unwrap_or(trimmed.len()),
    };
    let (value, rest) = trimmed.split_at(end);
    match (rest.trim(), rest.trim().strip_prefix("::")) {
        ("", _) => Ok((value.trim(), None)),
        (_, Some(type_)) => Ok((value.trim(), Some(type_.trim()))),
        (_, None) => Err(DefaultError::Quotes(text.to_owned())),
    }
}

/// Where a string ends whose opening quote is before `rest`; behind the closing one.
fn end_of_string(rest: &str) -> Option<usize> {
    let mut quotes = rest.char_indices().filter(|(_, c)| *c == '\'').map(|(at, _)| at).peekable();
    while let Some(at) = quotes.next() {
        if quotes.next_if_eq(&(at + 1)).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// Whether two texts are the same type, as far as one can see without the server.
fn is_same_type(one: &str, other: &str) -> bool {
    let normal = |text: &str| {
        let text = text.to_lowercase();
        let base =
            text.split('(').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let brackets = if text.trim_end().ends_with(']') { "[]" } else { "" };
        let base = base.trim_end_matches("[]").trim().to_owned();
        let base = match base.as_str() {
            "int" | "int4" => "integer",
            "int8" => "bigint",
            "int2" => "smallint",
            "varchar" => "character varying",
            "bool" => "boolean",
            "decimal" => "numeric",
            "float8" => "double precision",
            "timestamptz" => "timestamp with time zone",
            "timestamp" => "timestamp without time zone",
            other => other,
        };
        format!("{base}{brackets}")
    };
    normal(one) == normal(other)
}

fn literal_in(text: &str) -> Option<DefaultValue> {
    if let Some(rest) = text.strip_prefix('\'') {
        return Some(DefaultValue::Text(rest.strip_suffix('\'')?.replace("''", "'")));
    }
    match text.to_ascii_lowercase().as_str() {
        "null" => Some(DefaultValue::Null),
        "true" => Some(DefaultValue::Boolean(true)),
        "false" => Some(DefaultValue::Boolean(false)),
        _ => is_number(text).then(|| DefaultValue::Number(text.trim_start_matches('+').to_owned())),
    }
}

/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS-NUMERIC>
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !(whole.is_empty() && fraction.is_empty());
    let exponent = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    has_digits && digits(whole) && digits(fraction) && exponent
}

fn function_in(text: &str) -> Option<DefaultValue> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let (name, arguments) = match lower.split_once('(') {
        Some((name, rest)) => (name.trim_end(), Some(rest.strip_suffix(')')?.trim())),
        None => (lower, None),
    };
    let function = FUNCTIONS.iter().find(|function| function.name == name)?;
    let precision = match (function.form, arguments) {
        (Form::Call, Some("")) | (Form::Word | Form::WordWithPrecision, None) => None,
        (Form::WordWithPrecision, Some(digits)) => Some(digits.parse().ok().filter(|digits| *digits <= 6)?),
        _ => return None,
    };
    Some(DefaultValue::Function(function, precision))
}

fn function_names() -> String {
    FUNCTIONS.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// As in a spec.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Call => write!(f, "{}()", self.name),
            Form::Word | Form::WordWithPrecision => f.write_str(&self.name.to_uppercase()),
        }
    }
}

/// As in a statement.
impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => f.write_str(&literal(text)),
            Self::Function(function @ Function { form: Form::Call, .. }, _) => {
                write!(f, "pg_catalog.{function}")
            }
            Self::Function(function, None) => write!(f, "{function}"),
            Self::Function(function, Some(digits)) => write!(f, "{function}({digits})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<String, String> {
        let type_ = ColumnType::parse("varchar(9)").unwrap();
        DefaultValue::read(value, &type_).map(|value| value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn literals_and_the_functions_of_the_list_are_printed_again() {
        for (value, sql) in [
            (json!(5), "5"),
            (json!(-5), "-5"),
            (json!(1.5), "1.5"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(true), "true"),
            (json!("5"), "5"),
            (json!("+5.50"), "5.50"),
            (json!(" -.5e-3 "), "-.5e-3"),
            (json!("NULL"), "NULL"),
            (json!("False"), "false"),
            (json!("''"), "''"),
            (json!("'it''s'"), "'it''s'"),
            (json!("'a\\'"), "E'a\\\\'"),
            (json!("'a; DROP TABLE x; --'"), "'a; DROP TABLE x; --'"),
            (json!("'::'"), "'::'"),
            (json!("'x'::varchar"), "'x'"),
            (json!("'x' :: Character  Varying (5)"), "'x'"),
            (json!("now()"), "pg_catalog.now()"),
            (json!("pg_catalog.NOW ( )"), "pg_catalog.now()"),
            (json!("gen_random_uuid()"), "pg_catalog.gen_random_uuid()"),
            (json!("current_timestamp"), "CURRENT_TIMESTAMP"),
            (json!("LOCALTIMESTAMP( 3 )"), "LOCALTIMESTAMP(3)"),
            (json!("current_user"), "CURRENT_USER"),
        ] {
            assert_eq!(read(&value).as_deref(), Ok(sql), "{value}");
        }
    }

    #[test]
    fn what_is_neither_is_rejected_with_what_to_write() {
        for (value, why) in [
            (json!("hello"), "write a string in single quotes, \"'hello'\""),
            (json!(""), "neither a literal nor"),
            (json!("'a"), "isn't one string"),
            (json!("'a' 'b'"), "isn't one string"),
            (json!("'a'; DROP TABLE x"), "isn't one string"),
            (json!("'a'::text"), "is cast to text: remove ::text"),
            (json!("'a'::varchar[]"), "is cast to varchar[]"),
            (json!("'a'::varchar, b integer DEFAULT 5"), "is cast to"),
            (json!("a\0"), "NUL"),
            (json!("E'a'"), "neither"),
            (json!("$$a$$"), "neither"),
            (json!("now"), "neither"),
            (json!("now(1)"), "other calls can't be defaults"),
            (json!("now() + '1 day'"), "neither"),
            (json!("current_timestamp(7)"), "neither"),
            (json!("current_date()"), "neither"),
            (json!("evil.now()"), "neither"),
            (json!("nextval('s')"), "neither"),
            (json!("(select 1)"), "neither"),
            (json!("0x1F"), "neither"),
            (json!("1e"), "neither"),
            (json!("."), "neither"),
            (json!("--5"), "neither"),
            (json!([1]), "not a list"),
            (json!({"a": 1}), "not a map"),
        ] {
            let error = read(&value).expect_err(&value.to_string());
            assert!(error.contains(why), "{value}: {error}");
        }
    }

    #[test]
    fn a_time_of_reading_is_told_from_other_words() {
        let type_ = ColumnType::parse("timestamp").unwrap();
        for (text, is_one) in [
            ("'now'", true),
            ("' Today '", true),
            ("'2026-01-01'", false),
            ("'nowhere'", false),
            ("now()", false),
        ] {
            assert_eq!(DefaultValue::parse(text, &type_).unwrap().is_time_of_reading(), is_one, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_string_comes_back_as_one_literal(text in "[^\0]{0,30}") {
            let sql = format!("'{}'", text.replace('\'', "''"));
            prop_assert_eq!(read(&json!(sql)), Ok(literal(&text)));
        }

        #[test]
        fn whatever_is_accepted_is_a_literal_a_word_or_a_call(text in "['a-z0-9:;,()*/ .+-]{0,20}") {
            if let Ok(sql) = read(&json!(text)) {
                let outside: String = sql.split('\'').step_by(2).collect();
                prop_assert!(!outside.contains([';', ',', ':', '*', '/', ' ']), "{} from {}", sql, text);
            }
        }
    }
}
