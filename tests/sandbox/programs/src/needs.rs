//! Needs of `cargo demo` that a machine doesn't meet, with the commands that bring what is missing.

use std::fmt;
use std::path::PathBuf;

use crate::control_plane::Version;
use crate::machine::{ControlPlane, Machine};

/// From this version on, Go downloads the newer one that Kubernetes asks for.
const OLDEST_GO: Version = Version(1, 21);

/// The disk space that the demo's first build takes, in MB.
const DISK: u64 = 3_000;

/// The memory that building the control plane takes, in MB.
const MEMORY: u64 = 3_000;

/// What a machine lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A C compiler.
    CCompiler,
    /// Go, to build the control plane.
    Go,
    /// A newer Go than this one.
    NewerGo(Version),
    /// kubectl, which doesn't come with the control plane here.
    Kubectl,
    /// Other programs of the control plane than those that are provided; why is said in here.
    ControlPlane(String),
    /// Space on the disk.
    Disk {
        /// The folder that has too little.
        folder: PathBuf,
        /// How much it has, in MB.
        free: u64,
    },
    /// Memory, of which there is so much, in MB.
    Memory(u64),
}

impl Need {
    /// Whether the demo can't run without. The other needs are estimates.
    pub fn is_essential(&self) -> bool {
        !matches!(self, Self::Disk { .. } | Self::Memory(_))
    }
}

/// The needs that the machine doesn't meet.
pub fn unmet(machine: &Machine) -> Vec<Need> {
    let builds_control_plane = machine.control_plane == ControlPlane::ToBuild;
    let has_kubectl =
        matches!(machine.control_plane, ControlPlane::ToBuild | ControlPlane::Found { with_kubectl: true });
    let mut needs = Vec::new();
    if !machine.has_c_compiler {
        needs.push(Need::CCompiler);
    }
    if let ControlPlane::Unusable(why) = &machine.control_plane {
        needs.push(Need::ControlPlane(why.clone()));
    } else if !machine.has_kubectl && !has_kubectl {
        needs.push(Need::Kubectl);
    }
    if builds_control_plane {
        needs.extend(of_build(machine.go));
    }
    if let Some(free) = machine.disk.filter(|&free| !machine.is_built && free < DISK) {
        needs.push(Need::Disk { folder: machine.target.clone(), free });
    }
    if let Some(free) = machine.memory.filter(|&free| builds_control_plane && free < MEMORY) {
        needs.push(Need::Memory(free));
    }
    needs
}

/// What building the control plane needs, if this version of Go won't do.
pub fn of_build(go: Option<Version>) -> Option<Need> {
    match go {
        None => Some(Need::Go),
        Some(version) if version < OLDEST_GO => Some(Need::NewerGo(version)),
        Some(_) => None,
    }
}

/// Other ways to a control plane than to build it.
const OTHER_CONTROL_PLANES: &str =
    "or use kube-apiserver and etcd as they are published for tests, which takes seconds:
      unpack an archive of https://github.com/kubernetes-sigs/controller-tools/releases for your system, and
      set KUBEBUILDER_ASSETS to the folder with kube-apiserver, etcd and kubectl
    or put these on PATH
    or set KORF_SANDBOX_KUBECONFIG to the kubeconfig of a cluster that tests may use";

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CCompiler => write!(
                f,
                "a C compiler of the name cc, which also links Rust programs:
    Debian, Ubuntu: sudo apt-get install gcc libc6-dev
    Fedora: sudo dnf install gcc
    macOS: xcode-select --install"
            ),
            Self::Go => write!(
                f,
                "Go {OLDEST_GO} or newer, to build the Kubernetes control plane from source, once:
    any system: https://go.dev/dl
    Debian 13, Ubuntu 24.04 or newer: sudo apt-get install golang
    macOS: brew install go
    {OTHER_CONTROL_PLANES}"
            ),
            Self::NewerGo(version) => write!(
                f,
                "Go {OLDEST_GO} or newer, to build the Kubernetes control plane from source; the one on PATH is {version}:
    any system: https://go.dev/dl
    {OTHER_CONTROL_PLANES}"
            ),
            Self::Kubectl => write!(
                f,
                "kubectl, since your control plane comes without one:
    any system: https://kubernetes.io/docs/tasks/tools
    macOS: brew install kubectl"
            ),
            Self::ControlPlane(why) => write!(f, "a control plane that it can use. {why}"),
            Self::Disk { folder, free } => write!(
                f,
                "{DISK} MB of disk space in {}, which has {free}. CARGO_TARGET_DIR names another folder",
                folder.display()
            ),
            Self::Memory(free) => write!(
                f,
                "{MEMORY} MB of memory to build the control plane; {free} MB are free. Close other programs, or run it with \
                 GOFLAGS=-p=1, which is slower and takes less"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            has_c_compiler: true,
            control_plane: ControlPlane::ToBuild,
            go: Some(Version(1, 26)),
            has_kubectl: false,
            target: "target/debug".into(),
            is_built: false,
            disk: Some(50_000),
            memory: Some(8_000),
        }
    }

    #[test]
    fn each_machine_is_told_what_it_lacks() {
        let found = |with_kubectl| ControlPlane::Found { with_kubectl };
        let cases = [
            ("all is there", machine(), vec![]),
            ("no compiler", Machine { has_c_compiler: false, ..machine() }, vec![Need::CCompiler]),
            ("no Go", Machine { go: None, ..machine() }, vec![Need::Go]),
            (
                "Debian 12's Go",
                Machine { go: Some(Version(1, 19)), ..machine() },
                vec![Need::NewerGo(Version(1, 19))],
            ),
            ("Go isn't needed", Machine { go: None, control_plane: found(true), ..machine() }, vec![]),
            (
                "a control plane alone",
                Machine { control_plane: found(false), ..machine() },
                vec![Need::Kubectl],
            ),
            (
                "kubectl is on PATH",
                Machine { control_plane: found(false), has_kubectl: true, ..machine() },
                vec![],
            ),
            (
                "a cluster alone",
                Machine { control_plane: ControlPlane::Given, go: None, ..machine() },
                vec![Need::Kubectl],
            ),
            (
                "an old control plane",
                Machine { control_plane: ControlPlane::Unusable("1.20 is old".to_owned()), ..machine() },
                vec![Need::ControlPlane("1.20 is old".to_owned())],
            ),
            (
                "a full disk",
                Machine { disk: Some(500), ..machine() },
                vec![Need::Disk { folder: "target/debug".into(), free: 500 }],
            ),
            ("a full disk, later", Machine { disk: Some(500), is_built: true, ..machine() }, vec![]),
            ("little memory", Machine { memory: Some(900), ..machine() }, vec![Need::Memory(900)]),
            (
                "little memory, nothing to build",
                Machine { memory: Some(900), control_plane: found(true), ..machine() },
                vec![],
            ),
            ("a system that says neither", Machine { disk: None, memory: None, ..machine() }, vec![]),
            (
                "an empty machine",
                Machine { has_c_compiler: false, go: None, ..machine() },
                vec![Need::CCompiler, Need::Go],
            ),
        ];
        for (name, machine, expected) in cases {
            assert_eq!(unmet(&machine), expected, "{name}");
        }
    }

    #[test]
    fn an_estimate_stops_nobody() {
        let disk = Need::Disk { folder: "target".into(), free: 1 };
        assert!(!disk.is_essential() && !Need::Memory(1).is_essential());
        assert!(Need::Go.is_essential() && Need::CCompiler.is_essential());
    }
}
