//! Differences as Python prints Kopf's, so that the logs of both read the same.

use crate::diff::{Diff, DiffItem, Field};
use serde_json::Value;
use std::fmt::{self, Display, Formatter, Write};

/// As Kopf prints it: `(('add', ('spec', 'x'), None, 1),)`.
impl Display for Diff {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        tuple(f, self.iter())
    }
}

impl Display for DiffItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let keys = Keys(&self.field);
        write!(f, "('{}', {keys}, {}, {})", self.op, Repr(&self.old), Repr(&self.new))
    }
}

struct Keys<'a>(&'a Field);

impl Display for Keys<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        tuple(f, self.0.keys().iter().map(|key| Text(key)))
    }
}

/// `()`, `(a,)`, `(a, b)`.
fn tuple<T: Display>(f: &mut Formatter<'_>, items: impl ExactSizeIterator<Item = T>) -> fmt::Result {
    let single = items.len() == 1;
    f.write_str("(")?;
    commas(f, items)?;
    f.write_str(if single { ",)" } else { ")" })
}

fn commas<T: Display>(f: &mut Formatter<'_>, items: impl Iterator<Item = T>) -> fmt::Result {
    for (index, item) in items.enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    Ok(())
}

/// A value as Python's `repr` writes it.
struct Repr<'a>(&'a Value);

impl Display for Repr<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("None"),
            Value::Bool(true) => f.write_str("True"),
            Value::Bool(false) => f.write_str("False"),
            Value::Number(number) => write!(f, "{number}"),
            Value::String(text) => write!(f, "{}", Text(text)),
            Value::Array(items) => {
                f.write_str("[")?;
                commas(f, items.iter().map(Repr))?;
                f.write_str("]")
            }
            Value::Object(map) => {
                f.write_str("{")?;
                commas(f, map.iter().map(|(key, value)| Pair(key, value)))?;
                f.write_str("}")
            }
        }
    }
}

struct Pair<'a>(&'a str, &'a Value);

impl Display for Pair<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Text(self.0), Repr(self.1))
    }
}

/// A text in single quotes, or in double ones if that saves escapes.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let quote = if self.0.contains('\'') && !self.0.contains('"') { '"' } else { '\'' };
        f.write_char(quote)?;
        for c in self.0.chars() {
            escaped(f, c, quote)?;
        }
        f.write_char(quote)
    }
}

fn escaped(f: &mut Formatter<'_>, c: char, quote: char) -> fmt::Result {
    match c {
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        _ if c == quote => write!(f, "\\{c}"),
        '\'' | '"' => f.write_char(c),
        _ if is_printable(c) => f.write_char(c),
        '\0'..='\u{ff}' => write!(f, "\\x{:02x}", u32::from(c)),
        '\0'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(c)),
        _ => write!(f, "\\U{:08x}", u32::from(c)),
    }
}

/// By Rust's table, which is nearly Python's.
fn is_printable(c: char) -> bool {
    // After a letter: alone, Rust escapes a combining mark, which Python doesn't.
    matches!(c, ' '..='~') || format!("a{c}").escape_debug().nth(1) != Some('\\')
}
