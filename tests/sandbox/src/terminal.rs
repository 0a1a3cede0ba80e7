//! Progress for whoever waits: cargo captures what a test prints, so this goes to the terminal itself.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

/// One line that says what is going on and for how long.
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

    /// Shows the line again if it is time: every second on a terminal, every ten where lines pile up (a CI log).
    pub(crate) fn show(&mut self, what: &str) {
        let pause = Duration::from_secs(if self.terminal.is_some() { 1 } else { 10 });
        if self.shown.is_none_or(|shown| shown.elapsed() >= pause) {
            self.shown = Some(Instant::now());
            let end = if self.terminal.is_some() { "" } else { "\n" };
            self.write(&format!("{what}: {}{end}", self.elapsed()));
        }
    }

    /// The last line: it stays.
    pub(crate) fn finish(&mut self, what: &str) {
        self.write(&format!("{what}: {}\n", self.elapsed()));
    }

    fn elapsed(&self) -> String {
        let seconds = self.start.elapsed().as_secs();
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    }

    fn write(&mut self, line: &str) {
        // Nobody to tell is no reason to fail. The handle of standard error isn't captured, only the macros are.
        let _ = match &mut self.terminal {
            Some(terminal) => terminal.write_all(format!("\r\x1b[K{line}").as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
    }
}
