//! Text formats: `plain` and `full`.

use super::record::Record;
use anstyle::{AnsiColor, Style};
use jiff::Zoned;
use serde_json::Value;
use std::{borrow::Cow, fmt::Write};
use tracing::Level;

/// The object and the message.
pub(super) fn plain(record: &Record) -> String {
    let mut line = String::new();
    if let Some(object) = &record.object {
        let _ = write!(line, "[{object}] ");
    }
    line.push_str(&record.message);
    for (name, value) in &record.extras {
        let _ = write!(line, " {name}={}", shown(value));
    }
    one_line(&line)
}

/// The look of a line in the format `full`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// korf's loggers have the names of Kopf's.
    pub kopf: bool,
    /// The level has a color.
    pub colored: bool,
}

/// Kopf's `[%(asctime)s] %(name)-20.20s [%(levelname)-8.8s] %(message)s`.
pub(super) fn full(record: &Record, look: Look, now: &Zoned) -> String {
    let time = now.strftime("%Y-%m-%d %H:%M:%S,%3f");
    let logger = one_line(&logger(&record.target, look.kopf));
    let color = if look.colored { color(record.level) } else { Style::new() };
    format!("[{time}] {logger:<20.20} [{color}{:<8.8}{color:#}] {}", level(record.level), plain(record))
}

/// Python's name for the level.
fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

fn color(level: Level) -> Style {
    match level {
        Level::ERROR => AnsiColor::Red.on_default(),
        Level::WARN => AnsiColor::Yellow.on_default(),
        Level::INFO => Style::new(),
        Level::DEBUG | Level::TRACE => Style::new().dimmed(),
    }
}

/// The logger's name in Python, and in Kopf for korf's own targets.
fn logger(target: &str, kopf: bool) -> Cow<'static, str> {
    match target {
        "korf::activities" if kopf => "kopf.activities.auth".into(),
        "korf::engine" if kopf => "kopf._core.engines.activities".into(),
        "korf::reactor" if kopf => "kopf._core.reactor.running".into(),
        _ => match target.strip_prefix("korf::") {
            Some(own) if kopf => format!("kopf.{}", own.replace("::", ".")).into(),
            _ => target.replace("::", ".").into(),
        },
    }
}

/// Texts with blanks are quoted, so that the end of the value is clear.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_whitespace) => text.clone(),
        other => other.to_string(),
    }
}

/// Escapes control characters: texts of objects and servers must not forge records or control the terminal.
fn one_line(text: &str) -> String {
    let escaped = |c: char| match c {
        c if c.is_control() => c.escape_default().collect(),
        c => String::from(c),
    };
    if text.contains(char::is_control) { text.chars().map(escaped).collect() } else { text.into() }
}
