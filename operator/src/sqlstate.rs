//! Sorts PostgreSQL's errors by the chances of another attempt, and describes them to people.
//!
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use crate::message::one_line;
use tokio_postgres::error::DbError;

/// What was being done when an error came. It comes before the code: what a spec can't influence is never its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A connection was made.
    Connect,
    /// A transaction was begun.
    Begin,
    /// The catalog was read, or something was locked.
    Read,
    /// The server was asked for the type that a column's text means.
    Resolve,
    /// A table was created or extended.
    Change,
    /// A table was dropped.
    Drop,
    /// The transaction was committed.
    Commit,
}

impl Step {
    /// Whether what the spec says is part of it.
    fn has_spec(self) -> bool {
        matches!(self, Self::Resolve | Self::Change)
    }
}

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
    pub fn of(step: Step, error: &DbError) -> Self {
        let in_catalog = error.schema() == Some("pg_catalog");
        Self::of_code(step, error.code().code(), in_catalog, error.message())
    }

    /// The same, by the parts of an error.
    pub(crate) fn of_code(step: Step, code: &str, in_catalog: bool, message: &str) -> Self {
        match code {
            "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "58030" | "40001" | "40P01" | "55P03"
            | "55006" | "25P03" => Self::Temporary,
            "23505" if in_catalog => Self::Temporary,
            "0A000" if message.contains("cached plan") => Self::Temporary,
            code if is_stale_code(code) || spoils(code) => Self::Temporary,
            _ if step == Step::Connect && is_full(code, message) => Self::Temporary,
            "08P01" if step == Step::Connect && is_permanent_for_pooler(message) => Self::Environment,
            // It was sent together with a statement that has failed, whose error says more.
            "25P02" => Self::Temporary,
            // A type that is there for others; a type with the table's name; a row type in use; an event trigger.
            "42501" | "42704" | "42710" | "P0001" => Self::Environment,
            "0A000" if step == Step::Resolve => Self::Permanent,
            "22023" | "22P02" | "23502" if step.has_spec() => Self::Permanent,
            code => match code.get(..2) {
                Some("08" | "53") => Self::Temporary,
                // A pooler that gets no connection itself.
                Some("58") if step == Step::Connect => Self::Temporary,
                Some("42" | "54") if step.has_spec() => Self::Permanent,
                // 28 (authentication), 3D, 3F, 2B, 0A, 23, XX and the unforeseen: a slow retry is never wrong.
                _ => Self::Environment,
            },
        }
    }
}

/// A pooler's messages about a wrong password or an unknown user.
const REJECTED_LOGINS: [&str; 3] = ["authentication failed", "no such user", "login rejected"];
/// Its messages about other mistakes: an unknown database, an option that it doesn't take.
const OTHER_MISTAKES: [&str; 2] = ["no such database", "unsupported startup parameter"];

/// Whether a pooler's message is about a mistake. It uses the same code for a server that is away or busy.
fn is_permanent_for_pooler(message: &str) -> bool {
    REJECTED_LOGINS.iter().chain(&OTHER_MISTAKES).any(|text| message.contains(text))
}

/// Poolers' messages about too many clients, in lower case. Each has its own SQLSTATE, or one that it has for everything.
const FULL_POOLERS: [&str; 4] = [
    "no more connections allowed",
    "max client connections reached",
    "max clients reached",
    "too many clients already",
];

/// Whether a server's message says that it admits no more connections: of this role, to this database, or at all.
pub fn is_full(code: &str, message: &str) -> bool {
    let message = message.to_lowercase();
    code == "53300" || FULL_POOLERS.iter().any(|text| message.contains(text))
}

/// A right is missing.
pub const DENIED: &str = "42501";
/// Another session has a lock for longer than this one waits.
pub const LOCK_TIMEOUT: &str = "55P03";

/// Whether the connection is of no use any more: the server is read-only now, or someone else's prepared statements are
/// on it.
pub fn spoils(code: &str) -> bool {
    ["25006", "26000", "42P05"].contains(&code)
}

