//! Password file, in libpq's format.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>

use std::fmt;

/// The content of a password file. Its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PasswordFile(Vec<u8>);

/// What a password is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

impl PasswordFile {
    pub(super) fn new(content: Vec<u8>) -> Self {
        Self(content)
    }

    /// The password of the first line that fits, if it isn't empty.
    pub(super) fn password(&self, login: Login<'_>) -> Option<Vec<u8>> {
        let port = login.port.to_string();
        let wanted = [login.host, &port, login.database, login.user];
        let lines = self.0.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
        lines.filter_map(|line| password_of(line, wanted)).next().filter(|password| !password.is_empty())
    }
}

impl fmt::Debug for PasswordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordFile(_)")
    }
}

/// The password of a line, if its other fields are these, or `*`.
fn password_of(line: &[u8], wanted: [&str; 4]) -> Option<Vec<u8>> {
    let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
    for wanted in wanted {
        let (field, after) = field(rest);
        rest = after?;
        if field.raw != b"*" && field.text != wanted.as_bytes() {
            return None;
        }
    }
    Some(unescape(rest))
}

struct Field<'l> {
    raw: &'l [u8],
    text: Vec<u8>,
}

/// The first field of a line, and what comes after its colon.
fn field(line: &[u8]) -> (Field<'_>, Option<&[u8]>) {
    let mut escaped = false;
    let end = line.iter().position(|byte| {
        let is_end = *byte == b':' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    });
    let raw = line.get(..end.unwrap_or(line.len())).unwrap_or(line);
    (Field { raw, text: unescape(raw) }, end.and_then(|end| line.get(end + 1..)))
}

/// The text without the backslashes before `:` and `\`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter().copied();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let file = "# db:5432:shop:eva:comment\n\
                    db:5433:*:*:port\r\n\
                    db:5432:shop:eva:plain\n\
                    db:5432:*:eva:any database\n\
                    \\:\\:1:*:a\\:b\\\\c:*:p\\:w\\\\d:e\n\
                    \\*:*:*:*:star\n\
                    too:few\n\
                    db:*:*:nobody:\n\
                    *:*:*:*:last";
        let file = PasswordFile::new(file.as_bytes().to_vec());
        for (host, port, database, user, password) in [
            ("db", 5432, "shop", "eva", Some("plain")),
            ("db", 5432, "other", "eva", Some("any database")),
            ("db", 5433, "shop", "eva", Some("port")),
            ("::1", 1, "a:b\\c", "eva", Some("p:w\\d:e")),
            ("*", 1, "x", "y", Some("star")),
            ("db", 1, "x", "nobody", None),
            ("elsewhere", 1, "x", "y", Some("last")),
        ] {
            let found = file.password(Login { host, port, database, user });
            assert_eq!(found.as_deref(), password.map(str::as_bytes), "{host}:{port}:{database}:{user}");
        }
        assert_eq!(format!("{file:?}"), "PasswordFile(_)");
    }
}
