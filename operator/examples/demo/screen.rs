//! The demo's output. It reads as a story from top to bottom, so nothing is ever overwritten.

use crate::log_line::{Level, LogLine};
use std::{
    env,
    io::{self, IsTerminal, Write},
    process::{Command, Stdio},
};

/// The width without a terminal, and the largest width for prose.
const WIDTH: usize = 100;

/// The prefix of each line of the operator's log.
const OPERATOR: &str = "operator │ ";

/// The prefix of the rest of a line that is too long for the terminal.
const OPERATOR_CONTINUED: &str = "         │     ";

#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// Standard output.
pub struct Screen {
    colors: bool,
    /// The width of the terminal, if there is one. Log lines are then wrapped so that the prefix stays clear
    /// of them.
    width: Option<usize>,
}

impl Screen {
    pub fn new(no_color: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colors: terminal && !plain && !no_color, width: terminal.then(terminal_width) }
    }

    /// The first line of a step.
    pub fn headline(&self, text: &str) -> io::Result<()> {
        let line = "─".repeat(self.prose_width().saturating_sub(text.chars().count() + 4));
        self.line(&format!("\n{}", self.paint(&[Style::Bold, Style::Cyan], &format!("── {text} {line}"))))
    }

    /// Running text, wrapped.
    pub fn prose(&self, text: &str) -> io::Result<()> {
        wrapped(text, self.prose_width(), "").iter().try_for_each(|line| self.line(line))
    }

    /// A remark.
    pub fn note(&self, text: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Dim], text))
    }

    /// A command, as a user would type it.
    pub fn command(&self, text: &str) -> io::Result<()> {
        self.line(&format!("\n{} {}", self.paint(&[Style::Dim], "$"), self.paint(&[Style::Bold], text)))
    }

    /// Output of a command, or other text that must not be wrapped.
    pub fn output(&self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.line(line))
    }

    /// A line of the operator's log. Only its level is colored, so that the message is easy to read.
    pub fn log(&self, line: &str) -> io::Result<()> {
        let parts = LogLine::parse(line);
        let (level, style, message) = match &parts {
            Some(parts) => (format!("{:<8} ", parts.level.name()), Style::of(parts.level), parts.message),
            None => (String::new(), Style::Dim, line),
        };
        let text = format!("{OPERATOR}{level}{message}");
        let lines = self.width.map_or(vec![text.clone()], |width| wrapped(&text, width, OPERATOR_CONTINUED));
        let start = format!("{OPERATOR}{level}");
        lines.iter().try_for_each(|line| match line.strip_prefix(&start) {
            Some(message) => self.line(&format!("{OPERATOR}{}{message}", self.paint(&[style], &level))),
            None => self.line(line),
        })
    }

    /// A question, after which the cursor stays.
    pub fn prompt(&self, text: &str) -> io::Result<()> {
        let mut output = io::stdout().lock();
        write!(output, "{}", self.paint(&[Style::Dim], text))?;
        output.flush()
    }

    /// A check that passed.
    pub fn passed(&self, claim: &str) -> io::Result<()> {
        let lines = wrapped(&format!("✓ {claim}"), self.prose_width(), "  ");
        lines.iter().try_for_each(|line| self.line(&self.paint(&[Style::Green], line)))
    }

    /// A check that failed.
    pub fn failed(&self, claim: &str, expected: &str, found: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Bold, Style::Red], &format!("✗ {claim}")))?;
        self.line(&format!("    expected: {expected}\n    found:    {found}"))
    }

    /// The result, if all checks passed.
    pub fn success(&self, text: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Bold, Style::Green], text))
    }

    /// The result, if a check failed.
    pub fn failure(&self, text: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Bold, Style::Red], text))
    }

    /// An empty line.
    pub fn gap(&self) -> io::Result<()> {
        self.line("")
    }

    fn prose_width(&self) -> usize {
        self.width.map_or(WIDTH, |width| width.min(WIDTH))
    }

    fn line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    fn paint(&self, styles: &[Style], text: &str) -> String {
        if !self.colors {
            return text.to_owned();
        }
        let start: String = styles.iter().map(|style| style.code()).collect();
        format!("{start}{text}\x1b[0m")
    }
}

impl Style {
    fn of(level: Level) -> Self {
        match level {
            Level::Debug => Self::Dim,
            Level::Info => Self::Cyan,
            Level::Warning => Self::Yellow,
            Level::Error | Level::Critical => Self::Red,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Red => "\x1b[31m",
            Self::Green => "\x1b[32m",
            Self::Yellow => "\x1b[33m",
            Self::Cyan => "\x1b[36m",
        }
    }
}

/// Breaks a text between words. `indent` begins every line but the first. Spaces within a line stay as they
/// are.
fn wrapped(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if used > 0 && used + length > width {
            lines.push(line.trim_end().to_owned());
            (line, used) = (indent.to_owned(), indent.chars().count());
        }
        line.push_str(word);
        used += word.chars().count();
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// The width of the terminal, from `stty`: std has no safe call for it, and every Unix has `stty`.
fn terminal_width() -> usize {
    let from_variable = || env::var("COLUMNS").ok()?.parse().ok();
    let from_terminal = || {
        let answer = Command::new("stty").arg("size").stdin(Stdio::inherit()).output().ok()?;
        String::from_utf8(answer.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
    };
    from_terminal().or_else(from_variable).filter(|&width: &usize| width >= 40).unwrap_or(WIDTH)
}
