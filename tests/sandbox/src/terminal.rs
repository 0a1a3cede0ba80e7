//! Progress on the terminal itself, because cargo captures what tests print.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a test is silent before its [`Ticker`] says what it does.
const QUIET: Duration = Duration::from_secs(5);

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

    /// Removes the line, if it is on a terminal.
    fn clear(&mut self) {
        if self.terminal.is_some() && self.shown.is_some() {
            self.write("");
        }
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

/// A line on the terminal that tells what a long test is doing, from its fifth second until this is dropped: every second on a
/// terminal, every ten seconds in a log. cargo captures what tests print, but not this.
#[derive(Debug)]
#[must_use = "the line disappears when this is dropped"]
pub struct Ticker {
    /// Dropped to stop the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts to tick. `what` is what the test is doing, such as `running 2,000 worlds`.
    pub fn start(what: &str) -> Self {
        let (stop, stopped) = mpsc::channel();
        let what = what.to_owned();
        let thread = thread::spawn(move || {
            let mut progress = Progress::start();
            let mut pause = QUIET;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                progress.show(&what);
                pause = Duration::from_secs(1);
            }
            progress.clear();
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
