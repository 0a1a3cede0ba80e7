//! How the demo looks: a story that is read from top to bottom, so nothing is ever overwritten.

use std::{
    env,
    io::{self, IsTerminal, Write},
    process::{Command, Stdio},
};

/// The width where there is no terminal, and the most that prose takes.
const WIDTH: usize = 100;

/// What stands before each line of the operator's log.
const OPERATOR: &str = "operator │ ";

/// The same, before the rest of a line that was too long for the terminal.
const OPERATOR_GOES_ON: &str = "         │     ";

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
    /// Of the terminal, if it is one: there, log lines are broken where they would run into the prefix.
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

    /// Prose.
    pub fn say(&self, text: &str) -> io::Result<()> {
        wrapped(text, self.prose_width(), "").iter().try_for_each(|line| self.line(line))
    }

    /// Something by the way.
    pub fn note(&self, text: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Dim], text))
    }

    /// A command, as it would be typed.
    pub fn command(&self, text: &str) -> io::Result<()> {
        self.line(&format!("\n{} {}", self.paint(&[Style::Dim], "$"), self.paint(&[Style::Bold], text)))
    }

    /// What a command has said.
    pub fn output(&self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.line(line))
    }

    /// A line of the operator's log.
    pub fn log(&self, line: &str) -> io::Result<()> {
        let style = match line {
            _ if line.contains(" [ERROR") || line.contains(" [CRITICAL") => Style::Red,
            _ if line.contains(" [WARNING") => Style::Yellow,
            _ => Style::Dim,
        };
        let Some(width) = self.width else { return self.line(&format!("{OPERATOR}{line}")) };
        let lines = wrapped(&format!("{OPERATOR}{line}"), width, OPERATOR_GOES_ON);
        lines.iter().try_for_each(|line| self.line(&self.paint(&[style], line)))
    }

    /// A check that held.
    pub fn held(&self, what: &str) -> io::Result<()> {
        let lines = wrapped(&format!("✓ {what}"), self.prose_width(), "  ");
        lines.iter().try_for_each(|line| self.line(&self.paint(&[Style::Green], line)))
    }

    /// A check that did not hold.
    pub fn failed(&self, what: &str, expected: &str, found: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Bold, Style::Red], &format!("✗ {what}")))?;
        self.line(&format!("    expected: {expected}\n    found:    {found}"))
    }

    /// The last word, a good one.
    pub fn success(&self, text: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Bold, Style::Green], text))
    }

    /// The last word, a bad one.
    pub fn failure(&self, text: &str) -> io::Result<()> {
        self.line(&self.paint(&[Style::Bold, Style::Red], text))
    }

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

/// Breaks a text between words; `indent` begins all lines but the first. Blanks within a line stay as they are.
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

/// There is no safe call for it in std; `stty` has it on every Unix.
fn terminal_width() -> usize {
    let from_variable = || env::var("COLUMNS").ok()?.parse().ok();
    let from_terminal = || {
        let answer = Command::new("stty").arg("size").stdin(Stdio::inherit()).output().ok()?;
        String::from_utf8(answer.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
    };
    from_terminal().or_else(from_variable).filter(|&width: &usize| width >= 40).unwrap_or(WIDTH)
}
