//! Puts messages of servers and libraries into one line.

use std::error::Error;

/// The text with its lines joined, without a full stop at the end.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ").trim_end_matches('.').to_owned()
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
