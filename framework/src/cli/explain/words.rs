//! Words: texts and times as people read them.

use super::excerpt;
use crate::core::diff::Op;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The most characters of a value that are shown.
pub(super) const VALUE_LIMIT: usize = 100;

/// The most characters of a handler's error that are shown.
const MESSAGE_LIMIT: usize = 300;

/// A text on one line, in which nothing commands a terminal.
pub(super) fn printable(text: &str) -> String {
    let escaped = |c: char| match c {
        // What turns the direction of a text, and what breaks lines without being a control character.
        '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_default().to_string(),
        c => String::from(c),
    };
    text.chars().map(escaped).collect()
}

/// `2026-11-22 14:53:30 UTC`.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `3m ago`, or `in 3m` where it is to come.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let passed = now.duration_since(time);
    if passed.is_negative() { format!("in {}", span(-passed)) } else { format!("{} ago", span(passed)) }
}

/// Both.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", time(at), ago(at, now))
}

/// As kubectl's ages, in its largest units.
fn span(duration: SignedDuration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A value as JSON, cut where it is long.
pub(super) fn value(value: &Value) -> String {
    cut(&value.to_string(), VALUE_LIMIT)
}

/// The message of an error, cut where it is long.
pub(super) fn message(message: &str) -> String {
    cut(message, MESSAGE_LIMIT)
}

pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// What has become of a value.
pub(super) fn change(op: Op, old: &Value, new: &Value) -> String {
    match op {
        Op::Add => value(new),
        Op::Remove => value(old),
        Op::Change => excerpt::change(old, new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_commands_no_terminal_and_stays_on_its_line() {
        for (text, expected) in [
            ("plain, größer → 5", "plain, größer → 5"),
            ("a\nb\u{1b}[31m", "a\\nb\\u{1b}[31m"),
            ("c\u{9b}31m\u{7f}", "c\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt\u{2028}", "\\u{202e}txt\\u{2028}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn times_are_told_with_their_distance() {
        let now: Timestamp = "2026-11-22T14:53:30Z".parse().unwrap();
        let at = |seconds| now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        assert_eq!(moment(at(-5), now), "2026-11-22 14:53:25 UTC (5s ago)");
        for (seconds, expected) in [
            (0, "0s ago"),
            (45, "in 45s"),
            (119, "in 119s"),
            (-120, "2m ago"),
            (-7_200, "2h ago"),
            (-172_800, "2d ago"),
        ] {
            assert_eq!(ago(at(seconds), now), expected);
        }
    }

    #[test]
    fn long_values_are_cut() {
        let long = json!("ä".repeat(500));
        assert_eq!(value(&long), format!("\"{}… (1002 bytes)", "ä".repeat(VALUE_LIMIT - 1)));
    }
}
