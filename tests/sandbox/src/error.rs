//! Errors, one variant for each step that can fail.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use korf_programs::control_plane::Unusable;
use korf_programs::needs::Need;

/// A failed step, with its place and a way to fix it.
///
/// `Display` describes the step, and `source` returns the cause. `Debug`, which `unwrap` prints, describes both
/// in plain words.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no control plane, and no Go that can build one.
    #[error("no Kubernetes control plane found, and none can be built. The sandbox needs {0}")]
    NoControlPlane(Need),

    /// There is no Go that can build a tool.
    #[error("a tool for tests can't be built. That needs {0}")]
    NoGo(Need),

    /// The control plane in `KUBEBUILDER_ASSETS` or on PATH can't be used.
    #[error(transparent)]
    UnusableControlPlane(#[from] Unusable),

    /// There is no folder to store a built control plane in.
    #[error("no cache folder: set KORF_CACHE_DIR, XDG_CACHE_HOME or HOME")]
    NoCacheFolder,

    /// The build from source failed.
    #[error(
        "building {what} from source failed (status {status}). Go downloads its modules through GOPROXY \
         (https://go.dev/ref/mod#environment-variables), so check the network first, or provide the programs on PATH (a control \
         plane also by KUBEBUILDER_ASSETS). The end of Go's output:\n{output}"
    )]
    Build {
        /// The programs.
        what: String,
        /// Go's exit status.
        status: String,
        /// The end of Go's output.
        output: String,
    },

    /// There is no `kubectl` on PATH or next to the control plane.
    #[error(
        "no kubectl on PATH or next to kube-apiserver. Install it (https://kubernetes.io/docs/tasks/tools/)"
    )]
    NoKubectl,

    /// `KORF_SANDBOX_POSTGRES` isn't a major version.
    #[error("KORF_SANDBOX_POSTGRES has to be a major version of PostgreSQL, such as 18, not {version:?}")]
    NoVersion {
        /// What it is.
        version: String,
    },

    /// Maven Central has no such PostgreSQL for this platform, or none is pinned.
    #[error(
        "PostgreSQL {version} can't be downloaded for {platform}. Do one of these:\n  \
         - set KORF_SANDBOX_POSTGRES to a version from 14 to 18\n  \
         - install PostgreSQL (apt install postgresql, brew install postgresql), and leave the variable unset\n  \
         - set KORF_SANDBOX_DATABASE_URL to a server on which tests may create roles and databases"
    )]
    NoRelease {
        /// The major version.
        version: String,
        /// The operating system and the architecture.
        platform: String,
    },

    /// A download failed.
    #[error(
        "can't download {what}: {why}. Check the network and HTTPS_PROXY, or install PostgreSQL (apt install postgresql, brew \
         install postgresql)"
    )]
    Download {
        /// The address.
        what: String,
        /// What happened.
        why: String,
    },

    /// There is no `psql` next to the server's programs or on PATH.
    #[error("no psql next to PostgreSQL's server programs or on PATH. Install PostgreSQL's client programs")]
    NoPsql,

    /// `KORF_SANDBOX_DATABASE_URL` can't be used.
    #[error(
        "KORF_SANDBOX_DATABASE_URL can't be used: {reason}. It should look like \
         postgres://user:password@host:port/postgres"
    )]
    DatabaseUrl {
        /// What is wrong with it.
        reason: String,
    },

    /// We are root, PostgreSQL does not run as root, and there is no other account for it.
    #[error(
        "PostgreSQL does not run as root, and /etc/passwd has no user `postgres` or `nobody` to run it as. \
         Create one of them, or use another account than root"
    )]
    NoAccount,

    /// The shell that guards the servers didn't start, or has died.
    #[error("the guard of {folder} failed: {reason}", folder = folder.display())]
    Guard {
        /// The temporary folder that it owns.
        folder: PathBuf,
        /// Its error output, or the error of the pipe to it.
        reason: String,
    },

    /// A file can't be read or written.
    #[error("can't access {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// There is no free port, or none that we may listen on.
    #[error("no free port on 127.0.0.1")]
    Port(#[source] std::io::Error),

    /// A key or certificate can't be created.
    #[error("can't create a certificate")]
    Certificate(#[source] rcgen::Error),

    /// A server exited before it was ready.
    #[error("{server} exited with status {status} before it was ready. The end of its log:\n{log}")]
    ServerExited {
        /// The server.
        server: String,
        /// Its exit status.
        status: String,
        /// The last lines of its log.
        log: String,
    },

    /// A server wasn't ready in time.
    #[error("{server} isn't ready after {} s: {reason}. The end of its log:\n{log}", limit.as_secs())]
    ServerNotReady {
        /// The server.
        server: String,
        /// The time limit.
        limit: Duration,
        /// The last answer, or why there was none.
        reason: String,
        /// The last lines of its log.
        log: String,
    },

    /// A server survived SIGKILL.
    #[error("{server} didn't stop, not even on SIGKILL")]
    ServerNotStopped {
        /// The server.
        server: String,
    },

    /// The server isn't the sandbox's own, so the sandbox can't stop it or read its files.
    #[error("can't {action}, because {variable} names a server that the sandbox didn't start. Unset it")]
    ExternalServer {
        /// The requested action.
        action: &'static str,
        /// The variable that names the server.
        variable: &'static str,
    },

    /// A kubeconfig can't be used.
    #[error("can't use the kubeconfig {path}: {reason}", path = path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A request to the API server failed.
    #[error("can't {action}")]
    Kubernetes {
        /// The requested action.
        action: String,
        /// The error of the API server or the client.
        source: Box<kube::Error>,
    },

    /// The API server doesn't serve kinds that it has CRDs for.
    #[error("the API server doesn't serve {kinds} after {} s. {reason}", limit.as_secs())]
    NotServed {
        /// The names of the CRDs.
        kinds: String,
        /// The time limit.
        limit: Duration,
        /// What kubectl complains about, if it does.
        reason: String,
    },

    /// A request to PostgreSQL failed.
    #[error("can't {action}")]
    Database {
        /// The requested action.
        action: String,
        /// The error of the server or the client.
        source: Box<tokio_postgres::Error>,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error {
    pub(crate) fn kubernetes(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Kubernetes { action, source: Box::new(source) }
    }

    pub(crate) fn database(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source: Box::new(source) }
    }

    /// Whether another process took the port after we found it free and before the server listened on it.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::ServerExited { log, .. } if log.to_lowercase().contains("address already in use"))
    }
}
