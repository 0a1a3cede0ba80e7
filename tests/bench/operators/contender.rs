//! Contenders: the operators that are measured.

use super::Error;
use clap::ValueEnum;
use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

/// An operator that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contender {
    /// This project's table operator.
    Korf,
    /// The same with all that several replicas need, and metrics.
    Replica,
    /// One that is written by hand with kube-rs.
    ByHand,
    /// No operator: a client that sends the same requests as this project's.
    Bare,
    /// The Kopf demo, on the real Kopf.
    Kopf,
}

/// Where an operator works.
#[derive(Clone, Debug)]
pub struct Place {
    pub kubeconfig: PathBuf,
    pub namespace: String,
    pub database_url: String,
    pub log: PathBuf,
}

impl Contender {
    pub fn name(self) -> &'static str {
        match self {
            Self::Korf => "this operator",
            Self::Replica => "with leases and metrics",
            Self::ByHand => "by hand, kube-rs",
            Self::Bare => "bare client",
            Self::Kopf => "Kopf",
        }
    }

    /// Builds what it needs.
    pub fn prepare(self) -> Result<(), Error> {
        let done = match self {
            Self::Korf | Self::Replica => {
                let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
                // What cargo tells this benchmark of itself would make the build scripts of dependencies run again.
                for (name, _) in env::vars_os() {
                    let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
                    if of_package.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                        cargo.env_remove(name);
                    }
                }
                cargo.args(["build", "--release", "-p", "database-table-operator"]).status()?
            }
            Self::ByHand | Self::Bare => return Ok(()),
            Self::Kopf => Command::new("python3").arg(tests().join("kopf/venv.py")).status()?,
        };
        if done.success() { Ok(()) } else { Err(format!("{} can't be built", self.name()).into()) }
    }

    /// The command that runs it.
    pub fn command(self, place: &Place) -> Result<Command, Error> {
        let mut command = match self {
            Self::Korf | Self::Replica => {
                let mut command = Command::new(operator());
                command.args(["run", "--namespace", &place.namespace]);
                if self == Self::Replica {
                    // The Lease of the round before isn't over yet.
                    command.args(["--leader-elect", "--lease-namespace", &place.namespace]);
                    command.args(["--metrics-addr", "127.0.0.1:0"]);
                }
                command
            }
            Self::ByHand => Command::new(env!("CARGO_BIN_EXE_by-hand")),
            Self::Bare => Command::new(env!("CARGO_BIN_EXE_bare")),
            Self::Kopf => {
                let venv = Command::new("python3").arg(tests().join("kopf/venv.py")).output()?;
                let venv = PathBuf::from(String::from_utf8_lossy(&venv.stdout).trim());
                let mut command = Command::new(venv.join("bin/kopf"));
                command.args(["run", "--standalone", "--quiet", "--namespace", &place.namespace]);
                command.arg(tests().join("kopf/database_table_operator.py"));
                command
            }
        };
        place.prepare(&mut command)?;
        Ok(command)
    }
}

impl Place {
    /// Tells a command where to work, and where to log.
    pub fn prepare(&self, command: &mut Command) -> Result<(), Error> {
        command.env("KUBECONFIG", &self.kubeconfig).env("DATABASE_URL", &self.database_url);
        command.env("NAMESPACE", &self.namespace).env("CLUSTER_ID", "bench");
        let log = File::create(&self.log)?;
        command.stdout(log.try_clone()?).stderr(log);
        Ok(())
    }
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The release binary of this project's table operator.
pub fn operator() -> PathBuf {
    let programs =
        Path::new(env!("CARGO_BIN_EXE_by-hand")).parent().map(Path::to_path_buf).unwrap_or_default();
    programs.join("database-table-operator")
}
