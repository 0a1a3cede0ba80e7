//! Sorts PostgreSQL's errors by the chances of another attempt, and describes them to people.
//!
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use crate::message::one_line;
use tokio_postgres::error::DbError;

/// The chances of another attempt after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// It may succeed within seconds.
    Temporary,
    /// It fails until someone changes something outside the object: a grant, a password, a view.
    Environment,
    /// It fails until the spec changes.
    Permanent,
}

impl ErrorClass {
    /// The class of an error that the server has sent.
    pub fn of(error: &DbError) -> Self {
        let in_catalog = error.schema() == Some("pg_catalog");
        Self::of_code(error.code().code(), in_catalog, error.message())
    }

    fn of_code(code: &str, in_catalog: bool, message: &str) -> Self {
        match code {
            "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "58030" | "40001" | "40P01" | "55P03"
            | "55006" | "25006" | "25P03" | "26000" => Self::Temporary,
            "23505" if in_catalog => Self::Temporary,
            "0A000" if message.contains("cached plan") => Self::Temporary,
            code if is_stale_code(code) => Self::Temporary,
            "42501" | "42704" => Self::Environment,
            "0A000" | "22023" => Self::Permanent,
            code => match code.get(..2) {
                Some("08" | "53") => Self::Temporary,
                Some("42" | "54") => Self::Permanent,
                // 28 (authentication), 3D, 3F, 2B, 23, XX and the unforeseen: a slow retry is never wrong.
                _ => Self::Environment,
            },
        }
    }
}

/// Whether an error means that the catalog has changed since it was read.
pub fn is_stale(error: &DbError) -> bool {
    let code = error.code().code();
    is_stale_code(code) || (code == "23505" && error.schema() == Some("pg_catalog"))
}

/// A table or a column exists by now, or a table no longer does.
fn is_stale_code(code: &str) -> bool {
    ["42P07", "42P01", "42701"].contains(&code)
}

/// An error in one line: the server's message, its DETAIL and HINT where they help, and the SQLSTATE.
///
/// The DETAIL of data and constraint errors (classes 22 and 23) is omitted: it quotes rows, which must not be
/// logged. So is the HINT of 2BP01: it recommends CASCADE.
pub fn describe(error: &DbError) -> String {
    let code = error.code().code();
    let quotes_rows = code.starts_with("22") || code.starts_with("23");
    let detail = error.detail().filter(|_| !quotes_rows);
    let hint = match code {
        "2BP01" => Some("Drop what depends on it first"),
        _ => error.hint().filter(|_| !quotes_rows),
    };
    let parts = [Some(error.message()), detail, hint].into_iter().flatten().map(one_line).collect::<Vec<_>>();
    format!("{}: {} (SQLSTATE {code})", error.severity(), parts.join(". "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_class() {
        for (codes, class) in [
            (
                "08000 08001 08003 08006 08P01 53000 53100 53200 53300 57P01 57P02 57P03 57P05 57014 58030 40001 40P01 55P03 55006 \
                 25006 26000 42P07 42P01 42701",
                ErrorClass::Temporary,
            ),
            (
                "28000 28P01 42501 3D000 3F000 42704 2BP01 23502 23505 57P04 XX000 P0001 99999",
                ErrorClass::Environment,
            ),
            ("42601 42883 42P16 42804 22023 54011 54000 0A000", ErrorClass::Permanent),
        ] {
            for code in codes.split_whitespace() {
                assert_eq!(ErrorClass::of_code(code, false, ""), class, "{code}");
            }
        }
        assert_eq!(ErrorClass::of_code("23505", true, ""), ErrorClass::Temporary);
        assert_eq!(
            ErrorClass::of_code("0A000", false, "cached plan must not change result type"),
            ErrorClass::Temporary
        );
    }
}
