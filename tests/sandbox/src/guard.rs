//! A shell that owns the servers and their folder, and outlives us just long enough to remove both.
//!
//! Only we hold the other end of its standard input. However this process ends (a return, a panic, Ctrl-C,
//! `kill -9`), the kernel closes that pipe, and the guard stops the servers in order. The kernel's
//! parent-death signal wouldn't do: it needs unsafe code, exists on Linux only, and depends on the thread
//! that forked, not on the process.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::account::{self, Account};
use crate::{Error, Result};

/// The interval at which conditions are checked.
const POLL: Duration = Duration::from_millis(20);

/// The signal that asks a server to stop, before it is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StopSignal {
    Terminate,
    /// PostgreSQL's "fast" shutdown. On SIGTERM, it would wait for its clients to disconnect.
    Interrupt,
    /// SIGTERM for a program with children, and for these. What doesn't stop within two seconds is killed. (SIGINT wouldn't do:
    /// a shell without job control makes what it starts in the background ignore it.)
    TerminateAll,
}

impl StopSignal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::TerminateAll => "ALL",
        }
    }
}

/// A folder with the servers that run in it. Dropping this stops the servers and removes the folder.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    folder: PathBuf,
    account: Option<Account>,
}

impl Guard {
    /// Starts a guard with an empty temporary folder. If an account is given, it owns both.
    pub(crate) fn start(account: Option<Account>) -> Result<Self> {
        Self::start_in(unused_folder(account.as_ref()), account)
    }