/// Whether an error that may pass is one of the server as a whole: it meets other objects, too.
pub fn is_of_the_server(step: Step, code: &str) -> bool {
    let by_class = ["08", "53"].iter().any(|class| code.starts_with(class));
    step == Step::Connect
        || by_class
        || ["25006", "57P01", "57P02", "57P03", "57P05", "58030"].contains(&code)
}

/// Whether the server, or a pooler before it, rejects the login.
pub fn rejects_login(step: Step, error: &DbError) -> bool {
    let (code, message) = (error.code().code(), error.message());
    let of_pooler = step == Step::Connect && code == "08P01";
    code.starts_with("28") || (of_pooler && REJECTED_LOGINS.iter().any(|text| message.contains(text)))
}

/// The message for a text that means no type, if that is what an error says; none if it is about something else.
pub fn rejected_text(error: &DbError) -> Option<&str> {
    let code = error.code().code();
    // Syntax (42601), a bad modifier (22023, 22P02), a name with a database in it (0A000), an unknown schema (3F000), …
    let about_text = ["42", "22", "0A", "3F"].iter().any(|class| code.starts_with(class));
    (about_text && code != "42501" && !spoils(code)).then(|| error.message())
}

/// The same, for a statement that has more in it than the text: an event trigger may fail in it, say.
pub fn rejected_text_alone(error: &DbError) -> Option<&str> {
    let about_text = ["42601", "22023", "22P02"].contains(&error.code().code());
    about_text.then(|| error.message())
}

/// The message for a column's definition that the server rejects, if that is what an error says: a default of the wrong type, an
/// expression that isn't immutable, …
pub fn rejected_definition(error: &DbError) -> Option<&str> {
    let code = error.code().code();
    let about_definition = ["42", "22", "0A", "2B"].iter().any(|class| code.starts_with(class));
    // Something may be there later, or for others.
    let is_missing = ["42501", "42704"].contains(&code);
    (about_definition && !is_missing && !spoils(code) && !is_stale_code(code)).then(|| error.message())
}

/// The message for something that a column's definition names and the database doesn't have, or doesn't have yet: a function, an
/// operator, a collation. An extension may bring it.
pub fn missing_part(error: &DbError) -> Option<&str> {
    ["42883", "42704"].contains(&error.code().code()).then(|| error.message())
}

/// Whether rows stand in the way: one has no value, or two have the same.
pub fn is_of_rows(code: &str) -> bool {
    ["23502", "23505", "23514"].contains(&code)
}

/// Whether what takes long and has ended so would take as long again, and end so: there is no room for it, on the disk or in
/// memory; or a limit to its time, or somebody, has ended it.
pub fn ends_long_work(code: &str) -> bool {
    has_no_room(code) || code == "57014"
}

/// Whether there is no room, on the disk or in memory, or no more of it is allowed.
pub fn has_no_room(code: &str) -> bool {
    ["53100", "53200", "53400"].contains(&code)
}

/// Whether another attempt may succeed at once: the catalog has changed since it was read, or another connection may do.
pub fn is_stale(error: &DbError) -> bool {
    let code = error.code().code();
    is_stale_code(code)
        || spoils(code)
        || code == "40P01"
        || (code == "23505" && error.schema() == Some("pg_catalog"))
}

