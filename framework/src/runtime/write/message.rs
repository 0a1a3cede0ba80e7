//! Messages: the API server's errors in one line, for people, without what may be secret.

use crate::runtime::login_error;
use korf_core::error::root_cause;
use kube::{Error, core::Status, runtime::watcher};

/// What stands before a value in the API server's messages, with a colon between them.
const BEFORE_VALUES: [&str; 4] = ["Invalid value", "Duplicate value", "Unsupported value", "Not found"];

/// A value that is shorter is part of many words.
const SHORTEST_ECHO: usize = 3;

/// The error in one line, for people.
pub fn explain(error: &Error) -> String {
    match error {
        Error::Api(status) => explain_status(status),
        error => match login_error::find(error) {
            Some(error) => login_error::explain(error, None),
            None => root_cause(error),
        },
    }
}

/// The error of a watch in one line, for people.
pub fn explain_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => explain(error),
        watcher::Error::WatchError(status) => explain_status(status),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

fn explain_status(status: &Status) -> String {
    let message = without_objects(status.message.trim());
    match (&*message, status.code) {
        ("", code) => format!("the API server answered {code} {}", status.reason),
        (message, 401) => format!("{message} (401): the credentials are not valid, or no longer"),
        (message, code) => format!("{message} ({code})"),
    }
}

/// A message without the objects and lists that it quotes, in which there may be a secret.
fn without_objects(message: &str) -> String {
    let mut text = String::new();
    for (before, value) in parts(message) {
        text.push_str(before);
        text.push_str(match value.trim_start_matches('"').chars().next() {
            Some('{') if value.starts_with('"') => "\"{…}\"",
            Some('[') if value.starts_with('"') => "\"[…]\"",
            Some('[') => "[…]",
            // As Go writes it: `map[string]interface {}{"key":"value"}`.
            Some(first) if first == '{' || (!value.starts_with('"') && value.contains('{')) => "{…}",
            _ => value,
        });
    }
    text
}

/// A message without any value of the object: what remains are fields and reasons.
pub fn without_values(message: &str) -> String {
    let parts = parts(message);
    let text = |&(before, value): &(&str, &str)| match value {
        "" => before.to_owned(),
        _ => before.trim_end_matches(": ").to_owned(),
    };
    let Some((first, others)) = parts.split_first() else { return String::new() };
    // The reason that follows a value may quote it, or others.
    let reasons: String = others.iter().map(|part| without_quotes(&text(part))).collect();
    let values = parts.iter().map(|(_, value)| value.trim_matches('"'));
    let echoes = values.filter(|value| value.len() >= SHORTEST_ECHO);
    text(first) + &echoes.fold(reasons, |reasons, value| reasons.replace(value, "…"))
}

/// A text with what stands in double quotes left out.
fn without_quotes(text: &str) -> String {
    let (mut left, mut rest) = (String::new(), text);
    while let Some(begin) = rest.find('"') {
        left = left + &rest[..begin] + "\"…\"";
        rest = &rest[begin + quoted_len(&rest[begin..])..];
    }
    left + rest
}

/// A message in parts: a text, and the value that follows it, which is empty after the last one.
fn parts(message: &str) -> Vec<(&str, &str)> {
    let (mut parts, mut rest) = (Vec::new(), message);
    while let Some(begin) = value_begin(rest) {
        let (before, after) = rest.split_at(begin);
        let (value, after) = after.split_at(value_len(after));
        parts.push((before, value));
        rest = after;
    }
    parts.push((rest, ""));
    parts
}

/// Where the first value of a text begins.
fn value_begin(text: &str) -> Option<usize> {
    let after = |word: &str| {
        text.match_indices(word).map(|(at, _)| at + word.len()).find(|end| text[*end..].starts_with(": "))
    };
    BEFORE_VALUES.iter().filter_map(|word| after(word)).min().map(|end| end + ": ".len())
}

