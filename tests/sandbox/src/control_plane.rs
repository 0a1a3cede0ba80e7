//! A Kubernetes control plane: kube-apiserver and etcd.

mod from_source;
mod requests;
mod servers;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use korf_programs::control_plane::Binaries;
use korf_programs::environment;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};

use crate::authority::Authority;
use crate::guard::Guard;
use crate::{Error, Result, fresh, kubeconfig};
pub use requests::RequestCounts;

/// The variable that names an external cluster, to use instead of starting one.
const VARIABLE: &str = "KORF_SANDBOX_KUBECONFIG";

/// A kube-apiserver with its etcd, or an external cluster.
///
/// It stops when dropped, which takes a second or so, and with the process, however that ends.
///
/// There is no controller-manager. Namespaces are never deleted completely, so each test creates its own
/// ([`ControlPlane::create_namespace`]) and leaves it behind. Owner references aren't garbage-collected. The
/// aggregated roles `view`, `edit` and `admin` grant no permissions, so define roles with explicit rules.
#[derive(Debug)]
pub struct ControlPlane {
    path: PathBuf,
    admin: Kubeconfig,
    address: SocketAddr,
    kubectl: Option<PathBuf>,
    own: Option<OwnServers>,
    /// The number of kubeconfigs written so far.
    files: AtomicU32,
    guard: Guard,
}

/// Parts of a control plane that the sandbox has started.
#[derive(Debug)]
struct OwnServers {
    authority: Authority,
    binaries: Binaries,
    /// The API server's feature gates that aren't as by default.
    features: String,
}

impl ControlPlane {
    /// Starts a control plane, or uses the external cluster that `KORF_SANDBOX_KUBECONFIG` names.
    ///
    /// On a machine without the programs, the first start builds them. That takes minutes, and its progress
    /// is shown on the terminal.
    pub async fn start() -> Result<Self> {
        if let Some(path) = environment::variable(VARIABLE) {
            return Self::external(environment::absolute(path.as_ref()));
        }
        Self::start_with_features("").await
    }

    /// Starts a control plane whose API server has these [feature gates](https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/),
    /// such as `ShardedListAndWatch=true`.
    pub async fn start_with_features(features: &str) -> Result<Self> {
        match Self::start_own(features).await {
            Err(error) if error.is_port_taken() => Self::start_own(features).await,
            result => result,
        }
    }

    /// Builds the programs if this machine has none, so that [`ControlPlane::start`] takes seconds.
    pub async fn prepare() -> Result<()> {
        match environment::variable(VARIABLE) {
            Some(_) => Ok(()),
            None => from_source::found_or_built().await.map(drop),
        }
    }

    fn external(path: PathBuf) -> Result<Self> {
        let admin = kubeconfig::read(&path)?;
        let address = kubeconfig::address(&admin, &path)?;
        let (kubectl, guard) = (environment::program("kubectl"), Guard::start(None)?);
        Ok(Self { path, admin, address, kubectl, own: None, files: AtomicU32::new(0), guard })
    }

