//! Process of an operator: what it takes of processor and memory, by Linux's `/proc`.

use std::{
    fs, io,
    process::{Child, Command},
    time::Duration,
};

/// The clock ticks of `/proc/<pid>/stat` in a second; the same on all platforms of Linux that matter.
const TICKS: f64 = 100.0;

/// A running operator. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: command.spawn()? })
    }

    /// The processor time so far.
    pub fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        // The name, which is in parentheses, may contain spaces.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        Duration::from_secs_f64(ticks.sum::<f64>() / TICKS)
    }

    /// The memory that is resident, in KiB.
    pub fn memory(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most memory that was ever resident, in KiB.
    pub fn peak_memory(&self) -> f64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> f64 {
        let status = self.read("status");
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        value.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
