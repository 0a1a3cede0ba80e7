//! Pauses between the steps, for a person who reads along.

use crate::{Result, screen::Screen};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// The keyboard, and how long the demo has waited for it.
pub struct Pauses {
    /// The lines that are typed. `None` if the demo doesn't wait for any.
    typed: Option<UnboundedReceiver<String>>,
    total: Duration,
}

impl Pauses {
    /// Pauses if they are wanted, and if there is a person: standard input and output are a terminal.
    pub fn new(wanted: bool) -> Self {
        let is_watched = wanted && io::stdin().is_terminal() && io::stdout().is_terminal();
        Self { typed: is_watched.then(typed_lines), total: Duration::ZERO }
    }

    /// Waits for Enter. Returns whether to go on.
    pub async fn pause(&mut self, screen: &Screen) -> Result<bool> {
        let Some(typed) = &mut self.typed else { return Ok(true) };
        while typed.try_recv().is_ok() {} // typed before it was asked for
        let start = Instant::now();
        screen.prompt("Enter for the next step, q and Enter to end: ")?;
        let line = typed.recv().await;
        self.total += start.elapsed();
        if line.is_none() {
            self.typed = None; // the terminal's end of file: nobody will ever type again
        }
        Ok(line.is_none_or(|line| !line.trim_start().starts_with(['q', 'Q'])))
    }

    /// The time that was spent in pauses.
    pub fn total(&self) -> Duration {
        self.total
    }
}

/// Reads on a thread of its own, which ends with the process: tokio's would keep the process waiting for one more line.
fn typed_lines() -> UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(io::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
