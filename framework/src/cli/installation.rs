//! Installation: what a program needs in a cluster besides the permissions of its handlers.

use std::time::Duration;

/// What a [`Program`](super::Program) needs in a cluster, besides the permissions of its handlers. The command `manifests` puts it
/// into the Deployment.
///
/// ```
/// use korf::cli::{Installation, Program};
///
/// let needs = Installation::new().secret("API_TOKEN", "token").reaches(5432);
/// let program = Program::new("greeter").installation(needs);
/// ```
///
/// Values of Secrets are named, and not contained: they are in a Secret that has the operator's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    pub(super) secrets: Vec<SecretUse>,
    pub(super) ports: Vec<u16>,
    pub(super) startup: Option<Duration>,
    pub(super) replicas: Option<u16>,
    pub(super) manifests: Vec<&'static str>,
}

/// A key of the operator's Secret, and the environment variable by which the program gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretUse {
    pub variable: String,
    pub key: String,
    /// The variable has the path of a file with the value.
    pub is_file: bool,
}

impl Installation {
    /// Nothing but the operator itself.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The environment variable has the value of this key in the Secret that has the operator's name. It keeps the value that the
    /// Secret had when the container started.
    #[must_use]
    pub fn secret(mut self, variable: impl Into<String>, key: impl Into<String>) -> Self {
        self.secrets.push(SecretUse { variable: variable.into(), key: key.into(), is_file: false });
        self
    }

    /// The environment variable has the path of a file, which has the value of this key in the Secret that has the operator's
    /// name. A change of the Secret is in the file within a minute or so.
    #[must_use]
    pub fn secret_file(mut self, variable: impl Into<String>, key: impl Into<String>) -> Self {
        self.secrets.push(SecretUse { variable: variable.into(), key: key.into(), is_file: true });
        self
    }

    /// The program connects to this TCP port of other machines: the NetworkPolicy lets it. DNS and the API server are let
    /// through in any case.
    #[must_use]
    pub fn reaches(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// The number of replicas, unless the option `--replicas` says otherwise; 1 by default. Of several, one works at a time, or each
    /// at its share: they have `--leader-elect`.
    #[must_use]
    pub fn replicas(mut self, number: u16) -> Self {
        self.replicas = Some(number);
        self
    }

    /// Further objects of the cluster as a whole, as YAML: the command `manifests` prints them behind the definitions of kinds, as they
    /// are. A `ValidatingAdmissionPolicy` for one of the kinds, say:
    ///
    /// ```
    /// use korf::cli::Installation;
    ///
    /// const POLICY: &str = "\
    /// apiVersion: admissionregistration.k8s.io/v1
    /// kind: ValidatingAdmissionPolicy
    /// metadata:
    ///   name: lights.example.com
    /// ";
    /// let needs = Installation::new().manifest(POLICY);
    /// ```
    #[must_use]
    pub fn manifest(mut self, yaml: &'static str) -> Self {
        self.manifests.push(yaml);
        self
    }

    /// The longest time that the program may take before the operator answers for its health; 30 s by default.
    #[must_use]
    pub fn starts_within(mut self, longest: Duration) -> Self {
        self.startup = Some(longest);
        self
    }
}
