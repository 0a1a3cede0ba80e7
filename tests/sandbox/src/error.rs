//! What can go wrong, one variant per step.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A step that failed, where, and what to do about it.
///
/// `Display` tells the step, `source` the cause. `Debug` tells both, in plain words: it is what `unwrap` prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No control plane was given or found, and there is no Go to build one.
    #[error(
        "no Kubernetes control plane found, and no `go` on PATH to build one; do one of these:\n  \
         - set KORF_SANDBOX_KUBECONFIG to the kubeconfig of a cluster that tests may use\n  \
         - set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd (`setup-envtest use -p path` makes one)\n  \
         - put kube-apiserver and etcd on PATH\n  \
         - install Go (https://go.dev/dl), and they are built from source, once"
    )]
    NoControlPlane,

    /// `KUBEBUILDER_ASSETS` is set and of no use.
    #[error(
        "KUBEBUILDER_ASSETS is {}, but {missing} isn't there; unset it, or set it to a folder with both \
         kube-apiserver and etcd",
        folder.display()
    )]
    IncompleteAssets {
        /// The folder that the variable names.
        folder: PathBuf,
        /// The program that it lacks.
        missing: &'static str,
    },

    /// No folder to keep a built control plane in.
    #[error("no cache folder: set KORF_CACHE_DIR, XDG_CACHE_HOME or HOME")]
    NoCacheFolder,

    /// Building from source failed.
    #[error(
        "building the control plane from source failed (status {status}); its modules come through GOPROXY \
         (https://go.dev/ref/mod#environment-variables), so look at the network first, or give a control plane \
         by KUBEBUILDER_ASSETS. The end of Go's output:\n{output}"
    )]
    Build {
        /// Go's exit status.
        status: String,
        /// The end of what Go wrote.
        output: String,
    },

    /// No `kubectl` on PATH nor beside the control plane.
    #[error(
        "no kubectl on PATH nor beside kube-apiserver: install it (https://kubernetes.io/docs/tasks/tools/)"
    )]
    NoKubectl,

    /// No PostgreSQL was given or found.
    #[error(
        "no PostgreSQL server found on PATH, by `pg_config --bindir`, or in the usual folders; do one of these:\n  \
         - install it (apt install postgresql, brew install postgresql)\n  \
         - set KORF_SANDBOX_DATABASE_URL to a server that tests may make roles and databases on"
    )]
    NoPostgres,

    /// No `psql` beside the server's programs nor on PATH.
    #[error("no psql beside PostgreSQL's server programs nor on PATH: install PostgreSQL's client programs")]
    NoPsql,

    /// `KORF_SANDBOX_DATABASE_URL` isn't one.
    #[error(
        "KORF_SANDBOX_DATABASE_URL can't be used: {reason}; it looks like \
         postgres://user:password@host:port/postgres"
    )]
    DatabaseUrl {
        /// What is wrong with it.
        reason: String,
    },

    /// We are root, PostgreSQL refuses root, and there is nobody else.
    #[error(
        "PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor `nobody` to run it as; \
         make such a user, or don't be root"
    )]
    NoAccount,

    /// The shell that guards the servers didn't start, or is gone.
    #[error("the guard of {folder} doesn't work: {reason}", folder = folder.display())]
    Guard {
        /// The temporary folder that it owns.
        folder: PathBuf,
        /// What it said.
        reason: String,
    },

    /// A file could not be read or written.
    #[error("{}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// No free port, or none can be listened on.
    #[error("no free port on 127.0.0.1")]
    Port(#[source] std::io::Error),

    /// A key or certificate could not be made.
    #[error("making a certificate")]
    Certificate(#[source] rcgen::Error),

    /// A server ended before it was ready.
    #[error("{server} ended (status {status}) before it was ready; the end of its log:\n{log}")]
    ServerEnded {
        /// Which one.
        server: String,
        /// Its exit status.
        status: String,
        /// The last lines of its log.
        log: String,
    },

    /// A server was not ready in time.
    #[error("{server} isn't ready after {} s: {reason}; the end of its log:\n{log}", limit.as_secs())]
    ServerLate {
        /// Which one.
        server: String,
        /// How long it was given.
        limit: Duration,
        /// The last answer, or what came instead of one.
        reason: String,
        /// The last lines of its log.
        log: String,
    },

    /// A server neither stopped nor died.
    #[error("{server} did not stop, not even by SIGKILL")]
    WontStop {
        /// Which one.
        server: String,
    },

    /// Only a server that the sandbox started can be stopped, or read from the inside.
    #[error("{action}: the sandbox didn't start this server (unset {variable} to have one of its own)")]
    NotOurs {
        /// What was asked for.
        action: &'static str,
        /// The variable that gave the server.
        variable: &'static str,
    },

    /// A kubeconfig that was given, or made from it, can't be used.
    #[error("the kubeconfig {path}: {reason}", path = path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The API server refused a request, or wasn't reached.
    #[error("{action}")]
    Kubernetes {
        /// What was asked for.
        action: String,
        /// What the API server or the client said.
        source: Box<kube::Error>,
    },

    /// PostgreSQL refused a statement, or wasn't reached.
    #[error("{action}")]
    Database {
        /// What was asked for.
        action: String,
        /// What the server or the client said.
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

    /// Whether another process took the port between our finding it free and the server's listening on it.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::ServerEnded { log, .. } if log.to_lowercase().contains("address already in use"))
    }
}
