//! Machine: what `cargo demo` finds on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::control_plane::{Binaries, Version, version};
use crate::environment;

/// What the demo's needs depend on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Whether there is a C compiler of the name `cc`, by which rustc links. `CC` doesn't change that.
    pub has_c_compiler: bool,
    /// Where the control plane comes from.
    pub control_plane: ControlPlane,
    /// The version of Go, if there is one.
    pub go: Option<Version>,
    /// Whether there is a kubectl on PATH.
    pub has_kubectl: bool,
    /// The folder that cargo builds in.
    pub target: PathBuf,
    /// Whether the demo has been built there before.
    pub is_built: bool,
    /// The free space there, in MB, if the system says it.
    pub disk: Option<u64>,
    /// The memory that is free for new programs, in MB, if the system says it.
    pub memory: Option<u64>,
}

/// Where the control plane comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlPlane {
    /// `KORF_SANDBOX_KUBECONFIG` names a cluster.
    Given,
    /// The programs are there.
    Found {
        /// Whether a kubectl is one of them.
        with_kubectl: bool,
    },
    /// The programs that are provided can't be used.
    Unusable(String),
    /// It has to be built from source, with Go.
    ToBuild,
}

impl Machine {
    /// Looks at this machine. `target` is the folder that cargo builds in.
    pub fn look(target: &Path) -> Self {
        Self {
            has_c_compiler: environment::program("cc").is_some(),
            control_plane: control_plane(),
            go: go_version(),
            has_kubectl: environment::program("kubectl").is_some(),
            target: target.to_owned(),
            is_built: target.join("examples/demo").is_file(),
            disk: free_disk(target),
            memory: free_memory(),
        }
    }
}

fn control_plane() -> ControlPlane {
    if environment::variable("KORF_SANDBOX_KUBECONFIG").is_some() {
        return ControlPlane::Given;
    }
    match Binaries::find() {
        Ok(Some(found)) => ControlPlane::Found { with_kubectl: found.kubectl.is_some() },
        Ok(None) => ControlPlane::ToBuild,
        Err(error) => ControlPlane::Unusable(error.to_string()),
    }
}

/// The version of the Go on PATH. One that doesn't say it counts as 0.0.
pub fn go_version() -> Option<Version> {
    let output = Command::new(environment::program("go")?).arg("version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(said.split_whitespace().find_map(version).unwrap_or(Version(0, 0)))
}

/// From `df`: std has no call for it. POSIX prints the free blocks, of 1024 bytes, as the fourth word of the second line.
fn free_disk(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()? / 1024)
}

/// From Linux; other systems don't say it in a file.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}
