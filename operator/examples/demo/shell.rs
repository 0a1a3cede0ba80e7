//! A shell that runs the commands exactly as they are shown.

use crate::Result;
use korf_sandbox::{Database, Sandbox};
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

/// Limit for one command. None takes a second, and where kubectl waits, it has a limit of its own.
const LIMIT: Duration = Duration::from_secs(60);

/// Prefixes of variables in the user's environment that would change what the commands do.
const UNWANTED: [&str; 5] = ["PG", "KORF_RUN_", "CLUSTER_ID", "DATABASE_CONNECTIONS", "RUST_LOG"];

/// The output of a command, with its exit status.
pub struct CommandOutput {
    pub text: String,
    pub status: String,
}

/// A working folder and an environment.
pub struct Shell {
    pub folder: PathBuf,
    pub has_psql: bool,
    /// Folders of needed programs that aren't on the PATH.
    programs: Vec<PathBuf>,
    kubeconfig: PathBuf,
    database_url: String,
}

impl Shell {
    pub fn new(folder: &Path, sandbox: &Sandbox, database: &Database) -> Result<Self> {
        let kubectl = sandbox.control_plane.kubectl()?;
        let psql = sandbox.postgres.psql();
        let found = psql.iter().chain([&kubectl]).map(std::process::Command::get_program);
        Ok(Self {
            folder: folder.to_owned(),
            has_psql: psql.is_ok(),
            programs: found.filter_map(folder_off_the_path).collect(),
            kubeconfig: sandbox.control_plane.kubeconfig().to_owned(),
            database_url: database.url(),
        })
    }

    /// Lines that give another shell the same folder and environment.
    pub fn exports(&self) -> Vec<String> {
        let mut lines = vec![format!("cd {}", quoted(&self.folder.to_string_lossy()))];
        for folder in &self.programs {
            lines.push(format!("export PATH=\"$PATH\":{}", quoted(&folder.to_string_lossy())));
        }
        lines.push(format!("export KUBECONFIG={}", quoted(&self.kubeconfig.to_string_lossy())));
        lines.push(format!("export DATABASE_URL={}", quoted(&self.database_url)));
        lines
    }

    /// Runs a command, as if it had been typed into this shell.
    pub async fn run(&self, command: &str) -> Result<CommandOutput> {
        // `exec`, so that `kill_on_drop` kills the program and not only the shell around it.
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(format!("exec 2>&1; exec {command}"));
        shell.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.prepare(shell.as_std_mut());
        let output = tokio::time::timeout(LIMIT, shell.output()).await;
        let output = output
            .map_err(|_| format!("the command is still running after {} s: {command}", LIMIT.as_secs()))??;
        Ok(CommandOutput {
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            status: output.status.to_string(),
        })
    }

    /// Sets the folder and the environment of a command.
    pub fn prepare(&self, command: &mut std::process::Command) {
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if UNWANTED.iter().any(|prefix| name_text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(self.programs.iter().cloned());
        if let Ok(path) = env::join_paths(folders) {
            command.env("PATH", path);
        }
        command
            .current_dir(&self.folder)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("DATABASE_URL", &self.database_url)
            .env("PSQLRC", "/dev/null");
        if let Some(folder) = self.kubeconfig.parent() {
            // kubectl's discovery cache is useless for any other cluster, so it is removed with this one.
            command.env("KUBECACHEDIR", folder.join("cache"));
        }
    }
}

/// The folder of a program, unless the shell finds a program of that name on the PATH.
fn folder_off_the_path(program: &OsStr) -> Option<PathBuf> {
    let (path, program) = (env::var_os("PATH").unwrap_or_default(), Path::new(program));
    let name = program.file_name()?;
    let found = env::split_paths(&path).any(|folder| folder.join(name).is_file());
    program.parent().filter(|_| !found).map(Path::to_owned)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
