//! The servers that tests share.

use korf_sandbox::{ControlPlane, Postgres};
use std::{
    io::Write,
    process::{Command, Stdio},
};
use tokio::sync::OnceCell;

/// Which definition of `DatabaseTable` a cluster has: an API server can't have two of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crd {
    /// The seed's, byte for byte: no schema, no status subresource.
    Seed,
    /// Ours: a schema, rules, a status subresource.
    Full,
}

impl Crd {
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Seed => include_str!("../../../operator/manifests/kopf-demo-crd.yaml"),
            Self::Full => include_str!("../../../operator/manifests/crd.yaml"),
        }
    }
}

/// A control plane with the kind `DatabaseTable`.
pub struct Cluster {
    pub control_plane: ControlPlane,
    /// What kubectl said when the CRD was installed.
    pub installed: String,
}

impl Cluster {
    /// The one that most tests share.
    pub async fn with_the_seeds_crd() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Crd::Seed)).await
    }

    /// The one that the tests of the full CRD share; started when the first of them asks.
    pub async fn with_the_full_crd() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(Crd::Full)).await
    }

    /// One for a test that restarts or counts what others would notice; ends when dropped.
    pub async fn start(crd: Crd) -> Self {
        let cluster = Self::without_the_crd().await;
        let installed = install(&|| cluster.kubectl(), crd.manifest());
        Self { installed, ..cluster }
    }

    /// One that doesn't know the kind yet.
    pub async fn without_the_crd() -> Self {
        let given = std::env::var_os("KORF_SANDBOX_KUBECONFIG").is_some_and(|path| !path.is_empty());
        assert!(
            !given,
            "unset KORF_SANDBOX_KUBECONFIG: this suite needs several control planes, and stops them"
        );
        Self { control_plane: ControlPlane::start().await.unwrap(), installed: String::new() }
    }

    /// `kubectl apply`, for what is in no namespace, or in one of its own.
    pub fn apply(&self, manifest: &str) -> String {
        apply(self.kubectl(), manifest).unwrap()
    }

    /// `kubectl`, as the administrator.
    pub fn kubectl(&self) -> Command {
        let mut command = self.control_plane.kubectl().unwrap();
        // Not the user's own: it goes by host and port, and ours are not here to stay.
        command.env("KUBECACHEDIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/kubectl"));
        command
    }
}

/// Installs the definitions of kinds and waits until they are served; returns what kubectl says.
pub fn install(kubectl: &dyn Fn() -> Command, manifest: &str) -> String {
    let said = apply(kubectl(), manifest).unwrap();
    let mut wait = kubectl();
    wait.args(["wait", "--for=condition=Established", "--timeout=30s"]);
    let names = said.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name);
    let waited = wait.args(names).output().unwrap();
    assert!(waited.status.success(), "{waited:?}");
    said
}

/// `kubectl apply -f -`: what it says, or why it doesn't work.
pub fn apply(mut kubectl: Command, manifest: &str) -> Result<String, String> {
    kubectl.args(["apply", "-f", "-"]);
    let mut child =
        kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
    if output.status.success() { Ok(said.into_owned()) } else { Err(said.into_owned()) }
}

/// The database server of all tests.
pub async fn postgres() -> &'static Postgres {
    static SERVER: OnceCell<Postgres> = OnceCell::const_new();
    SERVER.get_or_init(|| async { Postgres::start().await.unwrap() }).await
}
