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
        stat(self.child.id()).map_or(Duration::ZERO, |stat| stat.cpu)
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
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        value.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// The files and connections that it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// Asks it to end, with SIGTERM.
    pub fn terminate(&self) -> io::Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().map(drop)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

/// What the kernel tells of a process.
#[derive(Debug)]
pub struct Stat {
    /// The program.
    pub name: String,
    /// The process that has started it.
    pub parent: u32,
    /// Its processor time so far.
    pub cpu: Duration,
    /// That of processes which it has started, and which have ended.
    pub cpu_of_children: Duration,
}

/// Reads what the kernel tells of a process, while there is one.
pub fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, which is in parentheses, may contain spaces.
    let (head, fields) = text.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |from: usize| {
        fields.iter().skip(from).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>()
    };
    Some(Stat {
        name: head.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        cpu: Duration::from_secs_f64(ticks(11) / TICKS),
        cpu_of_children: Duration::from_secs_f64(ticks(13) / TICKS),
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
