//! The operator: a process of its own, as anybody would run it.

use crate::{Result, shell::Shell};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// A running operator; it ends when this is dropped, or with us in whatever way we end.
pub struct Operator {
    guard: Child,
    lines: UnboundedReceiver<String>,
}

impl Operator {
    /// Starts it by a command without quotes.
    pub fn start(shell: &Shell, command: &str) -> Result<Self> {
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", include_str!("operator.sh"), "korf-demo-operator"]).args(command.split(' '));
        // A group of its own: Ctrl-C on the terminal is for us, and we end things in order.
        guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        shell.prepare(&mut guard);
        let mut guard = guard.spawn().map_err(|error| format!("the operator can't be started: {error}"))?;
        let (sender, lines) = mpsc::unbounded_channel();
        if let Some(output) = guard.stdout.take() {
            std::thread::spawn(move || read(output, &sender));
        }
        Ok(Self { guard, lines })
    }

    /// The next line of its log; none when it has ended.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// The lines that are there already.
    pub fn waiting_line(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Asks it to end (SIGTERM); its last lines are still to come.
    pub fn ask_to_stop(&mut self) {
        self.guard.stdin = None;
    }

    /// How it ended, once it has been asked to.
    pub fn end(mut self) -> Result<ExitStatus> {
        Ok(self.guard.wait()?)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Closes the pipe; the guard has its own limit, so this ends.
        let _ = self.guard.wait();
    }
}

fn read(output: ChildStdout, lines: &UnboundedSender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        // To the end, even if nobody listens: a full pipe would hold the operator up.
        let _ = lines.send(text);
        line.clear();
    }
}
