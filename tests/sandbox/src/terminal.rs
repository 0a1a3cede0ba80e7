//! Progress on the terminal itself, because cargo captures what tests print.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

/// A line that shows what is going on, and for how long already.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: Option<File>,
    start: Instant,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let terminal = OpenOptions::new().write(true).open("/dev/tty").ok();
        Self { terminal, start: Instant::now(), shown: None }
    }

    /// Updates the line if it is time to: every second on a terminal, every ten seconds in a log, where lines
    /// pile up.
    pub(crate) fn show(&mut self, what: &str) {
        let pause = Duration::from_secs(if self.terminal.is_some() { 1 } else { 10 });
        if self.shown.is_none_or(|shown| shown.elapsed() >= pause) {
            self.shown = Some(Instant::now());
            let end = if self.terminal.is_some() { "" } else { "\n" };
            self.write(&format!("{what}: {}{end}", self.elapsed()));
        }
    }

    /// Shows the line for the last time, and leaves it.
    pub(crate) fn finish(&mut self, what: &str) {
        self.write(&format!("{what}: {}\n", self.elapsed()));
    }

    fn elapsed(&self) -> String {
        let seconds = self.start.elapsed().as_secs();
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    }

    fn write(&mut self, line: &str) {
        // Missing output is no reason to fail. Cargo captures the print macros, but not the handle of
        // standard error.
        let _ = match &mut self.terminal {
            Some(terminal) => terminal.write_all(format!("\r\x1b[K{line}").as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
    }
}
