//! The operator, in a process of its own, as its users run it.

use crate::{Result, shell::Shell};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// A running operator. It stops when this is dropped, and when the demo dies, however that happens.
pub struct OperatorProcess {
    guard: Child,
    lines: UnboundedReceiver<String>,
}

impl OperatorProcess {
    /// Starts the operator by a command line, which must not contain quotes.
    pub fn start(shell: &Shell, command: &str) -> Result<Self> {
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", include_str!("operator.sh"), "korf-demo-operator"]).args(command.split(' '));
        // In a process group of its own: Ctrl-C on the terminal reaches the demo alone, which then stops
        // things in order.
        guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        shell.prepare(&mut guard);
        let mut guard = guard.spawn().map_err(|error| format!("can't start the operator: {error}"))?;
        let (sender, lines) = mpsc::unbounded_channel();
        if let Some(output) = guard.stdout.take() {
            std::thread::spawn(move || read(output, &sender));
        }
        Ok(Self { guard, lines })
    }

    /// The next line of its log; `None` once it has exited.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// The next line of its log, if there is one already.
    pub fn buffered_line(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Asks it to stop (SIGTERM). Its last lines are still to be read.
    pub fn ask_to_stop(&mut self) {
        self.guard.stdin = None;
    }

    /// Waits until it has exited, after [`Self::ask_to_stop`].
    pub fn wait(mut self) -> Result<ExitStatus> {
        Ok(self.guard.wait()?)
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        // `wait` closes the pipe first. The guard has a time limit, so this returns.
        let _ = self.guard.wait();
    }
}

fn read(output: ChildStdout, lines: &UnboundedSender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        // Read on even without a receiver: a full pipe would block the operator.
        let _ = lines.send(text);
        line.clear();
    }
}
