//! Findings: what was looked at, and how that is; one line each.

use std::{io::Write, process::ExitCode};

/// One thing that the command `check` has looked at: a line.
///
/// ```
/// use korf::cli::Finding;
///
/// let finding = Finding::failed("database", "nothing listens at localhost:5432: start it, or correct DATABASE_URL");
/// assert_eq!(
///     finding.to_string(),
///     "failed   database     nothing listens at localhost:5432: start it, or correct DATABASE_URL"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    level: Level,
    subject: &'static str,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Fine,
    Warning,
    Failed,
}

impl Finding {
    /// It is as it should be. The subject is a word or two.
    pub fn fine(subject: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Fine, subject, text: text.into() }
    }

    /// The operator can run, and something may not be meant so. The text says what to do.
    pub fn warning(subject: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Warning, subject, text: text.into() }
    }

    /// The operator can't do its work. The text says what to do.
    pub fn failed(subject: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Failed, subject, text: text.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Fine => "ok",
            Level::Warning => "warning",
            Level::Failed => "failed",
        };
        write!(f, "{level:8} {:12} {}", self.subject, self.text)
    }
}

/// What was found until now. Each finding is printed at once.
#[derive(Debug, Default)]
pub(super) struct Report {
    failed: usize,
    /// The output can't be written, or nobody reads it any more.
    broken: bool,
}

impl Report {
    pub fn add(&mut self, finding: Finding) {
        self.failed += usize::from(finding.level == Level::Failed);
        self.broken |= writeln!(std::io::stdout(), "{finding}").is_err();
    }

    /// The exit code: 1 if something has failed.
    pub fn end(self) -> ExitCode {
        let _ = std::io::stdout().flush();
        if self.failed > 0 || self.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
