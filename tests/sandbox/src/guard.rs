//! The guard: a shell that owns the servers and their folder, and outlives us just long enough to remove both.
//!
//! Its standard input is a pipe that only we hold. However we end (a return, a panic, Ctrl-C, `kill -9`), the kernel
//! closes that pipe, and the guard stops the servers in order. The kernel's parent-death signal wouldn't do: it
//! needs unsafe code, is Linux's alone, and follows the thread that forked, not the process.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::{Error, Result};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// How a server is asked to stop, before it is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StopSignal {
    Terminate,
    /// PostgreSQL's "fast" shutdown: on SIGTERM it would wait for its clients to leave.
    Interrupt,
}

impl StopSignal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
        }
    }
}

/// A folder and the servers that live in it; both are gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    folder: PathBuf,
    account: Option<Account>,
}

impl Guard {
    /// Starts a guard with an empty folder, both owned by `account` where one is given.
    pub(crate) fn start(account: Option<Account>) -> Result<Self> {
        let folder = unused_folder(account.as_ref());
        let mut shell = guard_shell(&folder, account.as_ref())
            .spawn()
            .map_err(|source| Error::Guard { folder: folder.clone(), reason: source.to_string() })?;
        let mut answer = String::new();
        if let Some(output) = shell.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut answer);
        }
        let mut complaint = String::new();
        if answer.trim() != "ready" {
            if let Some(mut errors) = shell.stderr.take() {
                let _ = errors.read_to_string(&mut complaint);
            }
            let _ = shell.wait();
            return Err(Error::Guard { folder, reason: complaint.trim().to_owned() });
        }
        shell.stderr = None;
        Ok(Self { shell, folder, account })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into the folder, readable by its owner alone.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder.join(name);
        let failed = |source| Error::File { path: path.clone(), source };
        write_private(&path, content.as_ref()).map_err(failed)?;
        if let Some(account) = &self.account {
            chown(&path, Some(account.uid), Some(account.gid)).map_err(failed)?;
        }
        Ok(path)
    }

    /// Starts `command` under `name` (letters and underscores); of the command, the program, its arguments, the
    /// variables and the working folder count.
    pub(crate) fn start_server(&self, name: &str, command: &Command, stop: StopSignal) -> Result<()> {
        self.write(&format!("{name}.sh"), script_of(command))?;
        self.remove(&format!("{name}.exit"))?;
        self.order(&format!("start {name} {}", stop.name()))
    }

    /// Stops a server; returns its exit status when it has ended, `none` where it didn't run.
    pub(crate) async fn stop_server(&self, name: &str) -> Result<String> {
        // The guard's own file, not the exit status: that is there before the guard has seen it.
        let answer = format!("{name}.stopped");
        self.remove(&answer)?;
        self.order(&format!("stop {name}"))?;
        let limit = Instant::now() + Duration::from_secs(15); // the guard gives up after ten or more
        loop {
            if let Ok(status) = fs::read_to_string(self.folder.join(&answer)) {
                return Ok(status.trim().to_owned());
            }
            if Instant::now() > limit {
                return Err(Error::WontStop { server: name.to_owned() });
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

    /// The exit status of a server that has ended.
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

    /// Asks again and again until `ready` says yes, for as long as all `servers` run. Its refusal is the reason given
    /// when time is up, with the log of the first.
    pub(crate) async fn until_ready(
        &self,
        servers: &[&str],
        limit: Duration,
        mut ready: impl AsyncFnMut() -> Result<(), String>,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            // A server that takes the question and never answers must not outlast the limit.
            let answer = tokio::time::timeout(limit / 10, ready()).await;
            let Err(reason) = answer.unwrap_or(Err("no answer".to_owned())) else { return Ok(()) };
            servers.iter().try_for_each(|server| self.has_not_ended(server))?;
            if start.elapsed() > limit {
                let server = servers.first().copied().unwrap_or_default();
                let log = self.log_tail(server);
                return Err(Error::ServerLate { server: server.to_owned(), limit, reason, log });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// An error with the status and the log of a server that has ended.
    pub(crate) fn has_not_ended(&self, server: &str) -> Result<()> {
        let Some(status) = self.exit_status(server) else { return Ok(()) };
        Err(Error::ServerEnded { server: server.to_owned(), status, log: self.log_tail(server) })
    }

    fn order(&self, line: &str) -> Result<()> {
        let gone = |reason: String| Error::Guard { folder: self.folder.clone(), reason };
        let mut orders = self.shell.stdin.as_ref().ok_or_else(|| gone("it was let go".to_owned()))?;
        orders.write_all(format!("{line}\n").as_bytes()).map_err(|error| gone(error.to_string()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closes the pipe, then waits; the guard has its own limits, so this ends.
        let _ = self.shell.wait();
        // Where the folder's owner may not remove it from the folder above, we may.
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

/// The temporary folder of the system; another account needs one that is everybody's.
fn unused_folder(account: Option<&Account>) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = if account.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    // Short: the path of a socket in it may have about a hundred bytes. A process id comes again, so the time too.
    let now = jiff::Timestamp::now().as_millisecond() & 0xfff_ffff;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    base.join(format!("korf-sandbox-{}-{count}-{now:x}", std::process::id()))
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}

/// The shell script that becomes the command; it stays in the folder, to see how a server was started.
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

    #[tokio::test]
    async fn a_command_reaches_the_shell_as_it_was_given() {
        let guard = Guard::start(None).unwrap();
        let mut command = Command::new("printf");
        command.args(["%s|", "it's", "two words", "$HOME", "", "new\nline"]).env("GREETING", "it's");
        guard.start_server("printer", &command, StopSignal::Terminate).unwrap();
        while guard.exit_status("printer").is_none() {
            tokio::time::sleep(POLL).await;
        }
        assert_eq!(guard.log_tail("printer"), "it's|two words|$HOME||new\nline|");
    }

    #[tokio::test]
    async fn a_server_that_will_not_stop_is_killed() {
        let guard = Guard::start(None).unwrap();
        let folder = guard.folder().to_owned();
        let mut deaf = Command::new("sh");
        deaf.args(["-c", "trap '' TERM; echo listening; while :; do sleep 0.1; done"]);
        guard.start_server("deaf", &deaf, StopSignal::Terminate).unwrap();
        while guard.log_tail("deaf").is_empty() {
            tokio::time::sleep(POLL).await;
        }
        assert_eq!(guard.stop_server("deaf").await.unwrap(), "137");
        assert_eq!(guard.stop_server("deaf").await.unwrap(), "none");
        drop(guard);
        assert!(!folder.exists());
    }
}