/// The length of the value that a text begins with: up to what follows it outside of quotes and brackets.
fn value_len(text: &str) -> usize {
    if text.starts_with('"') {
        return quoted_len(text);
    }
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(first) = text[at..].chars().next() {
        let next = text[at..].chars().nth(1).unwrap_or(' ');
        match first {
            '"' => {
                at += quoted_len(&text[at..]);
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' if depth == 0 => return at,
            '}' | ']' => depth -= 1,
            ':' | ',' if depth == 0 && next == ' ' => return at,
            // Within the name of a type, as Go writes it.
            ' ' if depth == 0 && next != '{' => return at,
            _ => {}
        }
        at += first.len_utf8();
    }
    at
}

/// The length of the quoted text that a text begins with; all of it if the end is missing.
fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::client::AuthError;

    /// A message; the same without objects; the same without values.
    const CASES: [[&str; 3]; 15] = [
        [
            r#""" is invalid: patch: Invalid value: "{\"data\":{\"password\":\"c2VjcmV0\"}}": parsing time"#,
            r#""" is invalid: patch: Invalid value: "{…}": parsing time"#,
            r#""" is invalid: patch: Invalid value: parsing time"#,
        ],
        [r#"patch: Invalid value: "{\"data\":"#, r#"patch: Invalid value: "{…}""#, "patch: Invalid value"],
        [
            r#"spec.size: Invalid value: "many": must be a number"#,
            r#"spec.size: Invalid value: "many": must be a number"#,
            "spec.size: Invalid value: must be a number",
        ],
        [
            r#"[a: Invalid value: "{\"x\":1}": one, b: Invalid value: "[\"s\"]": two, c: Invalid value: {"y":{"z":"}"}}: three] (422)"#,
            r#"[a: Invalid value: "{…}": one, b: Invalid value: "[…]": two, c: Invalid value: {…}: three] (422)"#,
            "[a: Invalid value: one, b: Invalid value: two, c: Invalid value: three] (422)",
        ],
        [
            r#"a: Invalid value: ["hunter2", {"x": 1}]: one"#,
            "a: Invalid value: […]: one",
            "a: Invalid value: one",
        ],
        [r#"a: Invalid value: {"password": "hunt"#, "a: Invalid value: {…}", "a: Invalid value"],
        [
            r#"a: Invalid value: map[string]interface {}{"password":"hunter2"}: one"#,
            "a: Invalid value: {…}: one",
            "a: Invalid value: one",
        ],
        [
            r#"l[1]: Duplicate value: {"name":"hunter2"}, b: Required value"#,
            "l[1]: Duplicate value: {…}, b: Required value",
            "l[1]: Duplicate value, b: Required value",
        ],
        [
            r#"a: Unsupported value: "hunter2": supported values: "x", "y""#,
            r#"a: Unsupported value: "hunter2": supported values: "x", "y""#,
            r#"a: Unsupported value: supported values: "…", "…""#,
        ],
        [
            r#"x "a" is invalid: p: Invalid value: "hunter2": hunter2 is no "number" (422)"#,
            r#"x "a" is invalid: p: Invalid value: "hunter2": hunter2 is no "number" (422)"#,
            r#"x "a" is invalid: p: Invalid value: … is no "…" (422)"#,
        ],
        [
            r#"[n: Invalid value: 5: at most 3, m: Invalid value: 7] (422)"#,
            r#"[n: Invalid value: 5: at most 3, m: Invalid value: 7] (422)"#,
            "[n: Invalid value: at most 3, m: Invalid value] (422)",
        ],
        [
            r#"p: Invalid value: "a\"b: \\": no"#,
            r#"p: Invalid value: "a\"b: \\": no"#,
            "p: Invalid value: no",
        ],
        [
            r#"p: Invalid value: "hunter2" (422)"#,
            r#"p: Invalid value: "hunter2" (422)"#,
            "p: Invalid value (422)",
        ],
        [
            r#"spec.size: Invalid value: "size": no such size"#,
            r#"spec.size: Invalid value: "size": no such size"#,
            "spec.size: Invalid value: no such …",
        ],
        [
            r#"things "a" not found: Invalid value"#,
            r#"things "a" not found: Invalid value"#,
            r#"things "a" not found: Invalid value"#,
        ],
    ];

    #[test]
    fn a_message_loses_each_object_that_it_quotes() {
        for [message, expected, _] in CASES {
            assert_eq!(without_objects(message), expected);
        }
    }

    #[test]
    fn a_public_message_has_fields_and_reasons_and_no_value() {
        for [message, shown, expected] in CASES {
            assert_eq!(without_values(message), expected);
            // What has lost its objects loses its values, too.
            assert_eq!(without_values(shown), expected);
        }
    }

    #[test]
    fn an_error_of_a_login_is_not_quoted() {
        let why = |error| explain(&Error::Service(Box::new(error)));
        let failed = AuthError::AuthExec("Executing sh -c hunter2 failed".into());
        assert_eq!(why(failed), "the credential plugin can't be started");
    }
}