    async fn start_own(features: &str) -> Result<Self> {
        let binaries = from_source::found_or_built().await?;
        let (guard, authority) = (Guard::start(None)?, Authority::new()?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fresh::port()?));
        servers::write_files(&guard, &authority)?;
        servers::start(&guard, &binaries, address.port(), features)?;
        let administrator = authority.client("korf-sandbox-admin", Some("system:masters"))?;
        let admin = kubeconfig::embedded(address, &authority.certificate(), &administrator)?;
        let path = guard.write("kubeconfig", kubeconfig::content(&admin)?)?;
        let kubectl = binaries.kubectl.clone();
        let own = Some(OwnServers { authority, binaries, features: features.to_owned() });
        let started = Self { path, admin, address, kubectl, own, files: AtomicU32::new(0), guard };
        servers::until_ready(&started.guard, &started.client().await?).await?;
        Ok(started)
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.path
    }

    /// A new client for the administrator, which belongs to the tokio runtime that it is created on.
    pub async fn client(&self) -> Result<Client> {
        kubeconfig::client(&self.path, self.admin.clone()).await
    }

    /// A client for a kubeconfig, such as those that the methods below write.
    pub async fn client_for(&self, kubeconfig: &Path) -> Result<Client> {
        kubeconfig::client(kubeconfig, kubeconfig::read(kubeconfig)?).await
    }

    /// A `kubectl` command that runs as the administrator.
    pub fn kubectl(&self) -> Result<Command> {
        let mut command = Command::new(self.kubectl.as_ref().ok_or(Error::NoKubectl)?);
        command.env("KUBECONFIG", &self.path);
        Ok(command)
    }

    /// The API server's address, to put a [`Proxy`](crate::Proxy) in front of it.
    pub fn api_server_address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's kubeconfig through a proxy.
    pub fn kubeconfig_through(&self, proxy: SocketAddr) -> Result<PathBuf> {
        self.write(&kubeconfig::through(&self.admin, &self.path, proxy)?)
    }

    /// A kubeconfig for a user who has only the permissions that RBAC grants to the user's name or groups. If
    /// `proxy` is given, requests go through it.
    ///
    /// The user has a client certificate. With more than one group (our certificates have room for one), and
    /// on an external cluster, the administrator impersonates the user instead.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str], proxy: Option<SocketAddr>) -> Result<PathBuf> {
        let config = match &self.own {
            Some(OwnServers { authority, .. }) if groups.len() <= 1 => {
                let client = authority.client(user, groups.first().copied())?;
                kubeconfig::embedded(self.address, &authority.certificate(), &client)?
            }
            _ => kubeconfig::impersonating(&self.admin, &self.path, user, groups)?,
        };
        match proxy {
            Some(proxy) => self.write(&kubeconfig::through(&config, &self.path, proxy)?),
            None => self.write(&config),
        }
    }

    /// A kubeconfig for plain HTTP at an address, without a user: for a [`TrapProxy`](crate::TrapProxy), which has one.
    pub fn kubeconfig_at(&self, address: SocketAddr) -> Result<PathBuf> {
        self.write(&kubeconfig::plain(address)?)
    }

    fn write(&self, config: &Kubeconfig) -> Result<PathBuf> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.guard.write(&format!("kubeconfig-{number}"), kubeconfig::content(config)?)
    }

    /// Creates a namespace and returns its name. On an external cluster, where earlier runs may have left
    /// namespaces behind, the name gets a unique suffix.
    pub async fn create_namespace(&self, name: &str) -> Result<String> {
        let name = if self.own.is_some() { name.to_owned() } else { fresh::name(name, '-') };
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let namespaces = Api::<Namespace>::all(self.client().await?);
        let created = namespaces.create(&PostParams::default(), &namespace).await;
        created.map_err(Error::kubernetes(format!("create the namespace {name}")))?;
        Ok(name)
    }

    /// Restarts the API server, with the same port and the same data. Watches break, and can't be resumed
    /// from a resource version before the restart if anything has changed since (status 410).
    pub async fn restart_api_server(&self) -> Result<()> {
        self.stop_api_server().await?;
        self.start_api_server().await
    }

    /// Stops the API server, and leaves etcd running.
    pub async fn stop_api_server(&self) -> Result<()> {
        self.own("stop the API server")?;
        servers::stop_api_server(&self.guard).await
    }

    /// Starts the API server again after [`ControlPlane::stop_api_server`], and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        let own = self.own("start the API server")?;
        servers::start_api_server(&self.guard, &own.binaries, self.address.port(), &own.features)?;
        servers::until_ready(&self.guard, &self.client().await?).await
    }

    fn own(&self, action: &'static str) -> Result<&OwnServers> {
        self.own.as_ref().ok_or(Error::ExternalServer { action, variable: VARIABLE })
    }

    /// The API server's audit log: a line of JSON for each request of a service account that was answered, and so for each of a
    /// user in the group `system:serviceaccounts`. Without the content of requests and answers, but for
    /// Leases that are written.
    pub fn audit_log(&self) -> Result<String> {
        self.own("read the audit log")?;
        let path = self.guard.folder().join(servers::AUDIT_LOG);
        std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })
    }

    /// The API server's metrics, in Prometheus' text format.
    pub async fn metrics(&self) -> Result<String> {
        let failed = || Error::kubernetes("read the API server's metrics");
        let request = kube::core::Request::new("/metrics").list(&ListParams::default());
        let request = request.map_err(|error| failed()(kube::Error::BuildRequest(error)))?;
        self.client().await?.request_text(request).await.map_err(failed())
    }

    /// The number of requests to the API server for a resource, given as its plural or `plural.group`.
    /// Namespaces aren't distinguished, so a test that counts needs a resource that no other test uses.
    pub async fn request_counts(&self, resource: &str) -> Result<RequestCounts> {
        Ok(requests::sum_by_verb(&self.metrics().await?, resource))
    }
}
