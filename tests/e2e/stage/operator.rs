//! An operator's process.

use super::{Stage, eventually::eventually, log::Log};
use korf_sandbox::Proxy;
use std::{
    ffi::OsStr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::JoinHandle,
};

/// An operator to be started: `run --namespace <the stage's>`, logging in full what it does in detail.
#[must_use = "an operator is started by `.start()`"]
pub struct Launch<'s> {
    stage: &'s Stage<'s>,
    command: Command,
    everywhere: bool,
    verbose: bool,
}

/// An operator that runs. It is killed when dropped, and when the test's process ends in whatever way.
pub struct Operator {
    child: Child,
    guard: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

impl<'c> Stage<'c> {
    /// Any program that takes `run --namespace … --verbose` and a KUBECONFIG, to be started.
    pub fn launch(&self, program: &Path) -> Launch<'_> {
        let mut command = Command::new(program);
        command.arg("run");
        let inherited = ["RUST_LOG", "CLUSTER_ID", "DATABASE_CONNECTIONS"];
        inherited.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.env("KUBECONFIG", self.cluster.control_plane.kubeconfig());
        Launch { stage: self, command, everywhere: false, verbose: true }
    }
}

impl Launch<'_> {
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable that it has otherwise.
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// In all namespaces: for a cluster that nobody shares.
    pub fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// Without the lines of level DEBUG, as users run it.
    pub fn terse(mut self) -> Self {
        self.verbose = false;
        self
    }

    /// Reaches the API server by way of a proxy.
    pub fn kubeconfig_through(self, proxy: &Proxy) -> Self {
        let path = self.stage.cluster.control_plane.kubeconfig_through(proxy.address()).unwrap();
        self.env("KUBECONFIG", path)
    }

    /// Reaches PostgreSQL by way of a proxy.
    pub fn database_through(self, proxy: &Proxy) -> Self {
        let url = self.stage.database.url_through(proxy.address());
        self.env("DATABASE_URL", url)
    }

    /// What its command `crd` prints, instead of being started.
    pub fn definitions(&self) -> String {
        let output = Command::new(self.command.get_program()).arg("crd").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn start(mut self) -> Operator {
        match self.everywhere {
            true => self.command.arg("--all-namespaces"),
            false => self.command.args(["--namespace", &self.stage.namespace]),
        };
        if self.verbose {
            self.command.arg("--verbose");
        }
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let log = Arc::new(Log::new());
        let reader = read(&mut child, Arc::clone(&log));
        self.stage.logs.borrow_mut().push(Arc::clone(&log));
        Operator { guard: guard(&child), child, log, reader: Some(reader) }
    }
}

/// Reads in threads of its own: a test that panics polls nothing any more.
fn read(child: &mut Child, log: Arc<Log>) -> JoinHandle<()> {
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::spawn(move || {
        std::thread::scope(|threads| {
            threads.spawn(|| log.follow(stdout));
            log.follow(stderr);
        });
        log.end();
    })
}

/// A shell that kills the operator when its standard input closes, as it does when we are killed.
fn guard(child: &Child) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read -r _; kill -9 \"$0\"", &child.id().to_string()]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

impl Operator {
    /// What it has said so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.lines()
    }

    /// How many lines so far have `text` in them.
    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line with `text` in it.
    pub async fn wait_for_line(&self, text: &str) -> String {
        self.log.wait_for(text, 1).await.swap_remove(0)
    }

    /// Waits until so many lines have `text` in them.
    pub async fn wait_for_lines(&self, text: &str, count: usize) {
        self.log.wait_for(text, count).await;
    }

    /// The death that nothing can be done about; all that it said is read then.
    pub fn kill_9(&mut self) {
        // Where it has ended before, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Asks it to stop, as Kubernetes does.
    pub fn sigterm(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success(), "there is no operator to stop");
    }

    /// Waits until it has ended, and all that it said is read.
    pub async fn exit(&mut self) -> ExitStatus {
        let ended = async || self.child.try_wait().unwrap();
        let status = eventually("the operator has ended", ended, Option::is_some).await;
        self.kill_9();
        status.unwrap()
    }

    /// Asks it to stop, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.sigterm();
        self.exit().await
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill_9();
    }
}
