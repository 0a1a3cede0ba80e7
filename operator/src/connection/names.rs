//! Names of a connection that aren't for everybody, hidden in what a server or a pooler says.

/// The names and addresses of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The user, the database and the hosts.
    pub(super) names: Vec<String>,
    /// The addresses, as a message has them.
    pub(super) addresses: Vec<String>,
}

/// The words before a name that isn't in quotes: `permission denied for database bank`, `no such user: eva`.
const SAY_WHAT: [&str; 12] = [
    "database",
    "databases",
    "dbname",
    "db",
    "user",
    "username",
    "login",
    "role",
    "tenant",
    "host",
    "hostname",
    "server",
];

impl Names {
    /// The message without them: in quotes, and behind a word that says what they are. Elsewhere, such a name means something else:
    /// `permission denied for schema app` is no secret, although the user is called so, too.
    pub(crate) fn hide(&self, message: String) -> String {
        let message = self.addresses.iter().fold(message, |message, address| message.replace(address, "…"));
        let names = self.names.iter().filter(|name| !name.is_empty());
        names.fold(message, |message, name| hidden(&message.replace(&format!("\"{name}\""), "…"), name))
    }
}

fn hidden(message: &str, name: &str) -> String {
    let (mut text, mut end) = (String::with_capacity(message.len()), 0);
    for (at, _) in message.match_indices(name) {
        let (before, after) = (&message[..at], &message[at + name.len()..]);
        let is_whole = !before.ends_with(is_of_name) && !after.starts_with(is_of_name);
        let is_quoted = before.ends_with(['\'', '"', '`']) || after.starts_with(['\'', '"', '`']);
        if is_whole && (is_quoted || says_what(before)) {
            text += &message[end..at];
            text.push('…');
            end = at + name.len();
        }
    }
    text + &message[end..]
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '-'
}

/// Whether a text ends with a word that says what follows.
fn says_what(before: &str) -> bool {
    let before = before.trim_end_matches([' ', ':', '=', '(']);
    let word = before.rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    SAY_WHAT.iter().any(|what| word.eq_ignore_ascii_case(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_secret_says_is_in_no_message() {
        let names = |user: &str, database: &str| Names {
            names: [user, database, "secret.host"].map(str::to_owned).into(),
            addresses: vec!["secret.host:5".to_owned()],
        };
        let (usual, short) = (names("eva", "bank"), names("app", "app"));
        for (names, message, hidden) in [
            (&usual, "role \"eva\" does not exist in \"bank\"", "role … does not exist in …"),
            (&usual, "secret.host:5 (10.0.0.1): timed out", "… (10.0.0.1): timed out"),
            (&usual, "not valid for name \"secret.host\"", "not valid for name …"),
            (&usual, "an evaluation of eva in x", "an evaluation of eva in x"),
            // PostgreSQL, where a right is missing.
            (&usual, "permission denied for database bank", "permission denied for database …"),
            (
                &usual,
                "must be owner of database bank (SQLSTATE 42501)",
                "must be owner of database … (SQLSTATE 42501)",
            ),
            // pgbouncer, pgcat, odyssey.
            (&usual, "no such database: bank", "no such database: …"),
            (&usual, "no such user: eva", "no such user: …"),
            (&usual, "bouncer config error: user=eva db=bank", "bouncer config error: user=… db=…"),
            (
                &usual,
                "No pool configured for database: \"bank\", user: \"eva\"",
                "No pool configured for database: …, user: …",
            ),
            (&usual, "route for 'bank.eva' is not found", "route for '….…' is not found"),
            // Parts of other names, and other things of the same name.
            (&usual, "database banks, user evaline, role eva-2", "database banks, user evaline, role eva-2"),
            (&short, "permission denied for schema app", "permission denied for schema app"),
            (
                &short,
                "permission denied for database app, table app.t",
                "permission denied for database …, table app.t",
            ),
        ] {
            assert_eq!(names.hide(message.to_owned()), hidden);
        }
    }
}
