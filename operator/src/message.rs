//! Puts messages of servers and libraries into one line.

use std::error::Error;

/// The text with its lines joined, without a full stop at the end.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ").trim_end_matches('.').to_owned()
}

/// The text with an escape for each character that ends a line, isn't printed, or changes the order of those around it. So it
/// stays within a comment, of SQL or of YAML.
pub(crate) fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_printable(letter) {
            true => printed.push(letter),
            false => printed.extend(letter.escape_default()),
        }
    }
    printed
}

fn is_printable(letter: char) -> bool {
    let is_odd = matches!(
        letter,
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    );
    !letter.is_control() && !is_odd
}

/// An error with its causes.
pub(crate) fn with_causes(error: impl Into<Box<dyn Error + Send + Sync>>) -> String {
    one_line(&korf::Error::new(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[test]
    fn several_lines_become_one() {
        assert_eq!(
            one_line("view a depends on table t\n  view b depends on table t.\n"),
            "view a depends on table t; view b depends on table t"
        );
    }

    #[test]
    fn nothing_ends_the_line_that_a_printable_text_is_in() {
        for (text, printed) in [
            ("Straße, 日本, \\ e\u{301}", "Straße, 日本, \\ e\u{301}"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("a\u{85}b\u{b}c\u{2028}d", "a\\u{85}b\\u{b}c\\u{2028}d"),
            ("\u{1b}[2J\u{202e}\u{feff}\u{ffff}", "\\u{1b}[2J\\u{202e}\\u{feff}\\u{ffff}"),
        ] {
            assert_eq!(printable(text), printed);
        }
    }

    #[test]
    fn causes_are_printed_once_and_in_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer\nline")]
        struct Outer(#[source] Middle);
        #[derive(Debug, thiserror::Error)]
        #[error("middle: {0}")]
        struct Middle(#[source] fmt::Error);
        assert_eq!(with_causes(Outer(Middle(fmt::Error))), format!("outer; line: middle: {}", fmt::Error));
    }
}