    /// Starts a guard with this folder, which doesn't exist yet.
    pub(crate) fn start_in(folder: PathBuf, account: Option<Account>) -> Result<Self> {
        let mut shell = guard_shell(&folder, account.as_ref())
            .spawn()
            .map_err(|source| Error::Guard { folder: folder.clone(), reason: source.to_string() })?;
        let mut answer = String::new();
        if let Some(output) = shell.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut answer);
        }
        let mut stderr = String::new();
        if answer.trim() != "ready" {
            if let Some(mut errors) = shell.stderr.take() {
                let _ = errors.read_to_string(&mut stderr);
            }
            let _ = shell.wait();
            return Err(Error::Guard { folder, reason: stderr.trim().to_owned() });
        }
        shell.stderr = None;
        Ok(Self { shell, folder, account })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into the folder, which only its owner can read.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder.join(name);
        let failed = |source| Error::File { path: path.clone(), source };
        write_private(&path, content.as_ref()).map_err(failed)?;
        if let Some(account) = &self.account {
            chown(&path, Some(account.uid), Some(account.gid)).map_err(failed)?;
        }
        Ok(path)
    }

    /// Starts a server under `name`, of letters and underscores. Of `command`, only the program, its
    /// arguments, its variables and its working folder are used.
    pub(crate) fn start_server(&self, name: &str, command: &Command, stop: StopSignal) -> Result<()> {
        self.write(&format!("{name}.sh"), script_of(command))?;
        self.remove(&format!("{name}.exit"))?;
        self.send(&format!("start {name} {}", stop.name()))
    }

    /// Stops a server, and returns its exit status, or `none` if it wasn't running.
    pub(crate) async fn stop_server(&self, name: &str) -> Result<String> {
        // Wait for the guard's answer, not for the exit status, which is there before the guard has seen it.
        let answer = format!("{name}.stopped");
        self.remove(&answer)?;
        self.send(&format!("stop {name}"))?;
        let limit = Instant::now() + Duration::from_secs(15); // the guard gives up after little more than ten
        loop {
            if let Ok(status) = fs::read_to_string(self.folder.join(&answer)) {
                return Ok(status.trim().to_owned());
            }
            if Instant::now() > limit {
                return Err(Error::ServerNotStopped { server: name.to_owned() });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File { path, source }),
            _ => Ok(()),
        }
    }

    /// The exit status of a server, if it has exited.
    pub(crate) fn exit_status(&self, name: &str) -> Option<String> {
        let status = fs::read_to_string(self.folder.join(format!("{name}.exit"))).ok()?;
        Some(status.trim().to_owned())
    }

    /// The last lines of a server's log.
    pub(crate) fn log_tail(&self, name: &str) -> String {
        let log = fs::read(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Calls `ready` until it succeeds, as long as all `servers` are running. If time is up, the error has
    /// the last failure of `ready`, and the log of the first server.
    pub(crate) async fn until_ready(
        &self,
        servers: &[&str],
        limit: Duration,
        mut ready: impl AsyncFnMut() -> Result<(), String>,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            // A server that accepts a request and never answers must not exceed the limit.
            let answer = tokio::time::timeout(limit / 10, ready()).await;
            let Err(reason) = answer.unwrap_or(Err("no answer".to_owned())) else { return Ok(()) };
            servers.iter().try_for_each(|server| self.check_running(server))?;
            if start.elapsed() > limit {
                let server = servers.first().copied().unwrap_or_default();
                let log = self.log_tail(server);
                return Err(Error::ServerNotReady { server: server.to_owned(), limit, reason, log });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a program that was started like a server has exited, and returns its exit status.
    pub(crate) async fn until_exited(&self, program: &str, limit: Duration) -> Result<String> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exit_status(program) {
                return Ok(status);
            }
            if start.elapsed() > limit {
                let (reason, log) = ("it is still running".to_owned(), self.log_tail(program));
                return Err(Error::ServerNotReady { server: program.to_owned(), limit, reason, log });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Fails with the status and the log of the server if it has exited.
    pub(crate) fn check_running(&self, server: &str) -> Result<()> {
        let Some(status) = self.exit_status(server) else { return Ok(()) };
        Err(Error::ServerExited { server: server.to_owned(), status, log: self.log_tail(server) })
    }

    /// Sends an order to the shell.
    fn send(&self, order: &str) -> Result<()> {
        let broken = |reason: String| Error::Guard { folder: self.folder.clone(), reason };
        let mut orders = self.shell.stdin.as_ref().ok_or_else(|| broken("its input is closed".to_owned()))?;
        orders.write_all(format!("{order}\n").as_bytes()).map_err(|error| broken(error.to_string()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // `wait` closes the pipe first. The guard has time limits, so this returns.
        let _ = self.shell.wait();
        // The folder's owner may lack the permission to remove it from its parent folder, which we have.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn guard_shell(folder: &Path, account: Option<&Account>) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", include_str!("guard.sh"), "korf-sandbox-guard"])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(account) = account {
        shell.uid(account.uid).gid(account.gid);
    }
    shell
}

/// The path of a new folder in the system's temporary folder. Another account needs one that all accounts can
/// use.
fn unused_folder(account: Option<&Account>) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let temp = std::env::temp_dir();
    let base =
        if account.is_none() || account::lets_all(&temp, 0o007) { temp } else { PathBuf::from("/tmp") };
    // Short, because the path of a Unix socket is limited to about a hundred bytes. Process ids are reused,
    // so the time is part of the name.
    let now = jiff::Timestamp::now().as_millisecond() & 0xfff_ffff;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    base.join(format!("korf-sandbox-{}-{count}-{now:x}", std::process::id()))
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}

/// A shell script that runs the command. It stays in the folder and documents how the server was started.
fn script_of(command: &Command) -> Vec<u8> {
    let mut script = Vec::new();
    if let Some(folder) = command.get_current_dir() {
        script.extend([b"cd ".as_slice(), &quoted(folder.as_os_str()), b" || exit\n"].concat());
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let name = name.as_encoded_bytes();
            script.extend([b"export ".as_slice(), name, b"=", &quoted(value), b"\n"].concat());
        }
    }
    script.extend(b"exec ");
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        script.extend([quoted(word).as_slice(), b" \\\n  "].concat());
    }
    script.extend(b"\n");
    script
}

fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word.as_encoded_bytes() {
        if byte == b'\'' {
            quoted.extend(br"'\''");
        } else {
            quoted.push(byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until a condition is met, which takes a moment.
    async fn until(what: &str, condition: impl Fn() -> bool) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(Instant::now() < limit, "timed out waiting until {what}");
            tokio::time::sleep(POLL).await;
        }
    }

    #[tokio::test]
    async fn a_command_reaches_the_shell_unchanged() {
        let guard = Guard::start(None).unwrap();
        let mut command = Command::new("printf");
        command.args(["%s|", "it's", "two words", "$HOME", "", "new\nline"]).env("GREETING", "it's");
        guard.start_server("printer", &command, StopSignal::Terminate).unwrap();
        guard.until_exited("printer", Duration::from_secs(30)).await.unwrap();
        assert_eq!(guard.log_tail("printer"), "it's|two words|$HOME||new\nline|");
    }

    #[tokio::test]
    async fn a_server_that_ignores_its_stop_signal_is_killed() {
        let guard = Guard::start(None).unwrap();
        let folder = guard.folder().to_owned();
        let mut deaf = Command::new("sh");
        deaf.args(["-c", "trap '' TERM; echo listening; while :; do sleep 0.1; done"]);
        guard.start_server("deaf", &deaf, StopSignal::Terminate).unwrap();
        until("it listens", || !guard.log_tail("deaf").is_empty()).await;
        assert_eq!(guard.stop_server("deaf").await.unwrap(), "137");
        assert_eq!(guard.stop_server("deaf").await.unwrap(), "none");
        drop(guard);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn the_children_of_a_program_stop_with_it_even_if_they_ignore_the_signal() {
        let guard = Guard::start(None).unwrap();
        let folder = guard.folder().to_owned();
        let mut parent = Command::new("sh");
        parent.args(["-c", "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.1; done' & wait"]);
        guard.start_server("parent", &parent, StopSignal::TerminateAll).unwrap();
        until("the child says who it is", || !guard.log_tail("parent").is_empty()).await;
        let child = guard.log_tail("parent");
        drop(guard);
        // The guard's last signal ends it together with the guard, so it may be about to die. Where process 1 is no init, what is dead
        // may not have been buried.
        let is_dead = || {
            let state = Command::new("ps").args(["-o", "stat=", "-p", &child]).output().unwrap();
            let state = String::from_utf8(state.stdout).unwrap();
            state.trim().is_empty() || state.starts_with('Z')
        };
        until("the child is dead", is_dead).await;
        assert!(!folder.exists());
    }
}
