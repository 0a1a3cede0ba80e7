//! The Kubernetes control plane: kube-apiserver and etcd.

mod binaries;
mod from_source;
mod requests;
mod servers;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};

use crate::authority::Authority;
use crate::guard::Guard;
use crate::{Error, Result, environment, fresh, kubeconfig};
use binaries::Binaries;
pub use requests::Requests;

/// The variable that names a cluster to use instead of starting one.
const GIVEN: &str = "KORF_SANDBOX_KUBECONFIG";

/// A kube-apiserver with its etcd, or a cluster that was given.
///
/// Ends when dropped, or with the process in whatever way that ends; dropping waits for it (a second or so).
///
/// There is no controller-manager. Namespaces don't finish deleting, so a test takes one of its own
/// ([`ControlPlane::create_namespace`]) and leaves it; owner references aren't collected; and the roles `view`, `edit`
/// and `admin`, which are aggregated, give no rights: write the rules out.
#[derive(Debug)]
pub struct ControlPlane {
    path: PathBuf,
    admin: Kubeconfig,
    address: SocketAddr,
    kubectl: Option<PathBuf>,
    own: Option<Own>,
    files: AtomicU32,
    guard: Guard,
}

/// What we have of a control plane that we started.
#[derive(Debug)]
struct Own {
    authority: Authority,
    binaries: Binaries,
}

impl ControlPlane {
    /// Starts one, or takes the cluster that `KORF_SANDBOX_KUBECONFIG` names.
    ///
    /// The first start on a machine without the programs builds them, which takes minutes and is shown on the
    /// terminal.
    pub async fn start() -> Result<Self> {
        if let Some(path) = environment::variable(GIVEN) {
            return Self::given(environment::absolute(path.as_ref()));
        }
        match Self::start_own().await {
            Err(error) if error.is_port_taken() => Self::start_own().await,
            result => result,
        }
    }

    fn given(path: PathBuf) -> Result<Self> {
        let admin = kubeconfig::read(&path)?;
        let address = kubeconfig::address(&admin, &path)?;
        let (kubectl, guard) = (environment::program("kubectl"), Guard::start(None)?);
        Ok(Self { path, admin, address, kubectl, own: None, files: AtomicU32::new(0), guard })
    }

    async fn start_own() -> Result<Self> {
        let binaries = Binaries::find().await?;
        let (guard, authority) = (Guard::start(None)?, Authority::new()?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fresh::port()?));
        servers::write_files(&guard, &authority)?;
        servers::start(&guard, &binaries, address.port())?;
        let administrator = authority.client("korf-sandbox-admin", Some("system:masters"))?;
        let admin = kubeconfig::embedded(address, &authority.certificate(), &administrator)?;
        let path = guard.write("kubeconfig", kubeconfig::content(&admin)?)?;
        let kubectl = binaries.kubectl.clone();
        let own = Some(Own { authority, binaries });
        let started = Self { path, admin, address, kubectl, own, files: AtomicU32::new(0), guard };
        servers::until_ready(&started.guard, &started.client().await?).await?;
        Ok(started)
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.path
    }

    /// The administrator's client, a new one each time: it belongs to the tokio runtime it is made on.
    pub async fn client(&self) -> Result<Client> {
        kubeconfig::client(&self.path, self.admin.clone()).await
    }

    /// A client by a kubeconfig that one of the methods here wrote.
    pub async fn client_by(&self, kubeconfig: &Path) -> Result<Client> {
        kubeconfig::client(kubeconfig, kubeconfig::read(kubeconfig)?).await
    }

    /// `kubectl`, as the administrator.
    pub fn kubectl(&self) -> Result<Command> {
        let mut command = Command::new(self.kubectl.as_ref().ok_or(Error::NoKubectl)?);
        command.env("KUBECONFIG", &self.path);
        Ok(command)
    }

    /// Where the API server listens, to put a [`Proxy`](crate::Proxy) in front.
    pub fn api_server_address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's kubeconfig, by way of a proxy.
    pub fn kubeconfig_through(&self, proxy: SocketAddr) -> Result<PathBuf> {
        self.write(&kubeconfig::through(&self.admin, &self.path, proxy)?)
    }

    /// A kubeconfig for a user who may do nothing but what RBAC gives to the name or the groups; through a proxy, if
    /// one is given.
    ///
    /// By a client certificate; for more than one group (our certificates have room for one), and on a cluster that
    /// was given, the administrator impersonates the user.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str], proxy: Option<SocketAddr>) -> Result<PathBuf> {
        let config = match &self.own {
            Some(Own { authority, .. }) if groups.len() <= 1 => {
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

    fn write(&self, config: &Kubeconfig) -> Result<PathBuf> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.guard.write(&format!("kubeconfig-{number}"), kubeconfig::content(config)?)
    }

    /// Makes a namespace and returns its name: the one asked for, with something appended on a cluster that was
    /// given, where an earlier run may have left that one.
    pub async fn create_namespace(&self, name: &str) -> Result<String> {
        let name = if self.own.is_some() { name.to_owned() } else { fresh::name(name, '-') };
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let namespaces = Api::<Namespace>::all(self.client().await?);
        let created = namespaces.create(&PostParams::default(), &namespace).await;
        created.map_err(Error::kubernetes(format!("creating the namespace {name}")))?;
        Ok(name)
    }

    /// Stops the API server and starts it again: same port, same data. Watches start anew, and versions from before
    /// are answered with 410 where things changed since.
    pub async fn restart_api_server(&self) -> Result<()> {
        self.stop_api_server().await?;
        self.start_api_server().await
    }

    /// Stops the API server and leaves etcd running.
    pub async fn stop_api_server(&self) -> Result<()> {
        self.own("stopping the API server")?;
        servers::stop_api_server(&self.guard).await
    }

    /// Starts the API server that [`ControlPlane::stop_api_server`] stopped, and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        let own = self.own("starting the API server")?;
        servers::start_api_server(&self.guard, &own.binaries, self.address.port())?;
        servers::until_ready(&self.guard, &self.client().await?).await
    }

    fn own(&self, action: &'static str) -> Result<&Own> {
        self.own.as_ref().ok_or(Error::NotOurs { action, variable: GIVEN })
    }

    /// The API server's metrics, in Prometheus' text format.
    pub async fn metrics(&self) -> Result<String> {
        let failed = || Error::kubernetes("reading the metrics");
        let request = kube::core::Request::new("/metrics").list(&ListParams::default());
        let request = request.map_err(|error| failed()(kube::Error::BuildRequest(error)))?;
        self.client().await?.request_text(request).await.map_err(failed())
    }

    /// How often the API server was asked for a resource, named by its plural or `plural.group`. Namespaces aren't
    /// told apart: a test that counts has a resource of its own.
    pub async fn requests(&self, resource: &str) -> Result<Requests> {
        Ok(requests::counted(&self.metrics().await?, resource))
    }
}