/// A schema, a table or a column exists by now, or a table no longer does.
fn is_stale_code(code: &str) -> bool {
    ["42P07", "42P06", "42P01", "42701"].contains(&code)
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
        "23502" => Some(
            "The table has rows: give the column a default, or nullable: true until all rows have a value",
        ),
        _ => error.hint().filter(|_| !quotes_rows),
    };
    let parts = [Some(error.message()), detail, hint].into_iter().flatten().map(one_line).collect::<Vec<_>>();
    format!("{}: {} (SQLSTATE {code})", error.severity(), parts.join(". "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 7] =
        [Step::Connect, Step::Begin, Step::Read, Step::Resolve, Step::Change, Step::Drop, Step::Commit];

    /// The codes, and their classes by step: T, E, P for temporary, environment, permanent.
    const TABLE: [(&str, &str); 8] = [
        //  connect, begin, read, resolve, change, drop, commit
        (
            "25P02 08P01 08000 08001 08003 08006 53000 53100 53200 53300 57P01 57P02 57P03 57P05 57014 58030 40001 40P01 55P03 55006 25006 \
             25P03 26000 42P05 42P06 42P07 42P01 42701",
            "TTTTTTT",
        ),
        (
            "28000 28P01 42501 3D000 3F000 42704 42710 2BP01 23505 23514 25001 57P04 XX000 P0001 P0002 99999",
            "EEEEEEE",
        ),
        ("42601 42883 42P16 42804 42809 42703 42602 42846 42P17 54011 54000", "EEEPPEE"),
        ("22023 22P02 23502", "EEEPPEE"),
        ("0A000", "EEEPEEE"),
        ("22003 22001", "EEEEEEE"),
        ("42P02", "EEEPPEE"),
        ("55000 0B000", "EEEEEEE"),
    ];

    #[test]
    fn every_code_has_its_class_by_what_was_being_done() {
        for (codes, classes) in TABLE {
            for (step, class) in STEPS.into_iter().zip(classes.chars()) {
                let expected = match class {
                    'T' => ErrorClass::Temporary,
                    'E' => ErrorClass::Environment,
                    _ => ErrorClass::Permanent,
                };
                for code in codes.split_whitespace() {
                    assert_eq!(ErrorClass::of_code(step, code, false, ""), expected, "{code} at {step:?}");
                }
            }
        }
    }

    #[test]
    fn what_a_pooler_says_is_an_outage_unless_it_stays_as_it_is() {
        for (message, class) in [
            ("SASL authentication failed", ErrorClass::Environment),
            ("no such user: demo", ErrorClass::Environment),
            ("no such database: demo", ErrorClass::Environment),
            ("unsupported startup parameter in options: statement_timeout", ErrorClass::Environment),
            ("server login has been failing, cached error: authentication failed", ErrorClass::Environment),
            ("server login has been failing, try again later (server_login_retry)", ErrorClass::Temporary),
            ("query_wait_timeout", ErrorClass::Temporary),
            ("no more connections allowed (max_client_conn)", ErrorClass::Temporary),
            ("MaxClientsInSessionMode: max clients reached - in Session mode", ErrorClass::Temporary),
            ("pgbouncer cannot connect to server", ErrorClass::Temporary),
        ] {
            assert_eq!(ErrorClass::of_code(Step::Connect, "08P01", false, message), class, "{message}");
            assert_eq!(
                ErrorClass::of_code(Step::Read, "08P01", false, message),
                ErrorClass::Temporary,
                "{message}"
            );
        }
    }

    #[test]
    fn a_full_pooler_may_have_any_code() {
        for (code, message) in [
            ("XX000", "Max client connections reached"),
            ("XX000", "MaxClientsInSessionMode: max clients reached - in Session mode"),
            ("58000", "could not get connection from the pool"),
        ] {
            assert_eq!(
                ErrorClass::of_code(Step::Connect, code, false, message),
                ErrorClass::Temporary,
                "{message}"
            );
        }
    }

    #[test]
    fn nothing_that_a_spec_has_no_part_in_is_its_fault() {
        let digits = || ('0'..='9').chain('A'..='Z');
        for step in STEPS.into_iter().filter(|step| !step.has_spec()) {
            for (class, rest) in
                digits().flat_map(|one| digits().map(move |two| format!("{one}{two}"))).flat_map(|class| {
                    ["000", "001", "501", "601", "P01", "P05"].map(move |rest| (class.clone(), rest))
                })
            {
                let code = format!("{class}{rest}");
                assert_ne!(
                    ErrorClass::of_code(step, &code, false, ""),
                    ErrorClass::Permanent,
                    "{code} at {step:?}"
                );
            }
        }
    }

    #[test]
    fn errors_that_others_make_in_the_catalog_are_over_at_once() {
        for step in STEPS {
            assert_eq!(ErrorClass::of_code(step, "23505", true, ""), ErrorClass::Temporary);
            let message = "cached plan must not change result type";
            assert_eq!(ErrorClass::of_code(step, "0A000", false, message), ErrorClass::Temporary);
        }
    }
}
